"""Counts in texts: the words beside a number agree with it, in both languages, in Python as in the page's scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device.base import texts
from device.base.texts import LANGUAGES, PLACE, fill, is_one, whole, words

COUNTS = (0, 1, 2, 1000)
NBSP = "\N{NARROW NO-BREAK SPACE}"
COUNTED_NOUNS = {
    "en": "windows|pictures|units|readings|experts|days|places|sittings|patients|blocks|seconds|bars|regions|ones",
    "fr": "fenêtres|images|unités|lectures|jours|noms|endroits|séances|patientes|blocs|secondes|barres|zones|régions",
}
# Texts whose number is never small.
MANY = (
    "answer.record.",
    "regions.part_caution",
    "card.",
    "errors.dicom_frames",
    "errors.animated_image",
    "errors.instrument_",
)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    else:
        for key, each in value.items():
            yield from flat(each, f"{path}.{key}".lstrip("."))


def counted(text: str) -> list[str]:
    """The facts that a text counts."""
    return [name for name, one, _ in PLACE.findall(text) if one]


ENGLISH = ("0 windows were read", "1 window was read", "2 windows were read", "1,000 windows were read")
FRENCH = ("0 fenêtre a été lue", "1 fenêtre a été lue", "2 fenêtres ont été lues", f"1{NBSP}000 fenêtres ont été lues")


@pytest.mark.parametrize(("language", "expected"), [("en", ENGLISH), ("fr", FRENCH)])
def test_words_agree_with_their_count(language: str, expected: tuple[str, ...]) -> None:
    text = {
        "en": "{read:# window was|# windows were} read",
        "fr": "{read:# fenêtre a été lue|# fenêtres ont été lues}",
    }[language]
    assert tuple(fill(text, {"read": count}, language) for count in COUNTS) == expected


def test_a_number_alone_and_a_fact_that_is_no_count() -> None:
    assert fill("{all:#} of {name}", {"all": 12345, "name": "{all}"}, "en") == "12,345 of {all}"
    with pytest.raises(KeyError):
        fill("{missing}", {}, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_with_a_count_reads_well_for_every_count(language: str) -> None:
    """Filled with 0, 1, 2 and 1,000: nothing of the form is left, and the singular stands where it should."""
    found = [(key, text) for key, text in flat(words(language)) if counted(text)]
    assert len(found) > 20
    for key, text in found:
        for count in COUNTS:
            facts = dict.fromkeys((name for name, *_ in PLACE.findall(text)), count)
            filled = fill(text, facts, language)
            assert not re.search(r"[{}#|]", filled), key
            assert "  " not in filled, key
        one, other = (
            fill(text, dict.fromkeys((name for name, *_ in PLACE.findall(text)), count), language) for count in (1, 2)
        )
        if any(second for _, _, second in PLACE.findall(text)):
            assert one.replace("1", "2") != other, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_a_plural_beside_a_bare_number(language: str) -> None:
    noun = re.compile(rf"\{{\w+\}} (?:(?!of|des|names)[\w’]+ )?(?:{COUNTED_NOUNS[language]})\b")
    assert {key: text for key, text in flat(words(language)) if noun.search(text) and not key.startswith(MANY)} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_languages_count_the_same_facts(language: str) -> None:
    other = dict(flat(words("fr" if language == "en" else "en")))
    for key, text in flat(words(language)):
        names = {name for name, *_ in PLACE.findall(text)}
        assert names == {name for name, *_ in PLACE.findall(other[key])}, key


def test_singular_and_plural_are_those_of_unicode() -> None:
    assert [is_one(n, "en") for n in (0, 1, 2, 1000)] == [False, True, False, False]
    assert [is_one(n, "fr") for n in (0, 1, 2, 1000)] == [True, True, False, False]
    assert (whole(1234567, "en"), whole(999, "fr")) == ("1,234,567", "999")


def test_the_scripts_fill_by_the_same_form() -> None:
    """The page's form of a place is the box's own, letter for letter; `tests/browser/test_counts.py` runs it."""
    static = Path(texts.__file__).parents[2] / "web" / "static"
    assert 'const PLACE = new RegExp(PLACE_PATTERN, "g");' in (static / "words.js").read_text(encoding="utf-8")
    constants = (static / "constants.js").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"const PLACE_PATTERN = (.+);", constants)
    assert json.loads(pattern) == PLACE.pattern
