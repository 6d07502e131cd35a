"""The network, its pretrained weights and its conversion to integers."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from device.base.errors import ModelUnusable
from device.reading.runtime import Network
from tests.support.shipped import BUNDLE
from training import networks
from training.drawn.phantoms import KINDS, draw
from training.errors import WeightsError
from training.networks.imagenet import LEGACY_MAGIC, lite0_state, read_torch_legacy
from training.quantization.convert import OUTPUTS, box_outputs, convert, integer_head, list_ops


@pytest.fixture(scope="module")
def model() -> keras.Model:
    built = networks.build("lite0", 4)
    networks.load_weights(built, "lite0", "imagenet")
    return built


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [draw(kind, 5, 256, 192).pixels for kind in KINDS]


@pytest.fixture(scope="module")
def flatbuffer(model: keras.Model, pictures: list[np.ndarray]) -> bytes:
    return convert(model, pictures)


def test_every_pretrained_tensor_finds_its_place(model: keras.Model) -> None:
    """All of the package's tensors but the classifier and the step counters are in the network, once each."""
    held = sorted(
        float(np.abs(w).sum()) for layer in model.layers if layer.name != "class_map" for w in layer.get_weights()
    )
    given = sorted(
        float(np.abs(w).sum())
        for name, w in lite0_state().items()
        if not name.startswith("_fc") and not name.endswith("num_batches_tracked")
    )
    assert np.allclose(held, given, rtol=1e-4)


def test_imagenet_features_still_classify(model: keras.Model) -> None:
    """A reference run: the phantom of an in situ field is, to ImageNet's own classifier, what it was when first run;
    what matters is that strides and padding are right, which a wrong one would show as near-uniform scores."""
    state = lite0_state()
    features = np.asarray(model(networks.scale_pixels(draw("insitu", 5, 224, 224).pixels[None]))["features"]).mean(
        (1, 2)
    )
    scores = features @ state["_fc.weight"].T + state["_fc.bias"]
    probabilities = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    assert probabilities.max() > 0.05


def test_a_weights_file_that_names_other_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    evil = pickle.dumps(LEGACY_MAGIC, 2) + b"cos\nsystem\n(S'true'\ntR."
    path.write_bytes(evil)
    with pytest.raises(WeightsError, match=r"os\.system"):
        read_torch_legacy(path)
    for content in (b"", b"PK\x03\x04", pickle.dumps(1), pickle.dumps(LEGACY_MAGIC, 2)):
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            read_torch_legacy(path)


def test_a_strided_tensor_is_read_in_its_own_shape(tmp_path: Path) -> None:
    """A file written by hand in torch's legacy format, its 2×3 tensor stored transposed with an offset of one."""

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            return ("storage", FloatStorage, "0", "cpu", 7, None) if isinstance(obj, Storage) else None

    torch = types.ModuleType("torch")
    utils = types.ModuleType("torch._utils")
    FloatStorage = type("FloatStorage", (), {"__module__": "torch"})  # noqa: N806 — torch's own name
    torch.FloatStorage = FloatStorage  # type: ignore[attr-defined]

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]

    class Tensor:
        def __reduce__(self) -> tuple[Any, ...]:
            return _rebuild_tensor_v2, (Storage(), 1, (2, 3), (1, 2), False, OrderedDict())

    sys.modules["torch"], sys.modules["torch._utils"] = torch, utils
    try:
        body = io.BytesIO()
        parts: tuple[Any, ...] = (LEGACY_MAGIC, 1001, {})
        for part in parts:
            pickle.dump(part, body, 2)
        Pickler(body, 2).dump(OrderedDict(t=Tensor()))
        pickle.dump(["0"], body, 2)
    finally:
        del sys.modules["torch"], sys.modules["torch._utils"]
    values = np.arange(7, dtype="<f4")
    path = tmp_path / "strided.pth"
    path.write_bytes(body.getvalue() + struct.pack("<q", 7) + values.tobytes())
    assert np.array_equal(read_torch_legacy(path)["t"], values[1:].reshape(3, 2).T)


def test_no_operation_on_floats_is_left(flatbuffer: bytes) -> None:
    for ops in (list_ops(flatbuffer), list_ops(BUNDLE.read_bytes())):
        assert sum(ops.values()) > 50
        assert not [op for op in ops if "float" in op]


def test_integer_features_and_maps_follow_the_float_network(
    model: keras.Model, pictures: list[np.ndarray], flatbuffer: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "n.tflite"
    path.write_bytes(flatbuffer)
    integer = Network(path)
    assert set(integer.outputs) == set(OUTPUTS)
    head = integer_head(model, integer.outputs["features"].scale)
    for picture in pictures:
        found, real = integer.run(picture), box_outputs(model)(networks.scale_pixels(picture[None]))
        for name, said in integer.outputs.items():
            values = (found[name].astype(float) - said.zero_point) * said.scale
            assert np.corrcoef(values.ravel(), np.asarray(real[name]).ravel())[0, 1] > 0.95
        steps = found["features"].astype(float) - integer.outputs["features"].zero_point
        maps = (steps @ head.weights + head.bias) * 2.0**head.scale_log2
        # The integer head itself loses nothing: what differs from a float head on the same features is rounding.
        kernel, bias = model.get_layer("class_map").get_weights()
        exact = steps * integer.outputs["features"].scale @ kernel[0, 0].astype(float) + bias
        exact -= exact.mean(-1, keepdims=True)
        assert np.abs(maps - exact).max() < 1e-3


def test_a_float_network_is_not_run_on_the_box(tmp_path: Path) -> None:
    import tensorflow as tf

    tiny = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="c")])
    archive = keras.export.ExportArchive()
    archive.track(tiny)
    archive.add_endpoint("read", lambda x: {"y": tiny(x)}, input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32)])
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"), signature_keys=["read"])
    (tmp_path / "f.tflite").write_bytes(converter.convert())
    with pytest.raises(ModelUnusable, match="float32"):
        Network(tmp_path / "f.tflite")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    seen = np.random.default_rng(0).random((4, 1, 8, 8, 3), np.float32)
    converter.representative_dataset = lambda: ([picture] for picture in seen)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    results = []
    for kind in (tf.uint8, tf.int8):
        converter.inference_input_type, converter.inference_output_type = kind, tf.int8
        (tmp_path / "i.tflite").write_bytes(converter.convert())
        results.append(Network(tmp_path / "i.tflite").run(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))["y"])
    assert np.array_equal(results[0], results[1])  # uint8 and int8 input take the same pixels
