"""The box's words for people, in each language: one JSON file a language, the same keys in all.

A text names its facts in braces: `{name}`. A count brings the words that agree with it, singular and plural, with `#` for
the number: `{read:# window was|# windows were} read`. `{read:#}` is the number alone. The page's scripts fill texts by the
same rule (`device/web/static/words.js`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Any

from device.base.errors import LoupeError, Phrase

LANGUAGES = ("en", "fr")
DEFAULT_LANGUAGE = "en"

# The greatest probability that still goes by each name; the last has none above it.
LIKELIHOODS = ((0.05, "very_unlikely"), (0.25, "unlikely"), (0.6, "possible"), (0.9, "likely"), (1.0, "very_likely"))
# A share beyond these is written as "below 1 %" or "above 99 %": the model is never that sure.
LEAST_SHARE, MOST_SHARE = 0.01, 0.99

PLACE = re.compile(r"\{(\w+)(?::([^{}|]*)(?:\|([^{}|]*))?)?\}")
THOUSANDS = {"en": ",", "fr": "\N{NARROW NO-BREAK SPACE}"}


def _frozen(value: Any) -> Any:
    """JSON's values with mappings and tuples that can't be changed, however deep they lie."""
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(each) for name, each in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@cache
def words(language: str) -> Mapping[str, Any]:
    """All words of a language of `LANGUAGES`. They can't be changed: all answers of a process share them."""
    text = Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8")
    frozen: Mapping[str, Any] = _frozen(json.loads(text))
    return frozen


def is_one(count: float, language: str) -> bool:
    """Whether a count takes the singular (Unicode's CLDR): in English 1 alone, in French all below 2."""
    return abs(count) < 2 if language == "fr" else count == 1


def whole(number: float, language: str) -> str:
    """A whole number as the page writes it: 1,000 or 1 000."""
    return f"{number:,.0f}".replace(",", THOUSANDS[language])


def fill(text: str, facts: Mapping[str, Any], language: str) -> str:
    """A text with its facts in their places. Raises `KeyError` where one is missing."""

    def put(place: re.Match[str]) -> str:
        name, one, other = place.groups()
        fact = facts[name]
        if one is None:
            return str(fact)
        words_for_it: str = one if other is None or is_one(fact, language) else other
        return words_for_it.replace("#", whole(fact, language))

    return PLACE.sub(put, text)


def error_words(error: LoupeError, language: str) -> dict[str, str]:
    """The `title`, `detail` and `next_step` of an error, its facts filled in. What has no UTF-8, such as a byte of a file's
    name, is written with a backslash."""
    phrases = words(language)["phrases"]
    facts = {name: phrases[fact] if isinstance(fact, Phrase) else fact for name, fact in error.facts.items()}
    told = {part: fill(text, facts, language) for part, text in words(language)["errors"][error.code].items()}
    return {part: text.encode(errors="backslashreplace").decode() for part, text in told.items()}


def likelihood(probability: float, language: str) -> str:
    """A probability in words."""
    code = next(code for limit, code in LIKELIHOODS if probability <= limit or limit == 1.0)
    return str(words(language)["likelihood"][code])


def percent(share: float, language: str, digits: int = 0) -> str:
    """A share, 0 to 1, as the page writes it. Never 0 or 100 %, unless it is just so; with `digits`, rounded up."""
    if digits:
        share = ceil(round(share * 10 ** (digits + 2), 6)) / 10 ** (digits + 2)
    elif 0 < share < LEAST_SHARE:
        return str(words(language)["page"]["below_one_percent"])
    elif MOST_SHARE < share < 1:
        return str(words(language)["page"]["above_99_percent"])
    number = f"{share * 100:.{digits}f}"
    return f"{number}%" if language == "en" else f"{number.replace('.', ',')}\N{NO-BREAK SPACE}%"


def number(value: float, language: str) -> str:
    """A number as it is written in a language: with a comma in French."""
    text = f"{value:g}"
    return text if language == "en" else text.replace(".", ",")


def joined(names: Sequence[str], language: str) -> str:
    """Names of classes within a sentence: "normal tissue, benign lesion or carcinoma in situ". Abbreviations keep their
    capitals."""
    small = [name if name[1:2].isupper() else name[:1].lower() + name[1:] for name in names]
    last = f" {words(language)['regions']['or']} "
    return last.join(part for part in (", ".join(small[:-1]), *small[-1:]) if part)
