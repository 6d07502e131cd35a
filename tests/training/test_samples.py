"""The samples are small synthetic JPEGs with words in both languages; golden pictures are small as PNG."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.shipped import SAMPLES as SHIPPED
from training.drawn import foreign
from training.packing.samples import MAXIMUM_BYTES, foreign_samples, golden_pictures, phantom_samples, write_samples

KEYS = {"id", "file", "kind", "label", "um_per_px", "title", "description", "synthetic", "made_by"}


def _check(folder: Path) -> list[dict[str, object]]:
    entries = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    assert {entry["file"] for entry in entries} == {path.name for path in folder.glob("*.jpg")}
    for entry in entries:
        assert set(entry) == KEYS
        assert entry["synthetic"] is True
        assert (entry["um_per_px"] is None) == (entry["kind"] == "foreign")
        for words in (entry["title"], entry["description"]):
            assert set(words) == {"en", "fr"}
            assert all(words.values())
        path = folder / entry["file"]
        assert path.stat().st_size <= MAXIMUM_BYTES
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (512, 384))
            assert not image.getexif()
    return list(entries)


def test_drawn_samples_are_written_with_their_words(tmp_path: Path) -> None:
    write_samples(phantom_samples(1) + foreign_samples(1), tmp_path, "a test", 1.68)
    kinds = [entry["kind"] for entry in _check(tmp_path)]
    assert kinds.count("phantom") == 4
    assert kinds.count("foreign") == 8


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no samples are made yet: loupe-train samples bach")
def test_shipped_samples_hold_a_texture_of_each_class() -> None:
    textures = [entry["label"] for entry in _check(SHIPPED) if entry["kind"] == "texture"]
    assert textures == ["normal", "benign", "insitu", "invasive"]


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.uint8]]:
    """The pictures that a bundle is checked with."""
    return golden_pictures()


def test_golden_pictures_are_fields_of_at_most_250_kb(golden: dict[str, NDArray[np.uint8]]) -> None:
    assert 4 <= len(golden) <= 6
    for pixels in golden.values():
        assert pixels.shape == (384, 512, 3)
        assert pixels.dtype == np.uint8
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        assert buffer.tell() <= 250_000


def test_golden_pictures_reach_both_ends_of_the_scale(golden: dict[str, NDArray[np.uint8]]) -> None:
    assert golden["extremes"].min() == 0
    assert golden["extremes"].max() == 255


@pytest.mark.parametrize("name", foreign.DRAWN)
def test_foreign_pictures_are_drawn_alike_for_a_seed_and_in_any_size(name: str) -> None:
    draw = foreign.DRAWN[name]
    assert np.array_equal(draw(2, 160, 120), draw(2, 160, 120))
    assert draw(2, 160, 120).shape == (120, 160, 3)
