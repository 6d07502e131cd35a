"""JSON Schemas of records, for programs that aren't Python: schema files, the API's description, the page's types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.json import schema_components

Schema: TypeAlias = dict[str, Any]  # whose keys aren't ours
DIALECT = "https://json-schema.org/draft/2020-12/schema"
IN_FILE = "#/$defs/{name}"


def schemas_of(records: Iterable[type[Struct]], reference: str = IN_FILE) -> tuple[list[Schema], Schema]:
    """How to refer to each record, and the schema of each, and of all that it is made of, by name. `reference`: where
    `{name}` stands."""
    references, schemas = schema_components(records, ref_template=reference)
    return list(references), portable(schemas)


def portable(schema: Any) -> Any:
    """A schema of msgspec's as any program and any Python has it.

    Python's end of a text is `\\Z`; JSON Schema's expressions are JavaScript's, where `$` is just that. A description may
    be a docstring, whose lines are indented up to Python 3.12 and not from 3.13 on.
    """
    if isinstance(schema, list):
        return [portable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: portable(part) for name, part in schema.items()}
    if isinstance(pattern := parts.get("pattern"), str):
        parts["pattern"] = pattern.replace(r"\Z", "$")
    if isinstance(description := parts.get("description"), str):
        parts["description"] = " ".join(description.split())
    return parts


def schema_text(title: str, record: type[Struct], *others: type[Struct]) -> str:
    """The text of a record's schema file; `others` are records that its fields refer to by name alone."""
    (document, *_), definitions = schemas_of((record, *others))
    return file_text(title, {**document, "$defs": definitions})


def file_text(title: str, schema: Schema) -> str:
    """The text of a schema file."""
    return json.dumps({"$schema": DIALECT, "title": title, **schema}, indent=1, ensure_ascii=False) + "\n"
