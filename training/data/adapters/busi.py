"""BUSI (Al-Dhabyani 2020): `{normal,benign,malignant}/….png`, breast ultrasound images; as published, in
`Dataset_BUSI_with_GT/{normal,benign,malignant}`.

The set names no patients, and it holds many copies and neighbouring frames, some under two classes. So each picture is
a group of its own, joined with those that are near-identical to it (`training/data/leaks.py`). Lesion masks, which lie
beside the pictures in the public archive (`benign (1)_mask.png`, `benign (4)_mask_1.png`), are no pictures. Where they lie
apart, they are looked for in the same folders of `busi_masks`, beside the data set's own folder.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import PIL.Image

from training.data.adapters import Adapter, Foreign, Mask, Source
from training.data.leaks import join_same
from training.data.sample import Sample
from training.errors import DataError

MASKS = "busi_masks"
HALF = 128  # of 255: a mask's pixels from here on are the lesion
MASK = re.compile(r"_mask(_\d+)*\.\w+$", re.IGNORECASE)


def find(source: Source) -> list[Sample]:
    samples = []
    for file, index in source.in_class_folders():
        if MASK.search(file):
            source.leave(file, "a lesion's mask")
        else:
            samples.append(Sample(file, index, file))
    if source.choice("copies", ("join", "keep")) == "keep":
        return samples
    joined = join_same(source.folder, samples)
    if copies := len(samples) - len({sample.group for sample in joined}):
        source.note(f"{copies} pictures are copies of others, or nearly: each is in one group with what it resembles")
    return joined


def lesion(folder: Path, file: str) -> Mask | None:
    """Where the lesion of a picture lies, all of its masks together: bool [h, w]. None where it has no mask, or an empty
    one. Raises `DataError` for a mask that can't be read, or that isn't as large as its picture."""
    picture = folder / file
    masks = [
        *_masks(picture.parent, picture.stem),
        *_masks(folder.resolve().parent / MASKS / Path(file).parent, picture.stem),
    ]
    if not masks:
        return None
    try:
        with PIL.Image.open(picture) as opened:
            size = opened.size
        grey = [PIL.Image.open(mask).convert("L") for mask in masks]
    except OSError as error:
        raise DataError(f"the lesion's mask of {picture} can't be read: {error}") from error
    for mask, pixels in zip(masks, grey, strict=True):
        if pixels.size != size:
            raise DataError(f"{mask} has {pixels.width} × {pixels.height} px, its picture {size[0]} × {size[1]}")
    whole = np.logical_or.reduce([np.asarray(pixels) >= HALF for pixels in grey])
    return whole if whole.any() else None


def _masks(folder: Path, stem: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.name.startswith(stem) and MASK.fullmatch(path.name[len(stem) :])
    )


ADAPTER = Adapter(
    find,
    "{normal,benign,malignant}/*.png, as in Dataset_BUSI_with_GT: the class folders at any depth, in any case",
    ("normal", "benign", "malignant"),
    {"copies": "join"},
    group="picture",  # with its copies
    modality="ultrasound",
    lesion=lesion,
    foreign=Foreign({"copies": "keep"}),
)
