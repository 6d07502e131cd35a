"""Pictures that are not breast tissue under H&E, drawn by us: what the gate must refuse.

They stand for the uploads that go wrong in a clinic: a photograph, an X-ray, a blood smear, another stain, a defocused
or colour-swapped field, a slide with nothing on it. Like the phantoms they hold no pixel of a photograph.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.drawn.phantoms import HAEMATOXYLIN, Field, Slide, _invasive, draw, smooth_noise

Picture = NDArray[np.uint8]

DAB = np.array([0.27, 0.57, 0.78], np.float32)
"""Optical density of the brown stain of immunohistochemistry (Ruifrok & Johnston)."""


def _clouds(rng: np.random.Generator, height: int, width: int, length_px: float, octaves: int = 5) -> Field:
    """Fractal noise, about ±1."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        total += smooth_noise(rng, height, width, length_px / 2**octave) / 2**octave
    return np.asarray(total / total.std())


def _grid(height: int, width: int) -> tuple[Field, Field]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x / height, y / height


def _blend(below: Field, above: NDArray[np.floating] | list[int], share: Field) -> Field:
    return np.asarray(below + share[..., None] * (np.asarray(above, np.float32) - below), np.float32)


def _camera(light: Field, rng: np.random.Generator, noise: float = 2.0) -> Picture:
    return np.clip(np.rint(light + rng.normal(0, noise, light.shape)), 0, 255).astype(np.uint8)


def landscape(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """A sky with clouds, three ridges and a meadow, as a phone would photograph them."""
    rng = np.random.default_rng(seed)
    x, y = _grid(height, width)
    sky = np.stack([110 + 110 * y, 160 + 70 * y, 225 + 15 * y], -1)
    light = _blend(sky, [250, 250, 252], np.clip(_clouds(rng, height, width, 150) * 0.7 - 0.2 - y, 0, 0.9))
    for depth, colour in enumerate(([128, 146, 170], [92, 116, 122], [62, 92, 74])):
        ridge = 0.36 + 0.12 * depth + (0.10 - 0.02 * depth) * _clouds(rng, height, width, 130 - 20 * depth)[0]
        shade = 1 + 0.10 * (1 + depth) * _clouds(rng, height, width, 40)[..., None]
        light = _blend(light, np.asarray(colour, np.float32) * shade, np.clip((y - ridge) * height, 0, 1))
    meadow = 0.80 + 0.02 * _clouds(rng, height, width, 150)[0]
    blades = _clouds(rng, height, width, 12, 4)[..., None] * [22, 26, 14]
    light = _blend(light, np.array([96, 140, 52], np.float32) + blades, np.clip((y - meadow) * height, 0, 1))
    sun = np.exp(-(((x - 1.05) ** 2 + (y - 0.14) ** 2) / 0.006))
    return _camera(_blend(light, [255, 244, 205], sun), rng)


def chest_xray(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """Two dark lungs with ribs, a heart's shadow, spine and shoulders; grey."""
    rng = np.random.default_rng(seed)
    x, y = _grid(height, width)
    x = (x - width / height / 2) + 0.012 * _clouds(rng, height, width, 200, 3)
    y = y + 0.012 * _clouds(rng, height, width, 200, 3)
    body = 1 / (1 + np.exp((np.abs(x) - 0.56 - 0.10 * np.clip(0.25 - y, 0, 1)) * 40))
    density = body * (0.78 - 0.10 * y)
    neck = np.exp(-((x / 0.10) ** 2)) * np.clip(0.2 - y, 0, 1) * 2
    for side in (-1, 1):
        u, v = (x - side * 0.235) / 0.185, (y - 0.52) / 0.42
        lung = 1 / (1 + np.exp(np.minimum((np.sqrt(u * u + np.abs(v) ** 2.6) - 0.93) * 22, 60)))
        density = density - 0.50 * lung
        for rib in range(9):
            middle = 0.13 + 0.095 * rib + 0.30 * (np.abs(x) - 0.22) ** 2 + 0.22 * np.abs(np.abs(x) - 0.10)
            density = density + 0.075 * lung * np.exp(-(((y - middle) / 0.017) ** 2))
        vessels = np.clip(_clouds(rng, height, width, 40), 0, 3) * np.exp(-(((np.abs(x) - 0.10) / 0.12) ** 2))
        density = density + 0.035 * lung * vessels
        clavicle = y - (0.115 - 0.10 * (np.abs(x) - 0.3))
        density = density + 0.12 * np.exp(-((clavicle / 0.016) ** 2)) * (np.sign(x) == side) * (np.abs(x) < 0.5)
    heart = 1 / (1 + np.exp((np.hypot((x - 0.075) / 0.20, (y - 0.66) / 0.22) - 1) * 14))
    density = density + 0.34 * heart + 0.20 * np.exp(-((x / 0.045) ** 2)) + 0.2 * neck
    density = density + 0.35 / (1 + np.exp(-(y - 0.90 - 0.10 * np.abs(x)) * 50)) * body
    grey = 255 * np.clip(density * 0.92 + 0.03 + 0.012 * _clouds(rng, height, width, 30), 0, 1) ** 0.9
    grey = np.rint(np.clip(grey + rng.normal(0, 3, grey.shape), 0, 255)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)


def blood_smear(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """Red cells with pale centres, two white cells with lobed nuclei, a few platelets."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light: Field = np.full((height, width, 3), [233, 226, 218], np.float32)
    light = light + 3 * _clouds(rng, height, width, 120)[..., None]
    centres = [(rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height) for _ in range(2)]

    def ring(cx: float, cy: float, radius: float, squash: float, angle: float) -> Field:
        u, v = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle), (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        return np.asarray(np.hypot(u * squash, v / squash) / radius, np.float32)

    for _ in range(int(width * height / 2100)):
        cx, cy = rng.uniform(-10, width + 10), rng.uniform(-10, height + 10)
        if min(np.hypot(cx - a, cy - b) for a, b in centres) < 60:
            continue
        r = ring(cx, cy, rng.normal(26, 1.6), rng.uniform(0.94, 1.06), rng.uniform(0, pi))
        inside = np.clip((1 - r) * 14, 0, 1)
        light *= 1 - inside[..., None] * [0.10, 0.32, 0.28] * (0.35 + 0.65 * np.clip(r / 0.75, 0, 1) ** 2)[..., None]
    for cx, cy in centres:
        r = ring(cx, cy, 46, 1.0, 0.0) + 0.02 * _clouds(rng, height, width, 30)
        light = _blend(light, [196, 178, 214], np.clip((1 - r) * 16, 0, 1) * 0.9)
        grain = _clouds(rng, height, width, 8)[..., None] * [9, 7, 7]
        for lobe in range(4):
            angle = 1.3 * lobe + rng.uniform(0, 0.5)
            r = ring(cx + 18 * np.cos(angle), cy + 18 * np.sin(angle), 18, rng.uniform(0.8, 1.2), angle)
            light = _blend(light, np.array([96, 52, 138], np.float32) + grain, np.clip((1 - r) * 8, 0, 1))
    for _ in range(10):
        r = ring(rng.uniform(0, width), rng.uniform(0, height), rng.uniform(4, 6), 1.0, 0.0)
        light = _blend(light, [140, 92, 160], np.clip((1 - r) * 3, 0, 1) * 0.8)
    return _camera(light, rng)


def immunostain(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """The invasive phantom's cells under another stain: brown where the antibody bound, blue elsewhere."""
    slide = Slide(seed, "invasive", width, height, 1.68)
    lesion = slide.fine(_invasive(slide))
    brown = np.clip(lesion / 4, 0, 1) * (0.55 + 0.25 * slide.noise(40) + 0.1 * slide.noise(3))
    slide.haematoxylin = np.asarray(0.5 * slide.haematoxylin + 0.12 * slide.eosin, np.float32)
    slide.eosin = np.asarray(np.clip(brown, 0, None) + 0.06 * slide.eosin, np.float32)
    return slide.photograph(haematoxylin=HAEMATOXYLIN, eosin=DAB)


def magnified(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """The in situ phantom seven times too large: few cells, each as large as a gland."""
    return draw("insitu", seed, width, height, um_per_px=0.24).pixels


def defocused(picture: Picture, radius_px: float = 5.0) -> Picture:
    """The same field with the microscope out of focus."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius_px)))


def swapped_colours(picture: Picture) -> Picture:
    """Red and blue exchanged, as a program that takes BGR for RGB shows it."""
    return np.ascontiguousarray(picture[..., ::-1])


def inverted(picture: Picture) -> Picture:
    """A photographic negative."""
    return np.asarray(255 - picture, np.uint8)


def blank(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """A lit slide with nothing on it but uneven light and a little dust."""
    rng = np.random.default_rng(seed)
    x, y = _grid(height, width)
    light = (
        np.full((height, width, 3), [238, 234, 241], np.float32)
        * (1 - 0.05 * ((x - 0.7) ** 2 + (y - 0.5) ** 2))[..., None]
    )
    for _ in range(5):
        r = np.hypot(x - rng.uniform(0, 1.3), y - rng.uniform(0, 1)) / rng.uniform(0.004, 0.012)
        light *= (1 - 0.18 * np.exp(-(r**2)))[..., None]
    return _camera(light, rng, 1.2)


DRAWN: dict[str, Callable[..., Picture]] = {
    "landscape": landscape,
    "chest_xray": chest_xray,
    "blood_smear": blood_smear,
    "immunostain": immunostain,
    "magnified": magnified,
    "blank": blank,
}


def clouds(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """Nothing but soft noise in two colours."""
    rng = np.random.default_rng(seed)
    below, above = rng.uniform(20, 235, (2, 3)).astype(np.float32)
    share = 0.5 + 0.35 * _clouds(rng, height, width, rng.uniform(20, 200))
    return _camera(_blend(np.broadcast_to(below, (height, width, 3)), above, np.clip(share, 0, 1)), rng)


def weave(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """Cloth: two sets of threads across each other."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, period = rng.uniform(0, pi), rng.uniform(6, 40)
    across, down = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    threads = np.sin(2 * pi * across / period) * np.sin(2 * pi * down / period) + 0.2 * _clouds(rng, height, width, 8)
    below, above = rng.uniform(20, 235, (2, 3)).astype(np.float32)
    return _camera(_blend(np.broadcast_to(below, (height, width, 3)), above, np.clip(0.5 + 0.5 * threads, 0, 1)), rng)


def document(seed: int = 0, width: int = 512, height: int = 384) -> Picture:
    """A printed page: dark strokes in lines on paper."""
    rng = np.random.default_rng(seed)
    light: Field = np.full((height, width, 3), [242, 240, 232], np.float32)
    line = int(rng.integers(14, 26))
    for top in range(line, height - line, line):
        left = int(width * 0.08)
        while left < width * rng.uniform(0.8, 0.92):
            for _ in range(int(rng.integers(2, 10))):
                w, h = int(rng.integers(2, 3 + line // 4)), int(line * rng.uniform(0.3, 0.6))
                light[top : top + h, left : left + max(1, w // 3)] = 40
                light[top : top + 2, left : left + w] = 40
                left += w + 2
            left += line // 2
    return _camera(light + 4 * _clouds(rng, height, width, 200)[..., None], rng)


PLAIN: dict[str, Callable[..., Picture]] = {"clouds": clouds, "weave": weave, "document": document}
"""Textures that no microscope shows: further foreign pictures, which no page offers as samples."""
