"""Textures come closer to a class's statistics with each step, and only averages over many fields are accepted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from training import networks
from training.drawn.phantoms import draw
from training.drawn.textures import MINIMUM_IMAGES, Statistics, class_probabilities, statistics, synthesise

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="module")
def model() -> Any:
    """The network with its ImageNet weights and an untrained head."""
    built = networks.build("lite0", 2)
    networks.load_weights(built, "lite0", "imagenet")
    return built


@pytest.fixture(scope="module")
def target(model: Any) -> Statistics:
    """What small in situ phantoms have in common."""
    return statistics(model, [draw("insitu", seed, WIDTH, HEIGHT).pixels for seed in range(MINIMUM_IMAGES)])


def test_steps_bring_the_picture_closer_to_the_target(model: Any, target: Statistics) -> None:
    start = draw("normal", 1, WIDTH, HEIGHT).pixels
    texture = synthesise(model, target, start=start, steps=20, rate=0.01)
    assert texture.pixels.shape == (HEIGHT, WIDTH, 3)
    assert texture.pixels.dtype == np.uint8
    # Single steps jump: the picture is shifted at random before each.
    assert np.median(texture.distances[-5:]) < 0.8 * np.median(texture.distances[:3])


def test_averages_over_few_fields_are_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="too few"):
        statistics(model, [draw("normal", 1, WIDTH, HEIGHT).pixels] * (MINIMUM_IMAGES - 1))


def test_stains_are_found_blue_first_and_pink_second(target: Statistics) -> None:
    blue, pink = target.stains
    assert blue[0] > 0.5 > pink[0]
    assert pink[1] > 0.8
    assert (target.amounts > 0).all()


def test_probabilities_sum_to_one(model: Any) -> None:
    shares = class_probabilities(model, draw("benign", 1, WIDTH, HEIGHT).pixels)
    assert shares.shape == (2,)
    assert shares.sum() == pytest.approx(1)
