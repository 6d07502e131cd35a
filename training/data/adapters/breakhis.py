"""BreakHis (Spanhol 2016): H&E fields of 82 patients in 2 classes and 8 subtypes, at four magnifications.

The public archive has `BreaKHis_v1/histology_slides/breast/{benign,malignant}/SOB/adenosis/SLIDE/100X/
SOB_B_A-14-22549AB-100-001.png`; copies of it have other folders, such as Kaggle's `BreaKHis 400X/{train,test}/{benign,
malignant}/SOB_…png`. All carry class, subtype, slide and magnification in the file's name, so the name decides and folders
don't matter. Where a folder for each fold holds a field many times, it is taken once.

The patient is the slide number without its letters: 14-22549AB and 14-22549CD are two slides of one patient. Patient
13412 has fields under two subtypes in the archive, which the grouping by patient keeps together.

The published sizes of a pixel (Spanhol 2016, table 1: 0.49, 0.20, 0.10 and 0.05 µm at 40X to 400X) can't be those of the
published fields: nuclei would have a fifth of the diameter of BACH's. Those here are by nuclei and red cells, right to a
fifth (`loupe-train pixel-size`; docs/researchers/datasets.md has what it printed). A field is 700 px wide as published;
copies that were made smaller show the same tissue.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import PIL.Image

from training.data.adapters import Adapter, Foreign, Source
from training.data.sample import Sample
from training.errors import DataError

CLASSES = {"B": "benign", "M": "malignant"}
SUBTYPES = ("A", "F", "PT", "TA", "DC", "LC", "MC", "PC")
# µm, of fields 700 px wide; the steps between magnifications are those of the objectives.
UM_PER_PX = {"40": 2.1, "100": 0.84, "200": 0.42, "400": 0.21}
WIDTH_PX = 700
PREFIX = "SOB_"
NAME = re.compile(
    r"SOB_(?P<kind>[BM])_(?P<subtype>[A-Z]+)-(?P<slide>(?P<patient>\d+-\d+)[A-Z]*)-(?P<magnification>\d+)-(?P<number>i?\d+)"
)


def find(source: Source) -> list[Sample]:
    target = source.choice("target", ("class", "subtype"))
    magnifications = _magnifications(source)
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
        if name["magnification"] not in magnifications:
            source.leave(file, f"not of magnification {source.options['magnification']}")
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
            Sample(
                file,
                label_of[label],
                name["patient"],
                _um_per_px(source.folder / file, name["magnification"]),
                extra=extra,
            ),
        )
    return samples


def _magnifications(source: Source) -> set[str]:
    """Those that the option names, one or several with commas between. Raises `DataError`."""
    known = {f"{times}X": times for times in UM_PER_PX}
    named = [word.strip() for word in source.options["magnification"].split(",")]
    if named == ["all"]:
        return set(UM_PER_PX)
    if unknown := [word for word in named if word not in known]:
        raise DataError(
            f"option magnification = {unknown[0]!r} must be all, or some of {', '.join(known)} with commas between"
        )
    return {known[word] for word in named}


def _um_per_px(path: Path, magnification: str) -> float | None:
    try:
        with PIL.Image.open(path) as picture:
            return round(UM_PER_PX[magnification] * WIDTH_PX / picture.width, 4)
    except OSError:
        return None  # the file can't be read, which whoever decodes it will say


ADAPTER = Adapter(
    find,
    "SOB_{B,M}_SUBTYPE-SLIDE-MAGNIFICATION-NUMBER.png in any depth of folders",
    ("benign", "malignant"),
    {"target": "class", "magnification": "100X"},
    modality="histology",
    # At 100× it is nearest to what BACH shows; foreign are the other magnifications.
    foreign=Foreign({"magnification": "all"}, lambda sample: sample.extra["magnification"] != 100),
)
