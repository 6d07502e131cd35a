"""CBIS-DDSM (Lee 2017): the tables of The Cancer Imaging Archive, and the films and masks that they name.

    mass_case_description_train_set.csv, mass_case_description_test_set.csv, calc_case_description_… (those that are there)
    Mass-Training_P_00001_LEFT_CC/STUDY/SERIES/000000.png        the mammogram  ("image file path", .dcm in the table)
    Mass-Training_P_00001_LEFT_CC_1/STUDY/SERIES/000001.png      a lesion's mask ("ROI mask file path")

Other layouts name the same series otherwise: Kaggle's has its JPEGs in `jpeg/SERIES/`, the archive's own program puts
`1-1.dcm` into `Mass-Training_P_00001_LEFT_CC/DATE/DESCRIPTION/`. So a file is looked for by the table's path, then in a
folder named after the series, then in one named after the case.

Films are windowed (`training/data/windows.py`). The patient is `patient_id`, over all tables. All films have a lesion; the
windows beside it are the normal ones. A breast with a mass and a calcification has its film twice in the archive, under
two names: it is taken once, with the lesions of all tables, or the copy's windows on the other lesion would be "normal".

A trap of the archive: in many rows the mask's and the crop's paths are exchanged. The mask is the one as large as the film.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.base.errors import ImageError
from device.reading.image import decode_in_process
from training.data.adapters import Adapter, Source
from training.data.files import DICOM
from training.data.pictures import LIMITS, problem_of, unreadable
from training.data.sample import Sample
from training.data.tables import read_table_file
from training.data.windows import ABNORMAL, NORMAL, OPTIONS, Film, Lesion, breast_area, windows
from training.errors import DataError

TABLES = "*_case_description_*_set.csv"
IMAGE, MASK, CROP = "image file path", "ROI mask file path", "cropped image file path"
FILM = ("patient_id", "left or right breast", "image view")  # one film
COLUMNS = (*FILM, "pathology", "abnormality type", IMAGE, MASK, CROP)
PATHOLOGY = {"MALIGNANT": "malignant", "BENIGN": "benign", "BENIGN_WITHOUT_CALLBACK": "benign"}
SERIES = re.compile(r"[0-9]+(\.[0-9]+){5,}")  # a DICOM identifier
SMALL_PX = 512 * 512  # masks and the breast's area are held at about this size
HALF_WHITE = 127


def find(source: Source) -> list[Sample]:
    films: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for row in _rows(source):
        films[tuple(row[column] for column in FILM)].append(row)
    listing, samples = _Listing.of(source), []
    for (patient, side, view), rows in sorted(films.items()):
        name = f"the film {patient} {side} {view}"
        copies = [file for row in rows for file in listing.files(row[IMAGE])]
        if not copies:
            source.note(f"{name} is left out: {rows[0][IMAGE]} isn't there, neither as DICOM nor as a picture")
            continue
        file = copies[0]
        path = source.folder / file
        if (size := _size(path)) is None:
            raise DataError(f"{path} can't be read: `loupe read {path}` says why")
        masks = [mask for row in rows if (mask := _mask(source.folder, listing, row, size))]
        if len(masks) < len(rows):
            source.note(f"{name} is left out: a lesion has no mask of the film's size")
            continue
        lesions = [
            Lesion(_pixels(mask) > HALF_WHITE, PATHOLOGY[row["pathology"]], {"abnormality": row["abnormality type"]})
            for row, mask in zip(rows, masks, strict=True)
        ]
        whole = Sample(file, 0, patient, extra={"side": side, "view": view})
        samples += windows(Film(whole, size, breast_area(_pixels(path)), lesions), source)
    return samples


def _rows(source: Source) -> Iterator[dict[str, str]]:
    """Rows of all tables. Raises `DataError` that names a missing table or column, or a pathology that isn't known."""
    tables = [file for file in source.files.others if fnmatch(PurePosixPath(file).name, TABLES)]
    if not tables:
        raise DataError(f"{source.folder} has no {TABLES}: put the archive's tables there")
    source.tables.update(tables)
    for name in tables:
        table = read_table_file(source.folder / name, COLUMNS)
        for row in table.rows:
            if row.cells["pathology"] not in PATHOLOGY:
                raise DataError(f"{table.path}, line {row.line}: pathology {row.cells['pathology']!r} isn't known")
            yield row.cells


@dataclass(frozen=True)
class _Listing:
    """The pictures and DICOM files of a folder, by the names of the folders that they lie in. What was looked up is marked
    as used in `tables` of the source."""

    by_folder: Mapping[str, list[str]]
    used: set[str]

    @classmethod
    def of(cls, source: Source) -> _Listing:
        by_folder: dict[str, list[str]] = defaultdict(list)
        # A picture that was made of a DICOM file comes before it.
        for file in sorted(source.files.pictures, key=lambda file: file.lower().endswith(DICOM)):
            for folder in PurePosixPath(file).parent.parts:
                by_folder[folder].append(file)
        return cls(by_folder, source.tables)

    def files(self, listed: str) -> list[str]:
        """The files that a path of a table may mean, the surest first."""
        path = PurePosixPath(listed)
        in_case = self.by_folder.get(path.parts[0], []) if len(path.parts) > 1 else []
        in_series = self.by_folder.get(path.parent.name, []) if SERIES.fullmatch(path.parent.name) else []
        named = path.with_suffix("").parts
        exact = [file for file in in_case if PurePosixPath(file).with_suffix("").parts[-len(named) :] == named]
        matching = exact or in_series or in_case
        self.used.update(matching)
        return matching


def _mask(folder: Path, listing: _Listing, row: dict[str, str], size: tuple[int, int]) -> Path | None:
    candidates = [folder / file for column in (MASK, CROP) for file in listing.files(row[column])]
    return next((path for path in candidates if _size(path) == size), None)


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height; None for what can't be read, such as a crop that is smaller than any picture."""
    try:
        if path.suffix.lower() not in DICOM:
            with PIL.Image.open(path) as picture:
                return picture.size
        picture_read = decode_in_process(path.read_bytes(), LIMITS, SMALL_PX)
    except (OSError, ImageError):
        return None
    return picture_read.width, picture_read.height


def _pixels(path: Path) -> NDArray[np.uint8]:
    try:
        return decode_in_process(path.read_bytes(), LIMITS, SMALL_PX).pixels[..., 0]
    except (OSError, ImageError) as error:
        raise unreadable(path.parent, [(path.name, problem_of(error))], 1) from error


ADAPTER = Adapter(
    find,
    f"{TABLES} and the films and masks that they name, at any depth",
    (NORMAL, ABNORMAL),
    OPTIONS,
    other_names=("ddsm",),
    modality="mammography",
)
