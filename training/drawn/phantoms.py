"""Phantoms: drawn fields of H&E-like breast tissue whose truth is known, because we drew it.

    field = draw("insitu", seed=3)
    field.pixels, field.nuclei, field.lesion

Tissue is laid down as amounts of haematoxylin and eosin on a grid twice as fine as the picture, in micrometres, and only
then turned into light by the Beer-Lambert law, with the stains' optical densities of Ruifrok & Johnston (2001) and
Macenko et al. (2009). Focus, the area of a pixel, uneven lighting and sensor noise come last, as in a microscope.

A phantom obeys what a textbook's first page says of a class (where nuclei are, how crowded, how even). It is no tissue, and
nothing measured on phantoms says how well a network reads patients. No pixel comes from a photograph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

KINDS = ("normal", "benign", "insitu", "invasive")
UM_PER_PX = 1.68
FINE = 2  # drawn pixels per picture pixel
COARSE = (
    4  # drawn pixels per cell of the grid on which outlines are computed; outlines are smooth, so this loses nothing
)

# Optical density per unit of stain for red, green, blue. Haematoxylin: Ruifrok & Johnston; eosin: between theirs and
# Macenko's, because theirs alone gives a magenta that hardly any laboratory's slides have.
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], np.float32)
EOSIN = np.array([0.20, 0.90, 0.22], np.float32)


@dataclass(frozen=True)
class Phantom:
    """A drawn field. `pixels` uint8 [h, w, 3]; the masks are bool [h, w].

    `lesion` is the part that makes the field what its `kind` says: the glands (normal, benign) or the tumour cells.
    """

    kind: str
    seed: int
    pixels: NDArray[np.uint8]
    nuclei: Mask
    lesion: Mask
    empty: Mask


@dataclass(frozen=True)
class Nuclei:
    """A crowd of nuclei, one array element each. Lengths in µm, angles in radians."""

    x: Field
    y: Field
    long: Field
    short: Field
    angle: Field
    dark: Field
    ragged: Field

    def __len__(self) -> int:
        return len(self.x)


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell_px: float) -> Field:
    """Noise [height, width] of about unit variance that changes over `cell_px`: random values on a grid, interpolated."""
    cell = max(cell_px, 1.0)
    grid = rng.standard_normal((ceil(height / cell) + 3, ceil(width / cell) + 3)).astype(np.float32)
    top, left = rng.uniform(0.5, 1.5, 2)
    box = (left, top, left + width / cell, top + height / cell)
    image = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image) * np.float32(1.3)  # interpolation takes away about that much


class Slide:
    """A slide being drawn: amounts of stain on the fine grid, and the few tools that every kind needs."""

    def __init__(self, seed: int, kind: str, width: int, height: int, um_per_px: float) -> None:
        self.rng = np.random.default_rng([seed, KINDS.index(kind)])
        self.width, self.height = width, height
        self.um = um_per_px / FINE
        self.shape = (height * FINE, width * FINE)
        self.size_um = (width * um_per_px, height * um_per_px)
        rows, columns = ceil(self.shape[0] / COARSE), ceil(self.shape[1] / COARSE)
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        self.x, self.y = (x + 0.5) * self.um * COARSE, (y + 0.5) * self.um * COARSE
        self.haematoxylin = np.zeros(self.shape, np.float32)
        self.eosin = np.zeros(self.shape, np.float32)
        self.coverage = np.zeros(self.shape, np.float32)

    # Smooth randomness ------------------------------------------------------------------------------------------------

    def coarse_noise(self, length_um: float) -> Field:
        """Smooth noise on the coarse grid, of about unit variance, that changes over `length_um`."""
        rows, columns = self.x.shape
        return smooth_noise(self.rng, rows, columns, length_um / (self.um * COARSE))

    def noise(self, length_um: float) -> Field:
        """The same on the fine grid."""
        return smooth_noise(self.rng, *self.shape, length_um / self.um)

    def fine(self, coarse: Field) -> Field:
        """A coarse field on the fine grid."""
        rows, columns = self.shape
        box = (0, 0, columns / COARSE, rows / COARSE)
        return np.asarray(Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC, box=box))

    def at(self, coarse: Field, x: Any, y: Any) -> Any:
        """Values of a coarse field at points in µm."""
        step = self.um * COARSE
        rows, columns = coarse.shape
        return coarse[np.clip(y / step, 0, rows - 1).astype(int), np.clip(x / step, 0, columns - 1).astype(int)]

    # Outlines: distance in µm to the nearest edge, positive inside ------------------------------------------------------

    def blob(self, x: float, y: float, radius: float, stretch: float, angle: float, wobble: float) -> Field:
        """A round or oval outline with a hand-drawn edge."""
        cos, sin = np.cos(angle), np.sin(angle)
        u = ((self.x - x) * cos + (self.y - y) * sin) / stretch**0.5
        v = ((self.y - y) * cos - (self.x - x) * sin) * stretch**0.5
        around = np.arctan2(v, u)
        edge = np.ones_like(u)
        for wave in (2, 3, 5):
            edge += np.float32(wobble / wave**0.7 * self.rng.normal()) * np.cos(
                wave * around + self.rng.uniform(0, 2 * pi)
            )
        return np.asarray(radius * edge - np.hypot(u, v), np.float32) / np.float32(max(stretch, 1 / stretch) ** 0.25)

    def scatter(self, density: Field, spacing_um: float) -> tuple[Field, Field]:
        """Points in µm, no two closer than `spacing_um`, likelier where `density` (coarse, 0…1) is high."""
        width_um, height_um = self.size_um
        tries = int(7 * width_um * height_um / spacing_um**2)
        x = self.rng.uniform(-4, width_um + 4, tries).astype(np.float32)
        y = self.rng.uniform(-4, height_um + 4, tries).astype(np.float32)
        wanted = self.rng.random(tries) < self.at(density, x, y)
        x, y = x[wanted], y[wanted]
        cell = spacing_um / 5
        taken = np.zeros((int(height_um / cell) + 24, int(width_um / cell) + 24), bool)
        rows, columns = ((y + 4) / cell + 6).astype(int), ((x + 4) / cell + 6).astype(int)
        disc = np.hypot(*np.mgrid[-5:6, -5:6]) <= 5
        chosen = []
        for index, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
            if not taken[row, column]:
                taken[row - 5 : row + 6, column - 5 : column + 6] |= disc
                chosen.append(index)
        return x[chosen], y[chosen]

    def inward(self, outline: Field) -> tuple[Field, Field]:
        """Unit vectors (coarse) across an outline."""
        down, right = np.gradient(outline)
        length = np.hypot(down, right) + 1e-6
        return right / length, down / length

    def around(self, outline: Field) -> tuple[Field, Field]:
        """Unit vectors (coarse) along an outline."""
        right, down = self.inward(outline)
        return -down, right

    def crowd(
        self,
        density: Field,
        spacing_um: float,
        size_um: tuple[float, float],
        *,
        spread: float = 0.1,
        dark: tuple[float, float] = (1.0, 0.15),
        ragged: float = 0.05,
        way: tuple[Field, Field] | None = None,
    ) -> Nuclei:
        """Nuclei of about `size_um` (long, short axis) strewn by `density`, their long axes turned `way`."""
        x, y = self.scatter(density, spacing_um)
        count = len(x)
        scale = np.exp(np.clip(self.rng.normal(0, spread, count), -2 * spread, 2 * spread))
        angle = self.rng.uniform(0, pi, count)
        if way is not None:
            angle = np.arctan2(self.at(way[1], x, y), self.at(way[0], x, y)) + self.rng.normal(0, 0.3, count)
        shape = np.exp(np.clip(self.rng.normal(0, 0.12, count), -0.25, 0.25))
        return Nuclei(
            x=x,
            y=y,
            long=(scale * size_um[0] / 2 * shape).astype(np.float32),
            short=(scale * size_um[1] / 2 / shape).astype(np.float32),
            angle=angle.astype(np.float32),
            dark=np.clip(self.rng.normal(*dark, count), 0.35, 1.8).astype(np.float32),
            ragged=np.abs(self.rng.normal(0, ragged, count)).astype(np.float32),
        )

    # Laying down stain ----------------------------------------------------------------------------------------------

    def paint(self, amount: Field, haematoxylin: Field | float, eosin: Field | float) -> None:
        """Replace what is there by these stains, as far as `amount` (fine, 0…1) covers it."""
        self.haematoxylin += amount * (haematoxylin - self.haematoxylin)
        self.eosin += amount * (eosin - self.eosin)

    def draw_nuclei(self, nuclei: Nuclei) -> None:
        """Stamp nuclei: a dark rim, paler mottled chromatin within, a thin halo where the cell's plasm has shrunk."""
        if not len(nuclei):
            return
        reach = ceil(float(nuclei.long.max()) * 1.7 / self.um) + 1
        offset = np.arange(-reach, reach + 1)
        columns = np.floor(nuclei.x / self.um).astype(int)[:, None, None] + offset[None, None, :]
        rows = np.floor(nuclei.y / self.um).astype(int)[:, None, None] + offset[None, :, None]
        dx = ((columns + 0.5) * self.um - nuclei.x[:, None, None]).astype(np.float32)
        dy = ((rows + 0.5) * self.um - nuclei.y[:, None, None]).astype(np.float32)
        cos, sin = np.cos(nuclei.angle)[:, None, None], np.sin(nuclei.angle)[:, None, None]
        u, v = dx * cos + dy * sin, dy * cos - dx * sin
        long, short = nuclei.long[:, None, None], nuclei.short[:, None, None]
        # Bending the two axes into each other gives beans and wedges without an angle per pixel.
        bend = nuclei.ragged[:, None, None] * self.rng.uniform(-2, 2, (len(nuclei), 1, 1)).astype(np.float32)
        taper = nuclei.ragged[:, None, None] * self.rng.uniform(-2, 2, (len(nuclei), 1, 1)).astype(np.float32)
        v = v + bend * u * u / long
        radius = np.sqrt(
            (u / (long * (1 + taper * v / short * 0.5))) ** 2 + (v / (short * (1 + taper * u / long))) ** 2
        )
        sharp = short / self.um
        inside = np.clip((1 - radius) * sharp + 0.5, 0, 1)
        rim = np.exp(-(((radius - 0.86) / 0.22) ** 2))
        rows, columns = np.broadcast_arrays(rows, columns)
        on = (rows >= 0) & (rows < self.shape[0]) & (columns >= 0) & (columns < self.shape[1]) & (radius < 1.6)
        place = (rows[on], columns[on])
        halo = np.ones(self.shape, np.float32)
        np.minimum.at(halo, place, np.clip((radius[on] - 1) / 0.5, 0, 1) * 0.35 + 0.65)
        self.eosin *= halo
        self.haematoxylin *= halo
        stain = np.zeros(self.shape, np.float32)
        np.maximum.at(stain, place, (nuclei.dark[:, None, None] * (0.72 + 0.28 * rim))[on] * inside[on])
        cover = np.zeros(self.shape, np.float32)
        np.maximum.at(cover, place, inside[on])
        mottle = 1 + 0.20 * self.noise(2.6) + 0.08 * self.noise(1.2)
        self.paint(cover, np.maximum(stain, 0.25 * cover) * mottle * 1.35, 0.22)
        self.coverage = np.maximum(self.coverage, cover)

    def draw_stroma(self, way: tuple[Field, Field], *, eosin: float, clefts: float = 0.5, haze: float = 0.06) -> None:
        """Collagen in wavy bundles that run `way` (unit vectors, coarse), with white clefts between bundles."""
        crimp = 0.40 * self.coarse_noise(20) + 0.45 * self.coarse_noise(55)
        cos, sin = np.cos(crimp), np.sin(crimp)
        right, down = way[0] * cos - way[1] * sin, way[0] * sin + way[1] * cos
        threads, bundles = self._comb(right, down, (2.2, 7.0), 26.0), self._comb(right, down, (12.0,), 70.0)[0]
        hairs, strands = threads
        patches, loose = self.fine(self.coarse_noise(150)), self.fine(self.coarse_noise(80))
        amount = eosin * (1 + 0.17 * hairs + 0.17 * strands + 0.10 * bundles + 0.12 * patches)
        opening = 0.55 * strands + 0.75 * bundles + 0.30 * hairs + 0.8 * loose
        cleft = np.clip((opening - 3.2 + 2.4 * clefts) * 2.0, 0, 1)
        bluish = haze * (1 + 0.6 * patches + 0.5 * loose + 0.5 * hairs)
        self.haematoxylin[:] = np.clip(bluish, 0, None) * (1 - cleft)
        self.eosin[:] = np.clip(amount, 0.04, None) * (1 - cleft) + 0.015 * cleft

    def _comb(self, right: Field, down: Field, thick_um: tuple[float, ...], long_um: float) -> list[Field]:
        """Noise smeared along a direction (line integral convolution): fibres of even thickness, of about unit variance."""
        shape = (self.height, self.width)
        um = self.um * FINE
        cell = um / (self.um * COARSE)
        box = (0, 0, self.width * cell, self.height * cell)
        size = (self.width, self.height)
        vectors = [
            np.asarray(Image.fromarray(v).resize(size, Image.Resampling.BILINEAR, box=box)) for v in (right, down)
        ]
        speckles = [smooth_noise(self.rng, *shape, thick / um).ravel() for thick in thick_um]
        sums = [np.zeros(self.height * self.width, np.float32) for _ in thick_um]
        reach = 10
        stride = np.float32(long_um / um / reach / 2)
        flat = [v.ravel() for v in vectors]
        home_y, home_x = (grid.ravel() for grid in np.mgrid[0 : self.height, 0 : self.width].astype(np.float32))
        for sense in (-1.0, 1.0):
            x, y = home_x, home_y
            go_x, go_y = flat[0] * np.float32(sense), flat[1] * np.float32(sense)
            for _ in range(reach):
                x, y = x + stride * go_x, y + stride * go_y
                # Mirror at the border, so that fibres don't smear into stripes there.
                column = np.abs(np.rint(x).astype(np.int32))
                row = np.abs(np.rint(y).astype(np.int32))
                column = np.minimum(column, 2 * self.width - 2 - column).clip(0)
                row = np.minimum(row, 2 * self.height - 2 - row).clip(0)
                place = row * self.width + column
                for total, speckle in zip(sums, speckles, strict=True):
                    total += speckle.take(place)
                next_x, next_y = flat[0].take(place), flat[1].take(place)
                turn = np.sign(next_x * go_x + next_y * go_y)
                go_x, go_y = next_x * turn, next_y * turn
        fibres = []
        for total in sums:
            total = ((total - total.mean()) / total.std()).reshape(shape)
            fibres.append(np.asarray(Image.fromarray(total).resize(self.shape[::-1], Image.Resampling.BICUBIC)))
        return fibres

    def draw_fat(self, where: Field) -> None:
        """Fat cells as large as 60-100 µm where `where` (coarse, 0…1) is high: empty, with thin pink walls."""
        x, y = self.scatter(np.ones_like(where), 52.0)
        if not len(x):
            return
        wx, wy = self.x + 9 * self.coarse_noise(70), self.y + 9 * self.coarse_noise(70)
        distance = np.sqrt((wx[..., None] - x) ** 2 + (wy[..., None] - y) ** 2)
        nearest = np.sort(np.partition(distance, 2, -1)[..., :3], -1)
        second, third = nearest[..., 1] - nearest[..., 0] + 0.1, nearest[..., 2] - nearest[..., 0] + 0.1
        # The harmonic sum with the third neighbour rounds the corners, where three cells meet.
        wall = self.fine((1 / (1 / second + 0.8 / third)).astype(np.float32))
        amount = np.clip((self.fine(where) - 0.5) * 12 + 0.5, 0, 1)
        thickness = 1.5 + 0.8 * self.noise(60)
        solid = np.clip(1 - (wall - thickness) / 2.0, 0, 1)
        vacant = amount * (1 - solid)
        self.paint(vacant, 0.0, 0.02)
        self.paint(amount * solid, 0.05, 0.34 + 0.06 * self.noise(8))

    # Light ----------------------------------------------------------------------------------------------------------

    def photograph(self, *, haematoxylin: Field = HAEMATOXYLIN, eosin: Field = EOSIN) -> NDArray[np.uint8]:
        """The slide as a microscope's camera sees it, at the picture's size; each slide is stained a little differently."""
        rng = self.rng
        haematoxylin = haematoxylin * np.exp(rng.normal(0, [0.10, 0.03, 0.10])).astype(np.float32)
        eosin = eosin * np.exp(rng.normal(0, [0.20, 0.08, 0.20])).astype(np.float32)
        thickness = 1 + 0.05 * self.noise(180)
        density = (self.haematoxylin * thickness)[..., None] * haematoxylin + (self.eosin * thickness)[
            ..., None
        ] * eosin
        light = _focus(np.exp(-np.float32(1.3) * density), 0.55 / self.um)
        light = _to_picture(light)
        lamp = np.array([243, 236, 250], np.float32) + rng.normal(0, 1.5, 3).astype(np.float32)
        y, x = np.mgrid[-1 : 1 : self.height * 1j, -1 : 1 : self.width * 1j].astype(np.float32)
        vignette = 1 - 0.025 * (x * x + y * y) + 0.012 * x * rng.normal() + 0.012 * y * rng.normal()
        signal = light * lamp * vignette[..., None]
        signal += rng.standard_normal(signal.shape).astype(np.float32) * (
            0.6 + 0.10 * np.sqrt(np.clip(signal, 0, None))
        )
        return np.asarray(np.clip(np.rint(signal), 0, 255), np.uint8)

    def finish(self, kind: str, seed: int, lesion: Field) -> Phantom:
        empty = (self.haematoxylin + self.eosin) < 0.08
        return Phantom(
            kind=kind,
            seed=seed,
            pixels=self.photograph(),
            nuclei=_to_picture(self.coverage) > 0.5,
            lesion=_to_picture(self.fine(lesion)) > 0,
            empty=_to_picture(empty.astype(np.float32)) > 0.5,
        )


def _focus(light: Field, sigma: float) -> Field:
    """Gaussian blur of [h, w, c] with a small separable kernel."""
    reach = max(1, ceil(2.5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padding = [(reach, reach) if axis == side else (0, 0) for side in range(light.ndim)]
        padded = np.pad(light, padding, "edge")
        length = light.shape[axis]
        light = np.asarray(sum(weight * padded.take(np.arange(i, i + length), axis) for i, weight in enumerate(kernel)))
    return light


def _to_picture(fine: Field) -> Field:
    """Average over the area of a picture pixel."""
    height, width = fine.shape[0] // FINE, fine.shape[1] // FINE
    return np.asarray(fine.reshape(height, FINE, width, FINE, *fine.shape[2:]).mean((1, 3)))


def _soft(distance: Field, width_um: float = 1.0) -> Field:
    """1 inside an outline, 0 outside, with an edge of `width_um`."""
    return np.asarray(np.clip(distance / width_um + 0.5, 0, 1))


def _union(slide: Slide, outlines: Sequence[Field]) -> Field:
    """The outline around all; far outside everywhere when there are none."""
    return np.asarray(np.maximum.reduce([np.full_like(slide.x, -1e3), *outlines]))


def _far_apart(
    slide: Slide, count: int, radius_um: Callable[[], float], margin: float
) -> list[tuple[float, float, float]]:
    """Up to `count` circles (x, y, radius) that don't touch, their middles at most `margin` µm outside the field (inside,
    if negative); `radius_um()` draws a radius."""
    circles: list[tuple[float, float, float]] = []
    for _ in range(60 * count):
        radius = radius_um()
        x, y = (slide.rng.uniform(min(-margin, size / 2), max(size + margin, size / 2)) for size in slide.size_um)
        if all(np.hypot(x - a, y - b) > radius + r for a, b, r in circles):
            circles.append((float(x), float(y), radius))
            if len(circles) == count:
                break
    return circles


# The four kinds -----------------------------------------------------------------------------------------------------


def _way(slide: Slide, outline: Field, reach_um: float) -> tuple[Field, Field]:
    """Which way fibres run: about one way over the field, but around the glands within `reach_um` of them."""
    angle = slide.rng.uniform(0, pi) + 0.75 * slide.coarse_noise(330)
    right, down = np.cos(angle), np.sin(angle)
    round_right, round_down = slide.around(outline)
    agree = np.sign(round_right * right + round_down * down)
    near = np.exp(-((np.clip(outline, None, 0) / reach_um) ** 2))
    right, down = right + near * (1.6 * agree * round_right - right), down + near * (1.6 * agree * round_down - down)
    length = np.hypot(right, down) + 1e-6
    return np.asarray(right / length, np.float32), np.asarray(down / length, np.float32)


def _bilayer(slide: Slide, outline: Field, lumen: Field, *, dark: float = 1.0) -> None:
    """A gland: cells with upright nuclei around the lumen, flat dark myoepithelial nuclei at the outer edge."""
    body = _soft(slide.fine(outline))
    slide.paint(body, 0.16 + 0.05 * slide.noise(5), 0.40 + 0.07 * slide.noise(4))
    slide.paint(_soft(slide.fine(lumen), 1.4), 0.0, 0.03)
    rim = np.exp(-(((slide.fine(outline) + 1.0) / 1.6) ** 2))
    slide.paint(np.asarray(0.6 * rim, np.float32), 0.06, 0.62)
    wall = (outline > 6.0) & (lumen < -2.5)
    slide.draw_nuclei(
        slide.crowd(wall.astype(np.float32), 6.6, (8.6, 6.0), way=slide.inward(outline), dark=(0.95 * dark, 0.12))
    )
    basal = (outline > 1.2) & (outline < 5.5)
    slide.draw_nuclei(slide.crowd(0.7 * basal, 8.0, (8.0, 3.8), way=slide.around(outline), dark=(1.2 * dark, 0.12)))


def _spindles(slide: Slide, way: tuple[Field, Field], where: Field, spacing_um: float, *, dark: float = 1.1) -> None:
    slide.draw_nuclei(slide.crowd(where, spacing_um, (11.0, 3.2), way=way, spread=0.22, dark=(dark, 0.2), ragged=0.12))


def _normal(slide: Slide) -> Field:
    rng = slide.rng
    glands: list[Field] = []
    lumens: list[Field] = []
    lobules: list[Field] = []
    for x, y, radius in _far_apart(slide, 2, lambda: float(rng.uniform(130, 190)), -90):
        lobules.append(slide.blob(x, y, radius, 1.3, rng.uniform(0, pi), 0.12))
        acini: list[tuple[float, float, float]] = []
        for _ in range(600):
            r = float(rng.uniform(22, 44) if len(acini) < 8 else rng.uniform(18, 30))
            angle, out = rng.uniform(0, 2 * pi), (radius - r) * rng.uniform(0, 1) ** 0.5
            u, v = x + out * np.cos(angle), y + out * np.sin(angle)
            if slide.at(lobules[-1], np.float32(u), np.float32(v)) > r * 0.6 and all(
                np.hypot(u - a, v - b) > r + s for a, b, s in acini
            ):
                acini.append((u, v, r))
        for u, v, r in acini:
            stretch, angle = rng.uniform(1, 1.6), rng.uniform(0, pi)
            outline = slide.blob(u, v, r, stretch, angle, 0.10)
            glands.append(outline)
            lumens.append(outline - max(15.0, r * rng.uniform(0.5, 0.85)))
    outline, lumen, lobule = _union(slide, glands), _union(slide, lumens), _union(slide, lobules)
    way = _way(slide, lobule, 70)
    slide.draw_stroma(way, eosin=0.42, clefts=0.55)
    loose = _soft(slide.fine(lobule + 6 * slide.coarse_noise(30)), 14)
    slide.paint(0.75 * loose, 0.10, 0.27 + 0.10 * slide.noise(5) + 0.05 * slide.noise(2.5))
    side = slide.x * np.cos(a := rng.uniform(0, 2 * pi)) + slide.y * np.sin(a)
    fat = (side - np.quantile(side, 0.72)) / 130 + 0.5 * slide.coarse_noise(150)
    fat = np.minimum(0.5 + fat, -(lobule + 22 + 6 * slide.coarse_noise(40)) / 60)
    slide.draw_fat(np.asarray(fat, np.float32))
    solid = ((fat < 0.5) & (lobule < 0)).astype(np.float32)
    _spindles(slide, way, solid * 0.5, 30.0)
    _spindles(slide, way, ((lobule > 0) & (outline < -3)).astype(np.float32), 13.0)
    _bilayer(slide, outline, lumen)
    return outline


def _benign(slide: Slide) -> Field:
    """Like a fibroadenoma with widened glands: even stroma with many spindle cells, slits and round cysts in a bilayer."""
    rng = slide.rng
    glands: list[Field] = []
    lumens: list[Field] = []
    for x, y, radius in _far_apart(
        slide, 16, lambda: float(rng.choice([34, 45, 60, 85, 110]) * rng.uniform(0.9, 1.1)), 30
    ):
        slit = rng.random() < 0.5
        stretch = rng.uniform(3.0, 5.0) if slit else rng.uniform(1.0, 1.5)
        outline = slide.blob(
            x, y, radius * (0.62 if slit else 0.85), stretch, rng.uniform(0, pi), 0.16 if slit else 0.07
        )
        outline = outline + (4 if slit else 1.5) * slide.coarse_noise(45)
        glands.append(outline)
        lumens.append(outline - rng.uniform(15, 19))
    outline, lumen = _union(slide, glands), _union(slide, lumens)
    way = _way(slide, outline, 60)
    slide.draw_stroma(way, eosin=0.32, clefts=0.35, haze=0.10)
    _spindles(slide, way, (outline < -3).astype(np.float32), 17.0)
    _bilayer(slide, outline, lumen)
    filled = _soft(slide.fine(lumen - 9 + 4 * slide.coarse_noise(25)), 3) * (slide.fine(slide.coarse_noise(150)) > 0)
    slide.paint(np.asarray(0.9 * filled, np.float32), 0.02, 0.24 + 0.05 * slide.noise(4))
    return outline


def _in_situ(slide: Slide) -> Field:
    """Ducts stretched by crowded cells that stay within a smooth outline; dead cells and a white gap at the centre."""
    rng = slide.rng
    ducts: list[Field] = []
    holes: list[Field] = []
    cores: list[Field] = []
    for x, y, radius in _far_apart(slide, 6, lambda: float(rng.uniform(105, 215)), 60):
        duct = slide.blob(x, y, radius * 0.94, rng.uniform(1.0, 1.45), rng.uniform(0, pi), 0.05)
        ducts.append(duct)
        wall = rng.uniform(52, 75)
        hole: Field = duct - wall + 5 * slide.coarse_noise(22) + 6 * slide.coarse_noise(50)
        holes.append(hole)
        cores.append(hole - rng.uniform(8, 15) + 5 * slide.coarse_noise(18))
    duct, hole, core = _union(slide, ducts), _union(slide, holes), _union(slide, cores)
    way = _way(slide, duct, 85)
    slide.draw_stroma(way, eosin=0.40, clefts=0.55)
    _spindles(slide, way, (duct < -4).astype(np.float32) * 0.8, 22.0)
    body = _soft(slide.fine(duct))
    slide.paint(body, 0.15 + 0.05 * slide.noise(6), 0.31 + 0.09 * slide.noise(5) + 0.06 * slide.noise(2.5))
    edge = np.exp(-(((slide.fine(duct) + 1.5) / 2.0) ** 2))
    slide.paint(np.asarray(0.7 * edge, np.float32), 0.08, 0.62)
    cribriform = (slide.coarse_noise(26) - 1.55) * 12
    spaces = np.minimum(cribriform, np.minimum(duct - 14, 14.0))
    slide.paint(_soft(slide.fine(spaces), 2.0), 0.0, 0.03)
    slide.paint(_soft(slide.fine(hole), 2.0), 0.0, 0.03)
    debris = 0.46 + 0.13 * slide.noise(6) + 0.10 * slide.noise(2.5) + 0.08 * slide.noise(25)
    slide.paint(_soft(slide.fine(core), 3.0), 0.10 + 0.05 * slide.noise(4), debris)
    cells = (duct > 4.5) & (hole < -3.0) & (spaces < -2.5)
    slide.draw_nuclei(
        slide.crowd(cells.astype(np.float32), 8.6, (9.4, 7.6), spread=0.13, dark=(0.92, 0.18), ragged=0.08)
    )
    dying = (core > 1) * np.float32(0.25)
    slide.draw_nuclei(slide.crowd(dying, 7.5, (4.0, 3.2), spread=0.3, dark=(1.25, 0.25), ragged=0.2))
    myoepithelium = (duct > -0.5) & (duct < 3.0)
    slide.draw_nuclei(slide.crowd(0.5 * myoepithelium, 12.0, (9.5, 3.0), way=slide.around(duct), dark=(1.2, 0.1)))
    return np.minimum(duct, -hole)


def _invasive(slide: Slide) -> Field:
    """Nests and cords without an outline, cutting through stroma; nuclei large, uneven and dark."""
    rng = slide.rng
    way = _way(slide, np.full_like(slide.x, -1e3), 1.0)
    nests = []
    crowded = slide.coarse_noise(260) * 0.5 + (slide.x / slide.size_um[0] - 0.5) * rng.choice([-1.2, 1.2])
    for x, y, radius in _far_apart(slide, 130, lambda: float(rng.uniform(9, 34)), 10):
        here = np.float32(x), np.float32(y)
        if rng.normal(0, 0.7) > slide.at(crowded, *here) + 0.35:
            continue
        angle = float(np.arctan2(slide.at(way[1], *here), slide.at(way[0], *here)) + rng.normal(0, 0.4))
        nests.append(
            slide.blob(x, y, radius, rng.uniform(1.2, 5.0) if radius < 20 else rng.uniform(1, 2.2), angle, 0.22)
        )
    nest = _union(slide, nests) + 3.5 * slide.coarse_noise(16) + 5 * slide.coarse_noise(35)
    slide.draw_stroma(way, eosin=0.34, clefts=0.45, haze=0.11)
    _spindles(slide, way, (nest < -2).astype(np.float32) * 0.8, 15.0, dark=1.2)
    lymph = slide.coarse_noise(120) + 0.4 * slide.coarse_noise(40) > 1.3
    slide.draw_nuclei(
        slide.crowd((lymph & (nest < -3)) * np.float32(0.7), 7.5, (5.6, 5.2), spread=0.08, dark=(1.4, 0.1))
    )
    shrunk = np.exp(-(((slide.fine(nest) + 2.4) / 1.5) ** 2)) * np.clip(slide.fine(slide.coarse_noise(70)), 0, 1)
    slide.paint(np.asarray(0.9 * shrunk, np.float32), 0.0, 0.03)
    body = _soft(slide.fine(nest), 2.0)
    slide.paint(body, 0.18 + 0.06 * slide.noise(6), 0.34 + 0.08 * slide.noise(5) + 0.05 * slide.noise(2.5))
    lumens = np.minimum(nest - 8, (slide.coarse_noise(22) - 1.6) * 10)
    slide.paint(_soft(slide.fine(lumens), 2.0), 0.0, 0.03)
    cells = (nest > 0.5) & (lumens < -1.5)
    slide.draw_nuclei(
        slide.crowd(cells.astype(np.float32), 9.0, (10.2, 7.2), spread=0.22, dark=(1.0, 0.22), ragged=0.16)
    )
    return nest


_RECIPES = {"normal": _normal, "benign": _benign, "insitu": _in_situ, "invasive": _invasive}


def draw(kind: str, seed: int = 0, width: int = 512, height: int = 384, um_per_px: float = UM_PER_PX) -> Phantom:
    """A field of one of `KINDS`, the same for the same arguments. Raises `KeyError` for another kind."""
    recipe = _RECIPES[kind]
    slide = Slide(seed, kind, width, height, um_per_px)
    return slide.finish(kind, seed, recipe(slide))
