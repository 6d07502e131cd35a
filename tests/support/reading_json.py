"""A reading as programs get it."""

from __future__ import annotations

from typing import Any

import msgspec

from device.documents.reading_document import reading_document
from device.reading.reading import Reader, Reading
from device.reading.routing import Routed, alone


def values_of(record: msgspec.Struct) -> dict[str, Any]:
    """A record as JSON's values."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return values


def reading_json(reader: Reader, reading: Reading, language: str, *, assume_field: bool = True) -> dict[str, Any]:
    """The document of a reading by one bundle that alone was asked. A picture without a scale counts as a field of the
    model's own size, unless a test is about scale."""
    return routed_json(alone(reader, reading), language, assume_field=assume_field)


def routed_json(routed: Routed, language: str, *, assume_field: bool = True) -> dict[str, Any]:
    """The document of a reading by all bundles that were asked."""
    return values_of(reading_document(routed, language, assume_field=assume_field))
