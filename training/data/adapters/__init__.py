"""Adapters: all that Loupe knows of a data set, one small module a set.

An adapter turns the set's folder into samples. It reads names, folders and tables, and opens a picture only where nothing
else tells what it needs. It says which label ids it knows, so that a recipe chooses among them and puts them in order, and
which options it takes. What else is particular to a set stands there too: what its groups are, where lesions lie. So a new
set is one module here and a recipe, and nothing else changes.

A module's `ADAPTER` is found by the module's name (`training/data/__init__.py`). What others published on a set may stand
beside its module, in a TOML file of the same name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from device.reading.manifest import Modality
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


Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Tiles:
    """Of a set whose pictures are square tiles of sections, with their place as `x` and `y` in `extra`: a tile's side, the
    size of its pixels, and whether a file's tile is of the class of concern, class 1."""

    side_px: int
    um_per_px: float
    is_positive: Callable[[str], bool]


@dataclass(frozen=True)
class Films:
    """Of a set whose pictures are windows of square films: a film's side, the size of its pixels, the side of the copy on
    which the breast's area is found, and where lesions lie: in a data folder, masks bool [side, side] by film."""

    side_px: int
    um_per_px: float
    small_px: int
    lesions: Callable[[Path], dict[str, Mask]]


Lesion: TypeAlias = Callable[[Path, str], Mask | None]
"""Of a set with masks of lesions: where the lesion lies in a picture, by data folder and file, bool [h, w]; None where the
set shows none."""


@dataclass(frozen=True)
class Foreign:
    """How the set is read where its pictures stand for foreign ones: with which options, and which of them."""

    options: Mapping[str, str] = field(default_factory=dict)
    takes: Callable[[Sample], bool] = lambda _: True


@dataclass(frozen=True)
class Adapter:
    """What is known of a data set. All but `find` and `expects` may be left out.

    `expects` says in words which files the adapter looks for, for the message when there are none. `labels` are what is
    used when no recipe names any; empty, when the folder names them. `options` are those that a recipe may give, with
    their defaults. `other_names` are further names that a recipe may use.

    `group` is what a group is where it isn't a patient: a block of consecutive numbers, or the picture with its copies.
    `modality` is what the pictures show; None where anything may be. `phantoms` says which label a drawn phantom of each
    kind stands for. `foreign`: None where the set doesn't stand for foreign pictures.
    """

    find: Callable[[Source], list[Sample]]
    expects: str
    labels: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    other_names: tuple[str, ...] = ()
    group: Literal["block", "picture"] | None = None
    modality: Modality | None = None
    tiles: Tiles | None = None
    films: Films | None = None
    lesion: Lesion | None = None
    phantoms: Mapping[str, str] = field(default_factory=dict)
    foreign: Foreign | None = None


def plain_name(name: str) -> str:
    """A name without case, blanks, hyphens and the like: letters and digits alone."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
