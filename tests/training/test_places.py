"""A logit in Keras is the mean over the very places that count on the box."""

import keras
import numpy as np
import pytest

from device.reading.tissue import EVERYWHERE, TISSUE, counted_places
from training.networks import PlaceMean, place_mean, scale_pixels


@pytest.mark.parametrize("counts", [EVERYWHERE, TISSUE])
@pytest.mark.parametrize("stride", [8, 32])
def test_the_mean_is_over_the_places_that_count_on_the_box(counts: str, stride: int) -> None:
    """Pictures of blocks with 0 to 4 % of dark pixels, and one of glass alone."""
    rng = np.random.default_rng(3)
    shares = np.kron(rng.uniform(0, 0.04, (3, 4, 6)), np.ones((1, 32, 32)))
    pixels = np.where(rng.random(shares.shape) < shares, 150, 240).astype(np.uint8)[..., None].repeat(3, 3)
    pixels[2] = 240
    values = rng.standard_normal((3, 128 // stride, 192 // stride, 5)).astype(np.float32)
    counted = [counted_places(counts, picture, *values.shape[1:3]) for picture in pixels]
    expected = [grid[places].mean(0) for grid, places in zip(values, counted, strict=True)]
    assert counts == EVERYWHERE or (0.2 < np.mean(counted[:2]) < 0.8 and counted[2].all())
    assert np.allclose(place_mean(values, scale_pixels(pixels), counts), expected, atol=1e-6)


def test_it_can_be_a_part_of_a_network_of_any_size() -> None:
    picture = keras.Input((None, None, 3))
    model = keras.Model(picture, PlaceMean(TISSUE)([keras.layers.AveragePooling2D(32)(picture), picture]))
    half = np.full((1, 64, 128, 3), 245, np.uint8)
    half[:, :, :64] = 100
    assert np.allclose(model(scale_pixels(half)), scale_pixels(half)[0, 0, 0], atol=1e-6)
