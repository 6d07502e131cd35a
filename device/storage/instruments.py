"""The clinic's instruments, kept in the box's store: each a microscope with its camera and one objective.

A technician sets an instrument up; whoever reads a picture names it. Each has a version, which rises when anything changes
that pixels depend on: the size of a pixel, that of the picture, the white. No version of an instrument is ever given twice,
not even after it was deleted and set up again. So what was made for one version, as a site profile is, knows when it no
longer fits. Of pictures nothing is kept.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from device.base.errors import (
    InstrumentInvalid,
    InstrumentNameTaken,
    InstrumentsFull,
    InstrumentUnknown,
    LoupeError,
    Phrase,
    ScaleInvalid,
    echoed,
)
from device.reading.site.instrument import HIGHEST_UM_PER_PX, LOWEST_UM_PER_PX, MOST_NAME, MOST_SIDE_PX, Instrument
from device.storage.migrations import statements
from device.storage.store import Store, beside

LIMIT = 30
RAW_PER_CHARACTER = 4  # of a name may be sent for one that is kept: accents apart, spaces
ID_LIMIT = 36  # of an id before the number that tells it from another
READ_PATIENCE_S = 0.2  # a reading waits no longer for its instrument

# The versions of the tables (`device/storage/migrations.py`). A record is JSON. `last` is the highest version that any
# instrument has had.
STEPS = (
    statements(
        "CREATE TABLE IF NOT EXISTS instruments "
        "(id TEXT PRIMARY KEY, version INTEGER NOT NULL, at TEXT NOT NULL, record TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE IF NOT EXISTS instrument_versions (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL)",
    ),
)
ALL = "SELECT record, version, at FROM instruments"
LAST = """
SELECT max(coalesce((SELECT last FROM instrument_versions), 0), coalesce((SELECT max(version) FROM instruments), 0))
"""


class KeptInstrument(Struct, frozen=True):
    """An instrument with its version, and when it got that: UTC, ISO 8601."""

    instrument: Instrument
    version: int
    at: str


class Instruments:
    """The instruments in one store. The file is opened at first use, in the process that serves; threads may share this."""

    def __init__(self, store: Path) -> None:
        self._store = Store(beside(store, "instruments"), STEPS, read_patience_s=READ_PATIENCE_S, copied=True)

    @property
    def problems(self) -> list[LoupeError]:
        """What is wrong with the store, or was until it was mended."""
        problem = self._store.problem
        return [*([problem] if problem else []), *self._store.mended()]

    def all(self) -> list[KeptInstrument]:
        """By name. Raises `StoreUnusable`."""
        return self._store.read(_all)

    def get(self, id: str) -> KeptInstrument:
        """Raises `InstrumentUnknown`, `StoreUnusable`."""
        return _named(self.all(), id)

    def add(self, sent: object) -> KeptInstrument:
        """Keep a new instrument. Raises what `given_instrument` does, `InstrumentNameTaken`, `InstrumentsFull`,
        `StoreUnusable`."""
        given, at = given_instrument(sent), _now()

        def change(connection: sqlite3.Connection) -> KeptInstrument:
            others = _all(connection)
            if len(others) >= LIMIT:
                raise InstrumentsFull(limit=LIMIT)
            _check_name(given.name, others)
            id = _free_id(given.name, {other.instrument.id for other in others})
            return _keep(connection, msgspec.structs.replace(given, id=id), at)

        return self._store.write(change)

    def change(self, id: str, sent: object) -> KeptInstrument:
        """Put another record in an instrument's place. It keeps its version where pictures come out of it as before.
        Raises what `given_instrument` does, `InstrumentUnknown`, `InstrumentNameTaken`, `StoreUnusable`."""
        given, at = given_instrument(sent, id), _now()

        def change(connection: sqlite3.Connection) -> KeptInstrument:
            kept = _all(connection)
            before = _named(kept, id)
            _check_name(given.name, [other for other in kept if other.instrument.id != id])
            if _pixels_of(given) == _pixels_of(before.instrument):
                return _keep(connection, given, before.at, before.version)
            return _keep(connection, given, at)

        return self._store.write(change)

    def remove(self, id: str) -> None:
        """Forget an instrument. Raises `InstrumentUnknown`, `StoreUnusable`."""

        def change(connection: sqlite3.Connection) -> None:
            _named(_all(connection), id)
            _raise_last(connection)
            connection.execute("DELETE FROM instruments WHERE id = ?", (id,))

        self._store.write(change)


def given_instrument(sent: object, id: str = "new") -> Instrument:
    """The instrument in what a technician sent, checked: an object with the record's fields but its `id`. Raises
    `ScaleInvalid`, `InstrumentInvalid`."""
    members: dict[str, Any] = dict(sent) if isinstance(sent, dict) else {}
    members.pop("id", None)
    members["name"] = _clean_name(members.get("name"))
    um_per_px: Any = members.get("um_per_px")
    if type(um_per_px) not in (int, float) or not LOWEST_UM_PER_PX <= um_per_px <= HIGHEST_UM_PER_PX:
        raise ScaleInvalid(given=str(echoed(um_per_px)), least=LOWEST_UM_PER_PX, most=HIGHEST_UM_PER_PX)
    sides = members.setdefault("width_px", 0), members.setdefault("height_px", 0)
    if any(type(side) is not int or not 0 <= side <= MOST_SIDE_PX for side in sides) or (0 in sides and any(sides)):
        raise InstrumentInvalid(field=Phrase("instrument_size"), allowed=Phrase("instrument_size_allowed"))
    if not _may_have("white", members):
        raise InstrumentInvalid(field=Phrase("instrument_white"), allowed=Phrase("instrument_white_allowed"))
    if not _may_have("how", members):
        raise InstrumentInvalid(field=Phrase("instrument_how"), allowed=Phrase("instrument_how_allowed"))
    known = {name: value for name, value in members.items() if name in Instrument.__struct_fields__}
    return msgspec.convert({**known, "id": id}, Instrument)


def _may_have(member: str, members: Mapping[str, object]) -> bool:
    """Whether a member that was sent, if it was, is one that an instrument can have."""
    sent = {member: members[member]} if member in members else {}
    try:
        msgspec.convert({"id": "new", "name": "new", "um_per_px": 1.0, **sent}, Instrument)
    except msgspec.ValidationError:
        return False
    return True


def _clean_name(text: object) -> str:
    """On one line, in NFC. Raises `InstrumentInvalid`."""
    name = ""
    if isinstance(text, str) and len(text) <= RAW_PER_CHARACTER * MOST_NAME:
        name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 0 < len(name) <= MOST_NAME or not name.isprintable() or not any(each.isalnum() for each in name):
        raise InstrumentInvalid(field=Phrase("instrument_name"), allowed=Phrase("instrument_name_allowed"))
    return name


def _check_name(name: str, others: list[KeptInstrument]) -> None:
    if name.casefold() in {other.instrument.name.casefold() for other in others}:
        raise InstrumentNameTaken(name=name)


def _free_id(name: str, taken: set[str]) -> str:
    """What stands for a name in an address: `Leica 10×` → `leica-10`."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    id = re.sub(r"[^a-z0-9]+", "-", ascii_name)[:ID_LIMIT].strip("-") or "instrument"
    numbered = (id, *(f"{id}-{number}" for number in range(2, LIMIT + 2)))
    return next(each for each in numbered if each not in taken)


def _pixels_of(instrument: Instrument) -> tuple[object, ...]:
    """All of an instrument that pixels depend on."""
    return instrument.um_per_px, instrument.width_px, instrument.height_px, instrument.white


def _all(connection: sqlite3.Connection) -> list[KeptInstrument]:
    """Those that this program can use; a damaged row is as good as none."""
    kept = []
    for record, version, at in connection.execute(ALL):
        try:
            kept.append(KeptInstrument(msgspec.json.decode(record, type=Instrument), version, at))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return sorted(kept, key=lambda each: (each.instrument.name.casefold(), each.instrument.id))


def _named(kept: list[KeptInstrument], id: str) -> KeptInstrument:
    for each in kept:
        if each.instrument.id == id:
            return each
    raise InstrumentUnknown(instrument=echoed(id))


def _keep(
    connection: sqlite3.Connection, instrument: Instrument, at: str, version: int | None = None
) -> KeptInstrument:
    """With the version after the last one that any instrument had, where None is given."""
    kept = KeptInstrument(instrument, _raise_last(connection) if version is None else version, at)
    row = instrument.id, kept.version, at, msgspec.json.encode(instrument).decode()
    connection.execute("REPLACE INTO instruments VALUES (?, ?, ?, ?)", row)
    return kept


def _raise_last(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute(LAST).fetchone()
    connection.execute("REPLACE INTO instrument_versions VALUES (1, ?)", (last + 1,))
    return int(last) + 1


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
