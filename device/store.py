"""The box's store: one small SQLite file for what outlives a restart, such as counts of the drift watch and names of units.

Never in it: a picture, a thumbnail, a file name, EXIF. Each module that keeps something makes its own table. What was
committed survives a power cut: a write-ahead log that is synced at each commit. No reading needs the store: where it
can't be opened the box reads on, keeps nothing, and its health page says why.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from device.errors import StoreUnusable

PATIENCE_S = 5.0


def connect(path: Path, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
    """A connection to the store, whose file and folder are made where missing; it waits so long for what another
    connection has locked. Raises `StoreUnusable`.

    To be opened in the process that uses it, after any fork. Threads may share it behind a lock of the caller's.
    `with connection:` makes what is inside one transaction, on the disk when the block is left.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=patience_s, check_same_thread=False)
        connection.text_factory = lambda text: text.decode(errors="replace")  # a damaged text is its reader's to judge
    except (OSError, sqlite3.Error) as error:
        raise StoreUnusable(store=str(path), detail=str(error)) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise StoreUnusable(store=str(path), detail=str(error)) from error
    if sound != "ok":
        connection.close()
        raise StoreUnusable(store=str(path), detail=sound)
    return connection


class Store:
    """A module's tables in the store, opened at first use, in the process that serves. Threads may share it.

    `problem`: why the store can't be opened or written. It stands until that works again: what can be read says nothing
    of a full disk.
    """

    def __init__(self, path: Path, tables: str, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self.problem: StoreUnusable | None = None
        self._unopened: StoreUnusable | None = None  # the last problem that came from opening
        self._tables, self._patience_s, self._lock = tables, patience_s, Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction that only reads. Raises `StoreUnusable`."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk when the block is left. Raises `StoreUnusable`."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection
        self.problem = None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._opened()
            try:
                with connection:
                    connection.execute(begin)
                    yield connection
            except sqlite3.Error as error:
                self._close()
                self.problem = StoreUnusable(store=str(self.path), detail=str(error))
                raise self.problem from error

    def _opened(self) -> sqlite3.Connection:
        """The connection; a new one where the file was deleted or another was put in its place, for what is written to
        the old one would be acknowledged and lost."""
        if self._connection is not None and self._file != _identity(self.path):
            self._close()
        if self._connection is None:
            try:
                self._connection = connect(self.path, self._patience_s)
                self._connection.executescript(self._tables)
            except (StoreUnusable, sqlite3.Error) as error:
                self._close()
                unusable = (
                    error
                    if isinstance(error, StoreUnusable)
                    else StoreUnusable(store=str(self.path), detail=str(error))
                )
                if self.problem is self._unopened:
                    self._unopened = self.problem = unusable
                raise unusable from error
            self._file = _identity(self.path)
            if self.problem is self._unopened:
                self.problem = None
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # what was committed is on the disk already
                connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of the file at a path, None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
