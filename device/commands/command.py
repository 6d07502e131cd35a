"""What the commands of `loupe` have in common: a flag for each of their settings, the language of messages, and an exit
status for each way in which they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

from device.base.command_line import ListCommand, ListOption
from device.base.errors import LoupeError, OutputUnwritable
from device.base.log import error_line
from device.base.texts import DEFAULT_LANGUAGE, LANGUAGES
from device.settings import SETTINGS, Setting, load_settings

EXIT_PROBLEM, EXIT_MISUSE, EXIT_REFUSED, EXIT_STOPPED = 1, 2, 3, 130
NEW_LINE = "\n"


def settings_command(name: str, summary: str, **more: str) -> Callable[[Callable[..., int]], click.Command]:
    """Makes a command of a function that takes `settings` and `language`, then its own arguments, and returns the exit
    status. The command has a flag for each setting that it takes. The user is told of a `LoupeError` in their language.
    `more`: click's `help` and `epilog`."""

    def decorate(work: Callable[..., int]) -> click.Command:
        @wraps(work)
        def run(config: Path | None, language: str | None, **given: object) -> int:
            language = language or language_of_system()
            flags = {each: _typed(given.pop(each)) for each in SETTINGS if each in given}
            try:
                return work(load_settings(config, flags), language, **given)
            except BrokenPipeError:  # whoever read the output has read enough
                return EXIT_PROBLEM
            except LoupeError as error:
                complain(error, language)
                return EXIT_PROBLEM

        command = click.command(name, cls=ListCommand, short_help=summary, **more)(run)
        command.params += [
            click.Option(
                ["--config"],
                type=click.Path(readable=False, path_type=Path),
                metavar="FILE",
                help="TOML file with settings (default /etc/loupe/loupe.toml where that exists)",
            ),
            click.Option(
                ["--language"], type=click.Choice(LANGUAGES), help="language of messages (default that of $LANG)"
            ),
            *(_flag(setting) for setting in SETTINGS.values() if name in setting.commands),
        ]
        return command

    return decorate


def _typed(value: object) -> object:
    """The value of a flag, None where it wasn't typed: click has no values then for one that takes several."""
    return None if value == () else value


def _flag(setting: Setting) -> click.Option:
    """The flag of a setting. Its limits are left to `load_settings`, whose errors have words in each language."""
    if setting.is_switch:
        return click.Option([f"--{setting.name.replace('_', '-')}"], is_flag=True, default=None, help=setting.help)
    kind = ListOption if setting.is_list else click.Option
    default = "none" if setting.default in (None, ()) else setting.default
    bounds = f"{setting.allowed}, " if setting.bounds else ""
    return kind(
        [f"--{setting.name.replace('_', '-')}"],
        type=click.INT if setting.bounds else click.Path(readable=False) if setting.is_path else click.STRING,
        metavar=f"{setting.placeholder}..." if setting.is_list else setting.placeholder,
        help=f"{setting.help} ({bounds}default {default})",
    )


def language_of_system() -> str:
    """The language of the user's environment, where the box has words in it."""
    system = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return system[:2] if system[:2] in LANGUAGES else DEFAULT_LANGUAGE


def complain(error: LoupeError, language: str, about: str = "") -> None:
    """Write to standard error what is wrong; `about`: with which file."""
    prefix = f"{about}: " if about else ""
    sys.stderr.write(f"{prefix}{error_line(error, language, NEW_LINE)}\n")


def print_at_once(text: str) -> None:
    """Print without delay, for the next reading may take minutes. Raises `BrokenPipeError` and `OutputUnwritable`."""
    try:
        print(text, flush=True)
    except OSError as error:
        # What is left of it would be tried again, and fail again, when the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputUnwritable(detail=error.strerror or str(error)) from error
