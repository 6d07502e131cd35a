"""Names of units: what anyone on the network may give is bounded, and a store that is full costs little."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from device.reading.bundle import Bundle
from device.settings import Settings
from device.storage.names import TOTAL_LIMIT, UNIT_LIMIT, Given, Names
from device.web.app import create_app
from tests.support.shipped import BUNDLE, KEYS, ROOT, SAMPLES

AT = "2026-01-01T00:00:00.000Z"
UNITS = 1280
# The table as version 0.9 of the box made it.
EARLIER = """
CREATE TABLE unit_names (
    network TEXT NOT NULL, unit INTEGER NOT NULL, expert TEXT NOT NULL COLLATE NOCASE,
    term TEXT, text TEXT, at TEXT NOT NULL,
    PRIMARY KEY (network, unit, expert), CHECK ((term IS NULL) <> (text IS NULL))
)
"""


@pytest.fixture
def client(bundle: Bundle, tmp_path: Path) -> FlaskClient:
    return create_app(Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "loupe.sqlite"), bundle).test_client()


def row(unit: int, expert: str, text: str = "swirls") -> dict[str, Any]:
    return {"unit": unit, "expert": expert, "term": None, "text": text, "at": AT}


def send(client: FlaskClient, rows: list[dict[str, Any]]) -> TestResponse:
    network = client.get("/api/v1/units/names").json["network"]
    body = json.dumps({"schema": "loupe-names/1", "network": network, "names": rows}, ensure_ascii=False).encode()
    return client.put("/api/v1/units/names", data=body, content_type="application/json")


def most_names(first: list[int]) -> Iterator[dict[str, Any]]:
    """As many names as a box keeps, as long as can be: each unit of `first` with as many as one unit may have."""
    units = [*first, *(unit for unit in range(UNITS) if unit not in first)]
    for k in range(TOTAL_LIMIT):
        unit = units[k // UNIT_LIMIT]
        yield row(unit, f"É{k % UNIT_LIMIT:03d}" + "é" * 8, f"{k:05d} " + "é" * 54)


def test_a_full_store_is_imported_in_two_seconds_and_costs_a_reading_little(
    client: FlaskClient, bundle: Bundle
) -> None:
    golden = next(bundle.members[g.picture] for g in bundle.manifest.golden if g.expected.reason is None)
    quiet = client.post("/api/v1/readings", data=golden)
    began = time.process_time()
    assert send(client, list(most_names([unit["unit"] for unit in quiet.json["units"]]))).json == {
        "imported": TOTAL_LIMIT
    }
    assert time.process_time() - began < 2
    full = client.post("/api/v1/readings", data=golden)
    assert all((len(unit["names"]), unit["names_more"]) == (3, UNIT_LIMIT - 3) for unit in full.json["units"])
    assert len(full.data) < len(quiet.data) + 20_000
    assert len(client.get("/api/v1/units").data) < 2_000_000
    (unit, *_) = full.json["units"]
    assert len(client.get(f"/api/v1/units/{unit['unit']}").json["names"]) == UNIT_LIMIT


def test_what_a_full_store_exports_can_be_imported(client: FlaskClient) -> None:
    send(client, list(most_names([])))
    exported = client.get("/api/v1/units/names")
    again = client.put("/api/v1/units/names", data=exported.data, content_type="application/json")
    assert again.json == {"imported": TOTAL_LIMIT}
    assert client.get("/api/v1/units/names").data == exported.data


def test_the_survey_and_the_export_are_as_fresh_as_the_names(bundle: Bundle, tmp_path: Path) -> None:
    """Both are made once for each state of the store, whoever changed it."""
    boxes = [
        create_app(Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "loupe.sqlite"), bundle).test_client() for _ in range(2)
    ]

    def told() -> list[tuple[set[str], set[str]]]:
        surveys = [box.get("/api/v1/units").json["units"] for box in boxes]
        exports = [box.get("/api/v1/units/names").json["names"] for box in boxes]
        return [
            ({name["name"] for unit in survey for name in unit["names"]}, {name["text"] for name in export})
            for survey, export in zip(surveys, exports, strict=True)
        ]

    assert told() == [(set(), set())] * 2
    for box, expert, text in ((boxes[0], "AB", "swirls"), (boxes[1], "AB", "dots"), (boxes[0], "AB", "lines")):
        box.put("/api/v1/units/1279/name", json={"text": text, "expert": expert})
        assert told() == [({text}, {text})] * 2
    began = time.process_time()
    for _ in range(50):
        assert boxes[0].get("/api/v1/units").status_code == 200
    assert time.process_time() - began < 1


def test_a_unit_and_a_box_have_room_for_so_many_names_as_documented(client: FlaskClient) -> None:
    def name(unit: int, expert: str) -> tuple[int, str | None]:
        answer = client.put(f"/api/v1/units/{unit}/name", json={"text": "other", "expert": expert})
        return answer.status_code, (answer.json or {}).get("code")

    over = send(client, [row(5, f"X{k}") for k in range(UNIT_LIMIT + 1)])
    assert (over.status_code, over.json["code"]) == (409, "unit_names_full")
    assert client.get("/api/v1/units/names").json["names"] == []
    full = [row(k // UNIT_LIMIT, f"X{k % UNIT_LIMIT}") for k in range(TOTAL_LIMIT)]
    assert send(client, [*full, row(UNITS - 1, "X")]).status_code == 422
    assert send(client, full).status_code == 200
    assert name(0, "new") == (409, "unit_names_full")
    assert name(UNITS - 1, "new") == (409, "names_full")
    assert name(0, "x1") == (200, None), "a name that was given can still be changed"
    assert client.delete("/api/v1/units/0/name?expert=X1").status_code == 200
    assert name(0, "new") == (200, None)
    removed = client.delete("/api/v1/units/names").json
    assert removed == {"removed": TOTAL_LIMIT}
    assert client.get("/api/v1/units/names").json["names"] == []
    assert name(0, "new") == (200, None)
    told = (ROOT / "docs" / "researchers" / "units.md").read_text(encoding="utf-8")
    assert f"up to {UNIT_LIMIT} names of one unit and {TOTAL_LIMIT:,} of a network's units" in told


def test_names_that_an_earlier_version_kept_stay_and_are_known_by_their_expert(tmp_path: Path) -> None:
    path = tmp_path / "loupe.sqlite"
    kept = [Given(7, "ÉL", None, "swirls", AT), *(Given(5, f"X{k}", None, "many", AT) for k in range(UNIT_LIMIT + 10))]
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(EARLIER)
        store.executemany(
            "INSERT INTO unit_names VALUES ('n', ?, ?, ?, ?, ?)", [tuple(vars(each).values()) for each in kept]
        )
    names = Names(path)
    assert names.given("n") == [*kept[1 : UNIT_LIMIT + 1], kept[0]], "of a unit with more than are kept, the first"
    names.give("n", [Given(7, "él", None, "fat", AT), Given(5, "x59", None, "other", AT)])
    assert names.given("n", [7]) == [Given(7, "ÉL", None, "fat", AT)]
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("SELECT count(*) FROM unit_names").fetchone() == (len(kept),)
    assert names.take_back("n", 7, "Él")
