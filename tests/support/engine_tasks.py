"""Tasks that workers of a test's cluster import: they must find them by a module's name."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from device.base.errors import ImageTooSmall
from training.distributed import engine
from training.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from training.distributed.score import Shipment

DEADLY = "text.png"


def double(number: int) -> int:
    return 2 * number


def threads() -> list[str | None]:
    return [os.environ.get(name) for name in engine.THREADS]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_first(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        die()
    return "done by another"


def refuse(kind: str) -> None:
    if kind == "named":
        raise DataError("the folder is gone: mount it")
    if kind == "box":
        raise ImageTooSmall(width=3, height=4, minimum_px=32)
    raise ZeroDivisionError("a fault in the code")


def read_until_deadly(shipment: Shipment, folder: Path, files: Sequence[str]) -> pd.DataFrame:
    """Like `read_batch`, but the disk goes away at one picture."""
    if DEADLY in files:
        raise DataError("the disk is gone: mount it")
    from training.distributed.score import read_batch

    return read_batch(shipment, folder, files)


def read_only_deadly(shipment: Shipment, folder: Path, files: Sequence[str]) -> pd.DataFrame:
    """Like `read_batch`, for what `read_until_deadly` left."""
    assert DEADLY in files, "a picture that was read is read again"
    from training.distributed.score import read_batch

    return read_batch(shipment, folder, files)


def read_and_die(shipment: Shipment, folder: Path, files: Sequence[str]) -> pd.DataFrame:
    """Like `read_batch`, but one picture kills the process, as a fault in a decoder would."""
    if DEADLY in files:
        die()
    from training.distributed.score import read_batch

    return read_batch(shipment, folder, files)
