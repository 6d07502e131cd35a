"""What the fields of the API's documents hold, from the records that make them.

    python -m tools.document_fields        (or `make generated`)

writes device/documents/reading.schema.json, the JSON Schema of a reading, and docs/engineers/documents.md, a table for each
record. A test says when they are stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from device.base.json_schema import Schema, schema_text, schemas_of
from device.documents.commissioning_job import CommissioningDocument, JobDocument
from device.documents.health import HealthDocument, ReadyDocument
from device.documents.instruments import (
    GlassDocument,
    InstrumentEntry,
    InstrumentsDocument,
    MarksDocument,
    PixelSizeDocument,
)
from device.documents.model import ModelsDocument
from device.documents.reading_document import ReadingDocument
from device.documents.samples import SamplesDocument
from device.documents.units import NamesDocument, UnitDocument, UnitsDocument
from device.reading.atlas import AtlasIndex, UnitFigures
from device.reading.manifest import Manifest

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "device" / "documents" / "reading.schema.json"
PAGE = ROOT / "docs" / "engineers" / "documents.md"
# Each document, and which requests it answers.
DOCUMENTS: tuple[tuple[type, str], ...] = (
    (ReadingDocument, "`POST /api/v1/readings`, and `loupe read --json`"),
    (ModelsDocument, "`GET /api/v1/model`"),
    (HealthDocument, "`GET /api/v1/health` and `POST /api/v1/health/reset`"),
    (ReadyDocument, "`GET /readyz`"),
    (SamplesDocument, "`GET /api/v1/samples`"),
    (InstrumentsDocument, "`GET /api/v1/instruments`, and `DELETE` of one"),
    (InstrumentEntry, "`POST /api/v1/instruments`, and `PUT` of one"),
    (MarksDocument, "`POST /api/v1/measurements/marks`"),
    (GlassDocument, "`POST /api/v1/measurements/glass`"),
    (PixelSizeDocument, "`POST /api/v1/measurements/pixel-size`"),
    (UnitsDocument, "`GET /api/v1/units`"),
    (UnitDocument, "`GET /api/v1/units/UNIT`, and `PUT` and `DELETE` of its `name`"),
    (NamesDocument, "`GET /api/v1/units/names`"),
    (
        CommissioningDocument,
        "`GET /api/v1/commissioning`, and what changes a profile; `JobPicture` is the answer to a picture",
    ),
    (JobDocument, "`GET /api/v1/commissioning/job`, and what changes it"),
)
HEAD = """\
# The fields of each document

<!-- Written by `make generated` from the records in device/documents/. Change the records, not this page. -->

What the [API](api.md) sends as JSON, field by field, in the order in which fields are written. A field marked *sometimes*
is left out where it has nothing to say; any other is always there. A later version may add keys.
The JSON Schema of a reading ships with the box: `device/documents/reading.schema.json`.
"""
# Records of what comes with a model, and the pages that describe them.
OTHERS = (
    (Manifest, "bundle.md"),
    (AtlasIndex, "../researchers/units.md"),
    (UnitFigures, "../researchers/units.md"),
)


def schema() -> str:
    """The JSON Schema of a reading."""
    return schema_text("What Loupe says of a picture", ReadingDocument)


def fields() -> Schema:
    """The schemas of the documents and of all that they are made of, but of those that other pages describe, by name."""
    _, records = schemas_of([record for record, _ in DOCUMENTS], "{name}")
    names = dict.fromkeys(name for document, _ in DOCUMENTS for name in _with_parts(document.__name__, records))
    return {name: records[name] for name in names if name not in _pages()}


@cache
def _pages() -> dict[str, str]:
    """The page that describes a record, of those that aren't the API's own."""
    return {name: page for record, page in OTHERS for name in schemas_of([record])[1]}


def page() -> str:
    """The page with a table for each record, those of a document before the next document."""
    requests = {record.__name__: text for record, text in DOCUMENTS}
    return "\n".join([HEAD, *(_section(name, record, requests.get(name)) for name, record in fields().items())])


def _with_parts(name: str, records: Schema) -> Iterator[str]:
    """A record and all that its fields are made of, in their order."""
    yield name
    for part in _references(records[name]):
        yield from _with_parts(part, records)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for each in schema.values():
            yield from _references(each)


def _section(name: str, record: Schema, requests: str | None) -> str:
    lines = [f"## {name}", record["description"]]
    if requests:
        lines += ["", f"Answers {requests}."]
    lines += ["", "| field | type | what it holds |", "|---|---|---|"]
    for field, schema in record["properties"].items():
        sometimes = "" if field in record["required"] else ", *sometimes*"
        lines.append(f"| `{field}` | {_type(schema)}{sometimes} | {schema['description']} |")
    return "\n".join([*lines, ""])


def _type(schema: Schema) -> str:
    """A type in words: `list of number or null`."""
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"]
        return f"[{name}]({_pages().get(name, f'#{name.lower()}')})"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_type(inner)}" if isinstance(inner, dict) and inner else "object"
    return str(schema.get("type", "any"))


def files() -> dict[Path, str]:
    """Each file and what it must hold."""
    return {SCHEMA: schema(), PAGE: page()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
