"""Regions: which parts of a picture speak for a class of concern, and where each class's evidence is strongest.

A place speaks for a class of concern when its greatest evidence is for one; several such classes (carcinoma in situ and
invasive carcinoma) count together. Places that touch, also at a corner, make a region. Regions say what a mean can't: a
small tumour in a large section, or in one quarter of a field, hardly moves the mean of a map.

A field's strongest region may lead by more than in nearly all proper fields without a class of concern. The bundle's
manifest says by how much (`parts`, fitted by `loupe-train parts`); such a field gets a caution, unless the answer names a
class of concern anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.base.texts import fill, joined, percent, words
from device.reading.maps import Maps, softmax
from device.reading.sections import FOREIGN, READ, Section

STRONGEST = 3  # places that are marked for each class
APART = 6  # marked places are at least this part of the map's longer side apart
SQUARE_MM = 1e-6  # of a square µm


@dataclass(frozen=True)
class Place:
    """A cell of a map and the evidence there, logit units."""

    row: int
    column: int
    value: float


@dataclass(frozen=True)
class Region:
    """Connected places that speak for classes of concern. `label`: index of the one with most evidence in it; `share` of
    the places that count; `strongest`: the place with most evidence for `label`; `box`: (top, left, bottom, right) in
    cells, the last two beyond it; `lead`: by how much the best class of concern leads the best other class, summed over
    the region and divided by all places that count, logit units; `mean`: float64 [classes], the region's mean evidence."""

    label: int
    share: float
    strongest: Place
    box: tuple[int, int, int, int]
    lead: float
    mean: NDArray[np.float64]


def concern_of(manifest: Mapping[str, Any]) -> tuple[int, ...]:
    """Indexes of the classes of concern of a bundle's manifest, in the order of its labels; none where it marks none."""
    marked = manifest["answer"]["concern"]
    return tuple(index for index, label in enumerate(manifest["labels"]) if label["id"] in marked)


def lead_of(values: NDArray[np.float64], concern: Sequence[int]) -> NDArray[np.float64]:
    """By how much the best class of concern leads the best other one at each place: float64 [rows, columns] of evidence
    [rows, columns, classes], logit units; NaN where a place doesn't count. −inf where no class is of concern."""
    others = [index for index in range(values.shape[2]) if index not in concern]
    if not concern:
        return np.where(np.isnan(values[..., 0]), np.nan, -np.inf)
    rest = values[..., others].max(2) if others else np.full(values.shape[:2], -np.inf)
    return np.asarray(values[..., list(concern)].max(2) - rest)


def connected(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The connected parts of a mask, bool [rows, columns], neighbours at a corner included: of each, its places, int64
    [n, 2], in reading order of their first place."""
    left = {(row, column) for row, column in np.argwhere(mask).tolist()}
    parts = []
    for start in sorted(left):
        if start not in left:
            continue
        left.discard(start)
        part, waiting = [start], [start]
        while waiting:
            row, column = waiting.pop()
            for near in ((row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)):
                if near in left:
                    left.discard(near)
                    part.append(near)
                    waiting.append(near)
        parts.append(np.array(sorted(part), np.int64))
    return parts


def regions_of(maps: Maps, concern: Sequence[int]) -> list[Region]:
    """The regions of a map that speak for classes of concern, largest first."""
    lead = lead_of(maps.values, concern)
    counted = max(1, int(np.count_nonzero(maps.counted)))
    found = []
    for places in connected(np.nan_to_num(lead, nan=-np.inf) > 0):
        rows, columns = places.T
        values = maps.values[rows, columns]
        label = max(concern, key=lambda index: float(values[:, index].sum()))
        best = int(values[:, label].argmax())
        found.append(
            Region(
                label=label,
                share=len(places) / counted,
                strongest=Place(int(rows[best]), int(columns[best]), float(values[best, label])),
                box=(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1),
                lead=float(lead[rows, columns].sum()) / counted,
                mean=values.mean(0),
            )
        )
    return sorted(found, key=lambda region: -region.share)


def leading(regions: Sequence[Region]) -> Region | None:
    """The region with the greatest lead; None where there is none."""
    return max(regions, key=lambda region: region.lead, default=None)


def strongest_places(values: NDArray[np.float64], least: float) -> list[Place]:
    """The strongest places of one class's map, float64 [rows, columns], apart from each other, the strongest first. Those
    with less evidence than `least` are left blank on the map and are no place to look at."""
    apart = max(2, ceil(max(values.shape) / APART))
    free = np.where(np.isnan(values), -np.inf, values)
    found: list[Place] = []
    while len(found) < STRONGEST:
        row, column = (int(index) for index in np.unravel_index(int(free.argmax()), free.shape))
        if free[row, column] < max(least, np.finfo(float).tiny):
            break
        found.append(Place(row, column, float(free[row, column])))
        free[max(0, row - apart + 1) : row + apart, max(0, column - apart + 1) : column + apart] = -np.inf
    return found


@dataclass(frozen=True)
class Scale:
    """From cells of a map to pixels of the file's picture: (width, height) of a cell, px; µm/px of the file, if known."""

    cell_px: tuple[float, float]
    um_per_px: float | None

    def middle(self, place: Place) -> tuple[int, int]:
        """x, y of the middle of a cell, px."""
        across, down = self.cell_px
        return int((place.column + 0.5) * across), int((place.row + 0.5) * down)

    def area_mm2(self, cells: float) -> float | None:
        """Of so many cells; None where the size of a pixel isn't known."""
        if self.um_per_px is None:
            return None
        return float(f"{cells * self.cell_px[0] * self.cell_px[1] * self.um_per_px**2 * SQUARE_MM:.3g}")


def places_json(maps: Maps, labels: Sequence[str], scale: Scale, least: float) -> dict[str, list[dict[str, Any]]]:
    """The strongest places of each class, by label."""

    def place_json(rank: int, place: Place) -> dict[str, Any]:
        x, y = scale.middle(place)
        return {"rank": rank, "row": place.row, "column": place.column, "x": x, "y": y, "value": place.value}

    return {
        label: [place_json(rank, place) for rank, place in enumerate(strongest_places(maps.values[..., k], least), 1)]
        for k, label in enumerate(labels)
    }


def regions_json(
    regions: Sequence[Region], maps: Maps, labels: Sequence[str], scale: Scale, temperature: float
) -> list[dict[str, Any]]:
    """Regions as JSON-able values, in their order. `probability` is what the region's mean evidence would mean for a
    picture that is all like it."""
    counted = int(np.count_nonzero(maps.counted))

    def region_json(rank: int, region: Region) -> dict[str, Any]:
        x, y = scale.middle(region.strongest)
        top, left, bottom, right = region.box
        across, down = scale.cell_px
        return {
            "label": labels[region.label],
            "share": region.share,
            "area_mm2": scale.area_mm2(region.share * counted),
            "rank": rank,
            "x": x,
            "y": y,
            "box": [round(left * across), round(top * down), round(right * across), round(bottom * down)],
            "strength": region.strongest.value,
            "probability": float(softmax(region.mean, temperature)[region.label]),
        }

    return [region_json(rank, region) for rank, region in enumerate(regions, 1)]


def parts_json(
    regions: Sequence[Region],
    told: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any],
    answered: bool,
    language: str,
) -> dict[str, Any]:
    """What the regions of a field say beside its answer. `told`: the regions as `regions_json` gives them; `answered`: the
    answer names a class of concern already."""
    strongest = leading(regions)
    if strongest is None:
        return {"caution": False, "label": None, "words": None, "regions": []}
    label, rule = manifest["labels"][strongest.label], manifest.get("parts")
    caution = rule is not None and not answered and strongest.lead > rule["limit"]
    kind = "caution" if caution else "answered" if answered else "usual" if rule is not None else "unmeasured"
    facts: dict[str, Any] = {
        "share": percent(strongest.share, language),
        "name": joined([label["name"][language]], language),
    }
    if rule is not None:
        facts |= {
            "pictures": rule["pictures"],
            "cautions": rule["cautions"],
            "alpha": percent(rule["alpha"], language, 1),
            "confidence": percent(rule["confidence"], language),
            "units": fill(words(language)["answer"]["units"][rule["unit"]], {"n": rule["n"]}, language),
        }
    return {
        "caution": caution,
        "label": label["id"],
        "words": fill(words(language)["regions"][f"part_{kind}"], facts, language),
        "regions": list(told),
    }


def section_concern(
    regions: Sequence[Region],
    told: Sequence[Mapping[str, Any]],
    maps: Maps,
    labels: Sequence[str],
    concern: Sequence[int],
) -> dict[str, Any] | None:
    """Which class of concern a section speaks for most, in what share of the tissue that was read, and in which regions;
    None for a model without such classes. Where no place speaks for any, `label` is the one with the strongest place."""
    if not concern:
        return None
    if regions:
        shares = {index: sum(region.share for region in regions if region.label == index) for index in concern}
    else:
        shares = {index: float(np.nanmax(maps.values[..., index], initial=-np.inf)) for index in concern}
    return {
        "label": labels[max(concern, key=lambda index: shares[index])],
        "share": float(sum(region.share for region in regions)),
        "regions": list(told),
    }


def section_headline(
    section: Section, shares: NDArray[np.float64], regions: Sequence[Region], names: Sequence[str], concern: Sequence[int],
    language: str,
) -> str:  # fmt: skip
    """What is so of a section, in one or two sentences: how much of the tissue that was read speaks for a class of concern,
    never that there is none. `shares`: float64 [classes], of the read places by their greatest evidence; `names` of the
    classes."""
    texts = words(language)["regions"]
    if not concern:
        most = int(shares.argmax())
        name = joined([names[most]], language)
        return fill(texts["section_most"], {"share": percent(float(shares[most]), language), "name": name}, language)
    # Each class of concern that some place speaks for, the commonest first; all of them where none does.
    named = [index for index in sorted(concern, key=lambda index: -shares[index]) if shares[index] or not regions]
    name = joined([names[index] for index in named], language)
    if not regions:
        counts = {"read": section.count(READ), "foreign": section.count(FOREIGN)}
        return fill(texts["section_none"], {"name": name, **counts}, language)
    share = percent(float(sum(region.share for region in regions)), language)
    key = "section_one" if len(regions) == 1 else "section_many"
    return fill(texts[key], {"share": share, "name": name, "regions": len(regions)}, language)
