"""The workstation's command line, `loupe-train`: from pictures to a signed bundle.

loupe-train crossval bach && loupe-train fit bach --everything
loupe-train pack bach --crossval runs/bach-crossval --bundle runs/bach.loupe
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from device.base.errors import LoupeError
from device.base.texts import error_words
from training.commands import COMMANDS
from training.errors import TrainingError
from training.quiet import keep_quiet

INTERRUPTED = 130  # as shells say it


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loupe-train",
        description="Makes and measures Loupe's models.",
        epilog="From nothing to a bundle: loupe-train crossval bach, then fit bach --everything, then "
        "pack bach --crossval runs/bach-crossval --bundle runs/bach.loupe. docs/researchers/index.md explains each.",
    )
    words = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = words.add_parser(command.name, help=command.help, description=command.description or command.help)
        command.add_arguments(added)
        added.set_defaults(run_command=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `loupe-train`; the exit status."""
    arguments = _parser().parse_args(argv)
    keep_quiet()
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
