"""What the files in a run's folder are called, known without TensorFlow."""

from __future__ import annotations

WEIGHTS, SPLIT, HISTORY, FACTS = "weights.weights.h5", "split.json", "history.csv", "run.json"
RESUME, LOGS = "resume", "logs"
READINGS, FOLDS, PARTS = "readings.parquet", "folds.json", "parts.json"
DRAFT, DRAFT_KEY = "draft.loupe", "draft.pub"
