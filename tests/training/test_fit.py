"""Fitting: what a run leaves, that an interrupted one goes on, and how classes are balanced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as Pillow

from training.data import CALIBRATION, TEST, TRAINING, Sample, Split, labels_of, load_pixels
from training.data.sample import POSSIBLE, UNKNOWN
from training.drawn.phantoms import draw
from training.errors import RunError
from training.fitting.augment import cut
from training.fitting.balance import balanced_loss, epoch_order, sample_weights
from training.fitting.batches import training_batches
from training.fitting.fit import build, fit, fit_partial, fit_regression, float_logits, load_run
from training.fitting.frozen import frozen_squares, middle_square, split_network
from training.networks import load_weights, place_mean, scale_pixels
from training.recipe import load_recipe
from training.run_files import HISTORY, LOGS, RESUME

BASE = load_recipe("breakhis")
SMALL = replace(
    BASE,
    data=replace(BASE.data, area_px=64 * 64, brought_to="area"),
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


class _PowerCut(Exception):
    pass


def test_an_interrupted_fit_goes_on_and_ends_as_one(
    drawn: tuple[Path, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit that is cut off in its third epoch goes on from the second, and leaves three lines of history."""
    data, split = drawn

    class CutOff(keras.callbacks.CSVLogger):  # type: ignore[misc]  # Keras has no types
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


def test_weights_balance_classes_overall_or_within_each_patient() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    groups = np.array(["a", "a", "a", "a", "b", "b", "b"])
    assert np.allclose(sample_weights(labels, groups, "weights"), [7 / 6] * 3 + [7 / 8] * 4)
    assert np.allclose(sample_weights(labels, groups, "groups"), [2 / 3] * 3 + [2] + [1] * 3)
    drawn = epoch_order(labels, "sampling", np.random.default_rng(0))
    assert np.bincount(labels[drawn]).tolist() == [4, 4]


def test_losses_by_hand() -> None:
    """Two pictures of weights 1 and 3. Logits (0, ln 3) and (0, 0) for label 1: p = 3/4 and 1/2."""
    logits = np.array([[0, np.log(3)], [0, 0]], np.float32)
    targets = np.array([[0, 1, 1], [0, 1, 3]], np.float32)

    def loss(**how: Any) -> float:
        changed: dict[str, Any] = {"balance": "none", "label_smoothing": 0.0} | how
        return float(balanced_loss(replace(BASE.fit, **changed))(targets, logits))

    assert loss() == pytest.approx((-np.log(3 / 4) + 3 * np.log(2)) / 2, rel=1e-5)
    smooth = -0.9 * np.log(3 / 4) - 0.1 * np.log(1 / 4)
    assert loss(label_smoothing=0.2) == pytest.approx((smooth + 3 * np.log(2)) / 2, rel=1e-5)
    assert loss(balance="focal") == pytest.approx((-np.log(3 / 4) / 16 + 3 * np.log(2) / 4) / 2, rel=1e-5)
    assert loss(logit_norm=1.0) == pytest.approx((np.log(1 + np.exp(-1)) + 3 * np.log(2)) / 2, rel=1e-4)


def test_the_loss_of_a_partial_label_is_that_of_its_classes_together() -> None:
    """Logits (0, 0, ln 2): p = 1/4, 1/4, 1/2. One of the first two has 1/2, one of the last two 3/4."""
    logits = np.log(np.array([[1, 1, 2], [1, 1, 2]], np.float32))
    targets = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], np.float32)

    def loss(**how: Any) -> float:
        changed: dict[str, Any] = {"balance": "none", "label_smoothing": 0.0} | how
        return float(balanced_loss(replace(BASE.fit, **changed))(targets, logits))

    assert loss() == pytest.approx((-np.log(1 / 2) - np.log(3 / 4)) / 2, rel=1e-5)
    smooth = -(2 * np.log(1 / 4) + np.log(1 / 2)) / 3
    assert loss(label_smoothing=0.3) == pytest.approx(0.7 * loss() + 0.3 * smooth, rel=1e-5)
    assert loss(balance="focal") == pytest.approx((np.log(2) / 4 - np.log(3 / 4) / 16) / 2, rel=1e-5)


def test_a_partial_label_moves_the_probe_but_never_to_a_class_that_it_rules_out() -> None:
    """Three clouds on a line. Of the outer ones half is known, the rest says "not the middle"."""
    random = np.random.default_rng(3)
    rows = np.concatenate([random.normal(centre, 0.3, (40, 1)) for centre in (-2.0, 0.0, 2.0)])
    truth = np.repeat([0, 1, 2], 40)
    possible = np.eye(3)[truth]
    partial = (truth != 1) & (np.arange(120) % 2 == 1)
    possible[partial] = [1, 0, 1]
    weights = np.full(len(rows), 1000.0)  # so that the penalty on the probe's coefficients hardly counts
    assert np.mean(fit_partial(rows, possible, weights).predict(rows) == truth) > 0.9
    known = ~partial
    assert fit_partial(rows[known], possible[known], weights[known]).predict_proba(rows) == pytest.approx(
        fit_regression(rows[known], truth[known], weights[known]).predict_proba(rows)
    )


def test_pictures_with_partial_labels_are_trained_on_as_one_kind() -> None:
    """Nine of class 0 or 1 and three of class 2, sampled alike: half of what is met has two possible classes."""
    fitting = replace(SMALL.fit, square_px=(32,), batch=8, balance="sampling")
    three = replace(SMALL, fit=fitting, labels=(*SMALL.labels, replace(SMALL.labels[0], id="third")))
    partial = {POSSIBLE: "0|1"}
    samples = [Sample(f"{i}.png", UNKNOWN, str(i), extra=partial) for i in range(9)]
    samples += [Sample(f"{i}.png", 2, str(i)) for i in range(9, 12)]
    pixels = [np.zeros((32, 32, 3), np.uint8)] * 12
    batches = iter(training_batches(three, pixels, samples))
    targets = np.concatenate([next(batches)[1].numpy() for _ in range(3)])
    assert {tuple(row) for row in targets.tolist()} == {(1, 1, 0, 1), (0, 0, 1, 1)}
    assert targets[:, 2].mean() == pytest.approx(0.5)


def test_squares_of_several_sizes_take_turns_and_keep_their_labels() -> None:
    """White pictures of class 1, black ones of class 0, in two shapes."""
    fitting = replace(SMALL.fit, square_px=(32, 64), batch=8)
    still = replace(SMALL.augmentation, stain=0.0, brightness=0.0, contrast=0.0, blur=0.0)
    samples = [Sample(f"{i}.png", i % 2, str(i)) for i in range(8)]
    pixels = [np.full((64 + 32 * (i // 4), 96, 3), 255 * (i % 2), np.uint8) for i in range(8)]
    batches = iter(training_batches(replace(SMALL, fit=fitting, augmentation=still), pixels, samples))
    for side, count in ((32, 8), (64, 2), (32, 8), (64, 2)):
        images, targets = (tensor.numpy() for tensor in next(batches))
        assert images.shape == (count, side, side, 3)
        assert np.array_equal(images.mean((1, 2, 3)) > 0, targets[:, 1] == 1)


def test_a_linear_probe_of_two_classes_is_the_regression_itself(drawn: tuple[Path, Split], tmp_path: Path) -> None:
    """Without epochs the frozen network's head tells the drawn kinds apart: a wrong sign or scale would not."""
    data, split = drawn
    shallow = replace(
        SMALL,
        data=replace(SMALL.data, area_px=96 * 96),
        network=replace(SMALL.network, name="lite0-shallow", weights="imagenet", frozen_blocks=16),
        fit=replace(SMALL.fit, square_px=(96,)),
    )
    run = fit(shallow, data, tmp_path, split, epochs=0, verbose=0)
    seen = split.parts[TRAINING]
    said = float_logits(run, load_pixels(data, seen, shallow.data)).argmax(1)
    assert np.mean(said == labels_of(seen)) > 0.8  # which of them augmentation showed how is chance


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_head_that_is_fitted_again_is_a_regression_on_whole_pictures(
    drawn: tuple[Path, Split], tmp_path: Path, epochs: int
) -> None:
    """Whatever steps made of head and features, log-odds are those of a regression on the features as they are then."""
    data, split = drawn
    shallow = replace(
        SMALL,
        data=replace(SMALL.data, area_px=96 * 96),
        network=replace(SMALL.network, name="lite0-shallow", frozen_blocks=0),
        fit=replace(SMALL.fit, square_px=(64,), refit_head=True),
    )
    run = fit(shallow, data, tmp_path, split, epochs=epochs, verbose=0)
    trained = split.parts[TRAINING]
    pictures = load_pixels(data, trained, shallow.data)
    outputs = [run.model(scale_pixels(picture[None]), training=False) for picture in pictures]
    rows = np.stack([output["features"].numpy().mean((0, 1, 2)) for output in outputs])
    regression = fit_regression(rows, labels_of(trained), np.ones(len(rows)))
    logits = float_logits(run, pictures)
    assert np.allclose(logits[:, 1] - logits[:, 0], regression.decision_function(rows), atol=1e-3)


FROZEN_FIRST = replace(
    SMALL,
    data=replace(SMALL.data, area_px=96 * 96),
    network=replace(SMALL.network, name="lite0-middle", weights="imagenet", frozen_blocks=5, counts="tissue"),
    fit=replace(SMALL.fit, square_px=(64,), place="middle", copies=3, epochs=2, batch=3, refit_head=True),
)


def test_the_frozen_blocks_read_each_square_once_for_all_folds_and_the_rest_learns_from_it(
    drawn: tuple[Path, Split], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second fit beside the first, on a split that has the same pictures on other sides, reads nothing anew. Frozen
    blocks stay; those after them move; the drawn kinds are told apart."""
    data, split = drawn
    first = fit(FROZEN_FIRST, data, tmp_path / "0", split, verbose=0)
    assert "12 pictures, 3 squares of each" in capsys.readouterr().out
    before = build(FROZEN_FIRST)
    load_weights(before, "lite0-middle", "imagenet")
    for layer, stays in (("block4_project", True), ("block5_expand", False), ("block10_expand", False)):
        learnt, had = (model.get_layer(layer).get_weights()[0] for model in (first.model, before))
        assert np.array_equal(learnt, had) == stays
    last, seen = split.parts[CALIBRATION], split.parts[TRAINING]
    turned = Split({TRAINING: last + seen[:6], CALIBRATION: seen[6:]})
    fit(FROZEN_FIRST, data, tmp_path / "1", turned, verbose=0)
    assert "squares of each" not in capsys.readouterr().out
    said = float_logits(first, load_pixels(data, seen, FROZEN_FIRST.data)).argmax(1)
    assert np.mean(said == labels_of(seen)) > 0.8


def test_frozen_blocks_and_the_rest_are_the_network(drawn: tuple[Path, Split], tmp_path: Path) -> None:
    """On middle squares as they are: the rest makes of what the frozen blocks left what the whole network makes of the
    square, but for 16 bits; glass has no say in either."""
    data, split = drawn
    model = build(FROZEN_FIRST)
    load_weights(model, "lite0-middle", "imagenet")
    samples = split.parts[TRAINING]
    frozen = frozen_squares(FROZEN_FIRST, data, tmp_path, samples, model)
    assert frozen.values.shape[:2] == (3, 9)
    assert not np.array_equal(frozen.values[0], frozen.values[1])  # the other squares are changed ones
    squares = np.stack([middle_square(picture, 64) for picture in load_pixels(data, samples, FROZEN_FIRST.data)])
    assert squares.shape == (9, 64, 64, 3)
    inputs = scale_pixels(squares)
    expected = place_mean(model(inputs, training=False)["class_map"], inputs, "tissue")
    rest = split_network(model, 5)[1]
    said = rest.logits(frozen.at(np.zeros(9, np.int64), frozen.of(samples)), training=False)
    assert np.allclose(said, expected, atol=0.02)


def test_a_middle_square_is_of_the_picture_s_middle() -> None:
    """Whatever turns and mirrors do, the dark middle stays; a picture that is too small is mirrored at its edges."""
    picture = np.full((160, 224, 3), 255, np.uint8)
    picture[48:112, 80:144] = 40
    still = replace(SMALL.augmentation, scale=0.0)
    for _ in range(8):
        square = cut(picture, replace(still, rotation_deg=0.0), 64, middle=True).numpy()
        assert np.allclose(square, 40, atol=0.01)
    assert np.array_equal(middle_square(picture, 64), picture[48:112, 80:144])
    assert middle_square(picture[48:112, 80:144], 96).shape == (96, 96, 3)
