"""The sample pictures that the page offers to try the box with: a folder of pictures, and `samples.json`, which lists them.

They lie beside the product. What is wrong with them costs the page those samples, never a reading: `Samples.problems` says
so in the log and on the health page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from device.base import strict_json
from device.base.errors import (
    ImageError,
    LoupeError,
    SampleEntriesInvalid,
    SamplePicturesUnreadable,
    SamplesUnreadable,
    echoed,
)
from device.base.files import read_file, reason_of
from device.base.log import warn
from device.base.texts import LANGUAGES
from device.documents.samples import SampleEntry
from device.reading.image import Limits, decode_in_process

INDEX = "samples.json"
MAX_INDEX_BYTES = 1_000_000
MAX_PICTURE_BYTES = 32_000_000
NAMES = ("id", "file", "kind")
WORDS = ("title", "description")


@dataclass(frozen=True)
class Sample:
    """A picture that can be offered: its entry in the list, and the SHA-256 and length of its file."""

    entry: Mapping[str, Any]
    sha256: str
    size: int

    @property
    def file(self) -> str:
        return str(self.entry["file"])

    def in_language(self, language: str) -> SampleEntry:
        """The entry with its words in a language and the address of its picture."""
        texts = {name: self.entry[name][language] for name in WORDS}
        return cast(SampleEntry, {**self.entry, **texts, "url": f"/samples/{quote(self.file)}"})


@dataclass(frozen=True)
class Samples:
    """What a folder offers, and what is wrong with the rest."""

    offered: tuple[Sample, ...]
    problems: tuple[LoupeError, ...]

    def has_file(self, name: str) -> bool:
        """Whether a file of the folder is one that is offered."""
        return any(sample.file == name for sample in self.offered)

    def holds(self, data: bytes) -> bool:
        """Whether the bytes are those of a sample: somebody tries the box, with no picture of the clinic's."""
        if all(len(data) != sample.size for sample in self.offered):
            return False
        digest = hashlib.sha256(data).hexdigest()
        return any(digest == sample.sha256 for sample in self.offered)


@cache
def open_samples(folder: Path, limits: Limits) -> Samples:
    """The samples of a folder, each decoded once. Looked at once in a process: what is wrong is logged and never raised."""
    samples = _opened(folder, limits)
    for problem in samples.problems:
        warn(problem)
    return samples


def _opened(folder: Path, limits: Limits) -> Samples:
    index = folder / INDEX
    try:
        entries = _entries(index)
    except (OSError, ValueError, RecursionError) as error:
        return Samples((), (SamplesUnreadable(samples=str(index), detail=reason_of(error)),))
    offered: list[Sample] = []
    invalid, unreadable = [], []
    for number, entry in enumerate(entries, 1):
        if not _is_entry(entry):
            invalid.append(str(number))
        elif sample := _sample(entry, folder, limits):
            offered.append(sample)
        else:
            unreadable.append(str(echoed(entry["file"])))
    problems: list[LoupeError] = []
    if invalid:
        problems.append(SampleEntriesInvalid(samples=str(index), entries=", ".join(invalid)))
    if unreadable:
        problems.append(SamplePicturesUnreadable(samples=str(index), pictures=", ".join(unreadable)))
    return Samples(tuple(offered), tuple(problems))


def _entries(index: Path) -> list[Any]:
    """Raises `OSError`, `ValueError` or `RecursionError` where it isn't a JSON list; a byte-order mark is no harm."""
    entries = json.loads(read_file(index, MAX_INDEX_BYTES), parse_constant=_no_number)
    if not isinstance(entries, list):
        raise ValueError("no list")
    return entries


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _is_entry(entry: Any) -> bool:
    """Whether it has names, and words in each language."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) and entry[name] for name in NAMES):
        return False
    told = [entry.get(name) for name in WORDS]
    try:
        strict_json.check({name: value for name, value in entry.items() if name != "file"})  # a page gets all of it
    except ValueError:
        return False
    return all(isinstance(words, dict) and all(_is_text(words.get(each)) for each in LANGUAGES) for words in told)


def _is_text(words: object) -> bool:
    return isinstance(words, str) and bool(words.strip())


def _sample(entry: Mapping[str, Any], folder: Path, limits: Limits) -> Sample | None:
    """The sample of an entry; None where its picture is missing, lies elsewhere or can't be read."""
    path = folder / entry["file"]
    try:
        entry["file"].encode()  # no address can be made of a name that isn't Unicode
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            return None
        data = read_file(path, MAX_PICTURE_BYTES)
        decode_in_process(data, limits)
    except (OSError, ValueError, RuntimeError, ImageError):  # RuntimeError: links that lead in a circle
        return None
    return Sample(entry, hashlib.sha256(data).hexdigest(), len(data))
