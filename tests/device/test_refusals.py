"""Refusals: what they say depends on the picture before the box alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow

from device.base.texts import LANGUAGES, words
from device.documents.verdict import caution_words, reason_words
from device.reading.bundle import Bundle, bundle_files
from device.reading.colours import Colours, colours_of
from device.reading.gate import MADE, REASONS, SCALE, SHOWS, VARIANTS, Answer, Verdict
from device.reading.image import Limits
from device.reading.reading import Reader, Reading
from device.reading.routing import Router
from device.reading.sections import FOREIGN, READ, Section
from device.settings import Settings
from device.web.app import create_app
from tests.support.pictures import png
from tests.support.reading_json import reading_json, routed_json
from tests.support.shipped import KEYS, MODELS

CAUSES: list[tuple[str, str | None]] = [(reason, None) for reason in REASONS] + [
    (reason, variant.removeprefix(f"{reason}_"))
    for variant, reason in product(VARIANTS, REASONS)
    if variant.startswith(f"{reason}_")
]
RATIOS = (None, 0.25, 0.5, 2.0, 4.0)
SCALES = (None, 0.25, 0.5)


@pytest.fixture(scope="module")
def refused(reader: Reader) -> Reading:
    """A reading of a picture that the gate refuses."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    return reader.read(png(Pillow.fromarray(noise)))


def mappings(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield value
        for each in value.values():
            yield from mappings(each)


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_that_all_answers_share_cannot_be_changed(language: str) -> None:
    for each in mappings(words(language)):
        with pytest.raises(TypeError):
            each["title"] = "other"
        assert not hasattr(each, "update")
    own = reason_words("blurred", None, "histology", language)
    own["detail"] += " more"
    assert reason_words("blurred", None, "histology", language)["detail"] != own["detail"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_says_the_same_however_many_others_came_before(
    reader: Reader, refused: Reading, language: str
) -> None:
    """Each reason and variant with each ratio and size of a pixel, in an order and then in another."""
    readings = [
        replace(
            refused,
            verdict=replace(refused.verdict, reason=reason, variant=variant, magnification=ratio),
            um_per_px=um_per_px,
            scale_source="typed" if um_per_px else None,
        )
        for (reason, variant), ratio, um_per_px in product(CAUSES, RATIOS, SCALES)
    ]

    def reason_of(reading: Reading) -> dict[str, Any]:
        return dict(reading_json(reader, reading, language)["verdict"]["reason"])

    first = [reason_of(reading) for reading in readings]
    assert [reason_of(reading) for reading in reversed(readings)] == first[::-1]
    for reason in first:
        sentences = [part for text in (reason["detail"], reason["next_step"]) for part in text.split(". ")]
        assert len(sentences) == len(set(sentences))


def test_the_service_gives_the_same_refusal_each_time(bundle: Bundle, tmp_path: Path) -> None:
    """A golden picture shown twice and half as large, with and without the size of a pixel, in turns."""
    settings = Settings(tmp_path, tmp_path, tmp_path, tmp_path / "store.sqlite", threads=1)
    client: FlaskClient = create_app(settings, bundle).test_client()
    golden = next(bundle.members[g.picture] for g in bundle.manifest.golden if not g.expected.reason)
    picture = Pillow.open(BytesIO(golden)).convert("RGB")
    enlarged = picture.resize((2 * picture.width, 2 * picture.height)).crop((0, 0, picture.width, picture.height))
    asked = [(png(enlarged), scale, language) for scale in ("", "&um_per_px=0.42") for language in LANGUAGES] + [
        (png(picture), "&um_per_px=0.2", language) for language in LANGUAGES
    ]

    def reason_of(data: bytes, scale: str, language: str) -> Any:
        answer = client.post(f"/api/v1/readings?lang={language}{scale}", data=data).json or {}
        return answer["verdict"]["reason"] if "verdict" in answer else answer["detail"]

    first = [reason_of(*each) for each in asked]
    assert any(isinstance(reason, dict) and reason["code"] == "wrong_magnification" for reason in first)
    for _ in range(2):
        assert [reason_of(*each) for each in asked[::-1]][::-1] == first


# --- in the language of what the model reads -------------------------------------------------------------------------


def drawn(kind: str, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture by what it is made of: smooth blobs on a background, in a kind's own colours; 768 × 576 px."""
    random = np.random.default_rng(seed)
    small = Pillow.fromarray(random.integers(0, 256, (36, 48, 3), dtype=np.uint8))
    blobs = np.asarray(small.resize((768, 576), Pillow.Resampling.BICUBIC)).astype(np.float32) / 255
    first, second, third = (blobs[..., k : k + 1] for k in range(3))
    if kind == "film":
        return np.repeat(255 * first * second, 3, 2).astype(np.uint8)
    if kind == "tinted film":
        return (255 * first * second * np.array([0.8, 0.9, 1.0])).astype(np.uint8)
    if kind == "black":
        return np.zeros((576, 768, 3), np.uint8)
    stains = {
        "section": ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)),
        "immunostain": ((0.65, 0.70, 0.29), (0.27, 0.57, 0.78)),
    }
    one, other = (np.array(stain, np.float32) for stain in stains[kind])
    density = 0.8 * np.maximum(first - 0.5, 0) * one + 2.4 * np.maximum(second - 0.55, 0) * other + 0.02 * third
    return (255 * 10**-density).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("film", Colours(grey=True, coloured=False, immunostain=False)),
        ("tinted film", Colours(grey=True, coloured=False, immunostain=False)),
        ("section", Colours(grey=False, coloured=True, immunostain=False)),
        ("immunostain", Colours(grey=False, coloured=True, immunostain=True)),
        ("black", Colours(grey=False, coloured=False, immunostain=False)),
    ],
)
def test_colours_say_of_what_kind_a_picture_is(kind: str, expected: Colours, seed: int) -> None:
    assert colours_of(drawn(kind, seed)) == expected


@pytest.fixture(scope="module")
def bundles() -> dict[str, Bundle]:
    return {path.stem: Bundle.open(path, KEYS) for path in bundle_files(MODELS)}


def refusal_of(bundles: dict[str, Bundle], models: list[str], kind: str, language: str = "en") -> dict[str, Any]:
    router = Router([bundles[name] for name in models], Limits())
    document = routed_json(router.read(png(Pillow.fromarray(drawn(kind)))), language)
    return dict(document["verdict"]["reason"])


HISTOLOGY_WORDS = r"stain|H&E|HE\b|objecti|lamp|tissue|tissu|glass|verre|white balance|balance des blancs|coupe"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["film", "tinted film"])
def test_a_film_that_all_models_refuse_hears_what_the_box_reads_and_nothing_of_stain(
    bundles: dict[str, Bundle], kind: str, language: str
) -> None:
    reason = refusal_of(bundles, list(bundles), kind, language)
    titles = [bundle.manifest.title.text(language) for bundle in bundles.values()]
    assert all(title in reason["detail"] for title in titles)
    assert reason["model"] is None
    assert not re.search(HISTOLOGY_WORDS, reason["title"] + reason["next_step"])
    assert re.search("ultrasound|échographie", reason["next_step"])


def test_a_film_on_a_box_for_sections_hears_that_it_is_grey(bundles: dict[str, Bundle]) -> None:
    alone = refusal_of(bundles, ["bach"], "film")
    assert (alone["code"], alone["variant"], alone["model"]) == ("wrong_stain_or_scanner", "grey", "bach")
    both = refusal_of(bundles, ["bach", "idc"], "film")
    assert both["model"] is None
    assert not re.search(HISTOLOGY_WORDS, both["next_step"])


def test_a_section_on_a_box_for_ultrasound_hears_that_it_is_in_colour(bundles: dict[str, Bundle]) -> None:
    reason = refusal_of(bundles, ["busi"], "section")
    assert (reason["code"], reason["variant"]) == ("wrong_stain_or_scanner", "coloured")


@pytest.mark.parametrize("models", [["bach"], ["idc"], ["bach", "busi", "idc"]])
def test_an_immunostain_is_named(bundles: dict[str, Bundle], models: list[str]) -> None:
    reason = refusal_of(bundles, models, "immunostain")
    assert (reason["code"], reason["variant"]) == ("wrong_stain_or_scanner", "immunostain")
    assert "immunostain" in reason["title"]
    assert ("This box reads" in reason["detail"]) == (len(models) > 1)


def test_a_black_picture_hears_nothing_of_any_instrument(bundles: dict[str, Bundle]) -> None:
    reason = refusal_of(bundles, list(bundles), "black")
    assert not re.search(
        HISTOLOGY_WORDS + r"|probe|\bgain|mammogra|film", " ".join(str(part) for part in reason.values())
    )


def test_one_named_model_words_its_refusal_itself(bundles: dict[str, Bundle]) -> None:
    router = Router(list(bundles.values()), Limits())
    document = routed_json(router.read(png(Pillow.fromarray(drawn("section"))), model="bach"), "en")
    assert document["verdict"]["reason"]["model"] == "bach"
    assert "This box reads" not in document["verdict"]["reason"]["detail"]


# --- what to be careful about ----------------------------------------------------------------------------------------


def verdict_with(p: dict[str, float], strangeness: float = 0.0) -> Verdict:
    answers = tuple(Answer(question, True, 0.5, 1.0, p.get(question, 0.5)) for question in (SCALE, MADE, SHOWS))
    return Verdict(answers, None, strangeness=np.array([[0.1, strangeness]], np.float32))


def section_with(foreign: int) -> Section:
    states = np.array([FOREIGN] * foreign + [READ] * (20 - foreign), np.uint8)[None]
    return Section(states, np.zeros((1, 20, 1), np.float32), np.zeros((1, 20), np.float32), {}, (512, 384), {})


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caution_says_what_is_unusual_in_this_picture(language: str) -> None:
    aspects = words(language)["caution"]["aspects"]

    def said(verdict: Verdict, section: Section | None = None) -> str:
        told = caution_words(verdict, section, language)
        assert told is not None
        return told

    assert caution_words(verdict_with({}), None, language) is None
    assert caution_words(verdict_with({}, 1.5), section_with(1), language) is None
    one = said(verdict_with({MADE: 0.02}))
    assert aspects[MADE] in one
    assert aspects[SHOWS] not in one
    both = said(verdict_with({MADE: 0.02, SHOWS: 0.04}))
    assert aspects[MADE] in both
    assert aspects[SHOWS] in both
    part = said(verdict_with({}, 1.5))
    assert not any(aspect in part for aspect in aspects.values())
    rare_part = said(verdict_with({SCALE: 0.01}, 1.5))
    assert aspects[SCALE] in rare_part
    assert len(rare_part) > len(said(verdict_with({SCALE: 0.01})))
    foreign = said(verdict_with({}), section_with(6))
    assert "30" in foreign
    assert not any(aspect in foreign for aspect in aspects.values())
    windows = said(verdict_with({SHOWS: 0.01}), section_with(0))
    assert aspects[SHOWS] in windows
    assert "30" not in windows


def test_each_caution_has_words_and_each_picture_with_words_is_one_with_caution() -> None:
    for p, strangeness in (({}, 0.0), ({MADE: 0.04}, 0.0), ({}, 1.1), ({SHOWS: 0.049}, 2.0), ({MADE: 0.05}, 1.0)):
        verdict = verdict_with(p, strangeness)
        assert verdict.caution == (caution_words(verdict, None, "en") is not None)
