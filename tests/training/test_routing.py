"""Reports of what a box would do: sharing pictures out, and noticing a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device.reading.bundle import Bundle, bundle_files
from device.reading.image import Limits
from device.reading.routing import Router
from tests.support.shipped import KEYS, MODELS, SAMPLES, SHARED_DATA
from training.studies import colours, drift, routing
from training.studies.routing import pictures_of, share_out

SIZES = {"made": 320, "shows": 320}


def test_every_picture_is_read_by_one_model_or_refused() -> None:
    router = Router([Bundle.open(path, KEYS) for path in bundle_files(MODELS)], Limits())
    row = share_out(router, *pictures_of(str(SAMPLES), Path("unused"), 5))
    assert row.n <= 5
    assert row.read.total() + row.refused.total() == row.n
    assert all(row.accepted[model] >= count for model, count in row.read.items())
    assert f"| {row.name} | {row.n} |" in routing.as_table([row], ["bach", "busi", "idc"])


@pytest.mark.shared_data
def test_a_recipes_pictures_are_spread_over_all_of_them() -> None:
    name, pictures = pictures_of("bach", SHARED_DATA, 16)
    assert (name, len(pictures)) == ("bach", 16)


@pytest.mark.shared_data
def test_a_recipe_of_several_sets_finds_them_below_the_folder_of_all() -> None:
    name, pictures = pictures_of("idc", SHARED_DATA, 3)
    assert (name, len(pictures)) == ("idc", 3)
    assert [half for _, half, _ in colours.halves_of("idc", SHARED_DATA, 3)] == [colours.SETTING, colours.REPORTING]


def test_a_replay_counts_false_alarms_apart_from_findings() -> None:
    rng = np.random.default_rng(1)

    def uniform(n: int) -> list[dict[str, float]]:
        return [{name: float(p) for name, p in zip(SIZES, row, strict=True)} for row in rng.uniform(0.004, 1, (n, 2))]

    strange = [{"made": 1 / 321, "shows": 1 / 321}] * 60
    row = drift.replay("strange", SIZES, uniform(200), strange, orders=5)
    assert row.false_alarms == 0
    assert all(found is not None and found < 30 for found in row.found)
    assert drift.replay("alike", SIZES, uniform(200), uniform(60), orders=5).found == (None,) * 5
    early = drift.replay("strange from the start", SIZES, strange, uniform(10), orders=3)
    assert (early.false_alarms, early.found) == (3, ())
    assert "| strange | 200 | 60 | 5 | 0 | 5 of 5 |" in drift.as_table([row])
