"""The folder of sample pictures: damaged in any way, it costs its samples and never a reading."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow

from device.base.texts import LANGUAGES
from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.settings import Settings
from device.web.app import create_app
from device.web.samples import INDEX, open_samples
from tests.support.pictures import png
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

WORDS = {"en": "A square", "fr": "Un carré"}


def entry(name: str, **changed: Any) -> dict[str, Any]:
    entry = {
        "id": name,
        "file": f"{name}.png",
        "kind": "phantom",
        "title": WORDS,
        "description": WORDS,
        "synthetic": True,
    }
    return {**entry, **changed}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two drawn samples, `good` and `other`."""
    (folder := tmp_path / "samples").mkdir()
    for shade, name in enumerate(("good", "other")):
        (folder / f"{name}.png").write_bytes(png(Pillow.new("RGB", (100, 100), (200, 100 + shade, 180))))
    write_index(folder, [entry("good"), entry("other")])
    return folder


@pytest.fixture
def golden(bundle: Bundle) -> bytes:
    """A picture that the model reads."""
    return bundle.members[bundle.manifest.golden[0].picture]


def write_index(folder: Path, entries: Any) -> None:
    (folder / INDEX).write_text(json.dumps(entries), encoding="utf-8")


def service(folder: Path, bundle: Bundle, tmp_path: Path) -> FlaskClient:
    return create_app(Settings(BUNDLE, KEYS, folder, tmp_path / "store.sqlite", threads=1), bundle).test_client()


def offered(client: FlaskClient) -> list[str]:
    return [sample["id"] for sample in client.get("/api/v1/samples").json["samples"]]


def no_index(damage: Callable[[Path], object]) -> Callable[[Path], object]:
    def damaged(folder: Path) -> None:
        (folder / INDEX).unlink()
        damage(folder / INDEX)

    return damaged


def no_folder(damage: Callable[[Path], object]) -> Callable[[Path], object]:
    def damaged(folder: Path) -> None:
        shutil.rmtree(folder)
        damage(folder)

    return damaged


# What is wrong with the list as a whole: nothing can be offered.
UNREADABLE: dict[str, Callable[[Path], object]] = {
    "cut": lambda folder: (folder / INDEX).write_bytes((folder / INDEX).read_bytes()[:-20]),
    "empty": lambda folder: (folder / INDEX).write_bytes(b""),
    "no text": lambda folder: (folder / INDEX).write_bytes(b"\xff\xd8\xff\xe0" * 10),
    "zeros": lambda folder: (folder / INDEX).write_bytes(bytes(4096)),
    "deep": lambda folder: (folder / INDEX).write_text("[" * 200_000),
    "huge": lambda folder: (folder / INDEX).write_text(" " * 1_000_001 + "[]"),
    "object": lambda folder: write_index(folder, {"samples": []}),
    "number": lambda folder: write_index(folder, 5),
    "gone": no_index(lambda _: None),
    "folder for a list": no_index(lambda index: index.mkdir()),
    "link to itself": no_index(lambda index: index.symlink_to(index.name)),
    "broken link": no_index(lambda index: index.symlink_to("nowhere")),
    "pipe": no_index(os.mkfifo),
    "no folder": no_folder(lambda _: None),
    "file for a folder": no_folder(lambda folder: folder.write_bytes(b"x")),
    "circle of links": no_folder(lambda folder: folder.symlink_to(folder.name)),
}


@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_list_is_told_and_readings_go_on(
    damage: Callable[[Path], object],
    folder: Path,
    bundle: Bundle,
    tmp_path: Path,
    golden: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(folder)
    client = service(folder, bundle, tmp_path)
    for _ in range(2):
        assert client.post("/api/v1/readings", data=golden).status_code == 200
    assert offered(client) == []
    assert client.get("/readyz").status_code == 200
    for language in LANGUAGES:
        (problem,) = client.get(f"/api/v1/health?lang={language}").json["problems"]
        assert problem["code"] == "samples_unreadable"
        assert INDEX in problem["detail"]
    assert "samples_unreadable" in client.get("/health").text
    assert [record.message.count("[samples_unreadable]") for record in caplog.records] == [1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_list_in_any_unicode_is_read_with_or_without_its_mark(encoding: str, folder: Path) -> None:
    (folder / INDEX).write_bytes(json.dumps([entry("good")], ensure_ascii=False).encode(encoding))
    samples = open_samples(folder, Limits())
    assert [sample.entry.id for sample in samples.offered] == ["good"]
    assert samples.problems == ()


PICTURES: dict[str, Callable[[Path], object]] = {
    "missing": lambda folder: (folder / "other.png").unlink(),
    "empty": lambda folder: (folder / "other.png").write_bytes(b""),
    "cut": lambda folder: (folder / "other.png").write_bytes((folder / "other.png").read_bytes()[:-30]),
    "no picture": lambda folder: (folder / "other.png").write_text("hello"),
    "folder": lambda folder: ((folder / "other.png").unlink(), (folder / "other.png").mkdir()),
    "link to itself": lambda folder: ((folder / "other.png").unlink(), (folder / "other.png").symlink_to("other.png")),
    "pipe": lambda folder: ((folder / "other.png").unlink(), os.mkfifo(folder / "other.png")),
    "too small": lambda folder: Pillow.new("RGB", (5, 5)).save(folder / "other.png"),
    "link that leads outside": lambda folder: (
        (folder / "other.png").rename(folder.parent / "other.png"),
        (folder / "other.png").symlink_to("../other.png"),
    ),
}


@pytest.mark.parametrize("damage", PICTURES.values(), ids=PICTURES)
def test_a_picture_that_cannot_be_read_is_left_out_and_named(
    damage: Callable[[Path], object], folder: Path, bundle: Bundle, tmp_path: Path, golden: bytes
) -> None:
    damage(folder)
    client = service(folder, bundle, tmp_path)
    assert client.post("/api/v1/readings", data=golden).status_code == 200
    assert offered(client) == ["good"]
    (problem,) = client.get("/api/v1/health").json["problems"]
    assert problem["code"] == "sample_pictures_unreadable"
    assert "other.png" in problem["detail"]
    assert client.get("/samples/other.png").status_code == 404


@pytest.mark.parametrize(
    "file", ["../secret.png", "/etc/passwd", "nul\0.png", "x" * 5000, "\ud800.png", ".", "../samples"]
)
def test_a_name_that_leads_elsewhere_is_left_out_and_never_served(
    file: str, folder: Path, bundle: Bundle, tmp_path: Path, golden: bytes
) -> None:
    for name in ("../secret.png", "\udcff.png"):
        (folder / name).write_bytes((folder / "good.png").read_bytes())
    write_index(folder, [entry("good"), entry("other", file=file)])
    client = service(folder, bundle, tmp_path)
    assert offered(client) == ["good"]
    assert client.post("/api/v1/readings", data=golden).status_code == 200
    assert client.get("/api/v1/health").json["problems"][0]["code"] == "sample_pictures_unreadable"
    assert client.get("/health").status_code == 200
    assert client.get("/samples/../secret.png").status_code == 404


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        "other",
        [],
        {},
        entry("other", file=None),
        entry("other", file=["other.png"]),
        entry("other", id=5),
        entry("other", title="A square"),
        entry("other", title={"en": "A square"}),
        entry("other", description={"en": "A square", "fr": " "}),
        entry("other", description={"en": "A square", "fr": None}),
        {name: value for name, value in entry("other").items() if name != "kind"},
    ],
    ids=str,
)
def test_an_entry_without_names_or_words_is_left_out_and_counted(
    bad: Any, folder: Path, bundle: Bundle, tmp_path: Path, golden: bytes
) -> None:
    write_index(folder, [entry("good"), bad])
    client = service(folder, bundle, tmp_path)
    assert client.post("/api/v1/readings", data=golden).status_code == 200
    assert offered(client) == ["good"]
    (problem,) = client.get("/api/v1/health?lang=en").json["problems"]
    assert problem["code"] == "sample_entries_invalid"
    assert "These are the entries: 2." in problem["detail"]


def test_no_reading_looks_at_the_folder(folder: Path, bundle: Bundle, tmp_path: Path, golden: bytes) -> None:
    client = service(folder, bundle, tmp_path)
    assert client.get("/readyz").status_code == 200
    shutil.rmtree(folder)
    assert client.post("/api/v1/readings", data=golden).status_code == 200


def test_a_sample_is_known_by_its_bytes(folder: Path) -> None:
    samples = open_samples(folder, Limits())
    data = (folder / "good.png").read_bytes()
    assert samples.that_is(data) == samples.offered[0]
    assert samples.that_is(data[:-1] + b"x") is None
    assert samples.that_is(data + b"x") is None


def test_the_shipped_samples_have_no_fault() -> None:
    samples = open_samples(SAMPLES, Limits())
    assert samples.problems == ()
    assert len(samples.offered) == len(json.loads((SAMPLES / INDEX).read_bytes()))
