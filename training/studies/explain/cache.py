"""What was measured stays in a folder, row by row: a stopped command goes on, a larger one measures only what is new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]


class Kept:
    """Rows (JSON) and arrays by what they were measured from: networks, pixels, and names of what was done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

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
        with np.load(file) as kept:
            return dict(kept)

    def _file(self, source: tuple[object, ...], ending: str) -> Path:
        digest = hashlib.sha256()
        for part in source:
            told = part.tobytes() if isinstance(part, np.ndarray) else str(part).encode()
            digest.update(hashlib.sha256(told).digest())
        return self._folder / f"{digest.hexdigest()[:32]}.{ending}"


def _replace(file: Path, write: Callable[[Path], Any]) -> None:
    temporary = file.with_name(f"writing.{file.name}")
    write(temporary)
    temporary.replace(file)


def _save(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with file.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **arrays)
