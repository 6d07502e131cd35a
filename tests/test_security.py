"""SECURITY.md: its table is what the box does. Each row is tried against a real app."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from flask.testing import FlaskClient
from msgspec import structs
from PIL import Image as Pillow
from werkzeug.test import TestResponse

from device.base.strict_json import DEPTH, DIGITS
from device.reading.bundle import Bundle
from device.reading.site.colour import Stain
from device.reading.site.commission import LocalPicture, commission
from device.reading.site.instrument import MOST_NAME
from device.settings import Settings
from device.storage.instruments import LIMIT as INSTRUMENTS_LIMIT
from device.storage.names import EXPERT_LIMIT, NAME_LIMIT, TOTAL_LIMIT, UNIT_LIMIT
from device.web.app import create_app
from device.web.box import EXTENSION, Box
from device.web.commissioning import IDLE_S, MOST_BYTES, MOST_FOREIGN, MOST_PICTURES, PATIENT_CHARACTERS, Place
from device.web.door.rules import Rules
from device.web.incoming.body_limits import limit_of
from device.web.incoming.form import HEAD_LIMIT, PARTS_LIMIT
from device.web.incoming.head import ADDRESS_LIMIT, TEXT_LIMIT
from device.web.incoming.json_body import BRACKETS_LIMIT
from device.web.technician import HEADER, NEEDED, WRONG_BY_ADDRESS, WRONG_IN_ALL
from tests.support.drawn_means import drawn_means, with_colours
from tests.support.drawn_micrometer import Micrometer, draw_micrometer
from tests.support.pictures import png
from tests.support.shipped import AT_SCALE, BUNDLE, KEYS, ROOT, SAMPLES, UM_PER_PX

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z]+) (/\S*)` \| (anyone|technician) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
CODE = "correct-horse-9"
SIZES = {"none": 0, "4 kB": 4_000, "3 MB": 3_000_000, "4 MB": 4_000_000, "`max_upload_mb` and 10 kB": 32_010_000}
PLACES = {"PROFILE": "bach-1", "FILE": "logo.svg", "UNIT": "5", "RANK": "0", "INSTRUMENT": "leica", "PICTURE": "1"}
JOB, PROFILES = "/api/v1/commissioning/job", "/api/v1/commissioning/profiles"
NOTHING = "nothing"
PHOTOS = {
    "marks": png(draw_micrometer(Micrometer())),
    "glass": png(Pillow.new("RGB", (64, 64), (231, 229, 226))),
    "pixel-size": png(Pillow.new("RGB", (64, 64)), dpi=(50_000, 50_000)),
}
PICTURE = png(Pillow.effect_noise((400, 300), 90).convert("RGB"))  # no sample: these aren't counted


@dataclass(frozen=True)
class Row:
    method: str
    path: str
    technician: bool
    largest_body: str
    changes: str

    @property
    def address(self) -> str:
        """One that the row stands for."""
        found = self.path
        for place, example in PLACES.items():
            found = found.replace(place, example)
        return found


ROWS = [Row(method, path, who == "technician", body, changes) for method, path, who, body, changes in ROW.findall(PAGE)]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A box with a code, on the network."""
    code = tmp_path / "code"
    code.write_text(CODE)
    code.chmod(0o640)
    store = tmp_path / "store" / "loupe.sqlite"
    return Settings(BUNDLE, KEYS, SAMPLES, store, technician_code_file=code, host="0.0.0.0")


@pytest.fixture
def client(settings: Settings, bundle: Bundle) -> FlaskClient:
    return create_app(settings, bundle).test_client()


def fill(client: FlaskClient) -> None:
    """Keep a name and an instrument."""
    client.put("/api/v1/units/5/name", json={"text": "swirls", "expert": "AB"})
    client.post("/api/v1/instruments", json={"name": "Leica", "um_per_px": 0.5}, headers={HEADER: CODE})


def as_documented(rule: str) -> str:
    names = (
        *(("<path:filename>", "FILE"), ("<path:file>", "FILE"), ("<int:unit>", "UNIT"), ("<int:rank>", "RANK")),
        *(("<instrument>", "INSTRUMENT"), ("<int:picture>", "PICTURE"), ("<profile>", "PROFILE")),
    )
    for parameter, name in names:
        rule = rule.replace(parameter, name)
    return rule


def box_of(client: FlaskClient) -> Box:
    box: Box = client.application.extensions[EXTENSION]
    return box


def prepare(client: FlaskClient, row: Row) -> None:
    """What must be there for the row's request to change anything: a name, an instrument, a commissioning under way, a site
    profile."""
    fill(client)
    box = box_of(client)
    (bundle,) = box.bundles
    pictures = [drawn_means(bundle, seed) for seed in range(12)]
    local = [LocalPicture(means, str(patient)) for patient, means in enumerate(pictures)]
    if row.path.startswith(JOB) and row.method + row.path != f"POST{JOB}":
        token = box.commissioning.begin(with_colours(bundle), None, datetime.now()).token
        stain = Stain(np.array([0.1, 0.2, 0.1]))
        for patient, means in enumerate(pictures):
            box.commissioning.add(token, Place(patient=str(patient)), means, stain)
        if row.method == "POST" and row.path.endswith("PICTURE"):
            box.commissioning.find_colour(token)
        if row.path == f"{JOB}/profile":
            box.commissioning.conclude(box.commissioning.job(token), commission(bundle, local, instrument=None))
    elif row.path.startswith(PROFILES):
        kept = box.sites.add(commission(bundle, local, instrument=None).profile)
        assert box.sites.all()
        if row.method == "POST":  # it is lost, but for a copy
            kept.path.rename(kept.path.with_suffix(".copy"))


def send(client: FlaskClient, row: Row, code: str | None = None) -> TestResponse:
    """A request of the row that changes what the row changes."""
    headers = {HEADER: code} if code else {}
    sent: dict[str, Any] = {}
    job = box_of(client).commissioning.under_way()
    if row.path.endswith("/health/reset"):
        sent = {"json": {"model": "bach", "confirm": True}}
    elif row.path == JOB:
        sent = {"json": {"model": "bach", "instrument": "leica"}} if row.method == "POST" else {}
    elif row.path == f"{JOB}/report":
        sent = {"json": {"floor": 0.5}}
    elif row.path in (f"{JOB}/profile", f"{JOB}/colours"):
        pass
    elif row.path == PROFILES:
        sent = {"data": next(box_of(client).settings.store.parent.rglob("*.copy")).read_bytes()}
    elif row.path == f"{JOB}/pictures/PICTURE":
        bodies: dict[str, dict[str, Any]] = {"PUT": {"json": {"label": "benign"}}, "POST": {"data": PICTURE}}
        sent = bodies.get(row.method, {})
    elif row.method == "PUT" and row.path.endswith("/names"):
        network = client.get("/api/v1/units/names").json["network"]
        name = {"unit": 6, "expert": "CD", "term": None, "text": "dots", "at": "2026-01-01T00:00:00.000Z"}
        sent = {"json": {"schema": "loupe-names/1", "network": network, "names": [name]}}
    elif "/instruments" in row.path and row.method in ("POST", "PUT"):
        sent = {"json": {"name": f"Leica {uuid4().hex}", "um_per_px": 0.25}}
    elif "/measurements/" in row.path:
        sent = {"data": PHOTOS[row.path.rpartition("/")[2]]}
    elif row.method == "PUT":
        sent = {"json": {"text": "other swirls", "expert": "AB"}}
    elif row.method == "POST":
        sent = {"data": PICTURE}
    address = row.address.replace("/samples/logo.svg", client.get("/api/v1/samples").json["samples"][0]["url"])
    query = {"expert": "AB"} if row.method == "DELETE" else {}
    if row.path == "/api/v1/readings":
        query = {"um_per_px": str(UM_PER_PX)}  # the watch counts no reading of unknown scale
    if row.path.startswith(JOB):
        query |= {"patient": "1", "job": job.token if job else ""}
    return client.open(address, method=row.method, query_string=query, headers=headers, **sent)


def kept(client: FlaskClient) -> tuple[Any, ...]:
    """All that outlives a restart, which is what the watch counted, names, instruments and site profiles; and the
    commissioning."""
    paths = "/api/v1/units/names", "/api/v1/instruments"
    documents = [client.get("/api/v1/health").json["models"], *(client.get(path).json for path in paths)]
    profiles = client.get("/api/v1/commissioning").json["profiles"]
    return *documents, profiles, box_of(client).commissioning.under_way()


def test_the_table_has_every_route_and_no_other(client: FlaskClient) -> None:
    rules = client.application.url_map.iter_rules()
    served = {(m, as_documented(r.rule)) for r in rules for m in (r.methods or ()) if m not in ("HEAD", "OPTIONS")}
    assert {(row.method, row.path) for row in ROWS} == served
    assert len(ROWS) == len(served)
    assert {(row.method, row.path) for row in ROWS if row.technician} == {(m, as_documented(r)) for m, r in NEEDED}


@each_row
def test_who_may_send_it(row: Row, client: FlaskClient, settings: Settings, bundle: Bundle) -> None:
    prepare(client, row)
    without = send(client, row)
    if not row.technician:
        assert without.status_code in (200, 404), "404: the shipped store of patches has none of this unit"
        return
    assert (without.status_code, without.json["code"]) == (403, "technician_code_needed")
    assert send(client, row, "another-code").json["code"] == "technician_code_wrong"
    assert send(client, row, CODE).status_code == 200
    unset = create_app(structs.replace(settings, technician_code_file=None), bundle).test_client()
    assert send(unset, row, CODE).json["code"] == "technician_code_unset"
    alone = create_app(structs.replace(settings, technician_code_file=None, host="127.0.0.1"), bundle).test_client()
    prepare(alone, row)
    assert send(alone, row).status_code == 200


@each_row
def test_it_takes_so_large_a_body(row: Row, client: FlaskClient, settings: Settings) -> None:
    limit = limit_of(row.method, row.address, settings)
    assert limit == SIZES[row.largest_body]
    body: dict[str, Any] = {"data": bytes(limit + 1), "content_type": "application/json", "headers": {HEADER: CODE}}
    assert client.open(row.address, method=row.method, **body).status_code == 413
    if limit:
        body["data"] = bytes(min(limit, 1_000_000))
        assert client.open(row.address, method=row.method, **body).status_code != 413


@each_row
def test_it_changes_what_it_says(row: Row, client: FlaskClient) -> None:
    prepare(client, row)
    client.post(f"/api/v1/readings?{AT_SCALE}", data=PICTURE)
    before = kept(client)
    send(client, row)
    assert (kept(client) == before) == (row.technician or row.changes == NOTHING)
    send(client, row, CODE)
    assert (kept(client) == before) == (row.changes == NOTHING)


def test_the_figures_are_the_programs() -> None:
    assert f"| instruments; an instrument's name | {INSTRUMENTS_LIMIT}; {MOST_NAME} characters |" in PAGE
    figures = f"| {NAME_LIMIT}; {EXPERT_LIMIT} characters |", f"| {UNIT_LIMIT}; {TOTAL_LIMIT:,} |"
    assert all(figure in PAGE for figure in figures)
    pictures = f"{MOST_PICTURES} pictures of patients, {MOST_FOREIGN} of other material, {MOST_BYTES // 1_000_000} MB"
    assert f"{pictures} of averages; forgotten after {IDLE_S / 3600:g} hours" in PAGE
    assert f"| label of a patient in it | {PATIENT_CHARACTERS} characters |" in PAGE
    assert f"{BRACKETS_LIMIT:,} lists and objects, {DEPTH} inside each other; numbers of {DIGITS} characters" in PAGE
    assert f"{PARTS_LIMIT} parts, {HEAD_LIMIT:,} bytes for each part's head" in PAGE
    assert f"{TEXT_LIMIT} characters | as if it weren't there" in PAGE
    assert f"{ADDRESS_LIMIT:,} characters | 414" in PAGE
    door = {field.name: field.default for field in fields(Rules)}
    for told in (
        "| {head_bytes:,} bytes, {head_fields} headers, {head_s:g} s from its first byte to its last |",
        "| a connection on which nothing is asked | {idle_s:g} s |",
        "| {connections_per_address} of an address, {connections} in all |",
        "| {body_grace_s:g} s, then {least_bytes_per_s:,} bytes a second on the mean; {body_s:g} s in all |",
        "| {answer_grace_s:g} s, then {least_bytes_per_s:,} bytes a second on the mean; {answer_s:g} s in all |",
        "| {patience_s:g} s; {waiting_per_lane} requests of a kind |",
    ):
        assert told.format(**door) in PAGE
    assert "After five wrong codes" in PAGE
    assert f"more than {WRONG_IN_ALL} wrong codes a minute" in PAGE
    assert WRONG_BY_ADDRESS == 5


def test_links_lead_somewhere_and_the_readme_leads_here() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE):
        assert (ROOT / target).exists(), target
    for named in re.findall(r"`(tests/[\w/.]+)`", PAGE):
        assert (ROOT / named).exists(), named
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
