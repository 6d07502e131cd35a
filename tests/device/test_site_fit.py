"""Commissioning's numbers: a drawn clinic with another stain is refused before, and read after; foreign pictures aren't."""

from __future__ import annotations

import io
import pickle
from copy import copy

import numpy as np
import pytest
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.gate import MADE, SCALE, SHOWS, Gate
from device.reading.image import Limits
from device.reading.reading import Reader
from device.reading.site.fit import fit_site
from device.reading.site.records import PictureMeans, SiteFit
from device.reading.site.statistics import statistics_of
from tests.support.shipped import BUNDLE, KEYS
from training.drawn import foreign
from training.drawn.phantoms import KINDS, draw

UM_PER_PX = 1.12
WIDTH, HEIGHT = 336, 252  # small fields, as a tissue microarray's: 376 × 282 µm
PATIENTS = 10
FADED = np.array([0.72, 0.62, 0.95])  # what the clinic's stain and camera make of an optical density


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def at_the_clinic(kind: str, seed: int) -> bytes:
    """A drawn field as the clinic would make it."""
    density = -np.log10((draw(kind, seed, WIDTH, HEIGHT, UM_PER_PX).pixels.astype(np.float64) + 1) / 256)
    return as_png(np.clip(np.rint(256 * 10 ** (-density * FADED) - 1), 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Bundle.open(BUNDLE, KEYS), Limits())


@pytest.fixture(scope="module")
def local(reader: Reader) -> list[PictureMeans]:
    fields = [at_the_clinic(kind, 100 + patient) for patient in range(PATIENTS) for kind in KINDS]
    return [statistics_of(reader, field, UM_PER_PX) for field in fields]


@pytest.fixture(scope="module")
def patients() -> list[str]:
    return [str(patient) for patient in range(PATIENTS) for _ in KINDS]


@pytest.fixture(scope="module")
def fit(reader: Reader, local: list[PictureMeans], patients: list[str]) -> SiteFit:
    others = [statistics_of(reader, as_png(make(5, 512, 384)), UM_PER_PX) for make in foreign.DRAWN.values()]
    return fit_site(reader.bundle, local, patients, others, list(foreign.DRAWN))


def accepted(reader: Reader, gate: Gate, data: bytes) -> bool:
    there = copy(reader)
    there.gate = gate
    return there.read(data, UM_PER_PX).verdict.accepted


def test_a_clinic_s_pictures_are_refused_before_and_read_after(reader: Reader, fit: SiteFit) -> None:
    new = [at_the_clinic(kind, 300 + seed) for seed in range(3) for kind in KINDS]
    before, after = Gate(reader.bundle), Gate(reader.bundle, fit)
    assert not any(accepted(reader, before, field) for field in new)
    assert sum(accepted(reader, after, field) for field in new) >= 0.8 * len(new)


def test_drawn_foreign_pictures_stay_refused(fit: SiteFit) -> None:
    assert [(row.kind, row.n, row.before, row.after) for row in fit.foreign] == [
        (kind, 1, 1, 1) for kind in foreign.DRAWN
    ]


def test_the_promise_is_what_the_number_of_patients_allows(fit: SiteFit) -> None:
    assert (fit.promise.n, fit.promise.pictures) == (PATIENTS, PATIENTS * len(KINDS))
    assert fit.promise.refused == 0
    assert fit.promise.alpha == pytest.approx(1 - 0.1 ** (1 / PATIENTS), abs=1e-3)
    assert fit.refused_before == PATIENTS * len(KINDS)


def test_each_question_has_a_score_of_each_picture(fit: SiteFit) -> None:
    assert set(fit.calibration_scores) == {SCALE, MADE, SHOWS}
    for scores in fit.calibration_scores.values():
        assert len(scores) == fit.promise.pictures
        assert list(scores) == sorted(scores)


def test_a_fit_of_another_bundle_is_told_by_its_shapes(reader: Reader, fit: SiteFit) -> None:
    assert list(fit.faults(reader.bundle)) == []


def test_pictures_of_one_patient_fit_nothing(reader: Reader, local: list[PictureMeans]) -> None:
    with pytest.raises(ValueError, match="1 patients"):
        fit_site(reader.bundle, local, ["alone"] * len(local))


def test_means_hold_no_pixels(local: list[PictureMeans]) -> None:
    """What is kept of a picture of 84,672 px is far less than the picture, and pickles for its way between processes."""
    means = pickle.loads(pickle.dumps(local[0]))
    kept = means.windows.all.size + means.cells.size + means.logits.size
    assert kept < 0.1 * WIDTH * HEIGHT * 3
