"""Places and regions of a class map as they go out, and what they say in words (`device/reading/regions.py` finds them)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from device.base.texts import fill, joined, percent, words
from device.documents.records import Record, about
from device.reading.manifest import Manifest
from device.reading.maps import Maps, softmax
from device.reading.regions import Region, Scale, leading, strongest_places
from device.reading.sections import FOREIGN, READ, Section


class MarkedPlace(Record, frozen=True):
    """A cell of a class map with strong evidence."""

    rank: Annotated[int, about("1 is the strongest of its class.")]
    row: Annotated[int, about("Row of the cell in the class map, from 0.")]
    column: Annotated[int, about("Column of the cell in the class map, from 0.")]
    x: Annotated[int, about("Middle of the cell from the left, pixels of the picture.")]
    y: Annotated[int, about("Middle of the cell from the top, pixels of the picture.")]
    value: Annotated[float, about("The evidence there, logit units.")]


class MarkedRegion(Record, frozen=True):
    """Connected cells that speak for a class of concern."""

    label: Annotated[str, about("The class of concern with most evidence in the region.")]
    share: Annotated[float, about("Share of the cells that count, 0 to 1.")]
    area_mm2: Annotated[float | None, about("Area, mm²; null where the size of a pixel isn't known.")]
    rank: Annotated[int, about("1 is the largest region.")]
    x: Annotated[int, about("Strongest place from the left, pixels of the picture.")]
    y: Annotated[int, about("Strongest place from the top, pixels of the picture.")]
    box: Annotated[list[int], about("Left, top, right and bottom, pixels of the picture.")]
    strength: Annotated[float, about("The evidence at the strongest place, logit units.")]
    probability: Annotated[float, about("That of `label` for a picture that is all like the region, 0 to 1.")]


class FieldParts(Record, frozen=True):
    """What the parts of a field say beside its answer."""

    caution: Annotated[
        bool,
        about(
            "A region leads by more than in nearly all fields without a class of concern, and the answer names none."
        ),
    ]
    label: Annotated[str | None, about("The class of the leading region; null where there is no region.")]
    words: Annotated[str | None, about("What the leading region says; null where there is no region.")]
    regions: Annotated[list[MarkedRegion], about("The regions, the largest first.")]


class SectionConcern(Record, frozen=True):
    """What a section's tissue says of classes of concern."""

    label: Annotated[str, about("The class of concern to look at first.")]
    share: Annotated[float, about("Share of the windows read that speak for any class of concern, 0 to 1.")]
    regions: Annotated[list[MarkedRegion], about("The regions, the largest first.")]


def marked_places(maps: Maps, labels: Sequence[str], scale: Scale, least: float) -> dict[str, list[MarkedPlace]]:
    """The strongest places of each class, by label."""
    return {label: _marked_places(maps.values[..., k], scale, least) for k, label in enumerate(labels)}


def _marked_places(values: NDArray[np.float64], scale: Scale, least: float) -> list[MarkedPlace]:
    marked = []
    for rank, place in enumerate(strongest_places(values, least), 1):
        x, y = scale.middle(place)
        marked.append(MarkedPlace(rank=rank, row=place.row, column=place.column, x=x, y=y, value=place.value))
    return marked


def marked_regions(
    regions: Sequence[Region], maps: Maps, labels: Sequence[str], scale: Scale, temperature: float
) -> list[MarkedRegion]:
    """Regions in their order. `probability` is what the region's mean evidence would mean for a picture that is all like
    it."""
    counted = int(np.count_nonzero(maps.counted))

    def marked(rank: int, region: Region) -> MarkedRegion:
        x, y = scale.middle(region.strongest)
        top, left, bottom, right = region.box
        return MarkedRegion(
            label=labels[region.label],
            share=region.share,
            area_mm2=scale.area_mm2(region.share * counted),
            rank=rank,
            x=x,
            y=y,
            box=[max(0, round(edge)) for edge in (scale.x(left), scale.y(top), scale.x(right), scale.y(bottom))],
            strength=region.strongest.value,
            probability=float(softmax(region.mean, temperature)[region.label]),
        )

    return [marked(rank, region) for rank, region in enumerate(regions, 1)]


def field_parts(
    regions: Sequence[Region],
    marked: Sequence[MarkedRegion],
    manifest: Manifest,
    answered: bool,
    language: str,
) -> FieldParts:
    """What the regions of a field say beside its answer. `marked`: the regions as `marked_regions` gives them; `answered`:
    the answer names a class of concern already."""
    strongest = leading(regions)
    if strongest is None:
        return FieldParts(caution=False, label=None, words=None, regions=[])
    label, rule = manifest.labels[strongest.label], manifest.parts or None
    caution = rule is not None and not answered and strongest.lead > rule.limit
    kind = "caution" if caution else "answered" if answered else "usual" if rule is not None else "unmeasured"
    facts: dict[str, str | int] = {
        "share": percent(strongest.share, language),
        "name": joined([label.name.text(language)], language),
    }
    if rule is not None:
        facts |= {
            "pictures": rule.pictures,
            "cautions": rule.cautions,
            "alpha": percent(rule.alpha, language, 1),
            "confidence": percent(rule.confidence, language),
            "units": fill(words(language)["answer"]["units"][rule.unit], {"n": rule.n}, language),
        }
    return FieldParts(
        caution=caution,
        label=label.id,
        words=fill(words(language)["regions"][f"part_{kind}"], facts, language),
        regions=list(marked),
    )


def section_concern(
    regions: Sequence[Region],
    marked: Sequence[MarkedRegion],
    maps: Maps,
    labels: Sequence[str],
    concern: Sequence[int],
) -> SectionConcern | None:
    """Which class of concern a section speaks for most, in what share of the tissue that was read, and in which regions;
    None for a model without such classes. Where no place speaks for any, `label` is the one with the strongest place."""
    if not concern:
        return None
    if regions:
        shares = {index: sum(region.share for region in regions if region.label == index) for index in concern}
    else:
        shares = {index: float(np.nanmax(maps.values[..., index], initial=-np.inf)) for index in concern}
    return SectionConcern(
        label=labels[max(concern, key=lambda index: shares[index])],
        share=float(sum(region.share for region in regions)),
        regions=list(marked),
    )


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
