"""What rounding to integers costs: folding, bias correction, fine-tuning, the report and the budget."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from device.reading.runtime import Network
from device.reading.tissue import EVERYWHERE
from training.drawn.phantoms import KINDS, draw
from training.errors import QuantizationBudgetExceeded
from training.networks import build, load_weights, scale_pixels
from training.quantization import aware
from training.quantization.budget import check_budget
from training.quantization.convert import convert
from training.quantization.folding import bias_shift, convolutions, fold, is_depthwise, prepare, round_weights
from training.recipe import QuantizationBudget
from training.studies.quantization_report import layer_errors, table, worst_first, write_html

PICTURES = [draw(kind, seed, 64, 64).pixels for kind in KINDS for seed in (1, 2)]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    built = build("lite0", 4, frozen_blocks=2)
    load_weights(built, "lite0", "imagenet")
    return built


def rounded(model: keras.Model) -> keras.Model:
    """A copy with the weights that the integer network has."""
    copy = fold(model)
    for layer in convolutions(copy):
        kernel, bias = layer.get_weights()
        layer.set_weights([round_weights(kernel, depthwise=is_depthwise(layer)).numpy(), bias])
    return copy


def features(model: keras.Model) -> np.ndarray:
    return np.asarray(model(scale_pixels(np.stack(PICTURES)), training=False)["features"])


def test_folding_changes_nothing_but_the_layers(model: keras.Model) -> None:
    copy, picture = fold(model), scale_pixels(PICTURES[0][None])
    assert not [layer for layer in copy.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for output, value in model(picture, training=False).items():
        assert np.allclose(copy(picture, training=False)[output], value, atol=1e-3 * np.abs(value).max())


def test_batch_norm_before_a_convolution_stays() -> None:
    """As DenseNet has it; the convolution before gets a bias, for its correction."""
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="first")(image)
    x = keras.layers.ReLU(name="relu")(keras.layers.BatchNormalization(name="norm")(keras.layers.ReLU()(x)))
    whole = keras.Model(image, {"class_map": keras.layers.Conv2D(2, 1, name="class_map")(x)})
    copy = fold(whole)
    assert copy.get_layer("first").use_bias
    assert isinstance(copy.get_layer("norm"), keras.layers.BatchNormalization)
    picture = scale_pixels(PICTURES[0][None])
    assert np.allclose(copy(picture)["class_map"], whole(picture)["class_map"], atol=1e-6)


def test_corrected_biases_make_up_for_rounded_weights(model: keras.Model) -> None:
    plain, corrected = (
        np.abs(features(rounded(m)) - features(model)).mean() for m in (model, prepare(model, PICTURES))
    )
    assert corrected < 0.7 * plain


def test_the_shift_is_that_of_the_convolutions_mean() -> None:
    random = np.random.default_rng(1)
    inputs = random.random((1, 64, 64, 3), np.float32)
    for depthwise, kind in ((False, keras.layers.Conv2D(5, 3)), (True, keras.layers.DepthwiseConv2D(3))):
        before = np.asarray(kind(inputs)).mean((0, 1, 2))
        kernel, bias = kind.get_weights()
        coarse = np.rint(kernel * 4) / 4
        kind.set_weights([coarse, bias])
        shift = bias_shift(kernel, coarse, inputs.mean((0, 1, 2)), depthwise=depthwise)
        assert np.allclose(np.asarray(kind(inputs)).mean((0, 1, 2)) - before, shift, atol=0.02)


def test_fine_tuning_brings_the_integer_network_closer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One large weight in each channel makes the steps of all others coarse."""
    monkeypatch.setattr(aware, "LEARNING_RATE", 3e-5)
    keras.utils.set_random_seed(1)
    network = build("conv3", 4)
    for layer in convolutions(network):
        kernel, bias = layer.get_weights()
        kernel[0, 0, 0] *= 30
        layer.set_weights([kernel, bias])
    wanted = np.asarray(network(scale_pixels(np.stack(PICTURES)))["class_map"])

    def distance(candidate: keras.Model) -> float:
        """Mean distance of the integer network's class map from the float one's."""
        path = tmp_path / "n.tflite"
        path.write_bytes(convert(candidate, PICTURES))
        integer = Network(path)
        said = integer.outputs["features"]
        found = np.stack([integer.run(picture)["features"] for picture in PICTURES]).astype(float)
        weights, bias = candidate.get_layer("class_map").get_weights()
        return float(np.abs((found - said.zero_point) * said.scale @ weights[0, 0] + bias - wanted).mean())

    tuned = aware.rescue(network, PICTURES, epochs=8, seed=1, counts=EVERYWHERE)
    assert set(tuned.output) == set(network.output)
    assert distance(tuned) < distance(network)


def test_the_report_finds_the_layer_that_was_spoilt() -> None:
    given = build("conv3", 2)
    spoilt = keras.models.clone_model(given)
    spoilt.set_weights(given.get_weights())
    spoilt.get_layer("conv3").set_weights([w * 1.5 for w in given.get_layer("conv3").get_weights()])
    errors = layer_errors(given, convert(spoilt, PICTURES), PICTURES[:2])
    found = {error.layer: error.sqnr_db for error in errors}
    assert found["conv2"] > 25 > 10 > found["conv3"]
    assert worst_first(errors)[0].layer != "conv2"


def test_the_report_shows_every_layer(model: keras.Model, tmp_path: Path) -> None:
    errors = layer_errors(model, convert(model, PICTURES), PICTURES[:2])
    assert (
        len(errors) == 60
    )  # 16 blocks of 2 or 3 convolutions, 9 additions with a name, stem, head, two averages to cells
    assert all(error.sqnr_db > 8 and error.clipped < 0.02 for error in errors)
    write_html(errors, tmp_path / "page.html", "Quantization of <x>")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;x&gt;" in page
    assert page.count("<tr>") == 61
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")
    assert worst_first(errors)[0].layer in table(errors)


def test_the_budget_forgives_one_picture_and_no_more() -> None:
    """200 pictures, two classes: one read differently is 99.5 %, two are 99 %; gains aren't losses."""
    labels = np.repeat([0, 1], 100)
    truth = np.eye(2)[labels] * 2.0
    budget = QuantizationBudget(max_accuracy_loss=0.002, min_agreement=0.995, rescue_epochs=0)

    def turned(*pictures: int) -> np.ndarray:
        logits = truth.copy()
        logits[list(pictures)] = logits[list(pictures)][:, ::-1]
        return logits

    assert check_budget(turned(3), truth, labels, budget).agreement == pytest.approx(0.995)
    with pytest.raises(QuantizationBudgetExceeded, match=r"2 of 200 .*99\.00%.*rescue_epochs"):
        check_budget(turned(3, 150), truth, labels, budget)
    gained = check_budget(truth, turned(3), labels, budget)
    assert gained.loss == pytest.approx(-0.005)
    wide = QuantizationBudget(max_accuracy_loss=0.002, min_agreement=0.9, rescue_epochs=0)
    with pytest.raises(QuantizationBudgetExceeded, match="balanced accuracy"):
        check_budget(turned(1, 2, 3), truth, labels, wide)
