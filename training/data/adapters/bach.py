"""BACH (ICIAR 2018): `{normal,benign,insitu,invasive}/NAME_NUMBER.jpg`, H&E fields in four classes.

The set names no patients. Neighbouring numbers may be one patient, so blocks of consecutive numbers stay together.
"""

from __future__ import annotations

import re
from pathlib import Path

import PIL.Image

from training.data.adapters import Adapter, Source
from training.data.pictures import PICTURES
from training.data.sample import Sample

# The published fields: 2048 px wide at 0.42 µm/px. Copies that were made smaller show the same width of tissue.
ORIGINAL_WIDTH_PX, ORIGINAL_UM_PER_PX = 2048, 0.42


def find(source: Source) -> list[Sample]:
    block = int(source.number("block", 1, 1000))
    samples = []
    for index, label in enumerate(source.labels):
        for path in sorted((source.folder / label).glob("*")):
            number = re.search(r"(\d+)$", path.stem)
            if path.suffix.lower() not in PICTURES:
                continue
            if number is None:
                source.note(f"{label}/{path.name} is left out: its name doesn't end in a number")
                continue
            group = str(int(number[1]) // block * block)
            samples.append(Sample(f"{label}/{path.name}", index, group, _um_per_px(path)))
    return samples


def _um_per_px(path: Path) -> float | None:
    try:
        with PIL.Image.open(path) as picture:
            return round(ORIGINAL_UM_PER_PX * ORIGINAL_WIDTH_PX / picture.width, 3)
    except OSError:
        return None  # the file can't be read, which whoever decodes it will say


BACH = Adapter(
    find,
    "{normal,benign,insitu,invasive}/*NUMBER.jpg",
    ("normal", "benign", "insitu", "invasive"),
    {"block": "10"},
)
