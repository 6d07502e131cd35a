"""Refusals: what they say depends on the picture before the box alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import png
from flask.testing import FlaskClient
from PIL import Image as Pillow

from device.bundle import Bundle
from device.gate import REASONS, VARIANTS
from device.reading import Reader, Reading
from device.service import create_app
from device.settings import Settings
from device.texts import LANGUAGES, reason_words, words

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
    own = reason_words("blurred", None, language)
    own["detail"] += " more"
    assert reason_words("blurred", None, language)["detail"] != own["detail"]


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
        )
        for (reason, variant), ratio, um_per_px in product(CAUSES, RATIOS, SCALES)
    ]

    def reason_of(reading: Reading) -> dict[str, Any]:
        return dict(reader.as_json(reading, language)["verdict"]["reason"])

    first = [reason_of(reading) for reading in readings]
    assert [reason_of(reading) for reading in reversed(readings)] == first[::-1]
    for reason in first:
        sentences = [part for text in (reason["detail"], reason["next_step"]) for part in text.split(". ")]
        assert len(sentences) == len(set(sentences))


def test_the_service_gives_the_same_refusal_each_time(bundle: Bundle, tmp_path: Path) -> None:
    """A golden picture shown twice and half as large, with and without the size of a pixel, in turns."""
    settings = Settings(tmp_path, tmp_path, tmp_path, tmp_path / "store.sqlite", threads=1)
    client: FlaskClient = create_app(settings, bundle).test_client()
    golden = next(bundle.members[g["picture"]] for g in bundle.manifest["golden"] if not g["expected"]["reason"])
    picture = Pillow.open(BytesIO(golden)).convert("RGB")
    enlarged = picture.resize((2 * picture.width, 2 * picture.height)).crop((0, 0, picture.width, picture.height))
    asked = [(png(enlarged), scale, language) for scale in ("", "&um_per_px=0.42") for language in LANGUAGES] + [
        (png(picture), "&um_per_px=0.2", language) for language in LANGUAGES
    ]

    def reason_of(data: bytes, scale: str, language: str) -> Any:
        answer = client.post(f"/api/v1/readings?lang={language}{scale}", data=data).json
        return answer["verdict"]["reason"] if "verdict" in answer else answer["detail"]

    first = [reason_of(*each) for each in asked]
    assert any(isinstance(reason, dict) and reason["code"] == "wrong_magnification" for reason in first)
    for _ in range(2):
        assert [reason_of(*each) for each in asked[::-1]][::-1] == first
