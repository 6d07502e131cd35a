"""Adapters: from a data set's folder to samples, one small module a set.

An adapter reads names, folders and tables, and opens a picture only where nothing else tells what it needs. It says
which label ids it knows, so that a recipe chooses among them and puts them in order, and which options it takes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from training.data.files import Files
from training.data.sample import Sample
from training.errors import DataError


@dataclass(frozen=True)
class Source:
    """What an adapter is asked: a folder and the files in it, the label ids in the recipe's order, the options with
    defaults filled in.

    `note` takes a sentence about what was found. `left_out` gathers files that aren't taken, by the reason; `tables` the
    files that were read beside pictures.
    """

    folder: Path
    labels: tuple[str, ...]
    options: Mapping[str, str]
    note: Callable[[str], None]
    files: Files
    left_out: dict[str, list[str]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)

    def leave(self, file: str, reason: str) -> None:
        """A file that isn't taken, and why."""
        self.left_out.setdefault(reason, []).append(file)

    def class_of(self, name: str) -> int | None:
        """The class whose label id a folder's name is: in any case, and whatever is between words (`In situ`, `InSitu`)."""
        if name in self.labels:
            return self.labels.index(name)
        plain = [plain_name(label) for label in self.labels]
        return plain.index(plain_name(name)) if plain.count(plain_name(name)) == 1 else None

    def in_class_folders(self) -> Iterator[tuple[str, int]]:
        """Pictures that lie in a folder named after a class, at any depth, with the class."""
        classes: dict[str, int | None] = {}
        for file in self.files.pictures:
            name = PurePosixPath(file).parent.name
            index = classes.setdefault(name, self.class_of(name))
            if index is not None:
                yield file, index

    def once(self, files: Sequence[str], name_of: Callable[[str], str]) -> list[str]:
        """The files without those that bear the name of one that was met: of a set that is in a folder twice, the copy that
        lies least deep."""
        met: dict[str, str] = {}
        for file in sorted(files, key=lambda file: (file.count("/"), file)):
            if met.setdefault(name_of(file), file) != file:
                self.leave(file, "a picture of the same name was taken already")
        return sorted(met.values())

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


def plain_name(name: str) -> str:
    """A name without case, blanks, hyphens and the like: letters and digits alone."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
