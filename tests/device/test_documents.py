"""What goes out has the shape that its records, its JSON Schema and its page of fields say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow

from device.cli import main
from device.documents.health import HealthDocument, ReadyDocument
from device.documents.model import ModelsDocument
from device.documents.reading_document import ReadingDocument
from device.documents.samples import SamplesDocument
from device.documents.units import NamesDocument, UnitDocument, UnitsDocument
from device.reading.bundle import Bundle, bundle_files
from device.settings import Settings
from device.web.app import create_app
from tests.support.pictures import png
from tests.support.reading_json import values_of
from tests.support.shipped import AT_SCALE, KEYS, MODELS, SAMPLES, UM_PER_PX
from tools.document_fields import SCHEMA, fields, files

MEASURED_ANEW = ("timings_ms", "ms")  # what differs from one reading of a picture to the next


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A box with all shipped models, of which one has a unit that experts named."""
    store = tmp_path_factory.mktemp("box") / "store.sqlite"
    bundles = [Bundle.open(path, KEYS) for path in bundle_files(MODELS)]
    box = create_app(Settings(MODELS, KEYS, SAMPLES, store, threads=1), *bundles).test_client()
    assert box.put("/api/v1/units/76/name", json={"text": "pale swirls"}).status_code == 200
    return box


def section() -> bytes:
    """Two fields beside each other."""
    tissue = Pillow.open(SAMPLES / "texture-normal.jpg").convert("RGB")
    picture = Pillow.new("RGB", (2 * tissue.width, tissue.height))
    for left in (0, tissue.width):
        picture.paste(tissue, (left, 0))
    return png(picture)


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.jpg").read_bytes()


PICTURES = {
    "field": (lambda: sample("texture-benign"), ""),
    "refused": (lambda: sample("foreign-landscape"), ""),
    "section": (section, "&um_per_px=1.68&model=bach"),
    "one model": (lambda: sample("texture-normal"), "&model=bach"),
}


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("kind", PICTURES)
def test_a_reading_fits_the_schema_that_ships_and_has_no_other_keys(
    client: FlaskClient, kind: str, language: str
) -> None:
    picture, query = PICTURES[kind]
    document = client.post(f"/api/v1/readings?lang={language}{query}", data=picture()).json
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert same_again(document, ReadingDocument) == document
    assert (document["section"] is not None) == (kind == "section")
    assert document["verdict"]["accepted"] == (kind != "refused")


@pytest.mark.parametrize(
    ("address", "record"),
    [
        ("/api/v1/model", ModelsDocument),
        ("/api/v1/health", HealthDocument),
        ("/readyz", ReadyDocument),
        ("/api/v1/units?model=bach", UnitsDocument),
        ("/api/v1/units/76?model=bach", UnitDocument),
        ("/api/v1/units/names?model=bach", NamesDocument),
    ],
)
def test_every_document_has_the_keys_of_its_record(client: FlaskClient, address: str, record: type) -> None:
    document = client.get(address).json
    assert same_again(document, record) == document


def test_samples_keep_the_further_keys_of_their_list(client: FlaskClient) -> None:
    document = client.get("/api/v1/samples").json
    msgspec.convert(document, SamplesDocument)
    assert {"label", "made_by"} <= set(document["samples"][0])


def same_again(document: Any, record: type) -> Any:
    """The values of the record that is made of a document: without what the record doesn't know."""
    return values_of(msgspec.convert(document, record))


def test_the_command_line_prints_what_the_service_sends_but_for_the_names_of_units(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    path = SAMPLES / "texture-benign.jpg"
    address = f"/api/v1/readings?lang=fr&{AT_SCALE}"
    sent: dict[str, Any] = client.post(address, data=path.read_bytes()).json or {}
    main(
        [
            "read",
            str(path),
            "--um-per-px",
            str(UM_PER_PX),
            "--json",
            "--language",
            "fr",
            "--bundle",
            str(MODELS),
            "--keys",
            str(KEYS),
        ]
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("file") == str(path)
    for unit in sent["units"]:
        del unit["names"], unit["names_more"], unit["patches"]
    assert list(printed) == list(sent)
    assert without_times(printed) == without_times(sent)


def without_times(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: without_times(value) for key, value in document.items() if key not in MEASURED_ANEW}
    return [without_times(each) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize(
    ("path", "text"), files().items(), ids=lambda value: value.name if isinstance(value, Path) else ""
)
def test_the_schema_and_the_page_of_fields_are_those_of_the_records(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `make generated`"


def test_every_field_says_what_it_holds() -> None:
    silent = [
        f"{name}.{field}"
        for name, record in fields().items()
        for field, schema in record["properties"].items()
        if not schema.get("description")
    ]
    assert silent == []
