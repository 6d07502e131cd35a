"""Fitting: what a run leaves, that an interrupted one goes on, and how classes are balanced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image as Pillow

from training.balance import epoch_order, grid_logits, grid_loss, sample_weights
from training.batches import steps_per_epoch, training_batches
from training.data import CALIBRATION, TEST, TRAINING, Sample, Split
from training.errors import RunError
from training.fit import HISTORY, LOGS, RESUME, fit, load_run
from training.phantoms import draw
from training.recipe import Recipe, load_recipe

BASE = load_recipe("breakhis")
SMALL = replace(
    BASE,
    data=replace(BASE.data, area_px=64 * 64),
    network=replace(BASE.network, name="conv3", weights="none", frozen_blocks=0),
    fit=replace(BASE.fit, epochs=3, batch=4, square_px=(64,), balance="none"),
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Split]:
    """A folder of drawn fields of two kinds, by two patients each, and a split of them."""
    folder = tmp_path_factory.mktemp("drawn")
    samples = []
    for number in range(12):
        label = number % 2
        Pillow.fromarray(draw(("normal", "invasive")[label], number, 96, 96).pixels).save(folder / f"{number}.png")
        samples.append(Sample(f"{number}.png", label, f"p{number // 3}"))
    return folder, Split({TRAINING: samples[:9], CALIBRATION: samples[9:], TEST: []})


class _PowerCut(Exception):  # noqa: N818
    pass


def test_an_interrupted_fit_goes_on_and_ends_as_one(
    drawn: tuple[Path, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit that is cut off in its third epoch goes on from the second, and leaves three lines of history."""
    data, split = drawn

    class CutOff(keras.callbacks.CSVLogger):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 2:
                raise _PowerCut
            super().on_epoch_begin(epoch, logs)

    with monkeypatch.context() as patched:
        patched.setattr(keras.callbacks, "CSVLogger", CutOff)
        with pytest.raises(_PowerCut):
            fit(SMALL, data, tmp_path, split, verbose=0)
    with pytest.raises(RunError, match=r"run\.json|weights"):
        load_run(SMALL, data, tmp_path)
    assert (tmp_path / RESUME).is_dir()
    run = fit(SMALL, data, tmp_path, split, verbose=0)
    lines = (tmp_path / HISTORY).read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1", "2"]
    assert not (tmp_path / RESUME).exists()
    assert list((tmp_path / LOGS).rglob("events*"))
    again = load_run(SMALL, data, tmp_path)
    for ours, theirs in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    assert json.loads((tmp_path / "run.json").read_text())["split_sha256"] == split.sha256


def test_another_split_starts_anew(drawn: tuple[Path, Split], tmp_path: Path) -> None:
    data, split = drawn
    fit(SMALL, data, tmp_path, split, epochs=1, verbose=0)
    other = Split({**split.parts, TRAINING: split.parts[TRAINING][:-1]})
    fit(SMALL, data, tmp_path, other, epochs=1, verbose=0)
    assert len((tmp_path / HISTORY).read_text().splitlines()) == 2


def test_early_stopping_needs_pictures_to_watch(drawn: tuple[Path, Split], tmp_path: Path) -> None:
    data, split = drawn
    patient = replace(SMALL, fit=replace(SMALL.fit, patience=1))
    with pytest.raises(RunError, match=r"fit\.patience"):
        fit(patient, data, tmp_path, Split({**split.parts, CALIBRATION: []}), verbose=0)
    hasty = replace(patient, fit=replace(patient.fit, epochs=40, learning_rate=0.0))
    fit(hasty, data, tmp_path, split, verbose=0)  # nothing is learnt, so nothing gets better
    assert len((tmp_path / HISTORY).read_text().splitlines()) < 10


def test_weights_balance_classes_and_leave_out_patients_of_one_class() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    groups = np.array(["a", "a", "a", "a", "b", "b", "b"])
    assert np.allclose(sample_weights(labels, groups, "weights"), [7 / 6] * 3 + [7 / 8] * 4)
    within = sample_weights(labels, groups, "groups")
    assert np.allclose(within, [2 / 3] * 3 + [2] + [0] * 3)
    assert set(epoch_order(labels, within, "groups", np.random.default_rng(0))) == {0, 1, 2, 3}
    drawn = epoch_order(labels, np.ones(7), "sampling", np.random.default_rng(0))
    assert np.bincount(labels[drawn]).tolist() == [4, 4]


def test_a_tiles_logit_is_the_mean_of_its_own_places() -> None:
    class_map = np.arange(2 * 6 * 6 * 2, dtype=np.float32).reshape(2, 6, 6, 2)
    logits = grid_logits(class_map, 3).numpy()
    assert np.allclose(logits[1, 2, 0], class_map[1, 4:6, 0:2].mean((0, 1)))
    assert np.allclose(grid_logits(class_map, 1).numpy()[:, 0, 0], class_map.mean((1, 2)))


def test_losses_by_hand() -> None:
    """Two tiles, one of weight 0. Logits (0, ln 3) for label 1: p = 3/4."""
    class_map = np.array([[[[0, np.log(3)], [9, -9]]]], np.float32).reshape(1, 1, 2, 2)
    class_map = np.concatenate([class_map, class_map], 1)  # two rows alike
    targets = np.array([[0, 1, 1], [0, 1, 0]] * 2, np.float32).reshape(1, 2, 2, 3)

    def loss(**how: object) -> float:
        return float(grid_loss(replace(BASE.fit, **({"balance": "none", "label_smoothing": 0.0} | how)))(targets, class_map))

    assert loss() == pytest.approx(-np.log(3 / 4), rel=1e-5)
    assert loss(label_smoothing=0.2) == pytest.approx(-0.9 * np.log(3 / 4) - 0.1 * np.log(1 / 4), rel=1e-5)
    assert loss(balance="focal") == pytest.approx(-np.log(3 / 4) / 16, rel=1e-5)
    assert loss(logit_norm=1.0) == pytest.approx(np.log(1 + np.exp(-1)), rel=1e-4)


def _tiles(count: int) -> tuple[Recipe, list[np.ndarray], list[Sample]]:
    """One section of count × count tiles of 32 px, each filled with its own grey; tile 0 is of the other class."""
    recipe = load_recipe("idc")
    fitting = replace(recipe.fit, tile_px=32, square_px=(32, 96), batch=9, balance="none")
    still = replace(
        recipe.augmentation, rotation_deg=0.0, scale=0.0, stain=0.0, brightness=0.0, contrast=0.0, blur=0.0
    )
    samples = [
        Sample(f"{i}.png", int(i == 0), "p", extra={"x": 50.0 * (i % count), "y": 50.0 * (i // count)})
        for i in range(count**2)
    ]
    pixels = [np.full((32, 32, 3), 10 * i, np.uint8) for i in range(count**2)]
    return replace(recipe, fit=fitting, augmentation=still), pixels, samples


def test_windows_of_tiles_keep_each_label_with_its_tile() -> None:
    recipe, pixels, samples = _tiles(4)
    assert steps_per_epoch(recipe, samples) == 1
    batches = iter(training_batches(recipe, pixels, samples))
    alone, context = next(batches), next(batches)
    assert alone[0].shape == (9, 32, 32, 3)
    assert alone[1].shape == (9, 1, 1, 3)
    assert context[0].shape == (1, 96, 96, 3)
    assert context[1].shape == (1, 3, 3, 3)
    seen = 0
    for _ in range(12):
        for images, targets in (next(batches), next(batches)):
            grid = targets.shape[1]
            grey = np.rint(images.numpy()[..., 0] * 128 + 127)
            for n in range(len(images)):
                for row in range(grid):
                    for column in range(grid):
                        tile = grey[n, row * 32 : row * 32 + 32, column * 32 : column * 32 + 32]
                        assert np.ptp(tile) <= 1
                        label = targets.numpy()[n, row, column]
                        if tile.mean() > 200:
                            assert label.tolist() == [0, 0, 0]  # nothing known of what isn't there
                        else:
                            seen += tile.mean() < 5
                            assert label.tolist() == ([0, 1, 1] if tile.mean() < 5 else [1, 0, 1])
    assert seen


def test_balance_within_patients_needs_patients_of_several_classes() -> None:
    recipe, pixels, samples = _tiles(2)
    lone = [replace(sample, group=str(number)) for number, sample in enumerate(samples)]
    with pytest.raises(RunError, match="groups"):
        training_batches(replace(recipe, fit=replace(recipe.fit, balance="groups")), pixels, lone)
