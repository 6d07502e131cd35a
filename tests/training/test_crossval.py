"""A cross-validation and trials of a miniature, end to end: drawn pictures of two classes, a small network, one epoch."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client
from PIL import Image

from training.crossval import FOLDS, METRICS, READINGS, crossval, fold_split, fold_table
from training.data import Split, find_samples, make_folds
from training.engine import connect
from training.errors import CrossvalError, TaskFailed, TrialError
from training.evaluation.table import load_table
from training.phantoms import draw
from training.recipe import Recipe, load_recipe

RECIPE = """
id = "miniature"
version = "1"
title = { en = "miniature", fr = "miniature" }
labels = [{ id = "normal", name = { en = "normal", fr = "normal" } }, { id = "invasive", name = { en = "i", fr = "i" } }]
data = { adapter = "folder", name = "phantoms", source = "drawn", terms = "none", um_per_px = 1.12, area_px = 4096 }
split = { folds = 2 }
network = { name = "conv3", weights = "none", frozen_blocks = 0 }
fit = { epochs = 1, batch = 4, square_px = [64] }
"""
PATIENTS, EACH = 4, 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients with a picture of either class."""
    folder = tmp_path_factory.mktemp("miniature")
    groups = []
    for kind in ("normal", "invasive"):
        (folder / kind).mkdir()
        for number in range(PATIENTS * EACH):
            file = f"{kind}/{number:02}.png"
            Image.fromarray(draw(kind, number, 64, 64).pixels).save(folder / file)
            groups.append((file, f"patient {number % PATIENTS}"))
    with (folder / "groups.csv").open("w", newline="") as file_of_groups:
        csv.writer(file_of_groups).writerows([("file", "group"), *groups])
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    path = tmp_path_factory.mktemp("recipe") / "miniature.toml"
    path.write_text(RECIPE)
    return load_recipe(str(path))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(None, 1) as client:
        yield client


@pytest.fixture(scope="module")
def done(recipe: Recipe, data: Path, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished cross-validation."""
    out = tmp_path_factory.mktemp("crossval")
    crossval(recipe, data, make_folds(find_samples(recipe, data), recipe.split), out, client)
    return out


def test_every_picture_is_read_once_by_a_network_that_never_saw_its_patient(
    recipe: Recipe, data: Path, done: Path
) -> None:
    samples = find_samples(recipe, data)
    table = load_table(done / READINGS)
    assert sorted(table["file"]) == sorted(sample.file for sample in samples)
    assert table[["logit_normal", "float_logit_normal", "p_normal"]].notna().all(axis=None)
    for fold in make_folds(samples, recipe.split):
        split = Split.load(done / fold.name / "split.json")
        assert split.sha256 == fold_split(fold).sha256 == json.loads((done / FOLDS).read_text())[fold.name]
        tested = set(table.loc[table["fold"] == fold.name, "group"])
        assert not tested & {sample.group for sample in split.parts["training"]}
    figures = json.loads((done / METRICS).read_text())
    assert figures["all"]["n"] == len(samples)
    assert len(figures["by_fold"]) == 2
