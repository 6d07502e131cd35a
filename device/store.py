"""The box's store: one small SQLite file for what outlives a restart, such as counts of the drift watch and names of units.

Never in it: a picture, a thumbnail, a file name, EXIF. Each module that keeps something makes its own table. What was
committed survives a power cut: a write-ahead log that is synced at each commit. No reading needs the store: where it
can't be opened the box reads on, keeps nothing, and its health page says why.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from device.errors import StoreUnusable

PATIENCE_S = 5.0


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the store, whose file and folder are made where missing. Raises `StoreUnusable`.

    To be opened in the process that uses it, after any fork. Threads may share it behind a lock of the caller's.
    `with connection:` makes what is inside one transaction, on the disk when the block is left.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=PATIENCE_S, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnusable(store=path, detail=error) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise StoreUnusable(store=path, detail=error) from error
    if sound != "ok":
        connection.close()
        raise StoreUnusable(store=path, detail=sound)
    return connection
