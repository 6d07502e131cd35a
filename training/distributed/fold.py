"""One fold of a cross-validation: fitted, left as a draft bundle, and its unseen pictures read by the box's code.

This runs on a worker: TensorFlow is imported inside functions, where the engine has limited its threads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from device.base.errors import ImageError
from training.data import TEST, Sample, Split, adapter_module
from training.data.pictures import decode_sample
from training.errors import CrossvalError, DataError
from training.evaluation.table import read_table, save_table
from training.recipe import Recipe
from training.run_files import DRAFT, FACTS, READINGS, SPLIT, WEIGHTS
from training.stamp import Source, changes, inputs, source, stamp

if TYPE_CHECKING:
    from training.fitting.fit import Run

LOG = "log.txt"
MADE_BY = "training.distributed.fold"


def source_of_readings(recipe: Recipe, folder: Path, split: Split, epochs: int | None) -> Source:
    """What the readings of a fitted fold are made from, as code and settings are now."""
    readings = folder / READINGS
    return source(
        f"`loupe-train crossval {recipe.id}`",
        (MADE_BY, adapter_module(recipe)),
        {
            "split": split.sha256,
            **inputs(readings, *(file for file in (folder / FACTS, folder / DRAFT) if file.is_file())),
        },
        recipe=recipe.id,
        recipe_sha256=hashlib.sha256(repr(recipe).encode()).hexdigest(),
        epochs=recipe.fit.epochs if epochs is None else epochs,
    )


def why_unread(recipe: Recipe, folder: Path, split: Split, epochs: int | None) -> list[str]:
    """Why a fold's folder doesn't have the readings of this very recipe, split and code, in words; empty where it does."""
    if missing := [name for name in (FACTS, DRAFT, READINGS) if not (folder / name).is_file()]:
        return [f"it has no {', '.join(missing)}"]
    return changes(folder / READINGS, source_of_readings(recipe, folder, split, epochs))


def fitted_run(recipe: Recipe, data: Path, folder: Path, split: Split, epochs: int | None) -> Run:
    """The run of a folder, fitted now unless it is already.

    Raises `CrossvalError` when it was fitted with another recipe, other epochs or another split.
    """
    from training.fitting.fit import fit, load_run, settings_sha256

    if not ((folder / FACTS).is_file() and (folder / WEIGHTS).is_file()):
        return fit(recipe, data, folder, split, epochs=epochs, verbose=2)
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    wanted = recipe.fit.epochs if epochs is None else epochs
    found_split = Split.load(folder / SPLIT)
    differing = []
    if facts["recipe"] != recipe.id:
        differing.append(f"recipe {facts['recipe']}, not {recipe.id}")
    elif facts["epochs"] != wanted:
        differing.append(f"{facts['epochs']} epochs, not {wanted}")
    elif facts["settings_sha256"] != settings_sha256(recipe, epochs):
        differing.append("other settings of [labels], [data], [network], [fit] or [augmentation]")
    if found_split.sha256 != split.sha256:
        counts = f"{found_split.counts()}; now {split.counts()}"
        differing.append(f"another split ({found_split.sha256[:12]}, not {split.sha256[:12]}: {counts})")
    if differing:
        raise CrossvalError(
            f"{folder} was fitted with {' and '.join(differing)}: give another --out, or remove that folder"
        )
    return load_run(recipe, data, folder)


def _float_logits(run: Run, samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Logits [n, classes] of the float network; NaN where a picture can't be read, as its row in the table will say."""
    from training.fitting.fit import float_logits

    logits = np.full((len(samples), len(run.recipe.labels)), np.nan)
    pixels = {number: decoded for number, sample in enumerate(samples) if (decoded := _pixels(run, sample)) is not None}
    if pixels:
        logits[list(pixels)] = float_logits(run, list(pixels.values()))
    return logits


def _pixels(run: Run, sample: Sample) -> NDArray[np.uint8] | None:
    try:
        return decode_sample(run.data, sample, run.recipe.data).pixels
    except (ImageError, OSError, DataError):
        return None


def run_fold(recipe: Recipe, data: Path, folder: Path, name: str, split: Split, epochs: int | None) -> int:
    """Fit a fold and read its test part into its folder, as far as that isn't done; how many pictures it read."""
    import keras

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8", buffering=1) as log, redirect_stdout(log):
        run = fitted_run(recipe, data, folder, split, epochs)
        _read_fold(run, name, split, epochs)
    keras.backend.clear_session()  # a worker has many folds in its life
    return len(split.parts[TEST])


def _read_fold(run: Run, name: str, split: Split, epochs: int | None) -> None:
    from training.packing.draft import open_draft, write_draft

    if not why_unread(run.recipe, run.folder, split, epochs):
        return
    write_draft(run)
    tested = split.parts[TEST]
    table = read_table(
        open_draft(run.recipe, run.data, run.folder).reader,
        run.data,
        tested,
        [label.id for label in run.recipe.labels],
        fold=name,
        float_logits=_float_logits(run, tested),
        data=run.recipe.data,
    )
    save_table(table, run.folder / READINGS)
    stamp(run.folder / READINGS, source_of_readings(run.recipe, run.folder, split, epochs))
