"""Wrong acquisition, made from proper pictures by code: another stain, scanner, scale or focus, a screen photographed.

Each corruption is as strong as what a reader would call a fault, not as the faint shifts between two good scanners, which
a gate should let pass. Lengths are shares of the picture's width, so that a corruption looks alike at every resolution.
The same picture and seed give the same result. Kinds of one family stand on both sides of the benchmark, never the same
kind: the detector that is chosen on one kind of blur is measured on another.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.drawn.foreign import DAB, defocused, inverted, swapped_colours
from training.drawn.phantoms import EOSIN, HAEMATOXYLIN
from training.studies.ood.cases import TEST, VALIDATION

Picture = NDArray[np.uint8]
Light = NDArray[np.float32]

# Luma of ITU-R BT.601.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Corruption:
    """One kind of fault. `make` takes uint8 pixels [h, w, 3] and a generator and returns such pixels. `colour`: it makes
    sense for pictures with colours only; `stained`: for those under haematoxylin and eosin only."""

    side: str
    make: Callable[[Picture, np.random.Generator], Picture]
    colour: bool = False
    stained: bool = False


def corrupt(name: str, pixels: Picture, seed: int) -> Picture:
    """A picture under a kind of fault; `seed` tells pictures apart."""
    return CORRUPTIONS[name].make(pixels, np.random.default_rng([crc32(name.encode()), seed]))


def _picture(light: Light | NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def _grid(pixels: Picture) -> tuple[Light, Light]:
    """x and y in pixels."""
    y, x = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]].astype(np.float32)
    return x, y


def _resize(pixels: Picture, width: int, height: int) -> Picture:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


# --- stain ----------------------------------------------------------------------------------------------------------


def _dyes(first: NDArray[np.floating], second: NDArray[np.floating]) -> Light:
    """Optical densities of two dyes and of what neither explains [3, 3], each of length 1."""
    rows = np.stack([first, second, np.cross(first, second)]).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


HE = _dyes(HAEMATOXYLIN, EOSIN)


def _restain(pixels: Picture, amounts: NDArray[np.floating], dyes: Light = HE) -> Picture:
    """The picture with its haematoxylin, eosin and rest times `amounts` [3], under dyes of other densities [3, 3]."""
    density = -np.log10((pixels.astype(np.float32) + 1) / 256)
    amounts_found = density @ np.linalg.inv(HE)
    return _picture(256 * 10 ** -((amounts_found * amounts.astype(np.float32)) @ dyes) - 1)


def stain_shift(pixels: Picture, rng: np.random.Generator) -> Picture:
    """One dye twice as heavy, the other less than half."""
    heavy, light = rng.uniform(1.7, 2.3), rng.uniform(0.3, 0.5)
    return _restain(pixels, np.array([heavy, light, 1] if rng.random() < 0.5 else [light, heavy, 1]))


def stain_faded(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Both dyes at about a third."""
    return _restain(pixels, np.array([*rng.uniform(0.25, 0.4, 2), 1]))


def trichrome(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Eosin replaced by light green, as in Masson–Goldner's stain."""
    green = np.array([0.80, 0.35, 0.48]) + rng.normal(0, 0.02, 3)
    return _restain(pixels, np.array([1, 1.2, 1]), _dyes(HAEMATOXYLIN, green))


def brown(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Immunohistochemistry: nuclei brown (DAB) on a pale blue counterstain."""
    return _restain(pixels, np.array([rng.uniform(0.9, 1.4), rng.uniform(0.15, 0.35), 0.5]), _dyes(DAB, HAEMATOXYLIN))


# --- scale and focus ------------------------------------------------------------------------------------------------


def _magnified(pixels: Picture, times: int, rng: np.random.Generator) -> Picture:
    """A part of the field, `times` as large: all that a crop can show of a stronger objective."""
    height, width = pixels.shape[0] // times, pixels.shape[1] // times
    top, left = rng.integers(0, pixels.shape[0] - height + 1), rng.integers(0, pixels.shape[1] - width + 1)
    return _resize(
        np.ascontiguousarray(pixels[top : top + height, left : left + width]), pixels.shape[1], pixels.shape[0]
    )


def _reduced(pixels: Picture, times: int) -> Picture:
    """A field `times` as wide, continued by mirroring, in as many pixels."""
    height, width = pixels.shape[:2]
    wide = np.pad(pixels, ((0, height * (times - 1)), (0, width * (times - 1)), (0, 0)), "symmetric")
    return np.asarray(Image.fromarray(wide).resize((width, height), Image.Resampling.LANCZOS))


def blur(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Out of focus."""
    return defocused(pixels, pixels.shape[1] * rng.uniform(0.004, 0.008))


def motion(pixels: Picture, rng: np.random.Generator) -> Picture:
    """The stage moved while the picture was taken: an average along a line."""
    length, angle = max(3.0, pixels.shape[1] * rng.uniform(0.015, 0.03)), rng.uniform(0, np.pi)
    steps = np.linspace(-length / 2, length / 2, round(length) + 1)
    shifts = [(round(step * np.sin(angle)), round(step * np.cos(angle))) for step in steps]
    reach = max(max(abs(down), abs(right)) for down, right in shifts)
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), "symmetric").astype(np.float32)
    height, width = pixels.shape[:2]
    moved = (padded[reach + d : reach + d + height, reach + r : reach + r + width] for d, r in shifts)
    return _picture(sum(moved, np.zeros(pixels.shape, np.float32)) / len(shifts))


# --- scanner --------------------------------------------------------------------------------------------------------


def colour_matrix(pixels: Picture, rng: np.random.Generator) -> Picture:
    """A sensor without its profile: colours mixed, one channel too strong."""
    matrix = np.eye(3) * rng.uniform(0.75, 1.0, 3)[:, None] + rng.uniform(-0.15, 0.25, (3, 3)) * (1 - np.eye(3))
    return _picture(pixels.astype(np.float32) @ matrix.T.astype(np.float32))


def gamma(pixels: Picture, rng: np.random.Generator) -> Picture:
    """A tone curve applied twice, or not at all."""
    power = rng.uniform(2.0, 2.6) if rng.random() < 0.5 else 1 / rng.uniform(2.0, 2.6)
    return _picture(255 * (pixels.astype(np.float32) / 255) ** power)


def illumination(pixels: Picture, rng: np.random.Generator) -> Picture:
    """A lamp out of line: light falls to a quarter across the field."""
    x, y = _grid(pixels)
    angle = rng.uniform(0, 2 * np.pi)
    along = x / pixels.shape[1] * np.cos(angle) + y / pixels.shape[0] * np.sin(angle)
    along = (along - along.min()) / np.ptp(along)
    return _picture(pixels * (1 - rng.uniform(0.65, 0.85) * along)[..., None])


def jpeg(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Compressed until blocks show."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(rng.integers(4, 9)))
    return np.asarray(Image.open(buffer))


def noise(pixels: Picture, rng: np.random.Generator) -> Picture:
    """A sensor at its highest gain."""
    return _picture(pixels + rng.normal(0, rng.uniform(25, 40), pixels.shape))


def greyscale(pixels: Picture, rng: np.random.Generator) -> Picture:  # noqa: ARG001 — every corruption takes one
    """Without colours."""
    return np.repeat(_picture(pixels.astype(np.float32) @ LUMA)[..., None], 3, -1)


# --- a screen, photographed -----------------------------------------------------------------------------------------


def _screen(light: Light, rng: np.random.Generator) -> Light:
    """Stripes of the three colours and rows of pixels, a little out of line with the camera's own: bands appear."""
    y, x = np.mgrid[0 : light.shape[0], 0 : light.shape[1]].astype(np.float32)
    angle, period = rng.uniform(0.02, 0.06), rng.uniform(2.1, 2.9)
    across, down = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    stripes = [1 + 0.3 * np.cos(2 * np.pi * (across / period + shift)) for shift in (0, 1 / 3, 2 / 3)]
    rows = 1 + 0.2 * np.cos(2 * np.pi * down / period)
    return np.asarray(light * np.stack(stripes, -1) * rows[..., None], np.float32)


def screen_grid(pixels: Picture, rng: np.random.Generator) -> Picture:
    """A monitor photographed squarely: its grid and moiré over a bluish picture."""
    return _picture(_screen(pixels.astype(np.float32), rng) * [0.85, 0.95, 1.1])


def screen_photograph(pixels: Picture, rng: np.random.Generator) -> Picture:
    """A monitor photographed by hand: aslant, with its frame, a lamp's reflection and the camera's noise."""
    height, width = pixels.shape[:2]
    x, y = _grid(pixels)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) + rng.uniform(0.02, 0.14, (4, 2)) * [
        [1, 1],
        [-1, 1],
        [-1, -1],
        [1, -1],
    ]
    seen, shown = corners * [width, height], np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [width, height]
    # The eight coefficients that take a place in the photograph to one on the screen.
    rows = []
    for (u, v), (a, b) in zip(seen, shown, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -a * u, -a * v], [0, 0, 0, u, v, 1, -b * u, -b * v]]
    coefficients = np.linalg.solve(np.array(rows), shown.ravel())
    screen = Image.fromarray(_picture(_screen(pixels.astype(np.float32), rng)))
    taken = screen.transform(
        (width, height),
        Image.Transform.PERSPECTIVE,
        coefficients.tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=(22, 22, 24),
    )
    light = np.asarray(taken.filter(ImageFilter.GaussianBlur(width * 0.001)), np.float32) * [0.85, 0.95, 1.1]
    lamp = np.hypot((x / width - rng.uniform(0.2, 0.8)) / 0.18, (y / height - rng.uniform(0.2, 0.8)) / 0.14)
    light = light + 200 * np.exp(-(lamp**2))[..., None]
    return _picture(light + rng.normal(0, 6, light.shape))


CORRUPTIONS: Mapping[str, Corruption] = {
    "stain_shift": Corruption(VALIDATION, stain_shift, stained=True),
    "trichrome": Corruption(VALIDATION, trichrome, stained=True),
    "magnified_2x": Corruption(VALIDATION, lambda p, rng: _magnified(p, 2, rng)),
    "reduced_3x": Corruption(VALIDATION, lambda p, _: _reduced(p, 3)),
    "blur": Corruption(VALIDATION, blur),
    "colour_matrix": Corruption(VALIDATION, colour_matrix, colour=True),
    "illumination": Corruption(VALIDATION, illumination),
    "jpeg": Corruption(VALIDATION, jpeg),
    "screen_grid": Corruption(VALIDATION, screen_grid),
    "greyscale": Corruption(VALIDATION, greyscale, colour=True),
    "stain_faded": Corruption(TEST, stain_faded, stained=True),
    "brown": Corruption(TEST, brown, stained=True),
    "magnified_4x": Corruption(TEST, lambda p, rng: _magnified(p, 4, rng)),
    "reduced_2x": Corruption(TEST, lambda p, _: _reduced(p, 2)),
    "motion": Corruption(TEST, motion),
    "swapped_colours": Corruption(TEST, lambda p, _: swapped_colours(p), colour=True),
    "gamma": Corruption(TEST, gamma),
    "noise": Corruption(TEST, noise),
    "screen_photograph": Corruption(TEST, screen_photograph),
    "inverted": Corruption(TEST, lambda p, _: inverted(p)),
}
