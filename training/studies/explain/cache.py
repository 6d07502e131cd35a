"""A cache of rows and arrays in a folder: a stopped command goes on, a larger one measures only what is new.

What other code, or other libraries, measured is removed first (`training/stamp.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.stamp import Source, keep_only

FILES = ("*.json", "*.npz")
Row = dict[str, Any]


class Cache:
    """Rows (JSON) and arrays by what they were measured from: networks, pixels, and names of what was done."""

    def __init__(self, folder: Path, made_from: Source) -> None:
        self._folder = folder
        keep_only(folder, made_from, FILES)

    def row(self, source: tuple[object, ...], make: Callable[[], Row]) -> Row:
        """The row that was measured from `source`, now unless it was before."""
        file = self._file(source, "json")
        if not file.is_file():
            _replace(file, lambda temporary: temporary.write_text(json.dumps(make()), encoding="utf-8"))
        row: Row = json.loads(file.read_text(encoding="utf-8"))
        return row

    def arrays(
        self, source: tuple[object, ...], make: Callable[[], Mapping[str, NDArray[Any]]]
    ) -> dict[str, NDArray[Any]]:
        """Likewise arrays by name."""
        file = self._file(source, "npz")
        if not file.is_file():
            _replace(file, lambda temporary: _save(temporary, make()))
        with np.load(file) as arrays:
            return dict(arrays)

    def _file(self, source: tuple[object, ...], ending: str) -> Path:
        digest = hashlib.sha256()
        for part in source:
            content = part.tobytes() if isinstance(part, np.ndarray) else str(part).encode()
            digest.update(hashlib.sha256(content).digest())
        return self._folder / f"{digest.hexdigest()[:32]}.{ending}"


def _replace(file: Path, write: Callable[[Path], Any]) -> None:
    temporary = file.with_name(f"writing.{file.name}")
    write(temporary)
    temporary.replace(file)


def _save(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with file.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **arrays)
