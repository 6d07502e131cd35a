"""Where quantization loses: the integer network against the float one, layer by layer, on real pictures.

    loupe-train quantization-report bach

Every tensor of the very file that ships is compared with the same layer of the float network, so a layer's error is what
rounding has added up to there; TFLite's QuantizationDebugger converts anew and looks at each operation by itself, which
hides how errors grow (docs/researchers/networks.md compares them). TFLite's plain kernels run the file here, since those of
XNNPACK don't show tensors inside; they differ by single steps.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from device.reading.manifest import NETWORK
from training.data import CALIBRATION, TRAINING, load_pixels
from training.errors import QuantizationError
from training.networks import scale_pixels
from training.quantization.convert import box_outputs, convert
from training.quantization.folding import fold
from training.run_files import DRAFT, WEIGHTS
from training.stamp import inputs, source, stamp

if TYPE_CHECKING:
    from training.fitting.fit import Run

PAGE = "quantization.html"
PICTURES = 20
WORST = 10


@dataclass(frozen=True)
class LayerError:
    """One layer. `sqnr_db` is the signal's power over the error's; `error_steps` the mean |error| in the layer's steps:
    rounding alone makes 0.25. `spread_steps`, how many steps the standard deviation covers: few where an outlier sets the
    range. `clipped`: share of values outside of the range."""

    layer: str
    operation: str
    step: float
    sqnr_db: float
    error_steps: float
    spread_steps: float
    clipped: float


def _layer_of(tensor: str, layers: set[str]) -> str | None:
    """The Keras layer in a converted tensor's name, e.g. `functional_1/block0_bn2_1/batchnorm/add_1;…` → `block0_bn2`."""
    for part in tensor.split(";")[0].split("/"):
        for name in (part, re.sub(r"_\d+$", "", part)):
            if name in layers:
                return name
    return None


def _open(flatbuffer: bytes, shape: Sequence[int]) -> Any:
    interpreter = Interpreter(
        model_content=flatbuffer,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [1, *shape])
    interpreter.allocate_tensors()
    return interpreter


def _tensors(interpreter: Any, model: keras.Model) -> dict[str, tuple[str, int]]:
    """Each layer's operation and tensor: the last one if it is made of several."""
    known = {layer.name for layer in model.layers}
    # Outputs lose their layer's name; the signature's keys lead back to it.
    (signature,) = interpreter.get_signature_list()
    outputs = interpreter.get_signature_runner(signature).get_output_details()
    ends = {detail["index"]: model.output[key]._keras_history.operation.name for key, detail in outputs.items()}
    tensors = {}
    for operation in interpreter._get_ops_details():
        for index in operation["outputs"]:
            if index >= 0:
                tensor = interpreter._get_tensor_details(index, 0)
                layer = ends.get(index) or _layer_of(tensor["name"], known)
                if layer is not None:
                    tensors[layer] = (operation["op_name"], index)
    return tensors


def layer_errors(
    model: keras.Model, flatbuffer: bytes, pictures: Sequence[NDArray[np.uint8]]
) -> tuple[LayerError, ...]:
    """All layers that the converted network keeps, in its order. Pictures are uint8 [h, w, 3]. Batch norm is part of the
    convolution before it on both sides.

    Raises `QuantizationError` when the file isn't a conversion of this network.
    """
    interpreter = _open(flatbuffer, pictures[0].shape)
    (signature,) = interpreter.get_signature_list().values()
    model = box_outputs(fold(model), signature["outputs"])
    tensors = _tensors(interpreter, model)
    if not tensors:
        raise QuantizationError("the integer network has no layer of the float one: was it converted from this run?")
    forward = tf.function(
        keras.Model(model.input, {name: model.get_layer(name).output for name in tensors}), reduce_retracing=True
    )
    totals = {name: np.zeros(6) for name in tensors}
    for picture in pictures:
        if tuple(interpreter.get_input_details()[0]["shape"][1:]) != picture.shape:
            interpreter = _open(flatbuffer, picture.shape)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        real = forward(scale_pixels(picture[None]))
        for name, (_, index) in tensors.items():
            scale, zero_point = interpreter._get_tensor_details(index, 0)["quantization"]
            values = real[name].numpy().astype(np.float64)
            steps = interpreter.get_tensor(index).astype(np.float64) - zero_point
            if values.shape != steps.shape:
                raise QuantizationError(f"layer {name} has another shape in the integer network")
            error = steps * scale - values
            low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
            outside = (values < low - scale / 2) | (values > high + scale / 2)
            totals[name] += (
                values.size, values.sum(), (values**2).sum(), (error**2).sum(), np.abs(error).sum(), outside.sum()
            )  # fmt: skip
    return tuple(
        _summary(name, operation, interpreter._get_tensor_details(index, 0)["quantization"][0], totals[name])
        for name, (operation, index) in tensors.items()
    )


def _summary(layer: str, operation: str, step: float, totals: NDArray[np.float64]) -> LayerError:
    n, total, square, error, distance, outside = totals
    spread = np.sqrt(max(square / n - (total / n) ** 2, 0))
    sqnr_db = 10 * np.log10(max(square, 1e-12) / max(error, 1e-12))
    return LayerError(layer, operation, step, sqnr_db, distance / n / step, spread / step, outside / n)


def worst_first(errors: Sequence[LayerError]) -> list[LayerError]:
    return sorted(errors, key=lambda error: error.sqnr_db)


COLUMNS = ("layer", "operation", "step", "SQNR, dB", "mean error, steps", "spread, steps", "clipped")


def _cells(error: LayerError) -> tuple[str, ...]:
    return (
        error.layer, error.operation, f"{error.step:.4f}", f"{error.sqnr_db:.1f}", f"{error.error_steps:.2f}",
        f"{error.spread_steps:.1f}", f"{error.clipped:.2%}",
    )  # fmt: skip


def table(errors: Sequence[LayerError]) -> str:
    """A Markdown table of the worst layers."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_cells, worst_first(errors)[:WORST])]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _chart(errors: Sequence[LayerError]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.18 * len(errors) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh([error.layer for error in errors], [error.sqnr_db for error in errors], color="#3b6ea5")
    axes.invert_yaxis()
    axes.margins(y=0.005)
    axes.set_xlabel("signal over error, dB (more is better)")
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="x", alpha=0.3)
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()[svg.getvalue().index("<svg") :]


def write_html(errors: Sequence[LayerError], path: Path, title: str) -> None:
    """A page of its own: the chart in the network's order and all layers, the worst first."""
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in _cells(error))}</tr>"
        for error in worst_first(errors)
    )
    path.write_text(
        f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>body {{ font: 15px system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
svg {{ max-width: 100%; height: auto }}
td, th {{ padding: .15rem .6rem; text-align: left; font-variant-numeric: tabular-nums }}
</style>
<h1>{html.escape(title)}</h1>
<p>Integer network against float network, errors added up from the picture to each layer. Rounding alone makes a mean error
of 0.25 steps. Few steps of spread mean that an outlier sets the layer's range.</p>
{_chart(errors)}
<table><tr>{"".join(f"<th>{column}</th>" for column in COLUMNS)}</tr>{rows}</table></html>
""",
        encoding="utf-8",
    )


def report_run(run: Run, out: Path) -> str:
    """Measure a run's integer network (as packed, as in a fold's draft, or else converted now) on pictures of the
    calibration part, without one of the training part. Writes the page; returns the table of the worst layers."""
    part = run.split.parts[CALIBRATION] or run.split.parts[TRAINING]
    chosen = part[:: max(1, len(part) // PICTURES)][:PICTURES]
    pictures = load_pixels(run.data, chosen, run.recipe.data)
    files = [file for file in (run.folder / NETWORK, run.folder / DRAFT) if file.is_file()]
    network = files[0].read_bytes() if files else convert(run.model, pictures)
    errors = layer_errors(run.model, network, pictures)
    out.mkdir(parents=True, exist_ok=True)
    write_html(errors, out / PAGE, f"Quantization of {run.recipe.id} {run.recipe.version}")
    rests_on = [*files[:1], run.folder / WEIGHTS]
    again = f"`loupe-train quantization-report {run.recipe.id} --run {run.folder.name}`"
    stamp(out / PAGE, source(again, (__name__,), inputs(out / PAGE, *rests_on)))
    return f"{len(errors)} layers, {len(pictures)} pictures; all of them in {out / PAGE}\n\n{table(errors)}"
