"""How far a fit is: a bar with the time left of the whole, where Keras' own tells that of one epoch, and its end by
the clock.
"""

from __future__ import annotations

import time
from typing import Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class FitProgress(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """`steps` an epoch, `epochs` in all; an interrupted fit's bar starts where the fit goes on."""

    def __init__(self, steps: int, epochs: int) -> None:
        super().__init__()
        self._steps, self._epochs, self._epoch = steps, epochs, 0
        self._bar = Progress(
            TextColumn("fit"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[words]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._task = self._bar.add_task("fit", total=epochs, words="")

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 — Keras' own
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        done = self._epoch + (batch + 1) / self._steps
        self._bar.update(self._task, completed=round(done, 2), words=f"loss {(logs or {}).get('loss', 0):.3f}")

    def close(self) -> None:
        """Give the terminal back, also after an interruption, of which Keras tells nobody."""
        self._bar.stop()


class TimeLimit(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Ends a fit with the pass in which its minutes run out; `spent`: whether it did."""

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self._seconds, self._started, self.spent = 60 * minutes, time.monotonic(), False

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 — Keras' own
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if time.monotonic() - self._started >= self._seconds:
            self.spent = self.model.stop_training = True
