"""Scoring a folder on a real local cluster: unreadable pictures are rows, and what is read isn't read again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from PIL import Image

from device.base.errors import ScaleInvalid
from device.settings import Settings
from tests.support.engine_tasks import DEADLY, read_and_die, read_only_deadly, read_until_deadly
from tests.support.shipped import BUNDLE, KEYS
from training.commands.score import MAX_MEGAPIXELS, MAX_UPLOAD_MB
from training.distributed import engine
from training.distributed import score as scoring
from training.distributed.engine import connect
from training.distributed.score import (
    KILLED,
    Shipment,
    benchmark_table,
    find_pictures,
    read_batch,
    readings_summary,
    score,
    ship,
)
from training.drawn.phantoms import draw
from training.errors import DataError, ScoreError, TaskFailed
from training.evaluation.table import load_table

KINDS = ("normal", "benign", "insitu", "invasive")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engine.SETTINGS, "distributed.scheduler.allowed-failures", 1)  # each death costs seconds
        with connect(None, 2) as client:
            yield client


@pytest.fixture(scope="module")
def shipment() -> Shipment:
    return ship(BUNDLE, KEYS, MAX_MEGAPIXELS, MAX_UPLOAD_MB)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures in folders and two files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        (folder / f"slide {number % 3}").mkdir(exist_ok=True)
        pixels = draw(KINDS[number % 4], number, 96, 96).pixels
        Image.fromarray(pixels).save(folder / f"slide {number % 3}" / f"{number}.PNG")
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "notes.txt").write_text("not meant to be one")
    return folder


def test_pictures_of_a_known_scale_are_read_at_the_models(tmp_path: Path) -> None:
    """A tile of 40 px is too small for a picture of unknown scale. At 4 µm/px it shows 160 µm, 95 px of the model's."""
    Image.fromarray(draw("invasive", 1, 40, 40).pixels).save(tmp_path / "tile.png")
    errors = [
        read_batch(ship(BUNDLE, KEYS, MAX_MEGAPIXELS, MAX_UPLOAD_MB, um_per_px), tmp_path, ["tile.png"])["error"][0]
        for um_per_px in (None, 4.0, 0.5)
    ]
    assert errors[0] == "image_too_small"
    assert pd.isna(errors[1])
    assert errors[2] == "field_too_small"
    with pytest.raises(ScaleInvalid):
        ship(BUNDLE, KEYS, MAX_MEGAPIXELS, MAX_UPLOAD_MB, 0.0)


def test_each_picture_is_a_row_and_unreadable_ones_say_why(
    client: Client, shipment: Shipment, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "readings.parquet"
    table = score(pictures, shipment, client, out, batch=4)
    assert list(table["file"]) == find_pictures(pictures)
    assert load_table(out).equals(table)
    assert table["label"].isna().all()
    unread = table[table["error"].notna()]
    assert set(unread["file"]) == {"empty.jpg", "text.png"}
    assert "unreadable" in readings_summary(table)
    assert "text.png" in readings_summary(table)
    assert table.loc[table["error"].isna(), "prediction"].notna().all()
    assert [path.name for path in tmp_path.iterdir()] == ["readings.parquet"]
    with pytest.raises(ScoreError, match="is there already"):
        score(pictures, shipment, client, out, batch=4)


def test_pictures_are_held_against_the_limits_of_the_box(client: Client, tmp_path: Path) -> None:
    """What a box refuses by its settings, scoring refuses by the same values."""
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1000, 3), np.uint8)
    Image.fromarray(noise[:60, :60]).save(tmp_path / "small.png")
    Image.fromarray(noise).save(tmp_path / "large.png")
    Image.fromarray(noise).save(tmp_path / "larger.bmp")
    (tmp_path / "no picture.bmp").write_bytes(noise.tobytes() + b"x")  # over 3 MB, whatever it is
    table = score(tmp_path, ship(BUNDLE, KEYS, 1, 3), client, tmp_path / "a.parquet", batch=4).set_index("file")
    assert table["error"].to_dict() == {
        "small.png": "image_too_small",
        "large.png": "upload_too_large",
        "larger.bmp": "upload_too_large",
        "no picture.bmp": "upload_too_large",
    }
    table = score(tmp_path, ship(BUNDLE, KEYS, 1, MAX_UPLOAD_MB), client, tmp_path / "b.parquet", batch=4)
    assert table.set_index("file")["error"]["large.png"] == "too_many_pixels"
    by_default, new_box = ship(BUNDLE, KEYS, MAX_MEGAPIXELS, MAX_UPLOAD_MB), Settings()
    assert (by_default.limits, by_default.max_bytes) == (new_box.limits, new_box.max_upload_bytes)


def test_what_is_read_is_kept_when_a_batch_fails_and_the_next_call_goes_on(
    client: Client, shipment: Shipment, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "readings.parquet"
    monkeypatch.setattr(scoring, "read_batch", read_until_deadly)
    with pytest.raises(TaskFailed, match="the disk is gone"):
        score(pictures, shipment, client, out, batch=4)
    assert not out.exists()
    other = replace(shipment, bundle=shipment.bundle + b"another")
    with pytest.raises(ScoreError, match="another bundle"):
        score(pictures, other, client, out, batch=4)
    monkeypatch.setattr(scoring, "read_batch", read_only_deadly)
    assert list(score(pictures, shipment, client, out, batch=4)["file"]) == find_pictures(pictures)


def test_a_killed_worker_loses_nothing(
    client: Client, shipment: Shipment, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_part, alive = scoring._add_part, list(client.run(os.getpid).values())

    def kill_after_the_first(folder: Path, table: pd.DataFrame) -> None:
        add_part(folder, table)
        if alive:
            os.kill(alive.pop(), signal.SIGKILL)
            alive.clear()

    monkeypatch.setattr(scoring, "_add_part", kill_after_the_first)
    table = score(pictures, shipment, client, tmp_path / "readings.parquet", batch=1)
    assert list(table["file"]) == find_pictures(pictures)
    assert set(table.loc[table["error"].notna(), "file"]) == {"empty.jpg", "text.png"}


def test_a_picture_that_kills_workers_costs_only_its_own_row(
    client: Client, shipment: Shipment, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "read_batch", read_and_die)
    table = score(pictures, shipment, client, tmp_path / "readings.parquet", batch=8)
    assert list(table["file"]) == find_pictures(pictures)
    assert list(table.loc[table["error"] == KILLED, "file"]) == [DEADLY]


def test_a_folder_that_a_worker_does_not_see_is_named(shipment: Shipment, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shared disk"):
        read_batch(shipment, tmp_path / "elsewhere", ["a.png"])
    with pytest.raises(DataError, match="has no pictures"):
        find_pictures(tmp_path)


def test_speed_up_is_of_medians() -> None:
    told = benchmark_table({1: [9.0, 10.0, 50.0], 2: [1.0, 19.0, 20.0]})
    assert "| 2 | 19.0 | 1.0–20.0 | 1.90× |" in told
