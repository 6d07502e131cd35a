"""What the files in a run's folder are called, known without TensorFlow."""

from __future__ import annotations

from pathlib import Path

WEIGHTS, SPLIT, HISTORY, FACTS = "weights.weights.h5", "split.json", "history.csv", "run.json"
RESUME, LOGS, FROZEN = "resume", "logs", "frozen"
READINGS, FOLDS, PARTS = "readings.parquet", "folds.json", "parts.json"
DRAFT, DRAFT_KEY = "draft.loupe", "draft.pub"


def epochs_done(folder: Path) -> int:
    """Epochs in the history of a fit so far."""
    history = folder / HISTORY
    return max(0, history.read_text(encoding="utf-8").count("\n") - 1) if history.is_file() else 0
