"""Lexicons: the words that experts choose from when they name a unit, one data file each in `device/lexicons/`.

BI-RADS for radiology, terms of breast pathology for H&E. A bundle's scale tells which: a pixel of a few micrometres is a
microscope's, one of tens or hundreds a mammogram's or an ultrasound image's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from device.bundle import Bundle

FOLDER = Path(__file__).with_name("lexicons")
HISTOLOGY, BIRADS = "histology", "birads"
MICROSCOPE_UM_PER_PX = 20.0

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
        wanted = text.casefold()
        return next((term for term in self.terms if wanted in {w.casefold() for w in self.name(term).values()}), None)


@cache
def load_lexicon(name: str) -> Lexicon:
    """The lexicon of a file in `device/lexicons/`."""
    told = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Lexicon(
        told["id"], told["title"], told["source"], told["groups"], {term["id"]: term for term in told["terms"]}
    )


def lexicon_of(bundle: Bundle) -> Lexicon:
    """The lexicon for a bundle's units, by the size of the pixels that it reads."""
    microscope = bundle.manifest["preprocessing"]["um_per_px"] < MICROSCOPE_UM_PER_PX
    return load_lexicon(HISTOLOGY if microscope else BIRADS)
