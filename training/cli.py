"""The workstation's command line, `loupe-train`: from pictures to a signed bundle.

loupe-train crossval bach && loupe-train fit bach --everything
loupe-train pack bach --crossval runs/bach-crossval --bundle runs/bach.loupe
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from device.base.errors import LoupeError
from device.base.texts import error_words
from training.commands.group import SectionedGroup
from training.errors import TrainingError
from training.quiet import keep_quiet

PROGRAM = "loupe-train"
PROBLEM, INTERRUPTED = 1, 130  # the latter as shells say it


@click.group(
    PROGRAM,
    cls=SectionedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="\b\nFrom nothing to a bundle:\n"
    "  loupe-train data check ../shared/data/bach --recipe bach\n"
    "  loupe-train crossval bach\n"
    "  loupe-train fit bach --everything\n"
    "  loupe-train pack bach --crossval runs/bach-crossval --bundle runs/bach.loupe\n"
    "\n\b\nEach command has its own help: loupe-train fit --help. docs/researchers/index.md explains them.",
)
def loupe_train() -> None:
    """Makes and measures Loupe's models."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `loupe-train`; the exit status."""
    keep_quiet()
    try:
        # What --help and completion leave is their exit status; a command leaves nothing.
        words = list(sys.argv[1:] if argv is None else argv)
        status: int | None = loupe_train.main(words, PROGRAM, standalone_mode=False, obj=words)
    except click.Abort:
        sys.stderr.write(f"{PROGRAM}: interrupted. The same command goes on where long work stopped\n")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TrainingError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return PROBLEM
    except LoupeError as error:
        message = error_words(error, "en")
        sys.stderr.write(
            f"{PROGRAM}: {message['title']}. {message['detail']}\n→ {message['next_step']} [{error.code}]\n"
        )
        return PROBLEM
    return status or 0


if __name__ == "__main__":
    sys.exit(main())
