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

from training.data.adapters import Adapter, Foreign, Published, Source
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
    published=(
        Published(
            "accuracy",
            (0.87,),
            "winner of the ICIAR 2018 challenge, hidden test set of 100 fields",
            "Aresta et al., BACH: Grand challenge on breast cancer histology images, Medical Image Analysis 56 (2019), "
            "doi:10.1016/j.media.2019.05.010",
        ),
        Published(
            "accuracy",
            (0.835,),
            "linear probe on frozen ImageNet features of EfficientNet-Lite0, random 5-fold, the 320 reduced fields that "
            "are used here",
            "measured while Loupe was designed",
        ),
    ),
)
