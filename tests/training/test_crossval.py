"""A cross-validation and trials of a miniature, end to end: drawn pictures of two classes, a small network, one epoch."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client
from msgspec.structs import replace
from PIL import Image

from training.data import Split, find_samples, make_folds
from training.distributed.crossval import METRICS, crossval, fold_split
from training.distributed.engine import connect
from training.distributed.trials import make_trials, parse_choices, run_trials
from training.drawn.phantoms import draw
from training.errors import CrossvalError, RecipeError, TaskFailed, TrialError
from training.evaluation.table import load_table
from training.recipe import Recipe, load_recipe
from training.run_files import FOLDS, READINGS
from training.stamp import read_stamp, stale, stamp

RECIPE = """
id = "miniature"
version = "1.0.0"
title = { en = "miniature", fr = "miniature" }
modality = "histology"
labels = [{ id = "normal", name = { en = "normal", fr = "normal" } }, { id = "invasive", name = { en = "i", fr = "i" } }]
data = { adapter = "folder", name = "phantoms", source = "drawn", terms = "none", um_per_px = 1.12, area_px = 4096 }
split = { folds = 2 }
network = { name = "conv3", weights = "none", frozen_blocks = 0 }
fit = { epochs = 1, batch = 4, square_px = [64] }
answer = { concern = [] }
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


def test_a_finished_fold_is_not_done_again_and_another_recipe_is_refused(
    recipe: Recipe, data: Path, client: Client, done: Path, tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    shutil.copytree(done, out)
    folds = make_folds(find_samples(recipe, data), recipe.split)
    files = [out / fold.name / name for fold in folds for name in ("run.json", READINGS)]
    before = [file.stat().st_mtime_ns for file in files]
    crossval(recipe, data, folds, out, client)
    assert [file.stat().st_mtime_ns for file in files] == before
    # A fold that was fitted by hand has no readings yet: it isn't fitted again.
    (out / "0" / READINGS).unlink()
    crossval(recipe, data, folds, out, client, names=["0"])
    assert files[0].stat().st_mtime_ns == before[0]
    assert len(load_table(out / READINGS)) == sum(len(fold.test) for fold in folds)
    other = replace(recipe, fit=replace(recipe.fit, learning_rate=0.01))
    with pytest.raises(TaskFailed, match=r"other settings .*remove that folder"):
        crossval(other, data, folds, out, client, names=["0"])
    resplit = make_folds(find_samples(recipe, data), replace(recipe.split, seed=5))
    with pytest.raises(TaskFailed, match="another split"):
        crossval(recipe, data, resplit, out, client, names=["0"])
    with pytest.raises(CrossvalError, match="there are 0, 1"):
        crossval(recipe, data, folds, out, client, names=["7"])


def test_a_fold_that_other_code_read_is_read_again_and_meanwhile_left_out(
    recipe: Recipe, data: Path, client: Client, done: Path, tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    shutil.copytree(done, out)
    folds = make_folds(find_samples(recipe, data), recipe.split)
    for name in ("0", "1"):
        found = read_stamp(out / name / READINGS)
        assert found is not None
        code = found.source.code | {"training.gate.fit": "of another day"}
        stamp(out / name / READINGS, replace(found.source, code=code))
    assert any("0/readings.parquet" in sentence and "crossval" in sentence for sentence in stale(out / READINGS))
    weights = (out / "0" / "weights.weights.h5").stat().st_mtime_ns
    told: list[str] = []
    table = crossval(recipe, data, folds, out, client, names=["0"], tell=told.append)
    assert told[0] == "fold 0 is read again: the code of training.gate.fit changed since"
    assert told[-1] == "fold 1 is left out of the table: the code of training.gate.fit changed since"
    assert set(table["fold"]) == {"0"}
    assert (out / "0" / "weights.weights.h5").stat().st_mtime_ns == weights, "it isn't fitted again"
    assert stale(out / READINGS) == []


def test_trials_are_ranked_on_the_calibration_part_alone(
    recipe: Recipe, data: Path, client: Client, tmp_path: Path
) -> None:
    split = fold_split(make_folds(find_samples(recipe, data), recipe.split)[0])
    split = Split({**split.parts, "calibration": split.parts["test"][:2], "test": split.parts["test"][2:]})
    trials = make_trials(recipe, dict([parse_choices("fit.dropout=0.0,0.4")]), None)
    table = run_trials(trials, data, tmp_path, split, client, epochs=1)
    assert list(table["n"]) == [2, 2]
    assert table["balanced_accuracy"].is_monotonic_decreasing
    assert sorted(table["fit.dropout"]) == [0.0, 0.4]
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 3
    for trial in trials:
        assert Split.load(tmp_path / trial.name / "split.json").parts["test"] == []


def test_settings_to_try_are_read_like_a_recipe_and_validated(recipe: Recipe) -> None:
    assert parse_choices("fit.learning_rate=1e-4,3e-4") == ("fit.learning_rate", [1e-4, 3e-4])
    assert parse_choices("fit.balance=none,focal") == ("fit.balance", ["none", "focal"])
    choices = dict(map(parse_choices, ["fit.square_px=[64],[64,96]", "fit.dropout=0.1,0.2,0.3"]))
    everything = make_trials(recipe, choices, None)
    assert len({trial.name for trial in everything}) == 6
    assert everything[-1].recipe.fit.square_px == (64, 96)
    some = make_trials(recipe, choices, 4)
    assert some == make_trials(recipe, choices, 4)
    assert len(some) == 4
    with pytest.raises(RecipeError, match=r"fit\.dropout = 2"):
        make_trials(recipe, {"fit.dropout": [2]}, None)
    for path in ("fit.nothing", "split.seed", "id"):
        with pytest.raises(TrialError, match=path):
            make_trials(recipe, {path: [1]}, None)
    with pytest.raises(TrialError, match="write a setting and its values"):
        parse_choices("fit.dropout")
