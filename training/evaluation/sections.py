"""Whole sections, read by the box's code with a network that never saw their patient, against their tiles' labels.

The tiles are put together again into the section that they were cut from, white where there is none, and given to
`Reader.read` as a PNG with the size of its pixels, as a clinic would. A tile's score is the map's value at its centre,
drawn smoothly between the middles of the cells as on the page. A tile in a foreign window gets no value there; where all
tiles are asked for, it gets the section's logit, which says nothing about the tile.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import map_coordinates
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from device.reading.reading import Reader, Reading
from device.reading.regions import regions_of, strongest_places
from device.reading.sections import FOREIGN, GLASS, READ, STEPS, Section, read_section
from training.data import Sample, adapter_named, find_samples
from training.data.adapters import Tiles
from training.data.sections import MISSING, section_pixels, sections
from training.data.sections import Section as TiledSection
from training.errors import DataError
from training.evaluation.words import markdown_table
from training.packing.draft import open_drafts
from training.recipe import Recipe

CARCINOMA = 1
FOLDERS = "folders"  # the adapter's option that says where tiles lie
LEAST_TILES = 50


@dataclass(frozen=True)
class SectionRow:
    """One section. AUROCs of carcinoma are over tiles: those with a value, and all. `balanced_accuracy` is that of the
    map's sign over tiles with a value."""

    patient: str
    steps: float
    tiles: int
    positive: int
    without_value: int
    auroc: float
    auroc_all: float
    balanced_accuracy: float
    section: Section
    outcome: str
    share_said: float
    seconds: float


@dataclass(frozen=True)
class HeadlineRow:
    """The facts of a section's headline, beside the truth: the share of its read windows that speaks for carcinoma, and in
    how many regions; the share of its tiles that pathologists called carcinoma; and how many of the marked places, the
    strongest of carcinoma, lie in such a tile."""

    patient: str
    share_said: float
    regions: int
    largest: float
    true_share: float
    places: int
    places_right: int


def values_at(
    values: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A map, float64 [rows, columns], at places given in cells: bilinear among the middles of cells that count, NaN where
    the place's own cell doesn't."""
    counts = ~np.isnan(values)
    places = np.stack([rows - 0.5, columns - 0.5])

    def between(grid: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(map_coordinates(grid, places, order=1, mode="nearest"))

    weight = between(counts.astype(np.float64))
    own = counts[rows.astype(np.int64), columns.astype(np.int64)]
    smooth = between(np.where(counts, values, 0)) / np.where(weight > 0, weight, 1)
    return np.where(own, smooth, np.nan)


def tiles_of(recipe: Recipe) -> Tiles:
    """How a recipe's data set is tiled. Raises `DataError` for one whose pictures aren't tiles of sections."""
    tiles = adapter_named(recipe.data.adapter).tiles
    if tiles is None:
        raise DataError(f"the pictures of {recipe.data.adapter} aren't tiles that have a place in a section")
    return tiles


def tiles_alone(recipe: Recipe, data: Path) -> list[Sample]:
    """All tiles of the recipe's folders, without their neighbours, which a section has anyway."""
    options = {name: value for name, value in recipe.data.options.items() if name == FOLDERS}
    return find_samples(replace(recipe, data=replace(recipe.data, options=options)), data)


def patients_with_sections(samples: Sequence[Sample]) -> list[str]:
    """Those with enough tiles of either kind that a figure of their section says something."""
    each = Counter((sample.group, sample.label) for sample in samples)
    patients = sorted({sample.group for sample in samples})
    return [patient for patient in patients if min(each[patient, 0], each[patient, CARCINOMA]) >= LEAST_TILES]


def section_png(data: Path, tiles: TiledSection, samples: Sequence[Sample]) -> bytes:
    """The section's picture as a PNG file."""
    buffer = io.BytesIO()
    Pillow.fromarray(section_pixels(data, tiles, samples)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def read_tiles(
    reader: Reader, tiles: TiledSection, png: bytes, steps: Sequence[float]
) -> tuple[list[SectionRow], HeadlineRow]:
    """The section read as the box does, and with other steps between windows; and what it is headlined."""
    start = perf_counter()
    reading = reader.read(png, tiles.cut.um_per_px)
    seconds = perf_counter() - start
    if reading.section is None:
        raise DataError(f"the section of {tiles.patient} is no larger than a field")
    outcome = reading.verdict.reason or ("caution" if reading.caution else "accepted")
    values = reading.maps.values[..., CARCINOMA]
    rows = [measure(tiles, STEPS, values, reading.maps.logits[CARCINOMA], reading.section, outcome, seconds)]
    area_px = reader.bundle.manifest.preprocessing.area_px
    for count in steps:
        start = perf_counter()
        verdict, section = read_section(reading.image, area_px, reader.network, reader.gate, reader.head, count)
        maps = reader.head.section_maps(section.features)
        seconds = perf_counter() - start + reading.timings_ms["decode"] / 1e3
        outcome = verdict.reason or ("caution" if section.caution or verdict.caution else "accepted")
        rows.append(
            measure(tiles, count, maps.values[..., CARCINOMA], maps.logits[CARCINOMA], section, outcome, seconds)
        )
    blank_below, _ = reader.scale(reading)
    return rows, headline_row(tiles, reading, blank_below)


def measure(
    tiles: TiledSection,
    steps: float,
    values: NDArray[np.float64],
    logit: float,
    section: Section,
    outcome: str,
    seconds: float,
) -> SectionRow:
    """A section's row from its map of carcinoma, float64 [rows, columns], whose grid covers that of the tiles."""
    at = np.argwhere(tiles.grid != MISSING)
    truth = tiles.labels[tuple(at.T)]
    cells = (at + 0.5) * np.array(values.shape) / np.array(tiles.grid.shape)
    at_tiles = values_at(values, cells[:, 0], cells[:, 1])
    known = ~np.isnan(at_tiles)
    return SectionRow(
        patient=tiles.patient,
        steps=steps,
        tiles=len(truth),
        positive=int((truth == CARCINOMA).sum()),
        without_value=int((~known).sum()),
        auroc=float(roc_auc_score(truth[known] == CARCINOMA, at_tiles[known])),
        auroc_all=float(roc_auc_score(truth == CARCINOMA, np.where(known, at_tiles, logit))),
        balanced_accuracy=float(balanced_accuracy_score(truth[known] == CARCINOMA, at_tiles[known] > 0)),
        section=section,
        outcome=outcome,
        share_said=float((at_tiles[known] > 0).mean()),
        seconds=seconds,
    )


def headline_row(tiles: TiledSection, reading: Reading, least: float) -> HeadlineRow:
    """Of a section's reading. `least`: the evidence below which its map is left blank."""
    regions = regions_of(reading.maps, [CARCINOMA])
    values = reading.maps.values[..., CARCINOMA]
    scale = np.array(tiles.grid.shape) / np.array(values.shape)
    places = [
        tiles.labels[tuple(((np.array([place.row, place.column]) + 0.5) * scale).astype(np.int64))]
        for place in strongest_places(values, least)
    ]
    return HeadlineRow(
        patient=tiles.patient,
        share_said=sum(region.share for region in regions),
        regions=len(regions),
        largest=max((region.share for region in regions), default=0.0),
        true_share=float((tiles.labels[tiles.grid != MISSING] == CARCINOMA).mean()),
        places=len(places),
        places_right=sum(label == CARCINOMA for label in places),
    )


def headline_table(rows: Sequence[HeadlineRow]) -> str:
    """A Markdown table, a section a row."""
    head = (
        *("patient", "headlined as carcinoma", "regions", "tiles with carcinoma", "largest region"),
        "marked places in a tile with carcinoma",
    )
    return markdown_table(
        head,
        [
            (
                row.patient,
                f"{row.share_said:.0%}",
                f"{row.regions}",
                f"{row.true_share:.0%}",
                f"{row.largest:.0%}",
                f"{row.places_right} of {row.places}",
            )
            for row in rows
        ],
    )


def report_sections(
    recipe: Recipe, data: Path, runs: Path, patients: Sequence[str], steps: Sequence[float] = ()
) -> tuple[list[SectionRow], list[HeadlineRow]]:
    """Read the sections of some patients, or of all with enough tiles, each with the fold that never saw the patient.
    Raises `DataError` for a patient that isn't there, or that no finished fold tests."""
    cut, samples = tiles_of(recipe), tiles_alone(recipe, data)
    by_patient = {sample.group: fold for fold in open_drafts(recipe, data, runs) for sample in fold.unseen}
    chosen = patients or [patient for patient in patients_with_sections(samples) if patient in by_patient]
    rows, headlines = [], []
    for patient in chosen:
        own = [sample for sample in samples if sample.group == patient]
        if not own:
            raise DataError(f"{data} has no patient {patient}")
        if patient not in by_patient:
            raise DataError(f"no finished fold of {runs} tests patient {patient}: run `loupe-train crossval` first")
        (tiles,) = sections(own, cut)
        read, headline = read_tiles(by_patient[patient].reader, tiles, section_png(data, tiles, own), steps)
        rows += read
        headlines.append(headline)
    return rows, headlines


def as_table(rows: Sequence[SectionRow]) -> str:
    """A Markdown table, a section a row, and the mean of the box's own rows."""
    lines = [
        "| patient | steps a side | tiles (carcinoma) | AUROC | balanced accuracy | without a value | AUROC, all tiles "
        "| read as carcinoma | windows read / foreign / glass | foreign | outcome | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        counts = " / ".join(str(row.section.count(state)) for state in (READ, FOREIGN, GLASS))
        lines.append(
            f"| {row.patient} | {row.steps:g} | {row.tiles} ({row.positive}) | {row.auroc:.3f} | "
            f"{row.balanced_accuracy:.3f} | {row.without_value} | {row.auroc_all:.3f} | {row.share_said:.0%} | {counts} | "
            f"{row.section.foreign_share:.1%} | {row.outcome} | {row.seconds:.1f} |"
        )
    for steps in dict.fromkeys(row.steps for row in rows):
        own = [row for row in rows if row.steps == steps]
        lines.append(
            f"| mean of {len(own)} | {steps:g} | {sum(row.tiles for row in own)} ({sum(row.positive for row in own)}) | "
            f"{np.mean([row.auroc for row in own]):.3f} | "
            f"{np.mean([row.balanced_accuracy for row in own]):.3f} | {sum(row.without_value for row in own)} | "
            f"{np.mean([row.auroc_all for row in own]):.3f} | | | "
            f"{np.mean([row.section.foreign_share for row in own]):.1%} | | "
            f"{np.mean([row.seconds for row in own]):.1f} |"
        )
    return "\n".join(lines)
