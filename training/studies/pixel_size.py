"""How large BreakHis' pixels are, by the size of its nuclei beside those of BACH, whose pixels are known.

Nuclei are blobs that absorb red light. The scale space of Lindeberg (1998) tells a blob's size without a threshold: the
Laplacian of a Gaussian, times its variance, is greatest where the standard deviation is the radius over √2. A picture's
nuclei are as large as its strongest blobs are on average. A set's size of a pixel is the one at which its pictures, brought
to BACH's grid, have nuclei as large as BACH's; so whatever blurs or enlarges blobs does it to both. Benign tumours are held
against benign lesions, malignant ones against carcinoma.

Nuclei differ between patients and between tumours, which this can't tell from sizes of pixels: the interval, over patients
and blocks, says how much. The steps between magnifications are known from the objectives (2.5, 2 and 2), and say how far
the method can be trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.Image import Resampling
from scipy import ndimage

from training.data import Sample, list_samples, load_pixels
from training.data.adapters.bach import LABELS
from training.data.adapters.breakhis import WIDTH_PX
from training.evaluation.resampling import interval, patient_weights
from training.evaluation.words import markdown_table

Floats = NDArray[np.float64]

SIGMAS = 2.0 ** np.arange(0, 2.51, 0.25)  # px of the grid; blobs of 2.8 to 16 px
MOST_PX = 256  # side of the middle of a picture that is looked at, on the grid
PX_A_BLOB = 1000  # the strongest blobs count, one on so many pixels: a larger picture has more nuclei, no larger ones
LEAST_RESPONSE = 0.01  # optical density; ends of the filter make 0.0005 of a flat picture, a nucleus makes 0.1
LOOKED_AT, LEAST = 16, 8  # fields of a kind, and how many there must be
BACH_UM_PER_PX = 1.12  # of fields 768 px wide, as the set at hand has them
FIRST_GUESS = 123.0  # µm/px times magnification: a field at 100X were as wide as BACH's
CANDIDATES = 2.0 ** np.arange(-1.5, 1.01, 0.5)  # times the first guess
KINDS = ("benign", "malignant")
ALIKE = {"benign": ("benign",), "malignant": ("insitu", "invasive")}


@dataclass(frozen=True)
class Nuclei:
    """Diameters of nuclei, px of the grid, of pictures by group."""

    diameters: Floats
    groups: NDArray[np.str_]


def absorption(pixels: NDArray[np.uint8]) -> Floats:
    """Optical density of red light, which haematoxylin absorbs and eosin hardly: float [h, w]."""
    return np.asarray(-np.log((pixels[..., 0].astype(np.float64) + 1) / 256))


def nucleus_diameter(density: Floats) -> float:
    """The geometric mean diameter, px, of the strongest blobs of a picture's density [h, w]; NaN where there is none."""
    space = np.stack([-(sigma**2) * ndimage.gaussian_laplace(density, sigma) for sigma in SIGMAS])
    highest = (space == ndimage.maximum_filter(space, 3)) & (space > LEAST_RESPONSE)
    highest[[0, -1]] = False  # at the ends of the scales nobody knows whether the next would be greater
    level, row, column = np.nonzero(highest)
    strongest = np.argsort(-space[level, row, column], kind="stable")[: density.size // PX_A_BLOB]
    if not len(strongest):
        return float("nan")
    return float(2 * np.sqrt(2) * np.exp(np.log(SIGMAS[level[strongest]]).mean()))


def on_grid(pixels: NDArray[np.uint8], ratio: float) -> NDArray[np.uint8]:
    """A picture resized by a ratio, of which the middle is kept."""
    height, width = (max(1, round(side * ratio)) for side in pixels.shape[:2])
    resized = np.asarray(Pillow.fromarray(pixels).resize((width, height), Resampling.LANCZOS))
    top, left = max(0, (height - MOST_PX) // 2), max(0, (width - MOST_PX) // 2)
    return resized[top : top + MOST_PX, left : left + MOST_PX]


def nuclei_of(
    pictures: Sequence[NDArray[np.uint8]], samples: Sequence[Sample], um_per_px: Sequence[float], grid: float
) -> Nuclei:
    """The nuclei of samples' pictures, whose pixels are taken for so large, on a grid of `grid` µm."""
    diameters = [
        nucleus_diameter(absorption(on_grid(pixels, um / grid))) for pixels, um in zip(pictures, um_per_px, strict=True)
    ]
    return Nuclei(np.array(diameters), np.array([sample.group for sample in samples]))


def medians(nuclei: Nuclei) -> Floats:
    """The median over pictures for each draw of groups, [1 + draws]; the first is that of all."""
    names, index = np.unique(nuclei.groups, return_inverse=True)
    order = np.argsort(nuclei.diameters, kind="stable")
    order = order[np.isfinite(nuclei.diameters[order])]
    weights = patient_weights(len(names))[:, index[order]].cumsum(1)
    middle = (weights >= weights[:, -1:] / 2).argmax(1)
    return np.asarray(nuclei.diameters[order][middle])


def matching(candidates: Floats, at_candidates: Sequence[Floats], known: Floats) -> Floats:
    """The candidate at which the medians are the known ones, for each draw, between those on both sides of it; NaN where
    none is."""
    rows = np.maximum.accumulate(np.stack(at_candidates, 1), 1)  # larger on the grid where pixels are larger
    found = np.full(len(known), np.nan)
    for draw, (row, wanted) in enumerate(zip(rows, known, strict=True)):
        if row[0] <= wanted <= row[-1]:
            found[draw] = np.exp(np.interp(wanted, row, np.log(candidates)))
    return found


def _spread(samples: Sequence[Sample]) -> list[Sample]:
    """At most `LOOKED_AT` samples, taken from all groups by turns."""
    turns: list[tuple[int, str, Sample]] = []
    met: Counter[str] = Counter()
    for sample in sorted(samples, key=lambda sample: sample.file):
        turns.append((met[sample.group], sample.group, sample))
        met[sample.group] += 1
    return [sample for *_, sample in sorted(turns, key=lambda turn: turn[:2])[:LOOKED_AT]]


def pixel_size(bach: Path, breakhis: Path) -> str:
    """A Markdown table: for each magnification and kind of tumour, the size of a pixel of fields 700 px wide, µm."""
    known = list_samples("bach", bach, LABELS, {}, lambda _: None)
    fields = list_samples("breakhis", breakhis, KINDS, {"magnification": "all"}, lambda _: None)
    rows, at_100x = [], []
    for magnification in sorted({float(sample.extra["magnification"]) for sample in fields}):
        guess = FIRST_GUESS / magnification
        grid = max(BACH_UM_PER_PX, guess)
        for kind, name in enumerate(KINDS):
            chosen = _spread([s for s in fields if s.label == kind and s.extra["magnification"] == magnification])
            if len(chosen) < LEAST:
                continue
            alike = _spread([s for s in known if LABELS[s.label] in ALIKE[name]])
            sizes = [sample.um_per_px or BACH_UM_PER_PX for sample in alike]
            wanted = medians(nuclei_of(load_pixels(bach, alike, None), alike, sizes, grid))
            pictures = load_pixels(breakhis, chosen, None)
            widths = [guess * WIDTH_PX / picture.shape[1] for picture in pictures]
            tried = [
                medians(nuclei_of(pictures, chosen, [width * times for width in widths], grid)) for times in CANDIDATES
            ]
            matched = matching(guess * CANDIDATES, tried, wanted)
            at_100x.append(matched * magnification / 100)
            found = interval(matched)
            rows.append(
                [
                    f"{magnification:g}X",
                    name,
                    f"{len(chosen)} of {len({s.group for s in chosen})}",
                    f"{len(alike)} of {len({s.group for s in alike})}",
                    f"{wanted[0] * grid:.1f}",
                    _number(found["value"]),
                    f"{_number(found['low'])} to {_number(found['high'])}",
                ]
            )
    together = interval(np.exp(np.mean(np.log(at_100x), axis=0)))
    limits = f"{_number(together['low'])} to {_number(together['high'])}"
    rows.append(["all, as at 100X", "both", "", "", "", _number(together["value"]), limits])
    head = [
        "magnification", "tumours", "fields of patients", "BACH's fields of blocks", "nuclei, µm", "µm/px at 700 px",
        "95 % interval",
    ]  # fmt: skip
    return markdown_table(head, rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
