"""A data set of drawn fields, for trying every step without anybody's pictures: class folders and a `groups.csv`.

It teaches how the commands go together, and nothing about tissue: a network tells drawings apart with ease.
"""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image

from training.drawn.phantoms import draw
from training.errors import DataError

CLASSES = ("benign", "invasive")
PATIENTS = 10
SIZE = (192, 144)
QUALITY = 92


def write_drawn_set(folder: Path, pictures: int) -> None:
    """Write so many pictures, half of each class, spread over ten made-up patients. Raises `DataError` where the folder
    holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already, and not empty: name a new folder")
    rows = []
    for number in range(pictures):
        kind = CLASSES[number % len(CLASSES)]
        file = Path(kind) / f"{number:03}.jpg"
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(kind, number, *SIZE).pixels).save(folder / file, quality=QUALITY)
        rows.append((file.as_posix(), f"patient-{number // len(CLASSES) % PATIENTS}"))
    with (folder / "groups.csv").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("file", "group"), *rows])
