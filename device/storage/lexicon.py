"""Lexicons: the words that experts choose from when they name a unit, one data file each in `device/storage/lexicons/`.

Terms of breast pathology for H&E, BI-RADS for radiology: the bundle's modality tells which.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

from device.base.records import Record, Words, record_of
from device.base.strict_json import parse
from device.reading.bundle import Bundle

FOLDER = Path(__file__).with_name("lexicons")
HISTOLOGY, BIRADS = "histology", "birads"
OF_MODALITY = {"histology": HISTOLOGY, "mammography": BIRADS, "ultrasound": BIRADS}


class Term(Record, frozen=True):
    """A word, in each language, the group that it is shown in, and what it means."""

    id: str
    group: str
    en: str
    fr: str
    definition: Words

    @property
    def name(self) -> Words:
        return Words(self.en, self.fr)


class Lexicon(Record, frozen=True, dict=True):
    """Groups by id and terms, both in the order to show."""

    id: str
    title: Words
    source: str
    groups: Mapping[str, Words]
    terms: tuple[Term, ...]

    def term(self, id: str | None) -> Term | None:
        """The term of an id; None where it has none."""
        return self._terms_by_id.get(id)

    def find(self, text: str) -> str | None:
        """The id of the term that a text is, in any language, whatever its case."""
        return self._ids_by_word.get(text.casefold())

    @cached_property
    def _terms_by_id(self) -> dict[str | None, Term]:
        return {term.id: term for term in self.terms}

    @cached_property
    def _ids_by_word(self) -> dict[str, str]:
        return {word.casefold(): term.id for term in self.terms for word in (term.en, term.fr)}


@cache
def load_lexicon(name: str) -> Lexicon:
    """The lexicon of a file in `device/storage/lexicons/`."""
    return record_of(parse((FOLDER / f"{name}.json").read_bytes()), Lexicon)


def lexicon_of(bundle: Bundle) -> Lexicon:
    """The lexicon for a bundle's units."""
    return load_lexicon(OF_MODALITY[bundle.manifest.modality])
