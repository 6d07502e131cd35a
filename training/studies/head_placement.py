"""Where the class-map head belongs: inside the integer network, or outside on its int8 features.

Inside, the map is rounded to 8 bits; outside, whole-number weights keep it, and the sum over units, exact. This
measures what that costs and gains on the run's calibration part; docs/engineers/decisions.md has the outcome.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from device.reading.runtime import Network
from device.reading.tissue import counted_places
from training.data import CALIBRATION, TRAINING, labels_of, load_pixels
from training.errors import RunError
from training.fitting.fit import Run, float_logits
from training.quantization.convert import OUTPUTS, convert, integer_head

REPRESENTATIVE = 40


def compare(run: Run) -> str:
    """A Markdown table: distance of logits from the float network's, agreement, accuracy, time of the head."""
    seen = load_pixels(run.data, run.split.parts[TRAINING], run.recipe.data)
    held = load_pixels(run.data, run.split.parts[CALIBRATION], run.recipe.data)
    labels = labels_of(run.split.parts[CALIBRATION])
    if not held:
        raise RunError(f"{run.folder} has no calibration part: fit without --everything, into another --run")
    truth = float_logits(run, held)
    truth -= truth.mean(1, keepdims=True)
    step = max(1, len(seen) // REPRESENTATIVE)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "both.tflite"
        path.write_bytes(convert(run.model, seen[::step], outputs=(*OUTPUTS, "class_map")))
        network = Network(path)
        head = integer_head(run.model, network.outputs["features"].scale)
        inside, outside, took = [], [], []
        for picture in held:
            outputs = network.run(picture)
            map_output = network.outputs["class_map"]
            counted = counted_places(run.recipe.network.counts, picture, *outputs["features"].shape[:2])
            logits = (outputs["class_map"][counted].astype(float) - map_output.zero_point).mean(0) * map_output.scale
            inside.append(logits - logits.mean())
            start = time.perf_counter()
            steps = outputs["features"][counted].astype(float)
            steps -= network.outputs["features"].zero_point
            outside.append((steps @ head.weights + head.bias).mean(0) * 2.0**head.scale_log2)
            took.append((time.perf_counter() - start) * 1e3)
    rows = [("inside, 8-bit map", np.stack(inside), "–"), ("outside", np.stack(outside), f"{np.median(took):.2f}")]
    lines = [
        f"n = {len(held)} calibration pictures",
        "",
        "| head | mean error of a logit | same class as float | accuracy | ms |",
    ]
    lines.append("|---|---|---|---|---|")
    lines += [_row(name, logits, truth, labels, ms) for name, logits, ms in rows]
    lines.append(_row("float network", truth, truth, labels, "–"))
    return "\n".join(lines)


def _row(name: str, logits: NDArray[np.float64], truth: NDArray[np.float64], labels: NDArray[np.int64], ms: str) -> str:
    error = np.abs(logits - truth).mean()
    same = (logits.argmax(1) == truth.argmax(1)).mean()
    return f"| {name} | {error:.4f} | {same:.1%} | {(logits.argmax(1) == labels).mean():.1%} | {ms} |"
