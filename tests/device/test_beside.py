"""What lies beside the product stops no reading: store and atlas in every state that a card or a copy leaves them in."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from tests.support.shipped import BUNDLE, KEYS, MODELS, SAMPLES


def with_table(text: str) -> Callable[[Path], object]:
    def write(store: Path) -> None:
        with sqlite3.connect(store) as connection:
            connection.executescript(text)
        connection.close()

    return write


STORES: dict[str, Callable[[Path], object]] = {
    "folder": lambda store: store.mkdir(),
    "circle of links": lambda store: store.symlink_to(store.name),
    "link into nothing": lambda store: store.symlink_to("none/store.sqlite"),
    "other columns": with_table(
        "CREATE TABLE unit_names (x); CREATE TABLE drift_day (y); CREATE TABLE drift_watch (z);"
    ),
    "a view in its place": with_table("CREATE VIEW drift_day AS SELECT 1; CREATE VIEW unit_names AS SELECT 2;"),
}

NO_STORES: dict[str, Callable[[Path], object]] = {
    "no database": lambda store: store.write_bytes(b"\xff" * 5000),
    "cut header": lambda store: store.write_bytes(b"SQLite format 3\0"),
}

ATLASES: dict[str, Callable[[Path], object]] = {
    "folder": lambda atlas: atlas.mkdir(),
    "empty": lambda atlas: atlas.write_bytes(b""),
    "no zip": lambda atlas: atlas.write_bytes(b"\xff" * 5000),
    "cut": lambda atlas: atlas.write_bytes((MODELS / "bach.atlas").read_bytes()[:-1000]),
    "circle of links": lambda atlas: atlas.symlink_to(atlas.name),
    "link into nothing": lambda atlas: atlas.symlink_to("none"),
    "pipe": os.mkfifo,
}


@pytest.fixture
def golden(bundle: Bundle) -> bytes:
    """A picture that the model reads."""
    return bundle.members[bundle.manifest.golden[0].picture]


def reads(client: FlaskClient, golden: bytes) -> bool:
    """Whether all that a reading and its pages need works."""
    statuses = [client.post("/api/v1/readings", data=golden).status_code for _ in range(2)]
    pages = ("/", "/health", "/units", "/readyz", "/api/v1/health", "/api/v1/units", "/api/v1/samples")
    return {*statuses, *(client.get(page).status_code for page in pages)} == {200}


@pytest.mark.parametrize("damage", STORES.values(), ids=STORES)
def test_a_store_in_any_state_is_told_and_readings_go_on(
    damage: Callable[[Path], object], bundle: Bundle, tmp_path: Path, golden: bytes
) -> None:
    damage(store := tmp_path / "store.sqlite")
    client = create_app(Settings(BUNDLE, KEYS, SAMPLES, store, threads=1), bundle).test_client()
    assert reads(client, golden)
    assert [problem["code"] for problem in client.get("/api/v1/health").json["problems"]] == ["store_unusable"]


@pytest.mark.parametrize("damage", NO_STORES.values(), ids=NO_STORES)
def test_what_is_no_store_is_set_aside_and_told(
    damage: Callable[[Path], object], bundle: Bundle, tmp_path: Path, golden: bytes
) -> None:
    damage(store := tmp_path / "store.sqlite")
    held = store.read_bytes()
    client = create_app(Settings(BUNDLE, KEYS, SAMPLES, store, threads=1), bundle).test_client()
    assert reads(client, golden)
    (problem,) = client.get("/api/v1/health").json["problems"]
    assert problem["code"] == "store_partly_lost"
    assert "store.sqlite.lost-1" in client.get("/health").text
    assert (tmp_path / "store.sqlite.lost-1").read_bytes() == held
    assert client.put("/api/v1/units/7/name", json={"text": "swirls"}).status_code == 200


@pytest.mark.parametrize("damage", ATLASES.values(), ids=ATLASES)
def test_an_atlas_in_any_state_is_told_and_readings_go_on(
    damage: Callable[[Path], object], tmp_path: Path, golden: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(BUNDLE, tmp_path)
    damage(tmp_path / "bach.atlas")
    settings = Settings(tmp_path / BUNDLE.name, KEYS, SAMPLES, tmp_path / "store.sqlite", threads=1)
    client = create_app(settings, Bundle.open(settings.bundle, KEYS)).test_client()
    assert reads(client, golden)
    (problem,) = client.get("/api/v1/health").json["problems"]
    assert problem["code"] == "atlas_invalid"
    assert "bach.atlas" in problem["detail"]
    assert "bach.atlas" in client.get("/health").text
    assert [record.message.count("[atlas_invalid]") for record in caplog.records] == [1]


def test_a_bundle_without_an_atlas_is_no_fault(tmp_path: Path, golden: bytes) -> None:
    shutil.copy(BUNDLE, tmp_path)
    settings = Settings(tmp_path / BUNDLE.name, KEYS, SAMPLES, tmp_path / "store.sqlite", threads=1)
    client = create_app(settings, Bundle.open(settings.bundle, KEYS)).test_client()
    assert reads(client, golden)
    assert client.get("/api/v1/health").json["problems"] == []
