"""What the records of all documents share: they can't be changed, and each field says what it holds.

A document is a record that goes out as JSON. Its fields stand in the order in which they are written. Descriptions of
fields are the schema's and the documentation's (`tools/document_fields.py`).
"""

from __future__ import annotations

from msgspec import Meta, Struct


class Record(Struct, frozen=True):
    """Base of all documents and of their parts."""


def about(description: str) -> Meta:
    """What a field holds, in one line."""
    return Meta(description=description)
