"""BACH (ICIAR 2018): `{normal,benign,insitu,invasive}/NAME_NUMBER.jpg`, H&E fields in four classes.

As published, the class folders are `Photos/{Normal,Benign,InSitu,Invasive}` and the fields TIFFs; a folder of theirs
is known by its name in any case, at any depth. The table beside them, `microscopy_ground_truth.csv`, says what the
folders say, and isn't read.

The set names no patients. Neighbouring numbers may be one patient, so blocks of consecutive numbers stay together.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import PIL.Image

from training.data.adapters import Adapter, Foreign, Source
from training.data.sample import Sample

# The published fields: 2048 px wide at 0.42 µm/px. Copies that were made smaller show the same width of tissue.
ORIGINAL_WIDTH_PX, ORIGINAL_UM_PER_PX = 2048, 0.42


def find(source: Source) -> list[Sample]:
    block = int(source.number("block", 1, 1000))
    samples = []
    for file, index in source.in_class_folders():
        number = re.search(r"(\d+)$", PurePosixPath(file).stem)
        if number is None:
            source.leave(file, "its name doesn't end in a number")
            continue
        group = str(int(number[1]) // block * block)
        samples.append(Sample(file, index, group, _um_per_px(source.folder / file)))
    return samples


def _um_per_px(path: Path) -> float | None:
    try:
        with PIL.Image.open(path) as picture:
            return round(ORIGINAL_UM_PER_PX * ORIGINAL_WIDTH_PX / picture.width, 3)
    except OSError:
        return None  # the file can't be read, which whoever decodes it will say


LABELS = ("normal", "benign", "insitu", "invasive")
ADAPTER = Adapter(
    find,
    "{normal,benign,insitu,invasive}/*NUMBER.jpg, or as published Photos/{Normal,Benign,InSitu,Invasive}/*NUMBER.tif: the "
    "class folders at any depth, in any case",
    LABELS,
    {"block": "10"},
    group="block",
    modality="histology",
    phantoms={kind: kind for kind in LABELS},
    foreign=Foreign(),
)
