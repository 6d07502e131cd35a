"""Sizes of pixels by sizes of nuclei: discs of known size, and a set whose pixels are twice as small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from training.studies.pixel_size import Nuclei, absorption, matching, medians, nucleus_diameter, pixel_size


def tissue(diameter: float, width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Dark discs on rose, blurred at their edges over two pixels; far enough apart that none touches another."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[:height, :width].astype(np.float32)
    dark = np.zeros((height, width), np.float32)
    step = int(2.5 * diameter)
    for top in range(step, height - step // 2, step):
        for left in range(step, width - step // 2, step):
            size = diameter * np.exp(random.normal(0, 0.1))
            distance = np.hypot(down - top, across - left)
            dark = np.maximum(dark, np.clip((size / 2 - distance) / 2 + 0.5, 0, 1))
    rose, blue = np.array([230, 170, 200]), np.array([90, 60, 140])
    return (rose + dark[..., None] * (blue - rose)).astype(np.uint8)


@pytest.mark.parametrize("diameter", [5.0, 8.0, 12.0])
def test_the_diameter_of_discs_is_found(diameter: float) -> None:
    assert nucleus_diameter(absorption(tissue(diameter, 256, 256, 1))) == pytest.approx(diameter, rel=0.08)
    assert np.isnan(nucleus_diameter(absorption(np.full((64, 64, 3), 200, np.uint8))))


def test_medians_draw_groups_and_matching_lies_between_candidates() -> None:
    nuclei = Nuclei(np.array([1.0, 2.0, 3.0, np.nan]), np.array(["a", "a", "b", "b"]))
    drawn = medians(nuclei)
    assert drawn[0] == 2
    assert set(drawn[1:]) == {1.0, 2.0, 3.0}  # both groups, the first twice, the second twice
    candidates = np.array([0.5, 1.0, 2.0])
    tried = [np.array([4.0, 4.0, 4.0]), np.array([8.0, 8.0, 8.0]), np.array([16.0, 16.0, 16.0])]
    found = matching(candidates, tried, np.array([8.0, 12.0, 40.0]))
    assert found[:2] == pytest.approx([1.0, np.sqrt(2)])
    assert np.isnan(found[2])


def test_the_pixels_of_a_drawn_set_are_found(tmp_path: Path) -> None:
    """Nuclei of 8 px at 1.12 µm; the other set shows them with 12 px, so that its pixels are of 0.75 µm."""
    for number in range(8):
        eight, twelve = tissue(8, 192, 192, number), tissue(12, 180, 230, 10 + number)
        for kind in ("normal", "benign", "insitu", "invasive"):
            file = tmp_path / "bach" / kind / f"x{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(np.tile(eight, (3, 4, 1))).save(file)
        for kind in ("B_A", "M_DC"):
            file = tmp_path / "breakhis" / f"SOB_{kind}-14-{number}-100-001.png"
            file.parent.mkdir(exist_ok=True)
            PIL.Image.fromarray(np.tile(twelve, (2, 4, 1))[:, :700]).save(file)
    rows = [line.split("|") for line in pixel_size(tmp_path / "bach", tmp_path / "breakhis").splitlines()[2:]]
    assert [row[1].strip() for row in rows] == ["100X", "100X", "all, as at 100X"]
    assert [row[2].strip() for row in rows] == ["benign", "malignant", "both"]
    assert [float(row[6]) for row in rows] == pytest.approx([0.747, 0.747, 0.747], rel=0.06)
