"""IDC patches (Cruz-Roa 2014; Kaggle's "Breast Histopathology Images"): `PATIENT/{0,1}/PATIENT_idx5_xX_yY_classC.png`.

Tiles of 50 × 50 px at about 4 µm/px (a scan at 40×, 0.25 µm/px, reduced sixteen times) with their place in the section,
so that sections can be put together again (`training/data/sections.py`). Kaggle's archive holds all patients twice, the
second time in `IDC_regular_ps50_idx5`: a tile is known by its name and taken once. Class 1 is invasive ductal carcinoma.
With the option `context` a picture is a tile amid so many neighbours on each side, white where there is none, labelled by
the tile in its middle. The option `folders` names those below the data folder whose tiles are taken, where it holds
other sets too, and `lone` those of them whose tiles are read without neighbours, being a few of each section. With `most`
so many tiles of a patient and class become samples, evenly spread; the others are there as neighbours. The option
`group = "tile"` lets a split divide patients, as the field's random splits do: figures under it are too good, and are
there to be compared with.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from dataclasses import replace
from pathlib import Path, PurePosixPath

from training.data.adapters import Adapter, Foreign, Source, Tiles
from training.data.sample import COLUMN, MOSAIC, ROW, Sample
from training.errors import DataError

UM_PER_PX = 4.0
TILE_PX = 50
NAME = re.compile(r"(?P<patient>\d+)_idx\d+_x(?P<x>\d+)_y(?P<y>\d+)_class(?P<label>[01])\.png")
PNG_HEAD = 24  # signature, then the header chunk up to width and height


def find(source: Source) -> list[Sample]:
    if len(source.labels) != 2:
        raise DataError(
            f"idc has two classes, without and with carcinoma in this order; asked for {len(source.labels)}"
        )
    samples = []
    each = source.choice("group", ("patient", "tile")) == "tile"
    folders, lone = _folders(source, "folders"), _folders(source, "lone")
    tiles = [file for file in source.files.pictures if len(parts := file.split("/")) > 2 and parts[-2] in ("0", "1")]
    if folders:
        tiles = [file for file in tiles if file.startswith(folders)]
    for file in source.once(tiles, lambda file: "/".join(PurePosixPath(file).parts[-3:])):
        patient, label = PurePosixPath(file).parts[-3:-1]
        name = NAME.fullmatch(PurePosixPath(file).name)
        if name is None or (name["patient"], name["label"]) != (patient, label):
            source.leave(file, f"expected {patient}_idx5_xX_yY_class{label}.png")
        elif _size(source.folder / file) not in ((TILE_PX, TILE_PX), None):
            source.leave(file, f"clipped by the section's edge, not {TILE_PX} × {TILE_PX} px")
        else:
            place: dict[str, str | float] = {"x": float(name["x"]), "y": float(name["y"])}
            group = file if each else patient
            samples.append(Sample(file, int(label), group, UM_PER_PX, extra=place))
    chosen = _at_most(samples, most) if (most := int(source.number("most", 0, 1e6))) else samples
    if context := int(source.number("context", 0, 4)):
        return _with_neighbours(chosen, samples, context, lone)
    return chosen


def _at_most(samples: list[Sample], most: int) -> list[Sample]:
    """So many samples of each patient and class, evenly spread over the section's rows."""
    kinds: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda sample: (sample.extra["y"], sample.extra["x"])):
        kinds[_patient(sample), sample.label].append(sample)
    return [kind[index * len(kind) // most] for kind in kinds.values() for index in range(most) if len(kind) > most] + [
        sample for kind in kinds.values() if len(kind) <= most for sample in kind
    ]


def _folders(source: Source, option: str) -> tuple[str, ...]:
    """The starts of files in the folders that an option names, with blanks between. Raises `DataError`."""
    folders = source.options[option].split()
    if missing := [folder for folder in folders if folder not in source.files.folders]:
        raise DataError(f"option {option} names {missing[0]}, which isn't a folder below {source.folder}")
    return tuple(f"{folder}/" for folder in folders)


def _with_neighbours(samples: list[Sample], around: list[Sample], context: int, lone: tuple[str, ...]) -> list[Sample]:
    """The samples, each with the files of its window out of those `around`, but for those whose files begin with one of
    `lone`."""
    at = {(_patient(sample), sample.extra["x"], sample.extra["y"]): sample.file for sample in around}
    steps = [TILE_PX * step for step in range(-context, context + 1)]

    def windowed(sample: Sample) -> Sample:
        patient, x, y = _patient(sample), float(sample.extra["x"]), float(sample.extra["y"])
        if sample.file.startswith(lone):
            return sample
        files = [[at.get((patient, x + dx, y + dy), "") for dx in steps] for dy in steps]
        return replace(sample, extra={**sample.extra, MOSAIC: ROW.join(COLUMN.join(row) for row in files)})

    return [windowed(sample) for sample in samples]


def _patient(sample: Sample) -> str:
    return PurePosixPath(sample.file).parts[-3]


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height by the file's head; None where it isn't a PNG or can't be opened, as whoever decodes it will say."""
    try:
        with path.open("rb") as file:
            head = file.read(PNG_HEAD)
    except OSError:
        return None
    return struct.unpack(">II", head[16:]) if head[12:16] == b"IHDR" and len(head) == PNG_HEAD else None


def is_positive(file: str) -> bool:
    """Whether a tile holds carcinoma, which the folder says that it lies in."""
    return file.split("/")[-2:-1] == ["1"]


TILES = Tiles(TILE_PX, UM_PER_PX, is_positive)
ADAPTER = Adapter(
    find,
    "PATIENT/{0,1}/PATIENT_idx5_xX_yY_classC.png at any depth, as in Kaggle's archive",
    ("no_idc", "idc"),
    {"context": "0", "group": "patient", "folders": "", "lone": "", "most": "0"},
    modality="histology",
    tiles=TILES,
    phantoms={"normal": "no_idc", "benign": "no_idc", "insitu": "no_idc", "invasive": "idc"},
    foreign=Foreign({"context": "1"}),
)
