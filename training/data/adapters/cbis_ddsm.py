"""CBIS-DDSM (Lee 2017), as The Cancer Imaging Archive publishes it, with its DICOM files saved as PNG beside the tables.

    mass_case_description_train_set.csv, mass_case_description_test_set.csv, calc_case_description_… (those that are there)
    Mass-Training_P_00001_LEFT_CC/STUDY/SERIES/000000.png        the mammogram  ("image file path", .dcm in the table)
    Mass-Training_P_00001_LEFT_CC_1/STUDY/SERIES/000001.png      a lesion's mask ("ROI mask file path")

Films are windowed (`training/data/windows.py`). The patient is `patient_id`, over all tables. All films have a lesion; the
windows beside it are the normal ones. A breast with a mass and a calcification has its film twice in the archive, under
two names: it is taken once, with the lesions of all tables, or the copy's windows on the other lesion would be "normal".

A trap of the archive: in many rows the mask's and the crop's paths are exchanged. The mask is the one as large as the film.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.errors import ImageError
from device.image import decode
from training.data.adapters import Adapter, Source
from training.data.pictures import LIMITS, PICTURES
from training.data.sample import Sample
from training.data.windows import ABNORMAL, NORMAL, OPTIONS, Film, Lesion, breast_area, windows
from training.errors import DataError

TABLES = "*_case_description_*_set.csv"
IMAGE, MASK, CROP = "image file path", "ROI mask file path", "cropped image file path"
FILM = ("patient_id", "left or right breast", "image view")  # one film
COLUMNS = (*FILM, "pathology", "abnormality type", IMAGE, MASK, CROP)
PATHOLOGY = {"MALIGNANT": "malignant", "BENIGN": "benign", "BENIGN_WITHOUT_CALLBACK": "benign"}
SMALL_PX = 512 * 512  # masks and the breast's area are held at about this size
HALF_WHITE = 127


def find(source: Source) -> list[Sample]:
    films: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for row in _rows(source.folder):
        films[tuple(row[column] for column in FILM)].append(row)
    samples = []
    for (patient, side, view), rows in sorted(films.items()):
        name = f"the film {patient} {side} {view}"
        path = next((found for row in rows if (found := _file(source.folder, row[IMAGE]))), None)
        if path is None:
            source.note(f"{name} is left out: {rows[0][IMAGE]} isn't there with the suffix .png")
            continue
        size = _size(path)
        masks = [mask for row in rows if (mask := _mask(source.folder, row, size))]
        if len(masks) < len(rows):
            source.note(f"{name} is left out: a lesion has no mask of the film's size")
            continue
        lesions = [
            Lesion(_pixels(mask) > HALF_WHITE, PATHOLOGY[row["pathology"]], {"abnormality": row["abnormality type"]})
            for row, mask in zip(rows, masks, strict=True)
        ]
        file = path.relative_to(source.folder).as_posix()
        whole = Sample(file, 0, patient, extra={"side": side, "view": view})
        samples += windows(Film(whole, size, breast_area(_pixels(path)), lesions), source)
    return samples


def _rows(folder: Path) -> Iterator[dict[str, str]]:
    """Rows of all tables. Raises `DataError` that names a missing table or column, or a pathology that isn't known."""
    tables = sorted(folder.glob(TABLES))
    if not tables:
        raise DataError(f"{folder} has no {TABLES}: put the archive's tables there")
    for table in tables:
        with table.open(newline="", encoding="utf-8-sig") as opened:
            rows = csv.DictReader(opened)
            if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
                raise DataError(f"{table} has no column {missing[0]!r}")
            for row in rows:
                # Paths in the archive's tables end in a line break now and then.
                cells = {name: (value or "").strip() for name, value in row.items() if name}
                if cells["pathology"] not in PATHOLOGY:
                    raise DataError(f"{table}, line {rows.line_num}: pathology {cells['pathology']!r} isn't known")
                yield cells


def _file(folder: Path, listed: str) -> Path | None:
    """The picture that a table names as DICOM."""
    path = folder / PurePosixPath(listed)
    return next((found for suffix in PICTURES if (found := path.with_suffix(suffix)).is_file()), None)


def _mask(folder: Path, row: dict[str, str], size: tuple[int, int]) -> Path | None:
    candidates = (_file(folder, row[column]) for column in (MASK, CROP) if row[column])
    return next((path for path in candidates if path is not None and _size(path) == size), None)


def _size(path: Path) -> tuple[int, int]:
    try:
        with PIL.Image.open(path) as picture:
            return picture.size
    except OSError as error:
        raise DataError(f"{path} can't be read: {error}") from error


def _pixels(path: Path) -> NDArray[np.uint8]:
    try:
        return decode(path.read_bytes(), LIMITS, SMALL_PX).pixels[..., 0]
    except ImageError as error:
        raise DataError(f"{path} can't be decoded: {error.code}") from error


CBIS_DDSM = Adapter(find, f"{TABLES} and the films that they name, as .png", (NORMAL, ABNORMAL), OPTIONS)
