"""The box's command line, `loupe`: read pictures, serve the page, verify the models, commission them, measure this machine.
Each command stands in `device/commands/`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from device import __version__
from device.commands.bench import bench
from device.commands.command import EXIT_STOPPED
from device.commands.commission import commission
from device.commands.read import read
from device.commands.serve import serve
from device.commands.verify import verify


@click.group(
    commands=[read, serve, verify, commission, bench],
    epilog="Settings come from their defaults, then --config (or /etc/loupe/loupe.toml), then flags.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def loupe() -> None:
    """Reads breast-cancer images on a box without internet. Research use only."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `loupe`; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name of a file, or a bar, may have no place in the terminal's encoding.
            stream.reconfigure(errors="backslashreplace")
    try:
        status: int = loupe.main(argv, prog_name="loupe", standalone_mode=False)
    except click.ClickException as misuse:
        misuse.show()
        return misuse.exit_code
    except click.Abort:  # the person pressed Ctrl-C
        return EXIT_STOPPED
    return status


if __name__ == "__main__":
    sys.exit(main())
