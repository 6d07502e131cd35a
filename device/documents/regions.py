"""Places and regions of a class map as JSON-able values, and what they say in words (`device/reading/regions.py` finds
them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.base.texts import fill, joined, percent, words
from device.reading.maps import Maps, softmax
from device.reading.regions import Place, Region, Scale, leading, strongest_places
from device.reading.sections import FOREIGN, READ, Section


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
