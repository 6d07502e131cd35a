"""Names that experts give to units, kept in the box's store.

A name belongs to a unit of one integer network, known by its hash: trained anew, the same number is another unit; packed
anew around the same network, it is the same. One expert (initials or a pseudonym; nothing counts as one more expert) has
one name for a unit, and may change it or take it back. Nothing else is kept: no image, no file name.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from device.errors import (
    ExpertInvalid,
    NamesInvalid,
    NamesOfOtherModel,
    TermUnknown,
    UnitNameInvalid,
    echoed,
)
from device.lexicon import Lexicon
from device.store import Store

SCHEMA = "loupe-names/1"
NAME_LIMIT, EXPERT_LIMIT = 60, 12
IMPORT_LIMIT = 20_000
READ_PATIENCE_S = 0.2  # a reading waits no longer for names
EXPERT = re.compile(rf"[^\W_](?:[^\W_]|[ .\-]){{0,{EXPERT_LIMIT - 1}}}")
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
TABLE = """
CREATE TABLE IF NOT EXISTS unit_names (
    network TEXT NOT NULL, unit INTEGER NOT NULL, expert TEXT NOT NULL COLLATE NOCASE,
    term TEXT, text TEXT, at TEXT NOT NULL,
    PRIMARY KEY (network, unit, expert), CHECK ((term IS NULL) <> (text IS NULL))
)
"""
ALL = "SELECT unit, expert, term, text, at FROM unit_names WHERE network = ? ORDER BY unit, at, rowid"
THOSE = ALL.replace("ORDER", "AND unit IN (SELECT value FROM json_each(?)) ORDER")


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

    name: dict[str, str]
    term: str | None
    experts: int


def clean_name(text: Any) -> str:
    """A free name on one line. Raises `UnitNameInvalid` when it is empty, too long, or not printable words."""
    name = " ".join(unicodedata.normalize("NFC", text).split()) if isinstance(text, str) else ""
    if not 0 < len(name) <= NAME_LIMIT or not name.isprintable() or not any(letter.isalpha() for letter in name):
        raise UnitNameInvalid(limit=NAME_LIMIT)
    return name


def clean_expert(text: Any) -> str:
    """Initials or a pseudonym; empty for none. Raises `ExpertInvalid`."""
    expert = " ".join(unicodedata.normalize("NFC", text).split()) if isinstance(text, str) else text
    if expert in (None, ""):
        return ""
    if not isinstance(expert, str) or not EXPERT.fullmatch(expert):
        raise ExpertInvalid(limit=EXPERT_LIMIT)
    return expert


def given_name(unit: int, sent: Any, lexicon: Lexicon, at: str | None = None) -> Given:
    """What an expert sent, checked: an object with `term` or `text`, and `expert`. A text that is a word of the lexicon
    becomes its term, so that those who write it and those who choose it agree.

    Raises `TermUnknown`, `UnitNameInvalid`, `ExpertInvalid`.
    """
    sent = sent if isinstance(sent, dict) else {}
    term, text = sent.get("term"), sent.get("text")
    if term is not None:
        if not isinstance(term, str) or term not in lexicon.terms:
            raise TermUnknown(term=echoed(term), lexicon=lexicon.id)
        text = None
    else:
        text = clean_name(text)
        term = lexicon.find(text)
        text = None if term else text
    when = at or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Given(unit, clean_expert(sent.get("expert")), term, text, when)


def agreed(given: Iterable[Given], lexicon: Lexicon) -> dict[int, list[Agreed]]:
    """Names by unit, those that most experts gave first, of equals the one given first."""
    votes: dict[int, dict[str, list[Given]]] = defaultdict(lambda: defaultdict(list))
    for each in sorted(given, key=lambda each: each.at):  # stable: two of one millisecond stay as they came
        votes[each.unit][each.term or (each.text or "").casefold()].append(each)
    return {
        unit: [_agreed(those, lexicon) for those in sorted(names.values(), key=len, reverse=True)]
        for unit, names in sorted(votes.items())
    }


def _agreed(those: list[Given], lexicon: Lexicon) -> Agreed:
    first = those[0]
    # A term that a newer lexicon no longer has keeps its id as its name.
    known = first.term in lexicon.terms
    words = lexicon.name(str(first.term)) if known else dict.fromkeys(("en", "fr"), str(first.text or first.term))
    return Agreed(words, first.term, len(those))


class Names:
    """The names in one store. The file is opened at first use, in the process that serves; threads may share this."""

    def __init__(self, store: Path) -> None:
        # Two connections, so that a reading, which looks names up, waits for none that is being written.
        self._written, self._read = Store(store, TABLE), Store(store, TABLE, READ_PATIENCE_S)

    def give(self, network: str, given: Iterable[Given], *, keep_newer: bool = False) -> None:
        """Keep names, each in place of what the same expert called the unit before, unless that is newer and stays.
        Raises `StoreUnusable`."""
        rows = [{"network": network, "keep_newer": keep_newer, **asdict(each)} for each in given]
        with self._written.writing() as connection:
            _fold(connection)
            connection.executemany(
                "INSERT INTO unit_names (network, unit, expert, term, text, at) "
                "VALUES (:network, :unit, coalesce((SELECT expert FROM unit_names WHERE network = :network "
                "AND unit = :unit AND folded(expert) = folded(:expert)), :expert), :term, :text, :at) "
                "ON CONFLICT DO UPDATE SET term = excluded.term, text = excluded.text, at = excluded.at "
                "WHERE NOT :keep_newer OR excluded.at >= at",
                rows,
            )

    def take_back(self, network: str, unit: int, expert: str) -> bool:
        """Forget what an expert called a unit; whether there was anything. Raises `StoreUnusable`."""
        with self._written.writing() as connection:
            _fold(connection)
            found = connection.execute(
                "DELETE FROM unit_names WHERE network = ? AND unit = ? AND folded(expert) = folded(?)",
                (network, unit, expert),
            )
            return found.rowcount > 0

    def given(self, network: str, units: Collection[int] | None = None) -> list[Given]:
        """All names for a network's units, or for those asked for: by unit and time. Raises `StoreUnusable`."""
        query, asked = (ALL, []) if units is None else (THOSE, [json.dumps(list(units))])
        with self._read.reading() as connection:
            return [Given(*row) for row in connection.execute(query, (network, *asked))]


def fold(expert: str) -> str:
    """An expert's initials as they are compared, whatever their case."""
    return expert.casefold()


def _fold(connection: sqlite3.Connection) -> None:
    """Teaches a connection `fold`: SQLite's own NOCASE knows the letters A to Z alone."""
    connection.create_function("folded", 1, fold, deterministic=True)


def export_names(given: list[Given], network: str, model: str, lexicon: Lexicon) -> dict[str, Any]:
    """Names as JSON-able values: `names` to import on another box, `units` in the form of a bundle's manifest."""
    best = {unit: names[0].name for unit, names in agreed(given, lexicon).items()}
    return {
        "schema": SCHEMA,
        "model": model,
        "network": network,
        "lexicon": lexicon.id,
        "names": [asdict(each) for each in given],
        "units": {str(unit): name for unit, name in best.items()},
    }


def imported_names(document: Any, network: str, model: str, lexicon: Lexicon, units: int) -> list[Given]:
    """The names in an export for a network of so many units, each checked as if it were sent alone.

    Raises `NamesInvalid`, `NamesOfOtherModel`, and what `given_name` raises.
    """
    if (
        not isinstance(document, dict)
        or document.get("schema") != SCHEMA
        or not isinstance(document.get("names"), list)
    ):
        raise NamesInvalid(detail=f"no object with schema {SCHEMA} and names")
    if document.get("network") != network:
        raise NamesOfOtherModel(model=model)
    if len(document["names"]) > IMPORT_LIMIT:
        raise NamesInvalid(detail=f"more than {IMPORT_LIMIT} names")
    found = []
    for place, row in enumerate(document["names"]):
        unit, at = (row.get("unit"), row.get("at")) if isinstance(row, dict) else (None, None)
        if type(unit) is not int or not 0 <= unit < units:
            raise NamesInvalid(detail=f"name {place + 1} has the unit {echoed(unit)}")
        if not _is_time(at):
            raise NamesInvalid(detail=f"name {place + 1} was given at {echoed(at)}")
        found.append(given_name(unit, row, lexicon, at))
    if len({(each.unit, fold(each.expert)) for each in found}) < len(found):
        raise NamesInvalid(detail="one expert names a unit twice")
    return found


def _is_time(at: Any) -> bool:
    """Whether it is a time as `given_name` writes it, and no later than a clock that is a day ahead would say."""
    if not isinstance(at, str) or not WHEN.fullmatch(at):
        return False
    try:
        return datetime.fromisoformat(at) <= datetime.now(UTC) + timedelta(days=1)
    except ValueError:
        return False
