"""The box's store: small SQLite files for what outlives a restart, one a concern, so that damage to one is no other's.

    loupe.sqlite        names of units        loupe.copy.sqlite     the same again
    loupe.drift.sqlite  counts of the drift watch

Never in it: a picture, a thumbnail, a file name, EXIF. What was committed survives a power cut: a write-ahead log is synced
at each commit. A bad page costs no name: each change is made in the copy too, and whichever of the two is sound and newer
replaces the other. What can be read of a damaged file without a copy is kept (`device/storage/salvage.py`). No reading
needs the store: where it can't be opened the box reads on, keeps nothing, and its health page says why.

Each module that keeps something lists the steps that make and change its tables (`device/storage/migrations.py`, which says
how to add some). A file of an earlier program goes through the steps that it lacks, in one transaction, and a copy of it as
it was stays beside it (`loupe.sqlite.version-0`). A file of a newer program is left as it is: `StoreNewer`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import RLock
from typing import TypeVar

from device.base.errors import LoupeError, StoreMended, StoreNewer, StorePartlyLost, StoreUnusable
from device.base.log import warn
from device.storage import salvage
from device.storage.migrations import Step, migrate, version_of

PATIENCE_S = 5.0
T = TypeVar("T")
Identity = tuple[int, int] | None


def beside(store: Path, part: str) -> Path:
    """The file of the store for one concern: `loupe.sqlite` and `drift` → `loupe.drift.sqlite`."""
    return store.with_name(f"{store.stem}.{part}{store.suffix}")


def connect(path: Path, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
    """A connection to a file of the store, made where missing; it waits so long for what another connection has locked.
    Raises `sqlite3.Error`.

    To be opened in the process that uses it, after any fork. Threads may share it behind a lock of the caller's.
    `with connection:` makes what is inside one transaction, on the disk when the block is left.
    """
    connection = salvage.opened(path, patience_s)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class _OtherVersion(sqlite3.OperationalError):
    """The file's tables aren't those of this program's version, or not any more."""


class _Access:
    """One connection to a file, and the lock of whoever uses it. `version`: the one that its tables must have."""

    def __init__(self, path: Path, version: int, patience_s: float) -> None:
        self.patience_s, self.lock = patience_s, RLock()
        self._path, self._version = path, version
        self._connection: sqlite3.Connection | None = None
        self._file: Identity = None

    def opened(self) -> sqlite3.Connection:
        """The connection; a new one where the file was deleted or another was put in its place, for what is written to
        the old one would be acknowledged and lost. Raises `sqlite3.Error`."""
        if self._connection is not None and self._file != _identity(self._path):
            self.close()
        if self._connection is None:
            self._connection = connect(self._path, self.patience_s)
            self._file = _identity(self._path)
            if version_of(self._connection) != self._version:
                raise _OtherVersion("its tables are of another version")
        return self._connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # what was committed is on the disk already
                connection.close()


class Store:
    """A module's tables in a file of the store, opened at first use, in the process that serves. Threads may share it.

    `steps`: what makes the tables, from the first version to this program's (`device/storage/migrations.py`). `copied`: all
    is kept in a second file too. `inherits`: a file of an earlier program, whose rows move into this one when it is made.
    `problem`: why the store can't be opened or written. It stands until that works again: what can be read says nothing of
    a full disk.
    """

    def __init__(
        self,
        path: Path,
        steps: Sequence[Step],
        patience_s: float = PATIENCE_S,
        *,
        read_patience_s: float | None = None,
        copied: bool = False,
        inherits: Path | None = None,
    ) -> None:
        self.path = path
        self.problem: StoreUnusable | None = None
        self._unopened: StoreUnusable | None = None  # the last problem that came from opening
        self._steps, self._inherits = steps, inherits
        version = len(steps)
        # Two connections, so that what only reads waits for nothing that is being written.
        self._writer = _Access(path, version, patience_s)
        self._reader = _Access(path, version, patience_s if read_patience_s is None else read_patience_s)
        self._copy = _Access(beside(path, "copy"), version, patience_s) if copied else None
        self._files: tuple[Path, ...] = (path, beside(path, "copy")) if copied else (path,)
        self._sound: tuple[Identity, ...] | None = None  # the files that were looked at, and mended where that was due

    def read(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `look`, which runs in a transaction that only reads. Raises `StoreUnusable`."""
        with self._reader.lock:
            return self._tried(self._reader, "BEGIN", look)

    def state(self) -> tuple[Identity, int]:
        """What stands for all that is kept: another after each change, and where another file takes the file's place.
        Raises `StoreUnusable`."""
        count = self.read(salvage.changes)
        return _identity(self.path), count

    def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Change something, on the disk when this returns; what `change` returns. It may be called again, for the copy or
        after a repair, and must then do the same. Raises `StoreUnusable`."""
        count = 0

        def counted(connection: sqlite3.Connection) -> T:
            nonlocal count
            count = salvage.changes(connection) + 1
            salvage.count_changes(connection, count)
            return change(connection)

        with self._writer.lock:
            result = self._tried(self._writer, "BEGIN IMMEDIATE", counted)
            self.problem = self._follow(change, count)
            return result

    def mended(self) -> list[LoupeError]:
        """What was damaged and set aside, as long as it lies there."""
        return [_problem_of(path, kind, aside) for path in self._files for kind, aside in salvage.asides(path)]

    def _tried(self, access: _Access, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """In one transaction, and once more where the file was found damaged and could be mended."""
        for again in (True, False):
            connection = self._opened(access)
            try:
                with connection:
                    connection.execute(begin)
                    return work(connection)
            except sqlite3.Error as error:
                access.close()
                if again and salvage.is_damage(error):
                    self._sound = None
                    continue
                self.problem = StoreUnusable(store=str(self.path), detail=str(error))
                raise self.problem from error
        raise AssertionError  # the second time returns or raises

    def _opened(self, access: _Access) -> sqlite3.Connection:
        """The connection, to files that were looked at. Raises `StoreUnusable`."""
        try:
            connection = self._connected(access)
        except StoreNewer as newer:
            access.close()
            self._note_unopened(newer)
            raise
        except (sqlite3.Error, OSError) as error:
            access.close()
            unusable = StoreUnusable(store=str(self.path), detail=str(error))
            self._note_unopened(unusable)
            raise unusable from error
        if self.problem is self._unopened:
            self.problem = None
        return connection

    def _note_unopened(self, problem: StoreUnusable) -> None:
        if self.problem is self._unopened:
            self._unopened = self.problem = problem

    def _connected(self, access: _Access) -> sqlite3.Connection:
        """Raises `StoreNewer`, `sqlite3.Error` and `OSError`."""
        if self._sound is None or self._sound != self._identities():
            if not self._writer.lock.acquire(timeout=access.patience_s):
                raise sqlite3.OperationalError("the file is being written")
            try:
                self._mend()
            finally:
                self._writer.lock.release()
        try:
            return access.opened()
        except _OtherVersion:
            self._sound = None  # the next one looks at the files again
            raise

    def _identities(self) -> tuple[Identity, ...] | None:
        """Of the file and its copy; None where the file isn't there."""
        identities = tuple(_identity(path) for path in self._files)
        return identities if identities[0] else None

    def _mend(self) -> None:
        """Make the file where it is missing, damaged or older than its copy, from what is best, and bring its tables to
        this program's version. Under the writer's lock. Raises `StoreNewer`, `sqlite3.Error` and `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(self.path) and not self.path.exists():
            raise OSError("a link that leads nowhere")
        patience_s = self._writer.patience_s
        versions = self._versions()
        counts = self._counts()
        sound = {path: count for path, count in counts.items() if count is not None}
        best = max(sound, key=lambda path: sound[path], default=None)  # of equals the file itself, which stands first
        count = sound[best] if best else 1
        kind = salvage.DAMAGED
        if best != self.path:
            inherited = [self._inherits] if self._inherits and _identity(self._inherits) else []
            sources = [best] if best else list(counts) or inherited
            version = 1 if sources == inherited else None  # that file's own version is of other tables
            new, whole = salvage.build(_real(self.path), self._steps, sources, count, patience_s, version)
            kind = salvage.DAMAGED if whole else salvage.LOST
            if self.path in counts:
                self._set_aside(self.path, kind)
            salvage.put_in_place(new, _real(self.path))
            if not counts and inherited:
                _disinherit(inherited[0], self.path, patience_s)
        elif versions[self.path] != len(self._steps):
            self._migrate()
        if self._copy is not None and (
            best is None or sound.get(self._files[1]) != count or versions.get(self._files[1]) != len(self._steps)
        ):
            damaged = self._files[1] in counts and self._files[1] not in sound
            self.problem = self._copied(count, kind if damaged else None) or self.problem
        self._sound = self._identities()

    def _versions(self) -> dict[Path, int | None]:
        """The version of the file's tables and of its copy's, None of one that can't be read. Raises `StoreNewer`."""
        versions = {path: salvage.version_in(path, self._writer.patience_s) for path in filter(_identity, self._files)}
        newest = max((version for version in versions.values() if version is not None), default=0)
        if newest > len(self._steps):
            detail = f"its tables are of version {newest}, and this program knows {len(self._steps)}"
            raise StoreNewer(store=str(self.path), detail=detail, version=newest, known=len(self._steps))
        return versions

    def _migrate(self) -> None:
        """Take the file through the steps that it lacks, in one transaction; a copy of it as it was stays beside it. Raises
        `sqlite3.Error` and `OSError`."""
        path, patience_s = _real(self.path), self._writer.patience_s
        with closing(connect(path, patience_s)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody else changes it from here on
            if salvage.tables_of(connection):
                salvage.back_up(path, version_of(connection), patience_s)
            migrate(connection, self._steps)

    def _counts(self) -> dict[Path, int | None]:
        """How many changes the file and its copy have been through, None of a damaged one. A copy that can't be opened
        stops nothing where the file is sound."""
        counts: dict[Path, int | None] = {}
        for path in filter(_identity, self._files):
            try:
                counts[path] = salvage.changes_of(path, self._writer.patience_s)
            except sqlite3.Error:
                if counts.get(self.path) is None:
                    raise
        return counts

    def _set_aside(self, path: Path, kind: str) -> None:
        aside = salvage.set_aside(_real(path), kind)
        warn(_problem_of(path, kind, aside))

    def _follow(self, change: Callable[[sqlite3.Connection], object], count: int) -> StoreUnusable | None:
        """Make the same change in the copy, or the copy anew from the file; what stood in the way of both."""
        if self._copy is None:
            return None
        kind = None
        try:
            with self._copy.opened() as connection:
                connection.execute("BEGIN IMMEDIATE")
                if salvage.changes(connection) == count - 1:
                    salvage.count_changes(connection, count)
                    change(connection)
                    return None
        except sqlite3.Error as error:
            kind = salvage.DAMAGED if salvage.is_damage(error) else None
        return self._copied(count, kind)

    def _copied(self, count: int, kind: str | None) -> StoreUnusable | None:
        """Make the copy anew from the file, the old one set aside where it is damaged; what stood in the way."""
        assert self._copy is not None
        self._copy.close()
        copy = self._files[1]
        try:
            new, _ = salvage.build(copy, self._steps, [self.path], count, self._writer.patience_s)
            if kind and _identity(copy):
                self._set_aside(copy, kind)
            salvage.put_in_place(new, copy)
        except (sqlite3.Error, OSError) as error:
            return StoreUnusable(store=str(copy), detail=str(error))
        if self._sound is not None:
            self._sound = self._identities()
        return None


def _problem_of(path: Path, kind: str, aside: Path) -> LoupeError:
    if kind == salvage.LOST:
        return StorePartlyLost(store=path.name, aside=aside.name)
    return StoreMended(store=path.name, aside=aside.name)


def _disinherit(earlier: Path, path: Path, patience_s: float) -> None:
    """Take out of an earlier version's file the tables whose rows have moved."""
    with suppress(sqlite3.Error), closing(salvage.opened(earlier, patience_s)) as source:
        with closing(salvage.opened(path, patience_s)) as target:
            moved = [table for table in salvage.tables_of(target) if salvage.common_columns(source, target, table)]
        with source:
            for table in moved:
                source.execute(f"DROP TABLE {table}")


def _real(path: Path) -> Path:
    """The file that a link leads to, which is what is renamed."""
    return Path(os.path.realpath(path))


def _identity(path: Path) -> Identity:
    """Device and number of the file at a path, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
