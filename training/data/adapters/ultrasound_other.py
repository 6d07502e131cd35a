"""Breast ultrasound of two further laboratories: `{buscot,usg}/{benign,malignant}/….jpg`, 512 × 512 px, stretched.

BUSCot's names are `VIDEO@FRAME.jpg`; frames of one number are one group. USG's are a case's number, of which some are there
as changed copies (`barrdistorted_1001_0.3_0.3_10045.jpg`); whatever ends in one number is one group. Neither set names
patients. They stand for another clinic's pictures to `busi`: the same organ on other machines.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from training.data.adapters import Adapter, Source
from training.data.sample import Sample

LABORATORIES = ("buscot", "usg")
ALL = "all"
NUMBER = re.compile(r"(?P<buscot>\d+)@\d+|(?:.*_)?(?P<usg>\d+)")


def find(source: Source) -> list[Sample]:
    wanted = source.choice("laboratory", (ALL, *LABORATORIES))
    samples = []
    for file, index in source.in_class_folders():
        path = PurePosixPath(file)
        laboratory = next((name for name in LABORATORIES if name in path.parts), None)
        number = NUMBER.fullmatch(path.stem)
        if laboratory is None:
            source.leave(file, f"it lies in no folder {' or '.join(LABORATORIES)}")
        elif wanted not in (ALL, laboratory):
            source.leave(file, f"not of the laboratory {wanted}")
        elif number is None or number[laboratory] is None:
            source.leave(file, f"its name has no number as those of {laboratory} have")
        else:
            group = f"{laboratory}-{number[laboratory]}"
            samples.append(Sample(file, index, group, extra={"laboratory": laboratory}))
    return samples


ADAPTER = Adapter(
    find,
    "{buscot,usg}/{benign,malignant}/*.jpg: the folders at any depth",
    ("benign", "malignant"),
    {"laboratory": ALL},
    group="picture",  # with further frames, or changed copies, of it
    modality="ultrasound",
)
