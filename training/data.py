"""Data sets as lists of labelled pictures, and their splits.

An adapter turns a folder into `Sample`s; `group` is what must stay on one side of a split (a patient where known; for
BACH, which has no patient ids, a block of consecutive image numbers). Pictures are decoded by the box's own code.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from device.image import Limits, decode
from training.errors import DataError, SplitError
from training.recipe import Recipe, SplitRule

TRAINING, CALIBRATION, TEST = "training", "calibration", "test"
PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
LIMITS = Limits()


@dataclass(frozen=True)
class Sample:
    """One labelled picture: file relative to the data folder, class index, and the group that a split keeps together."""

    file: str
    label: int
    group: int


def _bach(folder: Path, labels: Sequence[str], rule: SplitRule) -> list[Sample]:
    samples = []
    for index, label in enumerate(labels):
        for path in sorted((folder / label).glob("*")):
            number = re.search(r"(\d+)$", path.stem)
            if path.suffix.lower() in PICTURES and number:
                group = int(number[1]) // rule.block * rule.block
                samples.append(Sample(f"{label}/{path.name}", index, group))
    return samples


ADAPTERS: dict[str, Callable[[Path, Sequence[str], SplitRule], list[Sample]]] = {"bach": _bach}


def find_samples(recipe: Recipe, folder: Path) -> list[Sample]:
    """The data set's samples, sorted by class and file. Raises `DataError` when the folder lacks a class."""
    adapter = ADAPTERS.get(recipe.data.adapter)
    if adapter is None:
        raise DataError(f"there is no adapter {recipe.data.adapter}; there are {', '.join(ADAPTERS)}")
    names = [label.id for label in recipe.labels]
    samples = adapter(folder, names, recipe.split)
    for index, name in enumerate(names):
        if not any(sample.label == index for sample in samples):
            raise DataError(f"{folder} has no pictures of class {name}: expected {folder / name}/*.jpg")
    return samples


@dataclass(frozen=True)
class Split:
    """Samples by part. `sha256` names it: same files, same sides, same hash."""

    parts: dict[str, list[Sample]]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps({part: [asdict(s) for s in samples] for part, samples in self.parts.items()}, indent=0)

    @classmethod
    def from_json(cls, text: str) -> Split:
        return cls({part: [Sample(**s) for s in samples] for part, samples in json.loads(text).items()})

    def counts(self) -> str:
        return ", ".join(f"{part} {len(samples)}" for part, samples in self.parts.items())


def split_samples(samples: Iterable[Sample], rule: SplitRule) -> Split:
    """Put each group on the side that the rule names; the rest is trained on. Raises `SplitError`."""
    if both := set(rule.test) & set(rule.calibration):
        raise SplitError(f"block {min(both)} is both in test and in calibration")
    parts: dict[str, list[Sample]] = {TRAINING: [], CALIBRATION: [], TEST: []}
    for sample in samples:
        side = TEST if sample.group in rule.test else CALIBRATION if sample.group in rule.calibration else TRAINING
        parts[side].append(sample)
    for part, members in parts.items():
        if not members:
            raise SplitError(f"the split leaves no picture for {part}: check [split] in the recipe")
    return Split(parts)


def load_pixels(folder: Path, samples: Sequence[Sample], area_px: int) -> list[NDArray[np.uint8]]:
    """Each sample's pixels [h, w, 3] as the box's network would see them."""
    return [
        decode((folder / sample.file).read_bytes(), LIMITS, area_px).pixels
        for sample in track(samples, "decode", transient=True)
    ]


def labels_of(samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.array([sample.label for sample in samples], np.int64)
