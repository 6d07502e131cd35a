"""A reading as programs get it."""

from __future__ import annotations

from typing import Any

from device.documents.reading_document import reading_document
from device.reading.reading import Reader, Reading
from device.reading.routing import alone


def reading_json(reader: Reader, reading: Reading, language: str) -> dict[str, Any]:
    """The document of a reading by one bundle that alone was asked."""
    return reading_document(alone(reader, reading), language)
