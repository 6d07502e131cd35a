"""The versions of the store's files, and the steps that lead from each to the next.

Each module that keeps something lists its steps: the first makes its tables, and each that follows changes them. A file
says how many steps it has been through: that is its version (SQLite's `application_id`; its `user_version` counts changes).
Files of programs before versions say none, and hold at most what the first step makes.

To keep something new, in a file of the store that is there already: write a step, and append it to the list of the module
that has the file. In a file of its own: give `Store` a new list. Never change, remove or reorder steps that boxes may have
been through. A step runs inside a transaction: it changes tables and rows by `connection.execute`, must not commit (which
`executescript` does), and finds rows of any program before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

Step = Callable[[sqlite3.Connection], object]

MARK = int.from_bytes(b"Lo") << 16  # of Loupe's files, above the version
VERSION_BITS = 0xFFFF


def statements(*queries: str) -> Step:
    """A step of SQL alone."""

    def step(connection: sqlite3.Connection) -> None:
        for query in queries:
            connection.execute(query)

    return step


def version_of(connection: sqlite3.Connection) -> int:
    """How many steps a file has been through, 0 where it doesn't say. Raises `sqlite3.Error`."""
    (number,) = connection.execute("PRAGMA application_id").fetchone()
    return number & VERSION_BITS if number & ~VERSION_BITS == MARK else 0


def migrate(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """Take a file through the steps that it lacks, in the transaction that is open. Raises `sqlite3.Error`."""
    for step in steps[version_of(connection) :]:
        step(connection)
    connection.execute(f"PRAGMA application_id = {MARK | len(steps)}")
