"""Another clinic, drawn: phantoms under another stain, lamp, camera and objective than those the shipped models know.

    fields = clinic_fields(patients=20, each=3)
    write_clinic(folder)          # folders of patients, of glass and of other material, and a table of diagnoses

The fields have known patients and classes. The clinic's haematoxylin is weak and bluish, its eosin strong, its lamp warm;
each patient's section is cut and stained a little differently. The shipped `bach` refuses all of them: wrong stain.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.drawn.foreign import blank, blood_smear, immunostain, landscape
from training.drawn.phantoms import KINDS, draw

UM_PER_PX = 1.2
SIZE = (576, 432)
LAMP = np.array([250.0, 240.0, 222.0])  # empty glass as this camera shows it
# Optical density of this clinic's stains as a mixture of the densities for red, green and blue that the drawing has.
STAIN = np.array([[0.85, 0.05, 0.00], [0.12, 0.95, 0.08], [0.00, 0.05, 1.15]])
FOREIGN = {"immunostain": immunostain, "photograph": landscape, "blood": blood_smear}


@dataclass(frozen=True)
class ClinicField:
    """One picture of the clinic: a JPEG, whose it is, and which of `KINDS` it shows."""

    data: bytes
    patient: str
    kind: str


def clinic_fields(patients: int, each: int = 2, first: int = 1) -> Iterator[ClinicField]:
    """So many pictures, at most four, of each of so many patients; patients have the classes in turn. One drawing, which
    takes a second, is turned over for each picture of a patient."""
    for patient in range(first, first + patients):
        kind = KINDS[patient % len(KINDS)]
        drawn = draw(kind, 1000 + patient, *SIZE, UM_PER_PX).pixels
        for number, turned in enumerate((drawn, drawn[::-1], drawn[:, ::-1], drawn[::-1, ::-1])[:each]):
            yield ClinicField(as_jpeg(_stained(turned, np.random.default_rng([patient, number]))), str(patient), kind)


def clinic_glass(count: int) -> Iterator[bytes]:
    """Slides with nothing on them, under this clinic's lamp."""
    for seed in range(count):
        yield as_jpeg(_lit(blank(seed, *SIZE)))


def clinic_foreign(each: int, first_seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Other material under the same microscope, and pictures of none: kind and JPEG."""
    for kind, drawn in FOREIGN.items():
        for seed in range(first_seed, first_seed + each):
            yield kind, as_jpeg(drawn(seed, *SIZE))


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def write_clinic(folder: Path, patients: int = 20, each: int = 2) -> None:
    """`pictures/PATIENT/…`, `foreign/KIND/…` with glass among the kinds, and `labels.csv`."""
    rows = ["file,label"]
    for number, field in enumerate(clinic_fields(patients, each)):
        name = f"{int(field.patient):02}/{number:03}.jpg"
        _write(folder / "pictures" / name, field.data)
        rows.append(f"{name},{field.kind}")
    for number, data in enumerate(clinic_glass(5)):
        _write(folder / "foreign" / "glass" / f"{number}.jpg", data)
    for number, (kind, data) in enumerate(clinic_foreign(2)):
        _write(folder / "foreign" / kind / f"{number}.jpg", data)
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _stained(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture under this clinic's stains and lamp. How thick sections are differs."""
    thickness = 0.9 + 0.2 * rng.random()
    density = -np.log(np.maximum(pixels, 1) / 255.0) @ STAIN.T * thickness
    return _lit(255.0 * np.exp(-density))


def _lit(light: NDArray[np.floating] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.clip(np.rint(np.asarray(light) / 255.0 * LAMP), 0, 255).astype(np.uint8)
