"""Named errors: each can be worded in each language, and each place that raises one gives exactly its facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from string import Formatter
from typing import get_type_hints

import pytest

from device.base import errors
from device.base.errors import Fact, LoupeError, Phrase, SettingInvalid, TooManyPixels
from device.base.texts import LANGUAGES, error_words, words
from tests.support.shipped import ROOT

SAMPLE_FACTS: dict[type, Fact] = {str: "a text", int: 7, float: 0.5}


def named_errors(base: type[LoupeError] = LoupeError) -> Iterator[type[LoupeError]]:
    """Every class with a code of its own."""
    for error in base.__subclasses__():
        if "code" in vars(error):
            yield error
        yield from named_errors(error)


NAMED = {error.__name__: error for error in named_errors()}


def facts_of(error: type[LoupeError]) -> set[str]:
    return {field.name for field in fields(error)}  # type: ignore[arg-type]


def made(error: type[LoupeError]) -> LoupeError:
    """One with facts of the declared types."""
    hints = get_type_hints(error)
    told: dict[str, Fact] = {}
    for name in facts_of(error):
        kinds = getattr(hints[name], "__args__", (hints[name],))
        assert set(kinds) <= set(SAMPLE_FACTS), f"{error.__name__}.{name} must be text or a number: it is sent as JSON"
        told[name] = SAMPLE_FACTS[kinds[0]]
    return error(**told)


def wrong_places(source: str, path: Path) -> list[str]:
    """Where a named error is made, or raised as a bare class, with other facts than it declares."""
    found = []

    def class_of(node: ast.expr | None) -> type[LoupeError] | None:
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        return NAMED.get(name)

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (error := class_of(node.func)):
            given = [keyword.arg for keyword in node.keywords]
            if node.args or sorted(map(str, given)) != sorted(facts_of(error)):
                found.append(f"{path}:{node.lineno}: {error.__name__} takes {sorted(facts_of(error))} by name")
        elif isinstance(node, ast.Raise) and (error := class_of(node.exc)) and facts_of(error):
            found.append(f"{path}:{node.lineno}: {error.__name__} lacks {sorted(facts_of(error))}")
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("error", NAMED.values(), ids=lambda error: error.code)
def test_each_error_is_worded_with_its_facts_alone(error: type[LoupeError], language: str) -> None:
    told = error_words(made(error), language)
    assert told.keys() == {"title", "detail", "next_step"}
    assert all(told.values())


@pytest.mark.parametrize("error", NAMED.values(), ids=lambda error: error.code)
def test_each_fact_is_told_or_belongs_to_a_base(error: type[LoupeError]) -> None:
    text = " ".join(words("en")["errors"][error.code].values())
    told = {name for _, name, _, _ in Formatter().parse(text) if name}
    own = set(vars(error).get("__annotations__", {}))
    assert own <= told


def test_each_place_that_raises_gives_exactly_the_declared_facts() -> None:
    paths = [path for package in ("device", "training", "provisioning") for path in (ROOT / package).rglob("*.py")]
    sources = {path: path.read_text(encoding="utf-8") for path in paths}
    raised = {name for name in NAMED if any(name in text for path, text in sources.items() if path.name != "errors.py")}
    assert raised == set(NAMED), "an error that nothing raises"
    assert [place for path, text in sources.items() for place in wrong_places(text, path.relative_to(ROOT))] == []


def test_each_phrase_that_stands_in_a_fact_has_its_words_and_no_other_has() -> None:
    found = set()
    for path in (ROOT / "device").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Phrase":
                (key,) = node.args
                assert isinstance(key, ast.Constant)
                found.add(key.value)
    for language in LANGUAGES:
        assert set(words(language)["phrases"]) == found
    error = SettingInvalid(setting="host", value="3", allowed=Phrase("text"))
    assert "a text" in error_words(error, "en")["detail"]
    assert "un texte" in error_words(error, "fr")["detail"]


@pytest.mark.parametrize(
    "source",
    [
        "raise TooManyPixels",
        "raise TooManyPixels()",
        "raise errors.TooManyPixels(width=1, height=1)",
        "kept = TooManyPixels(width=1, height=1, limit_megapixels=1, more=1)",
        "raise TooManyPixels(1, 1, 1)",
        "raise TooManyPixels(**facts)",
    ],
)
def test_a_place_with_other_facts_is_found(source: str) -> None:
    assert len(wrong_places(source, Path("x.py"))) == 1


def test_an_error_cannot_be_made_without_its_facts() -> None:
    with pytest.raises(TypeError, match="limit_megapixels"):
        TooManyPixels(width=1, height=1)  # type: ignore[call-arg]


def test_facts_are_the_fields_in_their_order() -> None:
    error = TooManyPixels(limit_megapixels=64, width=9000, height=8000)
    assert list(error.facts.items()) == [("width", 9000), ("height", 8000), ("limit_megapixels", 64)]
    assert str(error) == "too_many_pixels: width=9000, height=8000, limit_megapixels=64"


def test_no_two_errors_share_a_code() -> None:
    assert len({error.code for error in NAMED.values()}) == len(NAMED)
    assert {name for name, value in vars(errors).items() if isinstance(value, type) and "code" in vars(value)} == set(
        NAMED
    )


def test_what_was_sent_is_repeated_as_text_or_as_a_whole_number() -> None:
    assert [errors.echoed(value) for value in ("x", 7, True, None, 0.5)] == ["x", 7, "True", "None", "0.5"]
    assert [errors.echoed(value) for value in ([1], {"a": 1}, "x" * 100)] == ["list", "dict", "x" * 60 + "…"]
