"""`/readyz` says what is wrong when readings would fail, and costs little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from device.base.errors import ModelUnusable
from device.base.texts import LANGUAGES
from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from device.web.box import EXTENSION, Box
from device.web.desks.desk import DeskHere
from device.web.desks.pool import Cost
from device.web.desks.readiness import KEPT_AFTER_FAILURE_S, KEPT_S, Readiness
from tests.support.shipped import BUNDLE, KEYS, SAMPLES


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that may be written to."""
    (file := tmp_path / "bach.loupe").write_bytes(BUNDLE.read_bytes())
    return file


@pytest.fixture
def app(file: Path, tmp_path: Path) -> Flask:
    return create_app(Settings(file, KEYS, SAMPLES, tmp_path / "store.sqlite", threads=2), Bundle.open(file, KEYS))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def clock(app: Flask) -> Clock:
    box = box_of(app)
    box.readiness = Readiness(box.bundles, clock := Clock())
    clock.now = 1000.0
    return clock


def box_of(app: Flask) -> Box:
    box: Box = app.extensions[EXTENSION]
    return box


def golden(app: Flask) -> bytes:
    bundle = box_of(app).bundles[0]
    return bundle.members[bundle.manifest.golden[0].picture]


def interpreters(app: Flask) -> list[Any]:
    """Those of the first model, two of them."""
    with box_of(app).start().idle() as desk:
        assert isinstance(desk, DeskHere)
        return list(desk.router.readers[0].network._free.queue)


def break_readers(app: Flask, failure: Callable[..., Any], which: slice = slice(None)) -> None:
    for interpreter in interpreters(app)[which]:
        interpreter.run = failure


def unusable(*_: Any) -> Any:
    raise ModelUnusable(detail="out of order")


def fault(*_: Any) -> Any:
    raise ZeroDivisionError("the inside")


def test_a_box_that_reads_is_ready(client: FlaskClient) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json["ready"], response.json["problems"]) == (200, True, [])
    assert [model["id"] for model in response.json["models"]] == ["bach"]


@pytest.mark.parametrize(("failure", "code"), [(unusable, "golden_mismatch"), (fault, "self_test_failed")])
@pytest.mark.parametrize("which", [slice(None), slice(0, 1), slice(1, 2)], ids=["both", "first", "second"])
def test_a_reader_whose_network_fails_is_told(
    failure: Callable[..., Any], code: str, which: slice, app: Flask, client: FlaskClient
) -> None:
    break_readers(app, failure, which)
    for language in LANGUAGES:
        response = client.get(f"/readyz?lang={language}")
        assert (response.status_code, response.json["code"]) == (503, code)
        assert response.json["title"]
        assert response.json["next_step"]
        assert "the inside" not in response.text
        page = client.get(f"/health?lang={language}")
        assert page.status_code == 200
        assert f'data-code="{code}"' in page.text


def test_a_network_that_gives_other_outputs_is_told(app: Flask, client: FlaskClient) -> None:
    run = interpreters(app)[0].run
    break_readers(app, lambda pixels: {name: output * 0 for name, output in run(pixels).items()}, slice(1))
    assert client.get("/readyz").json["code"] == "golden_mismatch"


def test_a_failed_reading_is_found_at_the_next_question(app: Flask, client: FlaskClient) -> None:
    assert client.get("/readyz").status_code == 200
    break_readers(app, unusable)
    assert client.get("/readyz").status_code == 200, "the finding is kept"
    assert client.post("/api/v1/readings", data=golden(app)).status_code == 503
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_a_bad_picture_is_no_doubt_about_the_box(data: bytes, app: Flask, client: FlaskClient) -> None:
    assert client.get("/readyz").status_code == 200
    assert client.post("/api/v1/readings", data=data).status_code in (400, 415)
    break_readers(app, unusable)
    assert client.get("/readyz").status_code == 200


def test_the_finding_is_kept_and_found_again(app: Flask, client: FlaskClient, clock: Clock) -> None:
    assert client.get("/readyz").status_code == 200
    runs = []
    run = interpreters(app)[0].run

    def counted(pixels: Any) -> Any:
        runs.append(1)
        return run(pixels)

    break_readers(app, counted)
    for _ in range(20):
        assert client.get("/readyz").status_code == 200
    assert runs == []
    clock.now += KEPT_S
    assert client.get("/readyz").status_code == 200
    assert 2 <= len(runs) <= 4
    break_readers(app, unusable)
    clock.now += KEPT_S
    assert client.get("/readyz").status_code == 503
    break_readers(app, run)
    assert client.get("/readyz").status_code == 503
    clock.now += KEPT_AFTER_FAILURE_S
    assert client.get("/readyz").status_code == 200


def test_a_busy_box_is_ready(app: Flask, client: FlaskClient) -> None:
    pool = box_of(app).start()
    with pool.desk(), pool.desk(), pool.desk(Cost.COSTLY), pool.desk(Cost.COSTLY), pool.idle() as desk:
        assert desk is None
        assert client.get("/readyz").status_code == 200


def test_a_model_file_that_is_changed_in_place_stops_readings_and_readiness(
    file: Path, app: Flask, client: FlaskClient
) -> None:
    assert client.get("/readyz").status_code == 200
    original = file.read_bytes()
    with file.open("r+b") as held:
        held.seek(100_000)
        held.write(b"changed")
    for response in (client.get("/readyz"), client.post("/api/v1/readings", data=golden(app))):
        assert (response.status_code, response.json["code"]) == (503, "bundle_changed")
        assert response.json["next_step"]
    with file.open("r+b") as held:
        held.write(original)
    assert client.get("/readyz").status_code == 200
    assert client.post("/api/v1/readings", data=golden(app)).status_code == 200


def test_a_model_file_that_is_cut_in_place_stops_readings_and_readiness(
    file: Path, app: Flask, client: FlaskClient
) -> None:
    with file.open("r+b") as held:
        held.truncate(file.stat().st_size - 10)
    assert client.get("/readyz").json["code"] == "bundle_changed"
    assert client.post("/api/v1/readings", data=golden(app)).json["code"] == "bundle_changed"


def test_a_model_file_that_is_replaced_or_deleted_goes_on_as_verified(
    file: Path, app: Flask, client: FlaskClient
) -> None:
    assert client.get("/readyz").status_code == 200
    file.unlink()
    file.write_bytes(b"another")
    assert client.get("/readyz").status_code == 200
    assert client.post("/api/v1/readings", data=golden(app)).status_code == 200


def test_a_touched_model_file_is_hashed_once(file: Path, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/readyz").status_code == 200
    hashed = []
    unchanged = Bundle.check_unchanged
    monkeypatch.setattr(Bundle, "check_unchanged", lambda bundle: (hashed.append(1), unchanged(bundle))[1])
    file.touch()
    for _ in range(3):
        assert client.get("/readyz").status_code == 200
    assert hashed == [1]


def test_what_lies_beside_the_models_leaves_the_box_ready(tmp_path: Path, bundle: Bundle) -> None:
    (store := tmp_path / "store.sqlite").mkdir()
    client = create_app(Settings(BUNDLE, tmp_path, tmp_path / "none", store, threads=1), bundle).test_client()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert [problem["code"] for problem in response.json["problems"]] == ["store_unusable", "samples_unreadable"]
