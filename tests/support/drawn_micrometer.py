"""Photos of stage micrometers as microscopes take them, drawn: marks at any angle and distance, with blur, noise, uneven
light, dirt and the ring and figures that stand around a scale."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter


@dataclass(frozen=True)
class Micrometer:
    """A photo to be drawn. `period_px`: from mark to mark; `angle`: of the scale, degrees; `marks`: on the whole scale,
    of which each fifth and tenth is longer; `length`: of a short mark, periods; `dark`: how much light a mark takes, 0 to
    1; `blur`: of the focus, px; `noise`: standard deviation, levels of 255; `uneven`: how much darker one side and the
    corners are, 0 to 1; `inverted`: bright marks on a dark ground; `offset`: of the scale's middle from the photo's, as a
    share of its sides."""

    width: int = 1280
    height: int = 960
    period_px: float = 20.0
    angle: float = 0.0
    marks: int = 101
    length: float = 5.0
    dark: float = 0.6
    mark_width: float = 0.2
    blur: float = 0.8
    noise: float = 3.0
    uneven: float = 0.2
    dirt: int = 0
    inverted: bool = False
    offset: tuple[float, float] = (0.0, 0.0)
    seed: int = 0


def draw_micrometer(photo: Micrometer) -> Pillow.Image:
    """The photo, RGB."""
    rng = np.random.default_rng(photo.seed)
    across, down = _along_and_across(photo)
    marks = _marks(photo, across, down)
    picture = Pillow.fromarray((255 * marks).astype(np.uint8)).filter(ImageFilter.GaussianBlur(photo.blur))
    pen = ImageDraw.Draw(picture)
    for _ in range(photo.dirt):
        x, y, size = rng.uniform(0, photo.width), rng.uniform(0, photo.height), rng.uniform(2, 25)
        pen.ellipse((x - size, y - size * 0.7, x + size, y + size * 0.7), fill=int(rng.uniform(60, 200)))
    shade = 1 - photo.dark * np.asarray(picture, np.float64) / 255
    if photo.inverted:
        shade = 1.15 - shade
    levels = 225 * shade * _light(photo) + rng.normal(0, photo.noise, shade.shape)
    tint = np.array([1.0, 0.97, 0.9])
    return Pillow.fromarray(np.clip(levels[..., None] * tint, 0, 255).round().astype(np.uint8))


def _along_and_across(photo: Micrometer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each pixel's middle: the distance from the scale's middle along the scale, and across it, px."""
    x = np.arange(photo.width)[None] + 0.5 - photo.width * (0.5 + photo.offset[0])
    y = np.arange(photo.height)[:, None] + 0.5 - photo.height * (0.5 + photo.offset[1])
    turn = radians(photo.angle)
    return x * cos(turn) + y * sin(turn), -x * sin(turn) + y * cos(turn)


def _marks(photo: Micrometer, along: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of each pixel is under a mark, 0 to 1."""
    period = photo.period_px
    number = np.round(along / period)
    half = 0.5 * max(1.0, photo.mark_width * period)
    covered = np.clip(half + 0.5 - np.abs(along - number * period), 0, 1)
    longer = np.where(number % 10 == 0, 2.0, np.where(number % 5 == 0, 1.5, 1.0))
    covered[(across < 0) | (across > photo.length * period * longer)] = 0
    covered[np.abs(number) > (photo.marks - 1) / 2] = 0
    base = np.clip(half + 0.5 - np.abs(across), 0, 1) * (np.abs(along) <= period * (photo.marks - 1) / 2)
    return np.maximum(covered, base)


def _light(photo: Micrometer) -> NDArray[np.float64]:
    x, y = np.linspace(-1, 1, photo.width)[None], np.linspace(-1, 1, photo.height)[:, None]
    return 1 - photo.uneven * (0.25 * (x + 1) + 0.25 * (x**2 + y**2))
