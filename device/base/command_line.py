"""What the command lines of both programs, `loupe` and `loupe-train`, add to click: lists after a flag, finite numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import click


class ListOption(click.Option):
    """An option that takes one or more values, `--names a b`, and may be repeated, `--names a --names b`."""

    def __init__(self, param_decls: Sequence[str] | None = None, **attributes: Any) -> None:
        super().__init__(param_decls, **(attributes | {"multiple": True}))


class ListCommand(click.Command):
    """A command whose `ListOption`s take all values that follow them, as far as the next flag."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {flag for option in self.params if isinstance(option, ListOption) for flag in option.opts}
        return super().parse_args(ctx, repeat_flags(args, flags))


class FiniteRange(click.FloatRange):
    """A number within bounds. click's own range lets `nan` through, which is neither below nor above any bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{number} is not in the range {self._describe_range()}.", param, ctx)
        return number


def repeat_flags(arguments: Iterable[str], flags: Collection[str]) -> list[str]:
    """`--names a b` as `--names a --names b`, for the flags that take several values."""
    repeated: list[str] = []
    flag = None
    for argument in arguments:
        if argument.startswith("-"):
            flag = argument if argument in flags else None
        elif flag and repeated[-1] != flag:
            repeated.append(flag)
        repeated.append(argument)
    return repeated
