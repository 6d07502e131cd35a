"""Cross-validation of a recipe: each fold is fitted, made into integers, and read by the box's code on unseen pictures.

Folds are tasks of the engine (`training/distributed/engine.py`). A fold's folder, `OUT/FOLD`, holds what `fit` writes,
what it printed (`log.txt`), its draft bundle (`training/packing/draft.py`) and its `readings.parquet`. The folder of all
has `readings.parquet` with p from calibrations that were fitted on the other folds, `metrics.json` and, in `folds.json`,
the hash of each fold's split.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from distributed import Client
from numpy.typing import NDArray

from device.base.errors import ImageError
from device.reading.image import decode_in_process
from training.data import CALIBRATION, LIMITS, TEST, TRAINING, Fold, Sample, Split, picture_bytes
from training.distributed.engine import raise_failures, run_tasks
from training.errors import CrossvalError, DataError
from training.evaluation.metrics import by_fold, calibrate_folds, summary
from training.evaluation.table import load_table, read_table, save_table
from training.recipe import Recipe
from training.run_files import DRAFT, FACTS, FOLDS, HISTORY, READINGS, SPLIT, WEIGHTS

if TYPE_CHECKING:
    from training.fitting.fit import Run

STAMP, METRICS, LOG = "readings.sha256", "metrics.json", "log.txt"


def fold_split(fold: Fold) -> Split:
    """All but the test part is trained on; calibrations come from the other folds' readings."""
    return Split({TRAINING: fold.rest, CALIBRATION: [], TEST: fold.test})


def choose_folds(folds: Sequence[Fold], names: Collection[str] | None) -> list[Fold]:
    """The folds of some names, or all. Raises `CrossvalError` for a name that isn't one."""
    known = {fold.name: fold for fold in folds}
    for name in names or ():
        if name not in known:
            raise CrossvalError(f"there is no fold {name}; there are {', '.join(known)}")
    return [fold for fold in folds if names is None or fold.name in names]


def _stamp(recipe: Recipe, folder: Path, split: Split, epochs: int | None) -> str:
    """Names what a fold's readings come from: its fit, the whole recipe (the gate's rule among it) and the split."""
    told = (folder / FACTS).read_text(encoding="utf-8"), repr(recipe), split.sha256, str(epochs)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def is_read(recipe: Recipe, folder: Path, split: Split, epochs: int | None) -> bool:
    """Whether a fold's folder has the readings of this very recipe and split."""
    return all((folder / name).is_file() for name in (FACTS, DRAFT, READINGS, STAMP)) and (
        (folder / STAMP).read_text() == _stamp(recipe, folder, split, epochs)
    )


# --- on a worker: TensorFlow is imported here, where the engine has limited its threads, and not by the client ---------


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
    pixels = {number: found for number, sample in enumerate(samples) if (found := _pixels(run, sample)) is not None}
    if pixels:
        logits[list(pixels)] = float_logits(run, list(pixels.values()))
    return logits


def _pixels(run: Run, sample: Sample) -> NDArray[np.uint8] | None:
    try:
        return decode_in_process(picture_bytes(run.data, sample), LIMITS, run.recipe.data.area_px).pixels
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

    if is_read(run.recipe, run.folder, split, epochs):
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
    )
    save_table(table, run.folder / READINGS)
    (run.folder / STAMP).write_text(_stamp(run.recipe, run.folder, split, epochs))


# --- on the client -----------------------------------------------------------------------------------------------------


def epochs_done(folder: Path) -> int:
    """Epochs in a fit's history so far."""
    history = folder / HISTORY
    return max(0, history.read_text().count("\n") - 1) if history.is_file() else 0


def crossval(
    recipe: Recipe,
    data: Path,
    folds: Sequence[Fold],
    out: Path,
    client: Client,
    *,
    names: Collection[str] | None = None,
    epochs: int | None = None,
    tell: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Run the folds of some names (all by default) as far as they aren't done, then put together the readings of all
    folds that are; the table, p cross-fitted.

    Raises `CrossvalError` for a name that isn't a fold's, `TaskFailed` when a fold failed; the others are kept.
    """
    chosen = choose_folds(folds, names)
    data, out = data.resolve(), out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    splits = {fold.name: fold_split(fold) for fold in folds}
    (out / FOLDS).write_text(json.dumps({name: split.sha256 for name, split in splits.items()}, indent=2))
    length = recipe.fit.epochs if epochs is None else epochs
    failures = run_tasks(
        client,
        run_fold,
        {fold.name: (recipe, data, out / fold.name, fold.name, splits[fold.name], epochs) for fold in chosen},
        "folds",
        lambda name, read: tell(f"fold {name}: {read} pictures read"),
        unit="epochs",
        size=lambda _: length + 1,  # reading counts as one
        so_far=lambda name: epochs_done(out / name),
    )
    raise_failures(failures, "folds", len(chosen))
    return put_together(
        recipe, out, [name for name, split in splits.items() if is_read(recipe, out / name, split, epochs)]
    )


def put_together(recipe: Recipe, out: Path, names: Sequence[str]) -> pd.DataFrame:
    """Folds' readings as one table with cross-fitted p, written with its figures. One fold alone stays uncalibrated."""
    labels = [label.id for label in recipe.labels]
    table = pd.concat([load_table(out / name / READINGS) for name in names], ignore_index=True)
    figures: dict[str, Any] = {"recipe": recipe.id, "labels": labels, "folds": names}
    if len(names) > 1:
        table, calibration = calibrate_folds(table, labels, offsets=recipe.calibration.offsets)
        figures["calibration"] = calibration.to_json(labels)
    save_table(table, out / READINGS)
    figures |= {"by_fold": by_fold(table, labels), "all": summary(table, labels)}
    (out / METRICS).write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return table


def fold_table(figures: Sequence[Mapping[str, Any]], whole: Mapping[str, Any]) -> str:
    """Markdown: a row a fold, and all of them with 95 % intervals."""
    names = ("accuracy", "balanced_accuracy", "float_balanced_accuracy", "macro_auroc", "ece", "refused")
    lines = ["| fold | n | patients | " + " | ".join(names) + " |", "|---|" + "---|" * (len(names) + 2)]
    for row in figures:
        cells = " | ".join(_cell(row[name]) for name in names)
        lines.append(f"| {row['fold']} | {row['n']} | {row['patients']} | {cells} |")
    together = {**whole, "float_balanced_accuracy": (whole["float"] or {}).get("balanced_accuracy")}
    cells = " | ".join(_with_interval(together[name]) for name in names)
    lines.append(f"| all | {whole['n']} | {whole['patients']} | {cells} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _with_interval(found: Mapping[str, float | None] | None) -> str:
    if found is None or found["value"] is None:
        return "–"
    return f"{_cell(found['value'])} ({_cell(found['low'])}–{_cell(found['high'])})"
