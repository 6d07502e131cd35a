"""The workstation's command line, `loupe-train`: from pictures to a signed bundle.

loupe-train crossval bach && loupe-train fit bach --everything && loupe-train pack bach --crossval runs/bach-crossval
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence

from device.errors import LoupeError
from device.texts import error_words
from training.commands import COMMANDS
from training.errors import TrainingError

INTERRUPTED = 130  # as shells say it


class _Remarks(logging.Handler):
    """What is worth knowing and stops nothing: to whatever the standard error is just then."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"note: {record.getMessage()}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loupe-train",
        description="Makes and measures Loupe's models.",
        epilog="From nothing to a bundle: loupe-train crossval bach, then fit bach --everything, then "
        "pack bach --crossval runs/bach-crossval. docs/researchers.md explains each.",
    )
    words = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = words.add_parser(command.name, help=command.help, description=command.description or command.help)
        command.add_arguments(added)
        added.set_defaults(run_command=command.run)
    return parser


def _quiet() -> None:
    """Our own remarks as plain lines; TensorFlow's start-up chatter would hide them."""
    remarks = logging.getLogger("training")
    if not remarks.handlers:
        remarks.addHandler(_Remarks())
        remarks.propagate = False
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="tensorflow")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `loupe-train`; the exit status."""
    arguments = _parser().parse_args(argv)
    _quiet()
    try:
        arguments.run_command(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("loupe-train: interrupted. The same command goes on where long work stopped\n")
        return INTERRUPTED
    except TrainingError as error:
        sys.stderr.write(f"loupe-train: {error}\n")
        return 1
    except LoupeError as error:
        told = error_words(error, "en")
        sys.stderr.write(f"loupe-train: {told['title']}. {told['detail']}\n→ {told['next_step']} [{error.code}]\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
