"""Names that experts give to units, kept in the box's store.

A name belongs to a unit of one integer network, known by its hash: trained anew, the same number is another unit; packed
anew around the same network, it is the same. An expert is known by initials or a pseudonym; those who give none count as
one separate, anonymous expert. Each has one name for a unit, and may change it or take it back. Nothing else is stored: no
image, no file name.

Anyone may name units, so there are limits to what is stored and to what a reading shows: `UNIT_LIMIT` names a unit,
`TOTAL_LIMIT` a network. A store of an earlier program may hold more; of these the first of each unit count.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from device.base.errors import (
    ExpertInvalid,
    LoupeError,
    NamesFull,
    NamesInvalid,
    NamesOfOtherModel,
    TermUnknown,
    UnitNameInvalid,
    UnitNamesFull,
    echoed,
)
from device.base.records import Words
from device.storage.lexicon import Lexicon
from device.storage.migrations import statements
from device.storage.store import Store

SCHEMA = "loupe-names/1"
NAME_LIMIT, EXPERT_LIMIT = 60, 12
RAW_PER_CHARACTER = 4  # characters that may be sent for one that is kept: accents apart from their letters, spaces
UNIT_LIMIT, TOTAL_LIMIT = 50, 10_000
READ_PATIENCE_S = 0.2  # a reading waits no longer for names
EXPERT = re.compile(rf"[^\W_](?:[^\W_]|[ .\-]){{0,{EXPERT_LIMIT - 1}}}")
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
TABLE = """
CREATE TABLE IF NOT EXISTS unit_names (
    network TEXT NOT NULL, unit INTEGER NOT NULL, expert TEXT NOT NULL COLLATE NOCASE,
    term TEXT, text TEXT, at TEXT NOT NULL, folded TEXT,
    PRIMARY KEY (network, unit, expert), CHECK ((term IS NULL) <> (text IS NULL))
)
"""
# `folded` is the expert as `fold` has it: SQLite's own NOCASE knows the letters A to Z alone.
COLUMNS = "SELECT name FROM pragma_table_info('unit_names')"
BY_TIME = "CREATE INDEX IF NOT EXISTS unit_names_by_time ON unit_names (network, unit, at)"
BY_EXPERT = "CREATE INDEX IF NOT EXISTS unit_names_by_expert ON unit_names (network, unit, folded)"
FIRST = """
SELECT unit, expert, term, text, at FROM unit_names WHERE network = ? AND unit = ? ORDER BY at, rowid LIMIT ?
"""
NAMED = "SELECT DISTINCT unit FROM unit_names WHERE network = ? ORDER BY unit"
OF_UNIT = "SELECT count(*) FROM unit_names WHERE network = ? AND unit = ?"
OF_ALL = "SELECT count(*) FROM unit_names WHERE network = ?"
GIVE = """
INSERT INTO unit_names (network, unit, expert, term, text, at, folded)
VALUES (:network, :unit, coalesce((SELECT expert FROM unit_names WHERE network = :network AND unit = :unit
    AND folded = :folded), :expert), :term, :text, :at, :folded)
ON CONFLICT DO UPDATE SET term = excluded.term, text = excluded.text, at = excluded.at
WHERE NOT :keep_newer OR excluded.at >= at
"""
TAKE_BACK = "DELETE FROM unit_names WHERE network = ? AND unit = ? AND folded = ?"
REMOVE = "DELETE FROM unit_names WHERE network = ?"


@dataclass(frozen=True)
class Given:
    """One expert's name for a unit: a lexicon's `term`, or `text`. `expert` may be empty; `at` is UTC, ISO 8601."""

    unit: int
    expert: str
    term: str | None
    text: str | None
    at: str


@dataclass(frozen=True)
class Agreed:
    """A name in each language, and how many experts gave it."""

    name: Words
    term: str | None
    experts: int


def clean_name(text: object) -> str:
    """A free name on one line. Raises `UnitNameInvalid` when it is empty, too long, or not printable words."""
    name = _on_one_line(text, NAME_LIMIT)
    if (
        name is None
        or not 0 < len(name) <= NAME_LIMIT
        or not name.isprintable()
        or not any(letter.isalpha() for letter in name)
    ):
        raise UnitNameInvalid(limit=NAME_LIMIT)
    return name


def clean_expert(text: object) -> str:
    """Initials or a pseudonym; empty for none. Raises `ExpertInvalid`."""
    if text is None:
        return ""
    expert = _on_one_line(text, EXPERT_LIMIT)
    if expert is None or not (expert == "" or EXPERT.fullmatch(expert)):
        raise ExpertInvalid(limit=EXPERT_LIMIT)
    return expert


def _on_one_line(text: object, limit: int) -> str | None:
    """A text in NFC with single spaces; None where it is none or far too long, which is seen before anything is done with
    it: NFC takes time that grows with the square of the length."""
    if not isinstance(text, str) or len(text) > RAW_PER_CHARACTER * limit:
        return None
    return " ".join(unicodedata.normalize("NFC", text).split())


def given_name(unit: int, sent: object, lexicon: Lexicon, at: str | None = None) -> Given:
    """The name in what an expert sent, checked: an object with `term` or `text`, and `expert`. A text that is a word of the
    lexicon becomes its term, so that those who write it and those who choose it agree.

    Raises `TermUnknown`, `UnitNameInvalid`, `ExpertInvalid`.
    """
    members = sent if isinstance(sent, dict) else {}
    term, text = members.get("term"), members.get("text")
    if term is not None:
        if not isinstance(term, str) or lexicon.term(term) is None:
            raise TermUnknown(term=echoed(term), lexicon=lexicon.id)
        text = None
    else:
        text = clean_name(text)
        term = lexicon.find(text)
        text = None if term else text
    when = at or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Given(unit, clean_expert(members.get("expert")), term, text, when)


def agreed(given: Iterable[Given], lexicon: Lexicon) -> dict[int, list[Agreed]]:
    """Names by unit, those that most experts gave first, of equals the one given first."""
    votes: dict[int, dict[str, list[Given]]] = defaultdict(lambda: defaultdict(list))
    for each in sorted(given, key=lambda each: each.at):  # stable: two of one millisecond stay as they came
        votes[each.unit][each.term or (each.text or "").casefold()].append(each)
    return {
        unit: [_agreed(alike, lexicon) for alike in sorted(names.values(), key=len, reverse=True)]
        for unit, names in sorted(votes.items())
    }


def _agreed(alike: list[Given], lexicon: Lexicon) -> Agreed:
    first = alike[0]
    # A term that a newer lexicon no longer has keeps its id as its name.
    term, written = lexicon.term(first.term), str(first.text or first.term)
    return Agreed(term.name if term else Words(written, written), first.term, len(alike))


class Names:
    """The names in one store. The file is opened at first use, in the process that serves; threads may share this."""

    def __init__(self, store: Path) -> None:
        self._store = Store(store, STEPS, read_patience_s=READ_PATIENCE_S, copied=True)

    @property
    def problems(self) -> list[LoupeError]:
        """What is wrong with the store, or was until it was mended."""
        problem = self._store.problem
        return [*([problem] if problem else []), *self._store.mended()]

    def give(self, network: str, given: Iterable[Given], *, keep_newer: bool = False) -> None:
        """Keep names, each in place of what the same expert called the unit before, unless that is newer and stays. All
        or none. Raises `UnitNamesFull`, `NamesFull`, `StoreUnusable`."""
        given = list(given)
        units = {each.unit for each in given}
        rows = [
            {"network": network, "keep_newer": keep_newer, "folded": fold(each.expert), **vars(each)} for each in given
        ]

        def change(connection: sqlite3.Connection) -> None:
            before = _counts(connection, network, units)
            connection.executemany(GIVE, rows)
            _check_room(before, _counts(connection, network, units))

        self._store.write(change)

    def take_back(self, network: str, unit: int, expert: str) -> bool:
        """Forget what an expert called a unit; whether there was anything. Raises `StoreUnusable`."""

        def change(connection: sqlite3.Connection) -> bool:
            return connection.execute(TAKE_BACK, (network, unit, fold(expert))).rowcount > 0

        return self._store.write(change)

    def remove(self, network: str) -> int:
        """Forget all names of a network's units; how many there were. Raises `StoreUnusable`."""
        return self._store.write(lambda connection: connection.execute(REMOVE, (network,)).rowcount)

    def given(self, network: str, units: Collection[int] | None = None) -> list[Given]:
        """The names for a network's units, or for those asked for: by unit and time, of each unit `UNIT_LIMIT` at most,
        `TOTAL_LIMIT` in all. Raises `StoreUnusable`."""

        def look(connection: sqlite3.Connection) -> list[Given]:
            asked = [row[0] for row in connection.execute(NAMED, (network,))] if units is None else sorted(set(units))
            rows = (row for unit in asked for row in connection.execute(FIRST, (network, unit, UNIT_LIMIT)))
            return [Given(*row) for row in islice(rows, TOTAL_LIMIT)]

        return self._store.read(look)

    def state(self) -> Hashable:
        """What stands for all names: another after each change. Raises `StoreUnusable`."""
        return self._store.state()


Counts = Mapping[int | None, int]  # names by unit; None stands for all units


def _counts(connection: sqlite3.Connection, network: str, units: Iterable[int]) -> Counts:
    """How many names a network's units have, and all of them."""

    def count(query: str, *which: object) -> int:
        (rows,) = connection.execute(query, which).fetchone()
        return int(rows)

    return {None: count(OF_ALL, network), **{unit: count(OF_UNIT, network, unit) for unit in units}}


def _check_room(before: Counts, now: Counts) -> None:
    """What was added fits; a store of an earlier version that holds more may still be changed. Raises `UnitNamesFull`,
    `NamesFull`."""
    for unit, count in now.items():
        if unit is not None and count > max(UNIT_LIMIT, before.get(unit, 0)):
            raise UnitNamesFull(unit=unit, limit=UNIT_LIMIT)
    if now.get(None, 0) > max(TOTAL_LIMIT, before.get(None, 0)):
        raise NamesFull(limit=TOTAL_LIMIT)


def fold(expert: str) -> str:
    """An expert's initials as they are compared, whatever their case."""
    return expert.casefold()


def _fold_experts(connection: sqlite3.Connection) -> None:
    """Give each name of a program before 2026-11-28 its folded expert."""
    if ("folded",) not in connection.execute(COLUMNS).fetchall():
        connection.execute("ALTER TABLE unit_names ADD COLUMN folded TEXT")
    unfolded = connection.execute("SELECT rowid, expert FROM unit_names WHERE folded IS NULL").fetchall()
    folded = [(fold(expert), row) for row, expert in unfolded]
    connection.executemany("UPDATE unit_names SET folded = ? WHERE rowid = ?", folded)
    connection.execute(BY_EXPERT)
    connection.execute("DROP INDEX IF EXISTS unit_names_unfolded")


# The versions of the tables (`device/storage/migrations.py`).
STEPS = (statements(TABLE, BY_TIME), _fold_experts)


def imported_names(document: object, network: str, model: str, lexicon: Lexicon, units: int) -> list[Given]:
    """The names in an export for a network of so many units, each checked as if it were sent alone.

    Raises `NamesInvalid`, `NamesOfOtherModel`, `UnitNamesFull`, and what `given_name` raises.
    """
    if (
        not isinstance(document, dict)
        or document.get("schema") != SCHEMA
        or not isinstance(document.get("names"), list)
    ):
        raise NamesInvalid(detail=f"no object with schema {SCHEMA} and names")
    if document.get("network") != network:
        raise NamesOfOtherModel(model=model)
    if len(document["names"]) > TOTAL_LIMIT:
        raise NamesInvalid(detail=f"more than {TOTAL_LIMIT} names")
    names = []
    for place, row in enumerate(document["names"]):
        unit, at = (row.get("unit"), row.get("at")) if isinstance(row, dict) else (None, None)
        if type(unit) is not int or not 0 <= unit < units:
            raise NamesInvalid(detail=f"name {place + 1} has the unit {echoed(unit)}")
        if not _is_time(at):
            raise NamesInvalid(detail=f"name {place + 1} was given at {echoed(at)}")
        names.append(given_name(unit, row, lexicon, at))
    if len({(each.unit, fold(each.expert)) for each in names}) < len(names):
        raise NamesInvalid(detail="one expert names a unit twice")
    _check_room({}, Counter(each.unit for each in names))  # before anything is written
    return names


def _is_time(at: object) -> bool:
    """Whether it is a time as `given_name` writes it, and no later than a clock that is a day ahead would say."""
    if not isinstance(at, str) or not WHEN.fullmatch(at):
        return False
    try:
        return datetime.fromisoformat(at) <= datetime.now(UTC) + timedelta(days=1)
    except ValueError:
        return False
