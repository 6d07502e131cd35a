"""The networks that a recipe may name: what they have in common, where their weights come from, what isn't trained."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from device.reading.runtime import Network
from training.drawn.phantoms import KINDS, draw
from training.errors import NetworkError, WeightsError
from training.networks import NETWORKS, build, load_weights, output_strides, scale_pixels
from training.networks.applications import APPLICATIONS
from training.quantization.convert import OUTPUTS, box_outputs, convert, integer_head, list_ops

PICTURES = [draw(kind, 5, 64, 64).pixels for kind in KINDS]


@pytest.mark.parametrize("name", ["conv5", "alexnet", "inceptionv3"])
def test_the_class_map_lies_over_the_picture_without_gaps(name: str) -> None:
    """Strides divide the picture exactly, also for networks whose originals lose their border."""
    model = build(name, 3)
    strides = output_strides(model)
    shapes = model.compute_output_shape((1, 128, 192, 3))
    for output, stride in strides.items():
        assert shapes[output][1:3] == (128 // stride, 192 // stride)
    assert shapes["class_map"][3] == 3
    assert strides["class_map"] == strides["features"]


@pytest.mark.parametrize("name", ["conv3", "conv5", "resnet50"])
def test_comparison_networks_run_on_the_box(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model = build(name, 2, dropout=0.5, side=64)
    path = tmp_path / "n.tflite"
    path.write_bytes(convert(model, PICTURES))
    assert not [op for op in list_ops(path.read_bytes()) if "float" in op]
    network = Network(path)
    found, real = network.run(PICTURES[0]), box_outputs(model)(scale_pixels(PICTURES[0][None]), training=False)
    for output in OUTPUTS:
        said = network.outputs[output]
        values = (found[output].astype(float) - said.zero_point) * said.scale
        assert np.corrcoef(values.ravel(), np.asarray(real[output]).ravel())[0, 1] > 0.95
    assert integer_head(model, network.outputs["features"].scale).weights.shape == (real["features"].shape[-1], 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg16", keras.applications.vgg16.preprocess_input),
        ("densenet201", keras.applications.densenet.preprocess_input),
        ("inceptionv3", keras.applications.inception_v3.preprocess_input),
    ],
)
def test_pixels_become_what_keras_own_preprocessing_makes_of_them(name: str, expected: object) -> None:
    model = build(name, 2)
    pixels = keras.Model(model.input, model.get_layer("pixels").output)
    picture = PICTURES[0][None]
    made = np.asarray(pixels(scale_pixels(picture)))
    assert np.allclose(made, expected(picture.astype(np.float32)), atol=1e-3)  # type: ignore[operator]
    assert not model.get_layer("pixels").trainable_weights


def test_frozen_blocks_stay_as_they_are_in_training_steps() -> None:
    """Their batch norm too: neither its weights nor its moving statistics move, while those behind them do."""
    model = build("lite0", 2, frozen_blocks=3)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    logits = keras.layers.GlobalAveragePooling2D()(model.output["class_map"])
    whole = keras.Model(model.input, logits)
    whole.compile(keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    whole.train_on_batch(scale_pixels(np.stack(PICTURES)), np.eye(2)[[0, 1, 0, 1]])
    moved = {
        layer.name
        for layer in model.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights(), strict=True))
    }
    assert not {name for name in moved if name.startswith(("stem", "block0_", "block1_", "block2_"))}
    assert {"block3_bn1", "block3_expand", "head_bn", "class_map"} <= moved


def test_weights_of_a_run_with_other_classes_fill_all_but_the_head(tmp_path: Path) -> None:
    given, wanted = build("conv5", 5, dropout=0.3), build("conv5", 2)
    given.save_weights(tmp_path / "run.weights.h5")
    load_weights(wanted, "conv5", str(tmp_path / "run.weights.h5"))
    picture = scale_pixels(PICTURES[0][None])
    assert np.array_equal(given(picture)["features"], wanted(picture)["features"])


def test_a_file_of_keras_own_network_fills_ours(tmp_path: Path) -> None:
    """As Keras downloads them: the network without its top; Inception's layers have other names in each copy."""
    donor = APPLICATIONS["inceptionv3"].make(include_top=False, weights=None)
    donor.save_weights(tmp_path / "inception.weights.h5")
    model = build("inceptionv3", 2)
    load_weights(model, "inceptionv3", str(tmp_path / "inception.weights.h5"))
    kernels = [[w for w in net.get_weights() if w.ndim == 4] for net in (donor, model)]
    assert all(np.array_equal(a, b) for a, b in zip(kernels[0], kernels[1][1:-1], strict=True))
    with pytest.raises(WeightsError, match="vgg16"):
        load_weights(build("vgg16", 2), "vgg16", str(tmp_path / "inception.weights.h5"))


def test_what_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(**_: object) -> None:
        raise Exception("URL fetch failure on https://storage…: None -- no route to host")  # Keras raises just that

    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"not HDF5")
    vgg16 = APPLICATIONS["vgg16"]
    monkeypatch.setitem(APPLICATIONS, "vgg16", type(vgg16)(unreachable, *list(vars(vgg16).values())[1:]))
    model = build("conv3", 2)
    for name, source, message in (
        ("vgg16", "imagenet", "can't be downloaded.*a file"),
        ("conv3", "imagenet", "no ImageNet weights of conv3"),
        ("conv3", "nowhere.h5", "no weights file nowhere.h5"),
        ("conv3", str(broken), "broken.h5"),
    ):
        with pytest.raises(WeightsError, match=message):
            load_weights(model, name, source)
    with pytest.raises(NetworkError, match=", ".join(NETWORKS)):
        build("resnet51", 2)
    with pytest.raises(NetworkError, match="frozen_blocks"):
        build("conv5", 2, frozen_blocks=1)
