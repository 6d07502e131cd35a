"""The types of what the box sends, for the page's scripts: tools/page_types/documents.d.ts.

    python -m tools.documents_types        (or `make generated`)

The records in device/documents/ give JSON Schemas, and json-schema-to-typescript (package.json) makes types of these. A
test says when the file is stale.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec

from device.documents.model import ModelsDocument
from device.documents.reading_document import ReadingDocument
from device.documents.samples import SamplesDocument
from device.documents.units import UnitsDocument

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tools" / "page_types" / "documents.d.ts"
TOOL = ROOT / "node_modules" / ".bin" / "json2ts"
BANNER = "// Written by `make generated` from the records in device/documents/. Don't change it here."
DOCUMENTS = (ReadingDocument, ModelsDocument, SamplesDocument, UnitsDocument)


def types() -> str:
    """The text of `documents.d.ts`. Needs what `make setup` puts into node_modules."""
    references, records = msgspec.json.schema_components(DOCUMENTS, ref_template="#/$defs/{name}")
    schema = {
        "title": "BoxDocument",
        "description": "What the page asks the box for.",
        "anyOf": references,
        "$defs": records,
    }
    options = ["--unknownAny", "--no-additionalProperties", f"--bannerComment={BANNER}", "--style.printWidth=120"]
    made = subprocess.run([TOOL, *options], input=json.dumps(schema), capture_output=True, text=True, check=True)
    return made.stdout


if __name__ == "__main__":
    FILE.write_text(types(), encoding="utf-8")
