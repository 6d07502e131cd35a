"""Parts of a field: mosaics are what they say, the limit keeps its promise, and what is found is counted right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from device.reading.maps import Maps
from training.data import Sample
from training.errors import RunError
from training.evaluation import parts
from training.evaluation.mosaics import EDGES, SHARES, Edge, match_stain, paste
from training.evaluation.parts import as_tables, find_limit, measure_parts, unanswered
from training.evaluation.table import class_columns, columns, save_table, typed
from training.recipe import load_recipe
from training.run_files import PARTS, READINGS

LABELS = ["normal", "benign", "insitu", "invasive"]
TRIALS = 200
ODDS_OF_A_FALSE_ALARM = 3.3  # standard errors


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", range(3))
def test_a_part_has_its_share_of_the_field_and_nothing_else_changes(share: float, seed: int) -> None:
    field, other = np.full((384, 512, 3), 200, np.uint8), np.full((384, 512, 3), 90, np.uint8)
    mosaic = paste(field, other, share, Edge("hard", 0, False), np.random.default_rng(seed))
    top, left, bottom, right = mosaic.box
    assert (bottom - top) * (right - left) / (384 * 512) == pytest.approx(share, rel=0.02)
    inside = np.zeros((384, 512), bool)
    inside[top:bottom, left:right] = True
    assert (mosaic.pixels[inside] == 90).all()
    assert (mosaic.pixels[~inside] == 200).all()


def test_a_soft_edge_goes_from_one_field_to_the_other_without_a_step() -> None:
    field, other = np.full((384, 512, 3), 200, np.uint8), np.full((384, 512, 3), 90, np.uint8)
    mosaic = paste(field, other, 1 / 4, Edge("soft", 16, False), np.random.default_rng(0))
    top, left, bottom, right = mosaic.box
    steps = np.abs(np.diff(mosaic.pixels[(top + bottom) // 2, :, 0].astype(int)))
    assert steps.max() <= 8
    assert mosaic.pixels[(top + bottom) // 2, (left + right) // 2, 0] == 90


def test_a_part_of_a_smaller_field_is_as_large_as_it_can_be() -> None:
    field, other = np.zeros((300, 400, 3), np.uint8), np.ones((100, 90, 3), np.uint8)
    top, left, bottom, right = paste(field, other, 1 / 2, EDGES[0], np.random.default_rng(0)).box
    assert (bottom - top, right - left) == (100, 90)


def test_a_matched_stain_has_the_mean_and_the_spread_of_the_other() -> None:
    chance = np.random.default_rng(0)
    pink = np.clip(chance.normal((220, 150, 190), 15, (64, 64, 3)), 1, 255).astype(np.uint8)
    blue = np.clip(chance.normal((120, 100, 200), 25, (64, 64, 3)), 1, 255).astype(np.uint8)
    density = [-np.log10(np.maximum(each, 1) / 255) for each in (match_stain(pink, pink, blue), blue)]
    assert density[0].mean((0, 1)) == pytest.approx(density[1].mean((0, 1)), abs=0.01)
    assert density[0].std((0, 1)) == pytest.approx(density[1].std((0, 1)), abs=0.01)


def test_a_field_whose_answer_names_a_class_of_concern_gets_no_caution() -> None:
    sets = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]], bool)
    assert unanswered(np.array([3.0, 4.0, 5.0]), sets, [2, 3]).tolist() == [3.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("units", "pictures"), [(16, 10), (160, 1), (400, 1)], ids=["16 blocks", "160 pictures", "400 pictures"]
)
def test_the_limit_is_broken_no_more_often_than_it_promises(units: int, pictures: int) -> None:
    """Leads of fields in blocks that are alike, of which a part names a class of concern anyway."""
    chance = np.random.default_rng(units)

    def drawn(count: int, each: int) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
        of = np.repeat(np.arange(count), each)
        leads = np.exp(chance.normal(0, 1, count)[of] + chance.normal(0, 1, len(of)))
        return np.where(chance.random(len(of)) < 0.3, 0.0, leads), of.astype(str)

    fresh, _ = drawn(20_000, 1)
    broken = 0
    for _ in range(TRIALS):
        limit = find_limit(*drawn(units, pictures))
        broken += (fresh > limit.lead).mean() > limit.alpha
    allowed = 1 - limit.confidence
    assert broken / TRIALS <= allowed + ODDS_OF_A_FALSE_ALARM * np.sqrt(allowed * (1 - allowed) / TRIALS)


def test_few_units_promise_less_and_many_promise_one_in_a_hundred() -> None:
    leads = np.linspace(0, 1, 160)
    few = find_limit(leads, (np.arange(160) // 10).astype(str))
    assert (few.lead, few.units) == (1.0, 16)
    assert few.alpha == pytest.approx(1 - 0.1 ** (1 / 16), abs=1e-4)
    many = find_limit(np.linspace(0, 1, 1000), np.arange(1000).astype(str))
    assert many.alpha == 0.01
    assert many.lead < 1


# --- a cross-validation whose networks read a pixel's grey as its class ------------------------------------------------

GREYS = (40, 100, 160, 220)  # of normal, benign, in situ, invasive


class GreyHead:
    """Each cell of 32 px speaks by 6 for the class whose grey it has, and by as much less for the others."""

    def maps(self, _features: object, pixels: NDArray[np.uint8]) -> Maps:
        cells = pixels[..., 0].reshape(pixels.shape[0] // 32, 32, pixels.shape[1] // 32, 32).mean((1, 3))
        nearest = np.abs(cells[..., None] - np.array(GREYS)).argmin(2)
        values = 8.0 * (np.arange(4) == nearest[..., None]) - 2.0
        return Maps(values, values.mean((0, 1)), np.zeros((1, 4)))


@pytest.fixture
def crossval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Four folds of blocks of fields that are plain grey; every eighth normal field has an in situ corner."""

    def pixels_of(number: int, label: int) -> NDArray[np.uint8]:
        pixels = np.full((192, 256, 3), GREYS[label], np.uint8)
        if label == 0 and number % 8 == 0:
            pixels[:32, :32] = GREYS[2]
        return pixels

    samples = [
        Sample(f"{LABELS[label]}{n:02}.png", label, f"{LABELS[label]}-{n // 4}")
        for label in range(4)
        for n in range(32)
    ]
    folds = {str(fold): [s for s in samples if int(s.group[-1]) // 2 == fold] for fold in range(4)}
    pixels = {s.file: pixels_of(int(s.file[-6:-4]), s.label) for s in samples}

    def unseen_fields(run: Any) -> parts.FoldRead:
        network: Any = SimpleNamespace(run=lambda _: {"features": None})
        head: Any = GreyHead()
        return parts.FoldRead(network, head, folds[run], [pixels[s.file] for s in folds[run]])

    def written(shift: float = 0.0) -> Path:
        rows = []
        for name, members in folds.items():
            for sample in members:
                logits = GreyHead().maps(None, pixels[sample.file]).logits + shift
                p = np.exp(logits) / np.exp(logits).sum()
                row: dict[str, Any] = {
                    "file": sample.file,
                    "group": sample.group,
                    "label": LABELS[sample.label],
                    "fold": name,
                }
                row |= {"prediction": LABELS[int(logits.argmax())], "caution": False}
                row |= dict(zip(class_columns("logit", LABELS), logits, strict=True))
                rows.append(row | dict(zip(class_columns("p", LABELS), p, strict=True)))
        save_table(typed(pd.DataFrame(rows, columns=columns(LABELS))), tmp_path / READINGS)
        return tmp_path

    monkeypatch.setattr(parts, "open_draft", lambda _recipe, _data, folder: folder.name)
    monkeypatch.setattr(parts, "unseen_fields", unseen_fields)
    monkeypatch.setattr(parts, "EDGES", EDGES[:1])
    return written


def test_what_the_caution_finds_is_counted(crossval: Callable[..., Path], tmp_path: Path) -> None:
    folder = crossval()
    found = measure_parts(load_recipe("bach"), tmp_path, folder, tell=lambda _: None)
    rule = found["rule"]
    assert json.loads((folder / PARTS).read_text()) == found
    # The corners: one cell of 48 in which in situ leads by 8.
    assert rule["limit"] == pytest.approx(8 / 48)
    assert (rule["n"], rule["unit"], rule["pictures"], rule["cautions"]) == (16, "block", 64, 0)
    whole = {row["fields"]: row for row in found["fields"]}
    assert whole["invasive"]["answer"]["hits"] == 32
    assert whole["without a class of concern"]["caution"]["n"] == 64
    quarters = [row for row in found["mosaics"] if row["share"] == 1 / 4 and row["edge"] == "hard"]
    assert [row["pasted"] for row in quarters] == ["insitu", "invasive"]
    for row in quarters:
        assert row["either"]["n"] == 64
        assert row["top"]["hits"] == 0
        assert row["either"]["hits"] == 64
        # A cell at the part's edge may be the strongest place though its middle lies just outside.
        assert 55 <= row["at_part"]["hits"] <= row["caution"]["hits"]
    halves = [row for row in found["mosaics"] if row["share"] == 1 / 2 and row["edge"] == "hard"]
    assert all(row["either"]["hits"] == 64 for row in halves)
    tables = as_tables(found)
    assert "| without a class of concern | 64 |" in tables
    assert "| insitu | 1/4 | hard | 64 |" in tables


def test_networks_that_are_not_those_of_the_readings_are_told(crossval: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="doesn't read"):
        measure_parts(load_recipe("bach"), tmp_path, crossval(shift=0.1), tell=lambda _: None)


def test_a_recipe_without_a_class_of_concern_has_no_parts(tmp_path: Path) -> None:
    recipe = load_recipe("bach")
    with pytest.raises(RunError, match="no class of concern"):
        measure_parts(replace(recipe, answer=replace(recipe.answer, concern=())), tmp_path, tmp_path)
