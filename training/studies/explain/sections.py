"""Maps of whole sections and films on unseen patients: does the evidence lie where the pathologist saw carcinoma?

A section is put together from its tiles, enlarged as tiles are, and read by the fold's integer network in blocks of tiles
that overlap by one, so that each place has its surroundings: one evidence map of the whole section. A tile's score is the
map's mean over it and, since the recipe reads a tile amid its neighbours, its mean over the tile with those. A film is read
in one pass at the scale of its windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from device.reading.tissue import TISSUE, is_tissue
from training.data import Sample
from training.data.adapters import Films, Tiles
from training.data.sample import MOSAIC
from training.data.sections import MISSING, WHITE, Section, section_pixels, sections
from training.data.windows import breast_area
from training.studies.explain.floats import Floats
from training.studies.explain.places import MOST, Placed, shares
from training.studies.explain.subject import Subject

SCALES = (0.25, 0.5, 1, 2, 3, 5)  # of a tile, over which the map is averaged
BLOCK = 6  # tiles on a side that are read at once, beside one more all around
LEAST_SHARE = 1e-3  # of places that count, where a mean over them is made
POSITIVE = 1


@dataclass(frozen=True)
class SectionFound:
    """One patient's section: AUROC over labelled tiles by the map's mean over the tile and over it with its neighbours, and
    how the map's own cells lie in the carcinoma's tiles. `evidence` [rows, columns] is each tile's score amid its
    neighbours, `labels` the section's (−1: no tile). `auroc_by_um`: AUROC of cells when each is the mean of the map over so
    many µm around it."""

    patient: str
    tiles: int
    auroc_tile: float
    auroc_amid_neighbours: float
    cells: Placed
    evidence: Floats
    labels: NDArray[np.int64]
    auroc_by_um: dict[int, float]


def _judge(values: Floats, inside: NDArray[np.bool_]) -> Placed:
    """Cells [n] of a map against where they lie."""
    positive = np.maximum(values, 0)
    return Placed(
        float(roc_auc_score(inside, values)),
        float(inside[values.argmax()]),
        float(positive[inside].sum() / positive.sum()) if positive.sum() > 0 else float("nan"),
        float(inside.mean()),
    )


def section_map(subject: Subject, section: Section, samples: list[Sample]) -> Floats:
    """The evidence map [rows · c, columns · c] of a section of rows × columns tiles, c cells on a tile's side; NaN where a
    cell doesn't count."""
    tile_px = section.cut.side_px
    side = round(tile_px * section.cut.um_per_px / subject.recipe.data.um_per_px)
    rows, columns = section.grid.shape
    small = section_pixels(subject.data, section, samples)
    padding = (tile_px, (BLOCK + 1) * tile_px)
    padded = np.pad(small, (padding, padding, (0, 0)), constant_values=WHITE)
    whole: Floats = np.zeros((0, 0))
    for top in range(0, rows, BLOCK):
        for left in range(0, columns, BLOCK):
            reach = (BLOCK + 2) * tile_px
            block = padded[top * tile_px : top * tile_px + reach, left * tile_px : left * tile_px + reach]
            size = (BLOCK + 2) * side
            pixels = np.asarray(PIL.Image.fromarray(block).resize((size, size), PIL.Image.Resampling.LANCZOS))
            values = subject.maps(pixels).values[..., POSITIVE]
            if subject.recipe.network.counts == TISSUE and not is_tissue(pixels).any():
                values[:] = np.nan  # read alone, a picture without tissue counts everywhere
            c = len(values) // (BLOCK + 2)
            if not whole.size:
                whole = np.zeros((-(-rows // BLOCK) * BLOCK * c, -(-columns // BLOCK) * BLOCK * c))
            whole[top * c : (top + BLOCK) * c, left * c : (left + BLOCK) * c] = values[c:-c, c:-c]
    return whole[: rows * c, : columns * c]


def _tile_alone(sample: Sample) -> Sample:
    return replace(sample, extra={name: value for name, value in sample.extra.items() if name != MOSAIC})


def find_sections(subject: Subject, cut: Tiles) -> list[SectionFound]:
    """Each unseen patient's section."""
    samples = [_tile_alone(sample) for sample in subject.samples]
    across = 1 + 2 * int(subject.recipe.data.options.get("context", "0"))
    return [_find(section_map(subject, section, samples), section, across) for section in sections(samples, cut)]


def _around(sums: Floats, shares_counted: Floats, size: int) -> Floats:
    """The mean over what counts of `size` × `size` places around each."""
    total, there = (ndimage.uniform_filter(grid, size, mode="nearest") for grid in (sums, shares_counted))
    return np.asarray(total / np.maximum(there, LEAST_SHARE))


def _find(values: Floats, section: Section, across: int) -> SectionFound:
    """`across`: how many tiles the recipe reads side by side, the labelled one in the middle."""
    rows, columns = section.grid.shape
    c = len(values) // rows
    counted, values = (~np.isnan(values)).astype(np.float64), np.nan_to_num(values)
    shares_counted, sums = (grid.reshape(rows, c, columns, c).mean((1, 3)) for grid in (counted, values))
    tiles = sums / np.maximum(shares_counted, LEAST_SHARE)
    amid = _around(sums, shares_counted, across)
    there = section.grid != MISSING
    truth = section.labels[there] == POSITIVE
    by_cell = np.repeat(np.repeat(there, c, 0), c, 1)
    inside = np.repeat(np.repeat(section.labels == POSITIVE, c, 0), c, 1)

    def averaged(scale: float) -> float:
        smooth = _around(values, counted, max(1, round(scale * c)))
        return float(roc_auc_score(inside[by_cell], smooth[by_cell]))

    tile_um = section.cut.side_px * section.cut.um_per_px
    return SectionFound(
        section.patient,
        int(there.sum()),
        float(roc_auc_score(truth, tiles[there])),
        float(roc_auc_score(truth, amid[there])),
        _judge(values[by_cell], inside[by_cell]),
        amid,
        section.labels,
        {round(tile_um / c): averaged(1 / c), **{round(scale * tile_um): averaged(scale) for scale in SCALES}},
    )


def find_films(subject: Subject, films: Films) -> Iterator[tuple[Sample, Placed]]:
    """Each unseen film with a lesion: its map's cells in the breast against where its lesion is."""
    masks = films.lesions(subject.data)
    side = round(films.side_px * films.um_per_px / subject.recipe.data.um_per_px)
    for film, sample in sorted({sample.file: sample for sample in subject.samples}.items()):
        mask = masks.get(Path(film).stem)
        if mask is None:
            continue
        with PIL.Image.open(subject.data / film) as picture:
            grey = picture.convert("L")
        breast = breast_area(np.asarray(grey.resize((films.small_px, films.small_px))))
        pixels = np.asarray(grey.resize((side, side), PIL.Image.Resampling.LANCZOS).convert("RGB"))
        values = np.nan_to_num(subject.maps(pixels).values[..., POSITIVE])
        inside = shares(mask, values.shape) >= MOST
        asked = (shares(breast, values.shape) >= MOST) | inside
        if inside.any():
            yield sample, _judge(values[asked], inside[asked])
