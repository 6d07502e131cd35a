"""BreakHis (Spanhol 2016): H&E fields of 82 patients in 2 classes and 8 subtypes, at four magnifications.

The public archive has `BreaKHis_v1/histology_slides/breast/{benign,malignant}/SOB/adenosis/SLIDE/100X/
SOB_B_A-14-22549AB-100-001.png`; copies of it have other folders, such as Kaggle's `BreaKHis 400X/{train,test}/{benign,
malignant}/SOB_…png`. All carry class, subtype, slide and magnification in the file's name, so the name decides and folders
don't matter. Where a folder for each fold holds a field many times, it is taken once.

The patient is the slide number without its letters: 14-22549AB and 14-22549CD are two slides of one patient. Patient
13412 has fields under two subtypes in the archive, which the grouping by patient keeps together.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from training.data.adapters import Adapter, Foreign, Source
from training.data.sample import Sample
from training.errors import DataError

CLASSES = {"B": "benign", "M": "malignant"}
SUBTYPES = ("A", "F", "PT", "TA", "DC", "LC", "MC", "PC")
# Spanhol 2016, table 1: effective pixel size in µm.
UM_PER_PX = {"40": 0.49, "100": 0.20, "200": 0.10, "400": 0.05}
PREFIX = "SOB_"
NAME = re.compile(
    r"SOB_(?P<kind>[BM])_(?P<subtype>[A-Z]+)-(?P<slide>(?P<patient>\d+-\d+)[A-Z]*)-(?P<magnification>\d+)-(?P<number>\d+)"
)


def find(source: Source) -> list[Sample]:
    target = source.choice("target", ("class", "subtype"))
    magnification = source.choice("magnification", (*(f"{times}X" for times in UM_PER_PX), "all"))
    known = tuple(CLASSES.values()) if target == "class" else SUBTYPES
    if unknown := [label for label in source.labels if label not in known]:
        raise DataError(f"no picture can be of class {unknown[0]}: with target = {target} there are {', '.join(known)}")
    label_of = {label: index for index, label in enumerate(source.labels)}
    samples = []
    fields = [file for file in source.files.pictures if PurePosixPath(file).name.startswith(PREFIX)]
    for file in source.once(fields, lambda file: PurePosixPath(file).stem):
        name = NAME.fullmatch(PurePosixPath(file).stem)
        if name is None or name["subtype"] not in SUBTYPES or name["magnification"] not in UM_PER_PX:
            source.leave(file, "expected a name like SOB_B_A-14-22549AB-100-001")
            continue
        label = CLASSES[name["kind"]] if target == "class" else name["subtype"]
        if magnification not in ("all", f"{name['magnification']}X"):
            source.leave(file, f"not of magnification {magnification}")
            continue
        if label not in label_of:
            source.leave(file, "of a class that wasn't asked for")
            continue
        extra: dict[str, str | float] = {
            "subtype": name["subtype"],
            "slide": name["slide"],
            "magnification": float(name["magnification"]),
        }
        samples.append(
            Sample(file, label_of[label], name["patient"], UM_PER_PX[name["magnification"]], extra=extra),
        )
    return samples


ADAPTER = Adapter(
    find,
    "SOB_{B,M}_SUBTYPE-SLIDE-MAGNIFICATION-NUMBER.png in any depth of folders",
    ("benign", "malignant"),
    {"target": "class", "magnification": "100X"},
    modality="histology",
    # At 100× it shows what BACH shows; foreign are the other magnifications.
    foreign=Foreign({"magnification": "all"}, lambda sample: sample.extra["magnification"] != 100),
)
