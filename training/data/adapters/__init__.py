"""Adapters: from a data set's folder to samples, one small module a set.

An adapter reads names, folders and tables, and opens a picture only where nothing else tells what it needs. It says
which label ids it knows, so that a recipe chooses among them and puts them in order, and which options it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.data.sample import Sample
from training.errors import DataError


@dataclass(frozen=True)
class Source:
    """What an adapter is asked: a folder, the label ids in the recipe's order, the options with defaults filled in.

    `note` takes a sentence about what was left out and why.
    """

    folder: Path
    labels: tuple[str, ...]
    options: Mapping[str, str]
    note: Callable[[str], None]

    def number(self, option: str, low: float, high: float) -> float:
        """An option that is a number. Raises `DataError` when it isn't, or lies outside `low` … `high`."""
        try:
            number = float(self.options[option])
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise DataError(f"option {option} = {self.options[option]!r} must be a number in {low:g}…{high:g}")
        return number

    def choice(self, option: str, choices: Sequence[str]) -> str:
        """An option that is a word. Raises `DataError` when it is none of `choices`."""
        if self.options[option] not in choices:
            raise DataError(f"option {option} = {self.options[option]!r} must be one of {', '.join(choices)}")
        return self.options[option]


@dataclass(frozen=True)
class Adapter:
    """`labels` are what is used when no recipe names any; empty, when the folder names them.

    `expects` says in words which files the adapter looks for, for the message when there are none.
    """

    find: Callable[[Source], list[Sample]]
    expects: str
    labels: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
