"""Lexicons: the words that experts choose from when they name a unit, one data file each in `device/storage/lexicons/`.

Terms of breast pathology for H&E, BI-RADS for radiology: the bundle's modality tells which.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from device.reading.bundle import Bundle

FOLDER = Path(__file__).with_name("lexicons")
HISTOLOGY, BIRADS = "histology", "birads"
OF_MODALITY = {"histology": HISTOLOGY, "mammography": BIRADS, "ultrasound": BIRADS}

Words = dict[str, str]


@dataclass(frozen=True)
class Lexicon:
    """`terms` by id, each with `group`, `en`, `fr` and `definition`; `groups` by id, in the order to show."""

    id: str
    title: Words
    source: str
    groups: dict[str, Words]
    terms: dict[str, dict[str, Any]]

    def name(self, term: str) -> Words:
        """A term in each language."""
        return {language: self.terms[term][language] for language in ("en", "fr")}

    def find(self, text: str) -> str | None:
        """The term that a text is, in any language, whatever its case."""
        return self._terms_by_word.get(text.casefold())

    @cached_property
    def _terms_by_word(self) -> dict[str, str]:
        return {word.casefold(): term for term in self.terms for word in self.name(term).values()}


@cache
def load_lexicon(name: str) -> Lexicon:
    """The lexicon of a file in `device/storage/lexicons/`."""
    told = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Lexicon(
        told["id"], told["title"], told["source"], told["groups"], {term["id"]: term for term in told["terms"]}
    )


def lexicon_of(bundle: Bundle) -> Lexicon:
    """The lexicon for a bundle's units."""
    return load_lexicon(OF_MODALITY[bundle.manifest.modality])
