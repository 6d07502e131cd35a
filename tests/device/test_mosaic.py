"""Large pictures that are put together from strips."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from device.base.errors import TooManyPixels
from device.reading.formats.mosaic import put_together, reduction
from device.reading.image import Limits


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("factor", [1, 2, 5])
def test_strips_of_any_height_make_the_reduced_picture(rows: int, factor: int) -> None:
    whole = np.random.default_rng(0).integers(0, 256, (203, 111, 3), np.uint8)
    strips = (whole[top : top + rows] for top in range(0, len(whole), rows))
    expected = PIL.Image.fromarray(whole).reduce(factor)
    assert np.array_equal(np.asarray(put_together(strips, (111, 203), factor)), np.asarray(expected))


@pytest.mark.parametrize(
    ("full", "wanted", "factor"),
    [
        ((1000, 800), (1000, 800), 1),
        ((1000, 800), (300, 240), 1),
        ((1000, 800), (250, 200), 2),
        ((10_000, 8000), (1000, 800), 5),
        ((16_000, 16_000), (7000, 7000), 2),  # with the gap it would take 256 megapixels
        ((100, 100), (500, 500), 1),
    ],
)
def test_a_picture_is_reduced_to_twice_what_is_wanted_or_to_what_memory_allows(
    full: tuple[int, int], wanted: tuple[int, int], factor: int
) -> None:
    assert reduction(full, wanted, Limits()) == factor


@pytest.mark.parametrize(("full", "wanted"), [((40_000, 40_000), (500, 500)), ((12_000, 12_000), (7900, 7900))])
def test_what_takes_too_much_time_or_memory_is_refused(full: tuple[int, int], wanted: tuple[int, int]) -> None:
    with pytest.raises(TooManyPixels):
        reduction(full, wanted, Limits())
