"""The clinic's instruments: kept in the store with versions, set up over the API, named by a reading."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow

from device.base.errors import (
    InstrumentInvalid,
    InstrumentNameTaken,
    InstrumentsFull,
    InstrumentUnknown,
    ScaleInvalid,
    StoreNewer,
)
from device.reading.bundle import Bundle
from device.reading.site.glass import white_of
from device.reading.site.instrument import MOST_NAME
from device.settings import Settings
from device.storage.instruments import LIMIT, Instruments
from device.storage.store import beside
from device.web.app import create_app
from tests.support.drawn_micrometer import Micrometer, draw_micrometer
from tests.support.pictures import png
from tests.support.shipped import BUNDLE, KEYS, MODELS, SAMPLES
from training.drawn.phantoms import draw

LEICA: dict[str, Any] = {"name": "Leica, 10×", "um_per_px": 0.5, "width_px": 1280, "height_px": 960}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "loupe.sqlite"


@pytest.fixture
def instruments(store: Path) -> Instruments:
    return Instruments(store)


# --- the store -------------------------------------------------------------------------------------------------------


def test_an_instrument_is_kept_over_a_restart(instruments: Instruments, store: Path) -> None:
    added = instruments.add({**LEICA, "white": [231, 229, 226], "how": "micrometer"})
    (kept,) = Instruments(store).all()
    assert kept == added
    assert (kept.instrument.id, kept.version) == ("leica-10", 1)
    assert kept.instrument.white == (231, 229, 226)
    assert Instruments(store).get("leica-10") == kept


def test_a_lost_file_is_made_again_from_its_copy(instruments: Instruments, store: Path) -> None:
    added = instruments.add(LEICA)
    beside(store, "instruments").unlink()
    assert Instruments(store).all() == [added]


@pytest.mark.parametrize(("change", "is_new"), [
    ({"um_per_px": 0.51}, True), ({"width_px": 2560, "height_px": 1920}, True), ({"white": [230, 230, 230]}, True),
    ({"name": "Leica, objective 10"}, False), ({"how": "file"}, False), ({}, False),
])  # fmt: skip
def test_a_version_rises_when_pixels_come_out_otherwise(
    instruments: Instruments, change: dict[str, Any], is_new: bool
) -> None:
    before = instruments.add(LEICA)
    after = instruments.change("leica-10", {**LEICA, **change})
    assert (after.version > before.version) is is_new
    assert instruments.all() == [after]


def test_no_version_is_given_twice_not_even_after_an_instrument_was_deleted(instruments: Instruments) -> None:
    versions = [instruments.add(LEICA).version, instruments.add({**LEICA, "name": "Zeiss"}).version]
    versions.append(instruments.change("zeiss", {**LEICA, "name": "Zeiss", "um_per_px": 1}).version)
    for _ in range(3):
        instruments.remove("leica-10")
        versions.append(instruments.add(LEICA).version)
    assert len(set(versions)) == len(versions)
    assert versions == sorted(versions)


def test_names_tell_instruments_apart(instruments: Instruments) -> None:
    instruments.add(LEICA)
    with pytest.raises(InstrumentNameTaken):
        instruments.add({**LEICA, "name": " LEICA,  10×"})
    ids = [
        instruments.add({**LEICA, "name": name}).instrument.id for name in ("Leica 10", "Leica/10", "显微镜", "Œil é")
    ]
    assert ids == ["leica-10-2", "leica-10-3", "instrument", "il-e"]
    with pytest.raises(InstrumentNameTaken):
        instruments.change("instrument", LEICA)
    assert instruments.change("leica-10", {**LEICA, "name": "Leica 10X"}).instrument.id == "leica-10"


@pytest.mark.parametrize("wrong", [
    {"name": ""}, {"name": " "}, {"name": "×"}, {"name": "a" * (MOST_NAME + 1)}, {"name": 5},
    {"name": "a\u0007"}, {"width_px": 100}, {"width_px": -1, "height_px": 5}, {"width_px": 1.5, "height_px": 2},
    {"width_px": 200_000, "height_px": 200_000}, {"white": [1, 2]}, {"white": [1, 2, 300]}, {"white": "red"},
    {"how": "guessed"}, {"how": None},
], ids=str)  # fmt: skip
def test_what_is_no_instrument_is_refused_and_says_which_field(instruments: Instruments, wrong: dict[str, Any]) -> None:
    base = {"name": "Leica", "um_per_px": 0.5}
    with pytest.raises(InstrumentInvalid) as caught:
        instruments.add({**base, **wrong})
    field = next(iter(wrong)).partition("_")[0]
    assert caught.value.field == {"width": "instrument_size"}.get(field, f"instrument_{field}")
    assert instruments.all() == []


@pytest.mark.parametrize("um", [0, 0.049, 2000.1, -1, "0.5", None, True, float("nan"), float("inf")])
def test_a_size_of_a_pixel_that_no_instrument_has_is_refused(instruments: Instruments, um: object) -> None:
    with pytest.raises(ScaleInvalid):
        instruments.add({"name": "Leica", "um_per_px": um})


def test_no_more_are_kept_than_staff_can_pick_from(instruments: Instruments) -> None:
    for number in range(LIMIT):
        instruments.add({**LEICA, "name": f"Leica {number}"})
    with pytest.raises(InstrumentsFull):
        instruments.add(LEICA)
    instruments.remove("leica-3")
    instruments.add(LEICA)


def test_what_is_not_there_cannot_be_changed_or_deleted(instruments: Instruments) -> None:
    for act in (instruments.get, instruments.remove, lambda id: instruments.change(id, LEICA)):
        with pytest.raises(InstrumentUnknown):
            act("zeiss")


def test_a_store_of_a_newer_program_is_left_as_it_is(instruments: Instruments, store: Path) -> None:
    import sqlite3

    instruments.add(LEICA)
    with sqlite3.connect(beside(store, "instruments")) as file:
        (mark,) = file.execute("PRAGMA application_id").fetchone()
        file.execute(f"PRAGMA application_id = {mark + 1}")
    with pytest.raises(StoreNewer):
        Instruments(store).all()


# --- the API ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(store: Path, bundle: Bundle) -> FlaskClient:
    return create_app(Settings(BUNDLE, KEYS, SAMPLES, store), bundle).test_client()


def field(width: int = 640, height: int = 480) -> bytes:
    return png(Pillow.fromarray(draw("benign", 4, width, height).pixels))


def test_instruments_are_set_up_listed_changed_and_deleted(client: FlaskClient) -> None:
    added = client.post("/api/v1/instruments", json=LEICA).json
    assert client.get("/api/v1/instruments").json == {"instruments": [added], "limit": LIMIT}
    changed = client.put(f"/api/v1/instruments/{added['id']}", json={**LEICA, "um_per_px": 0.25}).json
    assert (changed["um_per_px"], changed["version"]) == (0.25, added["version"] + 1)
    assert client.delete(f"/api/v1/instruments/{added['id']}").json == {"instruments": [], "limit": LIMIT}
    gone = client.delete(f"/api/v1/instruments/{added['id']}")
    assert (gone.status_code, gone.json["code"]) == (404, "instrument_unknown")


@pytest.mark.parametrize(("sent", "status", "code"), [
    ({**LEICA, "name": ""}, 422, "instrument_invalid"), ([], 422, "instrument_invalid"),
    ({**LEICA, "um_per_px": 0}, 400, "scale_invalid"), (LEICA, 409, "instrument_name_taken"),
])  # fmt: skip
def test_what_cannot_be_kept_is_told_in_words(client: FlaskClient, sent: object, status: int, code: str) -> None:
    client.post("/api/v1/instruments", json=LEICA)
    for language in ("en", "fr"):
        answer = client.post(f"/api/v1/instruments?lang={language}", json=sent)
        assert (answer.status_code, answer.json["code"]) == (status, code)
        assert "{" not in answer.json["detail"]


def test_a_reading_takes_the_size_of_a_pixel_from_its_instrument(client: FlaskClient) -> None:
    client.post("/api/v1/instruments", json={**LEICA, "um_per_px": 0.84})
    for width, height, um in ((1280, 960, 0.84), (640, 480, 1.68), (480, 640, 1.68)):
        reading = client.post("/api/v1/readings?instrument=leica-10", data=field(width, height)).json
        assert reading["scale"]["um_per_px"] == pytest.approx(um)
        assert (reading["scale"]["source"], reading["scale"]["instrument"]) == ("instrument", "Leica, 10×")
        assert reading["image"]["um_per_px"] == pytest.approx(um)


def test_a_size_that_is_typed_counts_in_its_place(client: FlaskClient) -> None:
    client.post("/api/v1/instruments", json=LEICA)
    reading = client.post("/api/v1/readings?instrument=leica-10&um_per_px=1.5", data=field()).json
    assert (reading["scale"]["um_per_px"], reading["scale"]["source"]) == (1.5, "typed")


def test_a_picture_of_another_shape_or_instrument_is_refused_with_the_cause(client: FlaskClient) -> None:
    client.post("/api/v1/instruments", json=LEICA)
    for query, sides, code in (
        ("instrument=leica-10", (640, 640), "instrument_other_shape"),
        ("instrument=zeiss", (640, 480), "instrument_unknown"),
    ):
        assert client.post(f"/api/v1/readings?{query}", data=field(*sides)).json["code"] == code


def test_on_a_box_with_several_models_the_cause_is_the_same(store: Path) -> None:
    """The model of ultrasound, which needs no scale, reads the picture all the same, and refuses it."""
    client = create_app(Settings(MODELS, KEYS, SAMPLES, store)).test_client()
    client.post("/api/v1/instruments", json={**LEICA, "um_per_px": 0.84})
    answer = client.post("/api/v1/readings?instrument=leica-10", data=field(640, 640))
    assert (answer.status_code, answer.json["code"]) == (422, "instrument_other_shape")


def test_a_store_that_fails_is_told_as_a_problem(client: FlaskClient, store: Path) -> None:
    beside(store, "instruments").mkdir()
    answer = client.get("/api/v1/instruments")
    assert (answer.status_code, answer.json["code"]) == (503, "store_unusable")
    assert "store_unusable" in [problem["code"] for problem in client.get("/api/v1/health").json["problems"]]
    assert client.post("/api/v1/readings?um_per_px=1.68", data=field()).status_code == 200


# --- what a photo tells ----------------------------------------------------------------------------------------------


def test_the_marks_of_a_micrometer_are_measured(client: FlaskClient) -> None:
    photo = png(draw_micrometer(Micrometer(period_px=20, angle=5)))
    marks = client.post("/api/v1/measurements/marks", data=photo).json
    assert marks["period_px"] == pytest.approx(20, rel=1e-3)
    assert (marks["width"], marks["height"], len(marks["lines"])) == (1280, 960, marks["marks"])
    refused = client.post("/api/v1/measurements/marks", data=field())
    assert (refused.status_code, refused.json["code"]) == (422, "marks_not_found")


def test_the_size_that_a_file_states_is_read(client: FlaskClient) -> None:
    stating = png(Pillow.new("RGB", (640, 480)), dpi=(50_800, 50_800))
    told = client.post("/api/v1/measurements/pixel-size", data=stating).json
    assert (told["um_per_px"], told["source"], told["width"], told["height"]) == (0.5, "resolution", 640, 480)
    silent = client.post("/api/v1/measurements/pixel-size", data=field())
    assert (silent.status_code, silent.json["code"]) == (422, "pixel_size_unstated")


def glass(colour: tuple[int, int, int], noise: float = 3) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Empty glass under a lamp that falls off to the corners."""
    x, y = np.meshgrid(np.linspace(-1, 1, 320), np.linspace(-1, 1, 240))
    light = np.array(colour) * (1 - 0.15 * (x**2 + y**2))[..., None]
    noisy = light + np.random.default_rng(2).normal(0, noise, light.shape)
    return np.asarray(noisy.clip(0, 255), np.uint8)


def test_the_white_of_empty_glass_is_its_median_colour(client: FlaskClient) -> None:
    for colour in ((231, 229, 226), (245, 230, 190), (160, 170, 175)):
        file = BytesIO()
        Pillow.fromarray(glass(colour)).save(file, "JPEG", quality=90)
        white = client.post("/api/v1/measurements/glass", data=file.getvalue()).json["white"]
        assert np.abs(np.array(white) / colour - 0.91).max() < 0.03  # the median lies between middle and corners


def test_dust_on_the_glass_is_no_harm() -> None:
    pixels = glass((231, 229, 226))
    pixels[100:110, 50:60] = 40
    assert white_of(pixels)


@pytest.mark.parametrize(("photo", "reason"), [
    (glass((50, 50, 48)), "glass_dark"), (np.full((240, 320, 3), 255, np.uint8), "glass_bright"),
    (glass((240, 180, 60)), "glass_coloured"), (draw("benign", 1).pixels, "glass_not_empty"),
    (draw("invasive", 2).pixels, "glass_not_empty"), (np.asarray(draw_micrometer(Micrometer())), "glass_not_empty"),
], ids=["dark", "white all over", "orange", "tissue", "more tissue", "a micrometer"])  # fmt: skip
def test_what_is_no_empty_glass_is_refused(client: FlaskClient, photo: Any, reason: str) -> None:
    answer = client.post("/api/v1/measurements/glass", data=png(Pillow.fromarray(photo)))
    assert (answer.status_code, answer.json["code"], answer.json["facts"]["reason"]) == (422, "not_glass", reason)


def test_a_photo_that_is_measured_is_neither_kept_nor_counted(client: FlaskClient) -> None:
    before = client.get("/api/v1/health").json["models"]
    client.post("/api/v1/measurements/glass", data=png(Pillow.fromarray(glass((231, 229, 226)))))
    assert client.get("/api/v1/health").json["models"] == before
    assert client.get("/api/v1/instruments").json["instruments"] == []
