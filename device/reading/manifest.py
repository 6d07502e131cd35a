"""A bundle's manifest: what its model is, reads, promises and was measured to do (`docs/engineers/bundle.md` has the keys).

`check_manifest` holds it against `manifest.schema.json`, which bounds each number, text and list, and against itself. The
packing program and the box ask the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastjsonschema

from device.base import strict_json
from device.base.errors import SchemaMismatch

SCHEMA_FILE = Path(__file__).with_name("manifest.schema.json")
SCHEMA_VERSION = 3
NETWORK = "network.tflite"
MANIFEST = "manifest.json"
CARD = "card.md"


@cache
def _schema() -> Any:
    return fastjsonschema.compile(json.loads(SCHEMA_FILE.read_text()))


def check_manifest(manifest: Any, name: str) -> None:
    """Raises `SchemaMismatch` naming the first thing that the schema doesn't allow; of another schema, both versions."""
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        shown = f"{version!r:.20}" if version is None or isinstance(version, int | str) else type(version).__name__
        raise SchemaMismatch(bundle=name, detail=f"its schema_version is {shown}, not {SCHEMA_VERSION}")
    try:
        strict_json.check(manifest)
        _schema()(manifest)
    except fastjsonschema.JsonSchemaValueException as error:
        raise SchemaMismatch(bundle=name, detail=error.message) from error
    except ValueError as error:
        raise SchemaMismatch(bundle=name, detail=str(error)) from error
    for detail in _contradictions(manifest):
        raise SchemaMismatch(bundle=name, detail=detail)


def _contradictions(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Where a manifest that fits the schema speaks of what it doesn't have."""
    labels, rules, gate = [label["id"] for label in manifest["labels"]], manifest["answer"], manifest["gate"]
    if len(set(labels)) < len(labels):
        yield "two of its labels have one id"
    named = {*rules["concern"], *(label for row in rules["record"] for label in row["labels"])}
    counted = {len(row["counts"]) for row in rules["record"]}
    if set(rules["classes"]) != set(labels) or not named <= set(labels) or not counted <= {len(labels)}:
        yield "its answer is about other classes than its labels"
    if not set(manifest["calibration"].get("offsets", {})) <= set(labels):
        yield "its calibration.offsets are about other classes than its labels"
    if any(low >= high for low, high in pairwise(gate["scale"]["ratios"])):
        yield "its gate.scale.ratios don't rise"
    if gate["picture"]["min_luminance"] >= gate["picture"]["max_luminance"]:
        yield "its gate.picture lets no luminance pass"
    if manifest["explanation"]["blank_below"] > manifest["explanation"]["limit"]:
        yield "its explanation.blank_below is above the limit"
    outputs = manifest["network"]["outputs"]
    if any(int(unit) >= outputs["features"]["channels"] for unit in manifest["units"]):
        yield "its units are more than the network has"
    for golden in manifest["golden"]:
        expected = golden["expected"]
        if set(expected["outputs"]) != set(outputs) or len(expected["logits"]) != len(labels):
            yield f"its golden picture {golden['name']} is about other outputs or classes"
    heads = (manifest["head"][part] for part in ("weights", "bias"))
    tables = (gate[table][part] for table in ("made", "shows", "cells") for part in ("centre", "whitening"))
    scale = (gate["scale"][part] for part in ("weights", "centres"))
    pictures = (golden["picture"] for golden in manifest["golden"])
    for member in (*heads, *tables, *scale, *pictures, CARD):
        if member not in manifest["members"]:
            yield f"its members lack {member}"
