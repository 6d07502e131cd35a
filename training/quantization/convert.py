"""From a fitted float network to the integer network and head that the box runs.

Full-integer post-training quantization with bias correction: uint8 pixels in, int8 out, every operation on integers. The
head stays outside the network: its weights become whole numbers whose unit, times the features' unit, is a power of two,
so that the box's sums are exact (`device/reading/maps.py`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import floor, log2
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from training import networks
from training.errors import QuantizationError
from training.quantization.folding import prepare
from training.quiet import error_output_aside

SIGNATURE = "read"
OUTPUTS = ("early", "middle", "features")
GATE_OUTPUTS = ("early", "middle")
CELL_PX = 32
PIXEL_QUANTIZATION = (1 / networks.PIXEL_SCALE, int(networks.PIXEL_MEAN))
HEAD_BITS = 20


@dataclass(frozen=True)
class IntegerHead:
    """`weights` int32 [channels, classes], `bias` int64 [classes]; map = (steps @ weights + bias) · 2**scale_log2."""

    weights: NDArray[np.int32]
    bias: NDArray[np.int64]
    scale_log2: int

    def with_offsets(self, offsets: NDArray[np.float64]) -> IntegerHead:
        """With each class's logit shifted by its offset, float64 [classes]."""
        shifts = np.rint(offsets / 2.0**self.scale_log2).astype(np.int64)
        return replace(self, bias=self.bias + shifts)


def box_outputs(model: keras.Model, outputs: Sequence[str] = OUTPUTS) -> keras.Model:
    """The network with the outputs that the box gets: what only the gate looks at is averaged down to cells of 32 px in
    the graph, where that costs next to nothing."""
    strides = networks.output_strides(model)
    tensors = {name: model.output[name] for name in outputs}
    for name in tensors.keys() & set(GATE_OUTPUTS):
        if side := CELL_PX // strides[name]:
            tensors[name] = keras.layers.AveragePooling2D(side, name=f"{name}_cells")(tensors[name])
    return keras.Model(model.input, tensors)


def convert(model: keras.Model, pictures: Sequence[NDArray[np.uint8]], outputs: Sequence[str] = OUTPUTS) -> bytes:
    """The integer network as a `.tflite` file, its ranges taken from representative pictures uint8 [h, w, 3],
    its biases corrected on them (`training/quantization/folding.py`).

    Raises `QuantizationError` if an operation on floats is left or pixels wouldn't go in as they are.
    """
    model = prepare(model, pictures)
    height, width, _ = pictures[0].shape

    def representative() -> Iterator[dict[str, NDArray[np.float32]]]:
        for picture in pictures:
            # One black and one white pixel, so that the input's range is all of 0…255 and pixels go in unchanged.
            marked = picture.copy()
            marked[0, 0], marked[-1, -1] = 0, 255
            yield {"image": networks.scale_pixels(marked[None])}

    with _converter(box_outputs(model, outputs), height, width) as converter:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.int8
        with error_output_aside():  # the converter tells in C++ what it was asked for
            converted: bytes = converter.convert()
    if floats := {op: n for op, n in list_ops(converted).items() if "float" in op}:
        raise QuantizationError(f"not an integer network: {floats}")
    return converted


def convert_floats(model: keras.Model, height: int, width: int) -> bytes:
    """The float network as a `.tflite` file for pictures of one size: what the integer network's time is compared with."""
    with _converter(box_outputs(model), height, width) as converter, error_output_aside():
        converted: bytes = converter.convert()
    return converted


@contextmanager
def _converter(tail: keras.Model, height: int, width: int) -> Iterator[Any]:
    """TFLite's converter of a network for pictures of a size, scaled as `networks.scale_pixels` does."""
    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        archive.track(tail)
        spec = tf.TensorSpec((1, height, width, 3), tf.float32, name="image")
        archive.add_endpoint(SIGNATURE, lambda image: tail(image, training=False), input_signature=[spec])
        archive.write_out(folder, verbose=False)
        yield tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])


def list_ops(flatbuffer: bytes) -> Counter[str]:
    """Each operation with the types of its inputs and outputs → how often, e.g. `CONV_2D(int8, int8, int32) → int8`."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer, 0))
    operators = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
    counts: Counter[str] = Counter()
    for graph in model.subgraphs:
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            name = operators[max(code.builtinCode, code.deprecatedBuiltinCode)]

            def kinds(indexes: Any, tensors: Any = graph.tensors) -> str:
                return ", ".join(types[tensors[i].type] for i in indexes if i >= 0)

            counts[f"{name}({kinds(op.inputs)}) → {kinds(op.outputs)}"] += 1
    return counts


def integer_head(model: keras.Model, feature_scale: float) -> IntegerHead:
    """The class-map head as whole numbers, centred over classes, for int8 features of the given step."""
    kernel, bias = (np.asarray(w, np.float64) for w in model.get_layer("class_map").get_weights())
    kernel = kernel[0, 0] - kernel[0, 0].mean(1, keepdims=True)
    bias = bias - bias.mean()
    # The finest power of two at which the largest weight still has HEAD_BITS bits.
    scale_log2 = -floor(log2(2**HEAD_BITS / (np.abs(kernel).max() * feature_scale)))
    weights = np.rint(kernel * feature_scale / 2.0**scale_log2).astype(np.int32)
    return IntegerHead(weights, np.rint(bias / 2.0**scale_log2).astype(np.int64), scale_log2)
