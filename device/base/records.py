"""Records of JSON that comes from outside: what a document may have is what the record's fields say, and nothing else."""

from __future__ import annotations

from typing import Annotated, TypeVar

from msgspec import Meta, Struct, ValidationError, convert

DETAIL_CHARACTERS = 200  # of what is wrong: an unknown key may be as long as its file

R = TypeVar("R", bound=Struct)


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all: it can't be changed, and has no other keys than its own."""


class Words(Record, frozen=True):
    """A text for people, in each language."""

    en: Annotated[str, Meta(min_length=1)]
    fr: Annotated[str, Meta(min_length=1)]

    def text(self, language: str) -> str:
        return {"en": self.en, "fr": self.fr}[language]


def record_of(document: object, kind: type[R]) -> R:
    """The record of a document that was read strictly (`device/base/strict_json.py`). Raises `ValueError` that names the
    first thing that it can't have, and its place."""
    try:
        return convert(document, kind)
    except ValidationError as error:
        raise ValueError(_shown(str(error))) from error


def _shown(message: str) -> str:
    """A message as a terminal may show it: it repeats keys and values of the document."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in message[:DETAIL_CHARACTERS])
