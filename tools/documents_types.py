"""The types of what the box sends, for the page's scripts: tools/page_types/documents.d.ts.

    python -m tools.documents_types        (or `make generated`)

The records in device/documents/ give JSON Schemas, and json-schema-to-typescript (package.json) makes types of these. What
the fields mean stands in docs/engineers/documents.md. A test says when the file is stale.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TypeAlias

from device.base.json_schema import Schema, schemas_of
from device.documents.commissioning_job import CommissioningDocument, JobDocument
from device.documents.instruments import GlassDocument, InstrumentsDocument, MarksDocument, PixelSizeDocument
from device.documents.model import ModelsDocument
from device.documents.reading_document import ReadingDocument
from device.documents.samples import SamplesDocument
from device.documents.units import UnitsDocument

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tools" / "page_types" / "documents.d.ts"
TOOL = ROOT / "node_modules" / ".bin" / "json2ts"
BANNER = "// Written by `make generated` from the records in device/documents/. Don't change it here."
JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
DOCUMENTS = (
    ReadingDocument,
    ModelsDocument,
    SamplesDocument,
    InstrumentsDocument,
    MarksDocument,
    GlassDocument,
    PixelSizeDocument,
    UnitsDocument,
    CommissioningDocument,
    JobDocument,
)


def without_descriptions(schema: JsonValue) -> JsonValue:
    """The schema with types alone, so that other words for a field change nothing."""
    if isinstance(schema, dict):
        return {
            name: without_descriptions(part)
            for name, part in schema.items()
            if name != "description" or isinstance(part, dict)
        }
    return [without_descriptions(part) for part in schema] if isinstance(schema, list) else schema


def types() -> str:
    """The text of `documents.d.ts`. Needs what `make setup` puts into node_modules."""
    references, records = schemas_of(DOCUMENTS)
    documents: Schema = {"title": "BoxDocument", "anyOf": references, "$defs": records}
    schema = without_descriptions(documents)
    options = ["--unknownAny", "--no-additionalProperties", f"--bannerComment={BANNER}", "--style.printWidth=120"]
    written = subprocess.run([TOOL, *options], input=json.dumps(schema), capture_output=True, text=True, check=True)
    return written.stdout


if __name__ == "__main__":
    FILE.write_text(types(), encoding="utf-8")
    print(f"wrote {FILE.relative_to(ROOT)}")
