"""The readings table: one row a picture, as the box's own code read it. Every figure is made from such tables alone.

| column | what |
|---|---|
| file, box | the picture, relative to the data folder; `left,top,right,bottom` where a part of it was read |
| group, fold | what stays together in a split (patient); in which fold it was tested |
| label, prediction | class ids: true (missing where unknown), most likely by the integer network |
| width, height, latency_ms | px of the picture as uploaded; decoding to verdict |
| reason, caution | the gate: code of a refusal; accepted but rare |
| p_Q, score_Q | for each of the gate's questions Q but `picture`: p-value and score |
| error | code of the error of a picture that could not be read; its numbers are missing then |
| logit_K, p_K | for each class K: the integer network's logit and calibrated probability |
| float_logit_K | for each class K: the float network's logit, missing where it wasn't computed |
| offset_K | for each class K: what calibration adds to both of these logits; a table of one fold may have none |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from device.base.errors import ImageError, UploadTooLarge
from device.reading.gate import MADE, SCALE, SHOWS
from device.reading.reading import Reader, Reading
from training.data import Sample, picture_bytes
from training.data.pictures import UNOPENED, stated_um_per_px
from training.errors import DataError, TableError
from training.recipe import Data

TEXTS = ("file", "box", "group", "label", "fold", "reason", "prediction", "error")
QUESTIONS = (SCALE, MADE, SHOWS)
GATE_NUMBERS = tuple(f"{kind}_{name}" for kind in ("p", "score") for name in QUESTIONS)
NUMBERS = ("width", "height", *GATE_NUMBERS, "latency_ms")
KINDS = ("logit", "p", "float_logit")
OFFSET = "offset"


def class_columns(kind: str, labels: Sequence[str]) -> list[str]:
    """The columns of one kind (`logit`, `p`, `float_logit`, `offset`), in the order of the classes."""
    return [f"{kind}_{label}" for label in labels]


def columns(labels: Sequence[str]) -> list[str]:
    """All columns of a table, in order."""
    return [*TEXTS, "caution", *NUMBERS, *(name for kind in KINDS for name in class_columns(kind, labels))]


def _read(
    reader: Reader,
    folder: Path,
    sample: Sample,
    max_bytes: int | None,
    recipe_data: Data | None,
    um_per_px: float | None,
) -> Reading | str:
    try:
        data = picture_bytes(folder, sample)
        if max_bytes is not None and len(data) > max_bytes:
            return UploadTooLarge.code
        if recipe_data is not None:
            um_per_px = stated_um_per_px(sample, recipe_data)
        return reader.read(data, um_per_px)
    except ImageError as error:
        return error.code
    except (OSError, DataError):  # the file is gone, or a box can't be cut out of it
        return UNOPENED


def _row(sample: Sample, reading: Reading | str, labels: Sequence[str], fold: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": sample.file,
        "box": ",".join(map(str, sample.box)) if sample.box else None,
        "group": sample.group,
        "label": labels[sample.label] if sample.label >= 0 else None,
        "fold": fold,
        "caution": False,
    }
    if isinstance(reading, str):
        return row | {"error": reading}
    row |= {
        "width": reading.image.width,
        "height": reading.image.height,
        "reason": reading.verdict.reason,
        "caution": reading.verdict.caution,
        "prediction": labels[int(reading.maps.logits.argmax())],
        "latency_ms": reading.timings_ms["total"],
    }
    answers = {answer.question: answer for answer in reading.verdict.answers}
    row |= {f"p_{name}": answers[name].p_value for name in QUESTIONS}
    row |= {f"score_{name}": answers[name].score for name in QUESTIONS}
    row |= dict(zip(class_columns("logit", labels), reading.maps.logits, strict=True))
    return row | dict(zip(class_columns("p", labels), reading.probabilities, strict=True))


def read_table(
    reader: Reader,
    folder: Path,
    samples: Sequence[Sample],
    labels: Sequence[str],
    *,
    fold: str = "",
    float_logits: NDArray[np.float64] | None = None,
    max_bytes: int | None = None,
    data: Data | None = None,
    um_per_px: float | None = None,
) -> pd.DataFrame:
    """Read each sample as an upload is read. A picture that can't be read becomes a row with an error, never an exception.

    `labels` are class ids in recipe order; a sample's label below 0 means that its class isn't known. `float_logits`
    [n, classes] are those of the float network for the same samples. A file of over `max_bytes` is an upload too large.
    `data` is the recipe's part that says at which scale pictures are read, `um_per_px` the size of all pictures' pixels;
    with neither they are read at the model's own area.
    """
    rows = [
        _row(sample, _read(reader, folder, sample, max_bytes, data, um_per_px), labels, fold)
        for sample in track(samples, "read", transient=True)
    ]
    table = pd.DataFrame(rows, columns=columns(labels))
    if float_logits is not None:
        table[class_columns("float_logit", labels)] = np.asarray(float_logits, np.float64).reshape(-1, len(labels))
    return typed(table)


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """The same types whatever the rows hold, so that tables of folds can be joined."""
    kinds: dict[str, str] = dict.fromkeys(TEXTS, "string") | {"caution": "bool"}
    return table.astype({name: kinds.get(name, "float64") for name in table.columns})


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet: all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    table.to_parquet(part, index=False)
    part.replace(path)


def load_table(path: Path) -> pd.DataFrame:
    """Read a table that `save_table` wrote. Raises `TableError`."""
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError as error:
        raise TableError(f"there is no readings table {path}") from error
    except (OSError, ValueError) as error:
        raise TableError(f"{path} is not a readings table (Parquet): {error}") from error
    return table


def check_table(table: pd.DataFrame, labels: Sequence[str]) -> None:
    """Raises `TableError` when a table has no rows, lacks a column or a key, or has a class that isn't among `labels`. No
    figure needs the gate's p-values and scores: a table that was read when the gate asked other questions will do."""
    if missing := [name for name in columns(labels) if name not in table.columns and name not in GATE_NUMBERS]:
        raise TableError(
            f"the readings table has no column {', '.join(missing)}: is it of another recipe? Read the pictures again"
        )
    if table.empty:
        raise TableError("the readings table has no rows: check the split and the data folder")
    for column in ("file", "group", "fold"):
        if table[column].isna().any():
            raise TableError(f"{int(table[column].isna().sum())} rows of the readings table have no {column}")
    known = set(labels)
    for column in ("label", "prediction"):
        if strange := sorted(set(table[column].dropna()) - known):
            raise TableError(f"the readings table has the {column} {strange[0]}; the recipe has {', '.join(labels)}")
