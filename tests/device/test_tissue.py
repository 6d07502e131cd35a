"""Which places of a picture make a logit."""

import numpy as np

from device.reading.tissue import BLOCK_PX, EVERYWHERE, TISSUE, TISSUE_BELOW, counted_places, is_tissue

WHITE, PINK = 245, (220, 120, 180)


def half_glass(height: int, width: int) -> np.ndarray:
    """Tissue on the left, glass on the right: uint8 [h, w, 3]."""
    pixels = np.full((height, width, 3), WHITE, np.uint8)
    pixels[:, : width // 2] = PINK
    return pixels


def test_a_pixel_is_tissue_when_any_channel_is_dark_enough() -> None:
    below, above = int(TISSUE_BELOW), int(TISSUE_BELOW) + 1
    row = np.array([[[255, below, 255], [above] * 3, [below, 255, 255], [255, 255, below]]], np.uint8)
    assert is_tissue(row).tolist() == [[True, False, True, True]]


def test_places_count_by_the_block_that_they_lie_in() -> None:
    pixels = half_glass(64, 128)
    assert counted_places(TISSUE, pixels, 2, 4).tolist() == [[True, True, False, False]] * 2
    assert counted_places(TISSUE, pixels, 8, 16).tolist() == [[True] * 8 + [False] * 8] * 8  # a map at stride 8
    assert counted_places(EVERYWHERE, pixels, 2, 4).all()


def test_a_little_tissue_is_enough_for_a_block_and_dust_is_not() -> None:
    pixels = np.full((BLOCK_PX, 2 * BLOCK_PX, 3), WHITE, np.uint8)
    pixels[0, :20] = pixels[0, BLOCK_PX : BLOCK_PX + 21] = PINK  # 20 and 21 of 1,024 pixels: 1.95 and 2.05 %
    assert counted_places(TISSUE, pixels, 1, 2).tolist() == [[False, True]]


def test_everything_counts_where_there_is_glass_alone() -> None:
    assert counted_places(TISSUE, np.full((64, 96, 3), WHITE, np.uint8), 2, 3).all()
