"""mini-MIAS (Suckling 1994): `mdbNNN.jpg` (or the archive's `.pgm`), 1024 × 1024 px at 200 µm/px, and `Info.txt`.

A line of `Info.txt` names the film, its tissue (F fatty, G glandular, D dense), the abnormality (NORM where there is none),
its severity (B, M), and the circle around it: x, y, radius in px. **y counts from the bottom.** Films are windowed
(`training/data/windows.py`). Films 2k−1 and 2k are the two breasts of one woman.

Films whose abnormality has no circle are left out whole: nobody knows which of their windows are normal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from training.data.adapters import Adapter, Films, Foreign, Mask, Source
from training.data.files import PICTURES
from training.data.sample import Sample
from training.data.windows import ABNORMAL, NORMAL, OPTIONS, Film, Lesion, breast_area, windows
from training.errors import DataError

INFO, PGM = "Info.txt", ".pgm"
SIDE_PX = 1024
UM_PER_PX = 200.0
SEVERITIES = {"B": "benign", "M": "malignant"}
NO_ABNORMALITY = "NORM"
SMALL_PX = 128  # the breast's area is found on a copy of this size
LINE = re.compile(
    r"(?P<film>mdb(?P<number>\d{3})) (?P<tissue>[FGD]) (?P<kind>[A-Z]{4})"
    r"(?: (?P<severity>[BM])(?: (?P<x>\d+) (?P<y>\d+) (?P<radius>\d+))?)?"
)


@dataclass(frozen=True)
class Finding:
    """One line of `Info.txt`. `circle` is x, y from the top, and radius; None where the set gives none."""

    number: int
    tissue: str
    kind: str
    severity: str | None
    circle: tuple[int, int, int] | None


def read_info(path: Path) -> dict[str, list[Finding]]:
    """Findings by film. Raises `DataError` for a missing file or none with findings."""
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise DataError(f"{path} is missing: it says where the lesions are") from error
    findings = defaultdict(list)
    for line in lines:
        # The archive's own file has further columns' remarks ("*NOTE 3*") and prose around the table.
        if match := LINE.match(line):
            circle = None
            if match["x"]:
                circle = (int(match["x"]), SIDE_PX - int(match["y"]), int(match["radius"]))
            findings[match["film"]].append(
                Finding(int(match["number"]), match["tissue"], match["kind"], match["severity"], circle)
            )
    if not findings:
        raise DataError(f"{path} has no line like: mdb001 G CIRC B 535 425 197")
    return findings


def find(source: Source) -> list[Sample]:
    info = next((file for file in source.files.others if PurePosixPath(file).name.lower() == INFO.lower()), INFO)
    findings = read_info(source.folder / info)
    source.tables.add(info)
    films = [
        file
        for file in (*source.files.pictures, *source.files.others)
        if PurePosixPath(file).name.startswith("mdb") and PurePosixPath(file).suffix.lower() in (*PICTURES, PGM)
    ]
    source.tables.update(file for file in films if file.lower().endswith(PGM))
    samples = []
    for file in source.once(films, lambda file: PurePosixPath(file).stem):
        lines = findings.pop(PurePosixPath(file).stem, None)
        if lines is None:
            source.leave(file, f"{INFO} doesn't name it")
        elif any(line.kind != NO_ABNORMALITY and line.circle is None for line in lines):
            source.leave(file, f"{INFO} gives its abnormality no place")
        else:
            samples += windows(_film(source.folder, file, lines), source)
    if findings:
        source.note(f"{len(findings)} films of {INFO} aren't in the folder, the first {min(findings)}")
    return samples


def _film(folder: Path, file: str, lines: list[Finding]) -> Film:
    pair = (lines[0].number + 1) // 2
    whole = Sample(file, 0, f"pair{pair:03}", UM_PER_PX, extra={"tissue": lines[0].tissue})
    lesions = [
        Lesion(circle_mask(*line.circle), SEVERITIES[line.severity or "B"], {"abnormality": line.kind})
        for line in lines
        if line.circle
    ]
    return Film(whole, (SIDE_PX, SIDE_PX), breast_area(_small(folder / file)), lesions)


def _small(path: Path) -> NDArray[np.uint8]:
    try:
        with PIL.Image.open(path) as picture:
            if picture.size != (SIDE_PX, SIDE_PX):
                raise DataError(f"{path} is {picture.width} × {picture.height} px: the circles hold for {SIDE_PX} px")
            picture.draft("L", (SMALL_PX, SMALL_PX))
            return np.asarray(picture.convert("L").resize((SMALL_PX, SMALL_PX)))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error}") from error


def lesions(folder: Path) -> dict[str, Mask]:
    """The circles of each film that has any, as one mask: bool [1024, 1024] by the film's name."""
    masks = {}
    for film, findings in read_info(folder / INFO).items():
        circles = [circle_mask(*finding.circle) for finding in findings if finding.circle]
        if circles:
            masks[film] = np.logical_or.reduce(circles)
    return masks


def circle_mask(x: int, y: int, radius: int) -> Mask:
    """Where a circle lies on a film: bool [1024, 1024]. x and y from the top left."""
    rows, columns = np.ogrid[:SIDE_PX, :SIDE_PX]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


FILMS = Films(SIDE_PX, UM_PER_PX, SMALL_PX, lesions)
ADAPTER = Adapter(
    find,
    f"mdbNNN.jpg or mdbNNN{PGM}, and {INFO}, at any depth",
    (NORMAL, ABNORMAL),
    OPTIONS,
    modality="mammography",
    films=FILMS,
    foreign=Foreign(),
)
