"""What becomes of a file of the store that a bad card has damaged: what can be read of it goes into a new file, and the
damaged one is set aside, never deleted and never silently.

A file of the store counts its changes (SQLite's `user_version`), so of two that hold the same the newer one is known: a
write-ahead log that was lost leaves a file that is sound and old.
"""

# ruff: noqa: S608 — the names in queries are those of the store's own tables

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from glob import escape
from pathlib import Path

from device.base import files
from device.storage.migrations import Step, migrate, version_of

DAMAGED, LOST = "damaged", "lost"  # set aside: all that it held is in use again; some of it may be lost
VERSION = "version"  # a copy of a file as it was before a newer program changed its tables
MOST_ASIDE = 3  # of one file and kind: a card that fails again and again fills itself no further
# What a page that can't be read or makes no sense raises. Anything else (locked, full, no rights) says nothing of the file.
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
UNREADABLE = (
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
)
IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
PRIMARY = 0xFF  # the part of an error's code that says its kind
Row = tuple[object, ...]
LOG, INDEX = "-wal", "-shm"  # SQLite's files beside a file


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the error says that the file itself is damaged."""
    return _kind(error) in DAMAGE or getattr(error, "sqlite_errorcode", 0) in UNREADABLE


def _kind(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & PRIMARY


def opened(path: Path, patience_s: float) -> sqlite3.Connection:
    """A connection to a file; it waits so long for what another has locked. Raises `sqlite3.Error`, of a file that is no
    database at first use."""
    connection = sqlite3.connect(path, timeout=patience_s, check_same_thread=False)
    connection.text_factory = lambda text: text.decode(errors="replace")  # a damaged text is its reader's to judge
    return connection


def changes_of(path: Path, patience_s: float) -> int | None:
    """How many changes a sound file has been through; None of one that is damaged. Raises `sqlite3.Error`."""
    with closing(opened(path, patience_s)) as connection:
        try:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            return changes(connection) if verdict == "ok" else None
        except sqlite3.Error as error:
            if is_damage(error):
                return None
            raise


def version_in(path: Path, patience_s: float) -> int | None:
    """The version of a file's tables; None of one that can't be read. Raises `sqlite3.Error` where it is in use."""
    try:
        with closing(opened(path, patience_s)) as connection:
            return version_of(connection)
    except sqlite3.Error as error:
        if _kind(error) in IN_USE:
            raise
        return None


def changes(connection: sqlite3.Connection) -> int:
    """How many changes a file has been through."""
    (count,) = connection.execute("PRAGMA user_version").fetchone()
    return int(count)


def count_changes(connection: sqlite3.Connection, count: int) -> None:
    connection.execute(f"PRAGMA user_version = {count:d}")


def build(
    path: Path,
    steps: Sequence[Step],
    sources: Sequence[Path],
    count: int,
    patience_s: float,
    version: int | None = None,
) -> tuple[Path, bool]:
    """A new file beside the path, with what the tables of the sources hold, as far as it can be read; and whether one of
    them could be read whole. `version`: of the sources' tables, where the files themselves don't say it. Raises
    `sqlite3.Error` and `OSError`."""
    new = _new_file(path)
    with closing(opened(new, patience_s)) as target:
        target.execute("PRAGMA synchronous = FULL")
        _make_tables(target, steps)
        whole = [_take(target, source, steps, version, patience_s) for source in sources]
        count_changes(target, count)
        target.commit()
    return new, any(whole) or not sources


def _new_file(path: Path) -> Path:
    """Where a new file is made, beside the one whose name it will get; what a power cut left there goes."""
    new = path.with_name(f"{path.name}.new")
    for name in (new.name, f"{new.name}-journal"):
        path.with_name(name).unlink(missing_ok=True)
    return new


def _make_tables(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, steps)


def _take(
    target: sqlite3.Connection, path: Path, steps: Sequence[Step], version: int | None, patience_s: float
) -> bool:
    """Put into the target what can be read of a file; whether that was all."""
    try:
        source = opened(path, patience_s)
    except sqlite3.Error:  # a folder, say
        return False
    with closing(source), closing(opened(Path(":memory:"), patience_s)) as between:
        try:
            reached = max(version_of(source) if version is None else version, 1)
        except sqlite3.Error:  # then nothing else can be read of it either
            return False
        if reached >= len(steps):
            return _take_tables(target, source)
        # Rows of an earlier version go through the steps that the file hasn't been through.
        _make_tables(between, steps[:reached])
        with between:
            whole = _take_tables(between, source)
        _make_tables(between, steps)
        return _take_tables(target, between) and whole


def _take_tables(target: sqlite3.Connection, source: sqlite3.Connection) -> bool:
    whole = [_take_table(target, source, table) for table in tables_of(target)]
    return all(whole)


def _take_table(target: sqlite3.Connection, source: sqlite3.Connection, table: str) -> bool:
    columns = common_columns(source, target, table)
    if not columns:
        return False
    names = ", ".join(columns)
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
    rows, whole = _readable(source, f"SELECT {names} FROM {table}")
    target.executemany(insert, rows)
    if not whole:  # from the other end, up to the damaged page
        rows, _ = _readable(source, f"SELECT {names} FROM {table} ORDER BY {_key(target, table)}")
        target.executemany(insert, rows)
    return whole


def _readable(source: sqlite3.Connection, query: str) -> tuple[list[Row], bool]:
    """The rows until one can't be read, and whether that was all."""
    rows: list[Row] = []
    try:
        for row in source.execute(query):
            rows.append(row)
    except sqlite3.Error as error:
        if _kind(error) in IN_USE:
            raise
        with suppress(
            sqlite3.Error
        ):  # Python's reader looks ahead, and lost the row before the page that can't be read
            rows += source.execute(f"{query} LIMIT 1 OFFSET {len(rows)}").fetchall()
        return rows, False
    return rows, True


def tables_of(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def common_columns(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table that both files have; none where the source can't say."""
    query = "SELECT name FROM pragma_table_info(?)"
    try:
        there = {name for (name,) in source.execute(query, (table,))}
    except sqlite3.Error as error:
        if _kind(error) in IN_USE:
            raise
        return []
    return [name for (name,) in target.execute(query, (table,)) if name in there]


def _key(connection: sqlite3.Connection, table: str) -> str:
    """What a table's rows lie in the order of, from its end."""
    try:
        connection.execute(f"SELECT rowid FROM {table} LIMIT 0")
    except sqlite3.OperationalError:  # a table without rowid
        key = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table,))
        return ", ".join(f"{name} DESC" for (name,) in key)
    return "rowid DESC"


def back_up(path: Path, version: int, patience_s: float) -> None:
    """Copy a file as it is, to lie beside it under the name of its version; an earlier such copy goes. Raises
    `sqlite3.Error` and `OSError`."""
    new = _new_file(path)
    with closing(opened(path, patience_s)) as source, closing(opened(new, patience_s)) as target:
        source.backup(target)
    backup = path.with_name(f"{path.name}.{VERSION}-{version}")
    files.put_in_place(new, backup)
    for earlier in path.parent.glob(f"{escape(path.name)}.{VERSION}-*"):
        if earlier != backup:
            earlier.unlink(missing_ok=True)


def put_in_place(new: Path, path: Path) -> None:
    """Give a new file its name. Raises `OSError`."""
    for name in (LOG, INDEX):  # they belong to the file that had the name before
        path.with_name(path.name + name).unlink(missing_ok=True)
    files.put_in_place(new, path)


def set_aside(path: Path, kind: str) -> Path:
    """Rename a file, and the log that belongs to it; its new name. Raises `OSError`."""
    names = [path.with_name(f"{path.name}.{kind}-{number}") for number in range(1, MOST_ASIDE + 1)]
    aside = next((name for name in names if not name.exists()), names[-1])
    log, log_aside = path.with_name(path.name + LOG), aside.with_name(aside.name + LOG)
    log_aside.unlink(missing_ok=True)
    if log.exists():
        log.replace(log_aside)
    path.with_name(path.name + INDEX).unlink(missing_ok=True)
    return path.replace(aside)


def asides(path: Path) -> Iterable[tuple[str, Path]]:
    """What was set aside of a file, and lies there still: kind and name."""
    for kind in (DAMAGED, LOST):
        for number in range(1, MOST_ASIDE + 1):
            aside = path.with_name(f"{path.name}.{kind}-{number}")
            if aside.exists():
                yield kind, aside
