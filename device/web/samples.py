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
from typing import Annotated, cast
from urllib.parse import quote

from msgspec import Meta, Struct, convert

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
from device.documents.samples import SampleEntry
from device.reading.image import Limits, decode_in_process
from device.reading.site.instrument import Instrument, UmPerPx

INDEX = "samples.json"
MAX_INDEX_BYTES = 1_000_000
MAX_PICTURE_BYTES = 32_000_000


class ListedWords(Struct, frozen=True):
    """A text for people, in each language; it says something."""

    en: Annotated[str, Meta(pattern=r"\S")]
    fr: Annotated[str, Meta(pattern=r"\S")]

    def text(self, language: str) -> str:
        return {"en": self.en, "fr": self.fr}[language]


class ListedSample(Struct, frozen=True):
    """What an entry of the list must say. It may have other keys, which the page gets as they are."""

    id: Annotated[str, Meta(min_length=1)]
    file: Annotated[str, Meta(min_length=1)]
    kind: Annotated[str, Meta(min_length=1)]
    title: ListedWords
    description: ListedWords
    um_per_px: UmPerPx | None = None


@dataclass(frozen=True)
class Sample:
    """A picture that can be offered. `entry`: as it is listed; `document`: the same with the keys of its own; the SHA-256
    and length of its file."""

    entry: ListedSample
    document: Mapping[str, object]
    sha256: str
    size: int

    @property
    def instrument(self) -> Instrument | None:
        """What it counts as taken with: pixels of the size that the list states. A foreign sample has no such size."""
        um_per_px = self.entry.um_per_px
        return None if um_per_px is None else Instrument(id="sample", name=INDEX, um_per_px=um_per_px)

    def in_language(self, language: str) -> SampleEntry:
        """The entry with its words in a language and the address of its picture."""
        title, description = self.entry.title.text(language), self.entry.description.text(language)
        url = f"/samples/{quote(self.entry.file)}"
        shown = {"title": title, "description": description, "um_per_px": self.entry.um_per_px, "url": url}
        return cast(SampleEntry, {**self.document, **shown})


@dataclass(frozen=True)
class Samples:
    """What a folder offers, and what is wrong with the rest."""

    offered: tuple[Sample, ...]
    problems: tuple[LoupeError, ...]

    def has_file(self, name: str) -> bool:
        """Whether a file of the folder is one that is offered."""
        return any(sample.entry.file == name for sample in self.offered)

    def that_is(self, data: bytes) -> Sample | None:
        """The sample whose bytes these are: somebody tries the box, with no picture of the clinic's."""
        if all(len(data) != sample.size for sample in self.offered):
            return None
        digest = hashlib.sha256(data).hexdigest()
        return next((sample for sample in self.offered if digest == sample.sha256), None)


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
        documents = _listed(index)
    except (OSError, ValueError, RecursionError) as error:
        return Samples((), (SamplesUnreadable(samples=str(index), detail=reason_of(error)),))
    offered: list[Sample] = []
    invalid, unreadable = [], []
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict) or (entry := _entry(document)) is None:
            invalid.append(str(number))
        elif checked := _read_picture(entry.file, folder, limits):
            offered.append(Sample(entry, document, hashlib.sha256(checked).hexdigest(), len(checked)))
        else:
            unreadable.append(str(echoed(entry.file)))
    problems: list[LoupeError] = []
    if invalid:
        problems.append(SampleEntriesInvalid(samples=str(index), entries=", ".join(invalid)))
    if unreadable:
        problems.append(SamplePicturesUnreadable(samples=str(index), pictures=", ".join(unreadable)))
    return Samples(tuple(offered), tuple(problems))


def _listed(index: Path) -> list[object]:
    """Raises `OSError`, `ValueError` or `RecursionError` where it isn't a JSON list; a byte-order mark is no harm."""
    documents = json.loads(read_file(index, MAX_INDEX_BYTES), parse_constant=_no_number)
    if not isinstance(documents, list):
        raise ValueError("no list")
    return documents


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _entry(document: dict[str, object]) -> ListedSample | None:
    """The entry of a JSON object; None where it lacks a name or words in a language, or has what no page can show."""
    try:
        entry = convert(document, ListedSample)
        strict_json.check({name: value for name, value in document.items() if name != "file"})  # a page gets all of it
    except ValueError:
        return None
    return entry


def _read_picture(file: str, folder: Path, limits: Limits) -> bytes | None:
    """The picture of a sample, which can be decoded; None where it is missing, lies elsewhere or can't be read."""
    path = folder / file
    try:
        file.encode()  # no address can be made of a name that isn't Unicode
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            return None
        data = read_file(path, MAX_PICTURE_BYTES)
        decode_in_process(data, limits)
    except (OSError, ValueError, RuntimeError, ImageError):  # RuntimeError: links that lead in a circle
        return None
    return data
