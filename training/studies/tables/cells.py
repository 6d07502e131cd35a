"""One cell's work: a network fitted on one fold, as far as the minutes go, and its unseen patients read by both networks.

A cell's folder, `OUT/ROW/FOLD`, has what `fit` writes, and `readings.parquet` with the logits of both networks. A cell
that was stopped goes on from its last pass; one that is finished isn't done again unless the code, the settings or the
pictures changed. No gate is fitted: every picture is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import pandas as pd
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from device.reading.manifest import NETWORK
from device.reading.maps import softmax
from device.reading.runtime import Network
from training.data import CALIBRATION, TEST, TRAINING, Fold, Sample, Split, adapter_module, load_pixels
from training.data.sample import spread
from training.errors import QuantizationError
from training.evaluation.table import class_columns, columns, save_table, typed
from training.fitting.fit import Run, fit, float_logits, load_run, settings_sha256
from training.networks import scale_pixels
from training.packing.assembly import box_head
from training.quantization.convert import SIGNATURE, convert, convert_floats, integer_head
from training.recipe import Recipe
from training.run_files import FACTS, READINGS
from training.stamp import Source, changes, inputs, source, stamp
from training.studies.tables.plans import Plan

LOG, CELL = "log.txt", "cell.json"
REPRESENTATIVE = 24  # pictures from which ranges of activations are taken
TIMED = 10  # forward passes of which the median is a network's time


@dataclass(frozen=True)
class Cell:
    """How far a cell is, and what it costs: passes made of those that were asked for, pictures fitted on and tested;
    one core's time of a forward pass, ms, in floats and in integers (None, with `why_no_integers`, where the network can't
    run on integers alone)."""

    row: str
    fold: str
    passes: int
    epochs: int
    fitted: int
    tested: int
    float_ms: float
    int8_ms: float | None
    why_no_integers: str


def split_of(plan: Plan, folds: Sequence[Fold], number: int, pictures: int) -> Split:
    """A fold's parts. With `pictures`, at most so many are fitted on, watched and tested, the same number of each class
    where there are so many; 0 takes all."""
    fold = folds[number]
    watched = folds[(number + 1) % len(folds)].test if plan.watched else []
    held = {sample.group for sample in watched}
    parts = {
        TRAINING: [sample for sample in fold.rest if sample.group not in held],
        CALIBRATION: watched,
        TEST: fold.test,
    }
    return Split({part: spread(samples, pictures) if pictures else samples for part, samples in parts.items()})


def source_of(recipe: Recipe, folder: Path, split: Split, epochs: int) -> Source:
    """What a cell's readings are made from, as code and settings are now."""
    facts = [folder / FACTS] if (folder / FACTS).is_file() else []
    return source(
        f"`loupe-train table {recipe.id}`",
        (__name__, adapter_module(recipe)),
        {"split": split.sha256, **inputs(folder / READINGS, *facts)},
        settings_sha256=settings_sha256(recipe, epochs),
    )


def cell_of(recipe: Recipe, folder: Path, split: Split, epochs: int) -> Cell | None:
    """A cell that was measured with these settings, pictures and code, finished or not; None where there is none."""
    if not (folder / CELL).is_file() or changes(folder / READINGS, source_of(recipe, folder, split, epochs)):
        return None
    return Cell(**json.loads((folder / CELL).read_text(encoding="utf-8")))


def work(
    row: str, recipe: Recipe, data: Path, folder: Path, fold: str, split: Split, epochs: int, minutes: float
) -> Cell:
    """Fit a cell, or go on with it, until it has its epochs or the minutes are over (a pass that was begun is ended), and
    measure it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8", buffering=1) as log, redirect_stdout(log):
        run = _fitted(recipe, data, folder, split, epochs) or fit(
            recipe, data, folder, split, epochs=epochs, minutes=minutes, validate_every=1, verbose=2
        )
        table, times = read(run, fold)
    cell = Cell(
        row,
        fold,
        run.facts["passes"],
        epochs,
        len(split.parts[TRAINING]),
        len(split.parts[TEST]),
        **times,
    )
    save_table(table, folder / READINGS)
    stamp(folder / READINGS, source_of(recipe, folder, split, epochs))
    (folder / CELL).write_text(json.dumps(asdict(cell), indent=2), encoding="utf-8")
    keras.backend.clear_session()
    return cell


def _fitted(recipe: Recipe, data: Path, folder: Path, split: Split, epochs: int) -> Run | None:
    """The run of a cell whose fit is finished, to be read anew; None where there is none of these settings."""
    if not (folder / FACTS).is_file():
        return None
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    same = (facts["settings_sha256"], facts["split_sha256"]) == (settings_sha256(recipe, epochs), split.sha256)
    return load_run(recipe, data, folder) if same and facts["passes"] >= epochs else None


def read(run: Run, fold: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The readings table of a run's test part, both networks' logits at temperature 1, and the times of `Cell`."""
    recipe, tested = run.recipe, run.split.parts[TEST]
    labels = [label.id for label in recipe.labels]
    pictures = load_pixels(run.data, tested, recipe.data)
    floats = float_logits(run, pictures)
    times: dict[str, Any] = {"float_ms": _float_ms(run.model, pictures[0]), "int8_ms": None, "why_no_integers": ""}
    try:
        logits, times["int8_ms"] = _integer_logits(run, pictures)
    except QuantizationError as error:
        logits, times["why_no_integers"] = floats, str(error)
    p = softmax(logits, 1.0)
    table = pd.DataFrame([_row(sample, labels, fold) for sample in tested], columns=columns(labels))
    table["prediction"] = np.array(labels)[p.argmax(1)]
    table["latency_ms"] = times["int8_ms"]
    for kind, values in (("logit", logits), ("p", p), ("float_logit", floats)):
        table[class_columns(kind, labels)] = values
    return typed(table.assign(caution=False)), times


def _row(sample: Sample, labels: Sequence[str], fold: str) -> Mapping[str, Any]:
    box = ",".join(map(str, sample.box)) if sample.box else None
    return {"file": sample.file, "box": box, "group": sample.group, "label": labels[sample.label], "fold": fold}


def _integer_logits(run: Run, pictures: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], float]:
    """Logits [n, classes] of the integer network and head, and one core's time of a forward pass, ms. Raises
    `QuantizationError` for a network that can't run on integers alone."""
    recipe = run.recipe
    fitted = run.split.parts[TRAINING]
    chosen = load_pixels(run.data, fitted[:: max(1, len(fitted) // REPRESENTATIVE)], recipe.data)
    with TemporaryDirectory() as folder:
        file = Path(folder) / NETWORK
        file.write_bytes(convert(run.model, [picture for picture in chosen if picture.shape == chosen[0].shape]))
        network = Network(file)
        integers = integer_head(run.model, network.outputs["features"].scale)
        head = box_head(integers, network, recipe.network.counts)
        logits = [head.maps(network.run(picture)["features"], picture).logits for picture in pictures]
        return np.stack(logits), _ms(lambda: network.run(pictures[0]))


def _float_ms(model: keras.Model, picture: NDArray[np.uint8]) -> float:
    """One core's time of a forward pass in floats, ms, by the runtime that also runs the integer network."""
    interpreter = Interpreter(model_content=convert_floats(model, *picture.shape[:2]), num_threads=1)
    forward, pixels = interpreter.get_signature_runner(SIGNATURE), scale_pixels(picture[None])
    return _ms(lambda: forward(image=pixels))


def _ms(forward: Callable[[], object]) -> float:
    forward()  # the first plans the memory
    took = []
    for _ in range(TIMED):
        started = time.process_time()
        forward()
        took.append((time.process_time() - started) * 1e3)
    return round(median(took), 2)
