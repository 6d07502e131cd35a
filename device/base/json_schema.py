"""JSON Schema files, generated from records for programs that aren't Python: editors, and those who write such files."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct
from msgspec.json import schema_components


def schema_text(title: str, record: type[Struct], *others: type[Struct]) -> str:
    """The text of a record's schema file; `others` are records that its fields refer to by name alone."""
    (document, *_), definitions = schema_components((record, *others), ref_template="#/$defs/{name}")
    for definition in definitions.values():
        # A docstring's lines are indented up to Python 3.12, and not from 3.13 on.
        if description := definition.get("description"):
            definition["description"] = " ".join(description.split())
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **document,
        "$defs": definitions,
    }
    # Python's end of a text is `\Z`; JSON Schema's expressions are JavaScript's, where `$` is just that.
    return json.dumps(schema, indent=1, ensure_ascii=False).replace(r"\\Z", "$") + "\n"
