"""The words for people: complete, alike in each language, and all of them used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device.base import errors
from device.base.errors import LoupeError
from device.reading.gate import COLOURED, GREY, IMMUNOSTAIN, REASONS, VARIANTS

DEVICE = Path(errors.__file__).parent.parent
LANGUAGES = {
    file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (DEVICE / "base" / "texts").glob("*.json")
}
PARTS = {"title", "detail", "next_step"}
MODALITIES = ("any", "histology", "mammography", "ultrasound")


def flat(words: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in words.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def named_errors(base: type[LoupeError] = LoupeError) -> Iterator[type[LoupeError]]:
    for error in base.__subclasses__():
        if "code" in vars(error):
            yield error
        yield from named_errors(error)


def test_english_and_french_are_there():
    assert set(LANGUAGES) == {"en", "fr"}


def test_languages_have_the_same_keys_and_placeholders():
    english, french = dict(flat(LANGUAGES["en"])), dict(flat(LANGUAGES["fr"]))
    assert english.keys() == french.keys()
    differing = [key for key in english if placeholders(english[key]) != placeholders(french[key])]
    assert differing == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language):
    assert [key for key, text in flat(LANGUAGES[language]) if not text.strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_error_has_its_words_and_no_other_has(language):
    words = LANGUAGES[language]["errors"]
    assert set(words) == {error.code for error in named_errors()}
    assert all(set(parts) == PARTS for parts in words.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reason_of_the_gate_has_its_words(language):
    words = LANGUAGES[language]["reasons"]
    assert set(words) == {*REASONS, *VARIANTS}
    assert all(set(parts) == PARTS for parts in words.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_by_modality_has_one_for_each_and_one_for_none(language):
    words = LANGUAGES[language]
    texts = [text for parts in words["reasons"].values() for text in parts.values()]
    texts += [words["no_model"]["next_step"], *words["questions_help"].values(), *words["health"].values()]
    assert {frozenset(text) for text in texts if isinstance(text, dict)} == {frozenset(MODALITIES)}


OF_A_MICROSCOPE = {
    "en": ("stain", "H&E", "objective", "lamp", "stage", "glass", "tissue", "nuclei", "white balance"),
    "fr": (
        "HE",
        "coloration",
        "objectif",
        "lampe",
        "platine",
        "verre",
        "tissu",
        "noyaux",
        "balance des blancs",
        "lame",
    ),
}
OF_NO_MICROSCOPE = {
    "en": ("mammogra", "film", "probe", "gain", "echo", "ultrasound", "archive"),
    "fr": ("mammogra", "film", "sonde", "gain", "écho", "archive"),
}


def spoken(words: dict[str, Any], modality: str, codes: set[str]) -> str:
    texts = [text for code, parts in words["reasons"].items() if code in codes for text in parts.values()]
    texts += [words["no_model"]["next_step"], *words["questions_help"].values()]
    texts += [text for text in words["health"].values() if isinstance(text, dict)]
    return "\n".join(text[modality] if isinstance(text, dict) else text for text in texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_and_an_advice_speak_of_no_other_modality(language):
    """Only the words for a picture of another kind say which kinds there are."""
    own = {*REASONS, *VARIANTS} - {f"wrong_stain_or_scanner_{variant}" for variant in (GREY, COLOURED, IMMUNOSTAIN)}
    words = LANGUAGES[language]
    barred = [(OF_A_MICROSCOPE, modality) for modality in ("any", "mammography", "ultrasound")]
    barred += [(OF_NO_MICROSCOPE, modality) for modality in ("any", "histology")]
    for terms, modality in barred:
        text = spoken(words, modality, own)
        assert [term for term in terms[language] if re.search(rf"\b{term}", text)] == [], modality


def test_each_note_of_a_decoded_picture_has_its_words():
    modules = "".join(file.read_text(encoding="utf-8") for file in (DEVICE / "reading" / "formats").glob("*.py"))
    codes = set(re.findall(r'notes\.append\("(\w+)"\)', modules))
    assert codes
    assert {f"note_{code}" for code in codes} == {key for key in LANGUAGES["en"]["page"] if key.startswith("note_")}


def test_each_place_where_a_file_states_the_size_of_its_pixels_has_its_words():
    modules = "".join(file.read_text(encoding="utf-8") for file in (DEVICE / "reading" / "formats").glob("*.py"))
    calls = re.findall(r'\b(?:StatedScale|stated_scale|scale_of_resolution)\((?:[^()]|\([^()]*\))*"(\w+)"\)', modules)
    assert set(calls) == set(LANGUAGES["en"]["stated_scale"]["sources"])


def test_the_page_uses_each_of_its_words_and_has_all_that_it_uses():
    pages = (
        *("layout.html", "page.html", "units.html", "instruments.html", "commissioning.html"),
        *("code.html", "problem.html", "help.html"),
    )
    template = "".join((DEVICE / "web" / "templates" / page).read_text(encoding="utf-8") for page in pages)
    scripts = "".join(file.read_text(encoding="utf-8") for file in (DEVICE / "web" / "static").glob("*.js"))
    used = set(re.findall(r"\b(?:t|shared)\.(\w+)", template)) | set(re.findall(r'\bword\(\s*"(\w+)"', scripts))
    known = set(LANGUAGES["en"]["page"])
    assert used <= known
    # Keys that are put together: word(`timing_${step}`), shared['language_' ~ code]; or chosen: word(a ? "x" : "y").
    prefixes = {*re.findall(r"\b(?:word|wordOr)\(`(\w+_)\$\{", scripts), *re.findall(r"shared\['(\w+_)' ~", template)}
    quoted = set(re.findall(r'"(\w+)"', scripts))
    unused = {key for key in known - used - quoted if not key.startswith(tuple(prefixes))}
    assert unused == set()


def test_french_marks_do_not_begin_a_line():
    """A space before them, and within guillemets, is one that doesn't break."""
    loose = [key for key, text in flat(LANGUAGES["fr"]) if re.search(r" [:;!?»]|« ", text)]
    assert not loose
