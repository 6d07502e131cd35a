"""The reading document: what the box says of a picture, in words of a language (`docs/engineers/api.md`).

`device/reading/` finds the numbers. `reading_document` makes of them what `loupe read --json` prints and the HTTP service
sends, and nothing else does. `reading.schema.json` is generated from the records; they say what each field holds.

To add a field: `CONTRIBUTING.md` says it step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from device import __version__
from device.base.errors import ImageError
from device.base.texts import likelihood, words
from device.documents.answer import PictureAnswer, answer
from device.documents.model import ModelIdentity, RuntimeIdentity, identity, runtime_identity
from device.documents.records import Record, about
from device.documents.regions import (
    FieldParts,
    MarkedPlace,
    MarkedRegion,
    SectionConcern,
    field_parts,
    marked_places,
    marked_regions,
    section_concern,
    section_headline,
)
from device.documents.scale import UNKNOWN, PictureScale, picture_scale, stated_words
from device.documents.site import NO_CLASS, SiteState, site_state
from device.documents.verdict import (
    ANY,
    ForeignMap,
    GateVerdict,
    Refusal,
    caution_words,
    no_model_words,
    questions,
    refusal,
)
from device.reading.image import StatedScale
from device.reading.reading import Reader, Reading
from device.reading.regions import Region, Scale, concern_of
from device.reading.routing import Opinion, Routed, least_p
from device.reading.sections import FOREIGN, GLASS, READ, Section

SCHEMA = "loupe-reading/1"
UNIT_SCALE = 8  # a unit's map is drawn on a scale so many times finer than a class's: many units make up one class map

CellValues = list[float | None]


# --- the records -----------------------------------------------------------------------------------------------------


class ClassProbability(Record, frozen=True):
    """A class with its probability."""

    label: Annotated[str, about("The class, for programs.")]
    name: Annotated[str, about("Its name for people.")]
    probability: Annotated[float, about("0 to 1; all classes sum to 1.")]
    logit: Annotated[float, about("The evidence for the class: the mean of its map, exactly.")]
    likelihood: Annotated[str, about("The probability in words.")]


class Prediction(Record, frozen=True):
    """For programs: every class with its probability. The answer is what people read."""

    label: Annotated[str, about("The most probable class, which may be one of several in the answer.")]
    name: Annotated[str, about("Its name for people.")]
    probabilities: Annotated[list[ClassProbability], about("Every class, in the model's order.")]


class ClassMap(Record, frozen=True):
    """Where the evidence for each class lies. Cells cover what was read of the picture (`image.read_box`)."""

    rows: Annotated[int, about("Rows of cells.")]
    columns: Annotated[int, about("Columns of cells.")]
    cell_px: Annotated[list[float], about("Width and height of a cell, pixels of the picture.")]
    unit: Annotated[str, about("The unit of the values: `logit`.")]
    names: Annotated[dict[str, str], about("The name of each class for people.")]
    counted: Annotated[int, about("Cells that have a value.")]
    limit: Annotated[float, about("The logit at which the colours end.")]
    blank_below: Annotated[float, about("The logit below which a place is left blank.")]
    values: Annotated[
        dict[str, CellValues],
        about(
            "For each class its evidence, row by row; null where a cell doesn't count. The mean is the class's logit."
        ),
    ]
    places: Annotated[dict[str, list[MarkedPlace]], about("For each class its strongest places, three at most.")]


class UnitName(Record, frozen=True):
    """A name of a unit."""

    name: Annotated[str, about("The name, in the language of the document.")]
    term: Annotated[str | None, about("The lexicon's term; null for a free name and for the bundle's.")]
    experts: Annotated[int | None, about("How many experts gave it; null for the bundle's.")]
    source: Annotated[str, about("`model`: the bundle's; `box`: given on this box.")] = msgspec.field(name="from")


class UnitPart(Record, frozen=True):
    """A unit of the last layer, with its part in the logit of the most probable class."""

    unit: Annotated[int, about("The unit's number.")]
    name: Annotated[str | None, about("What the unit is called; null where nobody has named it.")]
    contribution: Annotated[float, about("Its part in the logit: the mean of its map.")]
    values: Annotated[CellValues, about("Its map, row by row, in the cells of the class map.")]
    names: (
        Annotated[list[UnitName], about("The bundle's name and those given on this box, three at most.")] | UnsetType
    ) = UNSET
    names_more: Annotated[int, about("How many more names were given on this box.")] | UnsetType = UNSET
    patches: Annotated[list[str], about("Addresses of patches that excite the unit.")] | UnsetType = UNSET


class OtherUnits(Record, frozen=True):
    """All units that aren't listed."""

    count: Annotated[int, about("How many.")]
    contribution: Annotated[float, about("What they add to the logit together.")]
    bias: Annotated[float, about("The constant part of the logit.")]
    limit: Annotated[float, about("The logit at which the colours of a unit's map end.")]
    blank_below: Annotated[float, about("The logit below which a place of a unit's map is left blank.")]


class ClassShare(Record, frozen=True):
    """A class with its share of a section."""

    label: Annotated[str, about("The class, for programs.")]
    name: Annotated[str, about("Its name for people.")]
    share: Annotated[float, about("Share of the windows read in which it is the most likely class, 0 to 1.")]


class SectionSummary(Record, frozen=True):
    """What the windows of a section gave."""

    headline: Annotated[
        str | None,
        about("How much of the tissue speaks for a class of concern, in how many regions; null without a class."),
    ]
    concern: Annotated[
        SectionConcern | None,
        about("The classes of concern; null without a class, and for a model that has none of concern."),
    ]
    read: Annotated[int, about("Windows that were read.")]
    foreign: Annotated[int, about("Windows that the gate refused.")]
    glass: Annotated[int, about("Windows without tissue, or of the tissue's edge.")]
    reasons: Annotated[dict[str, int], about("How many windows were refused for which reason.")]
    window_px: Annotated[list[float], about("Width and height of a window, pixels of the picture.")]
    shares: Annotated[list[ClassShare] | None, about("Each class's share of the windows read; null without a class.")]


class StatedPixelSize(Record, frozen=True):
    """The size of a pixel that the file states. It is offered to a person and never used unasked."""

    value: Annotated[float, about("µm.")]
    source: Annotated[str, about("Where the file says so, such as `dicom` or `resolution`.")]
    words: Annotated[str, about("The same in words.")]


class PictureFacts(Record, frozen=True):
    """The picture, as it was sent and as it was read."""

    width: Annotated[int, about("Pixels, upright.")]
    height: Annotated[int, about("Pixels, upright.")]
    format: Annotated[str, about("The kind of file.")]
    notes: Annotated[list[str], about("What was done to the picture, such as `exif_rotated`.")]
    read_width: Annotated[int, about("Pixels that the network got.")]
    read_height: Annotated[int, about("Pixels that the network got.")]
    read_box: Annotated[
        list[float],
        about(
            "Left, top, right and bottom of what all maps cover, pixels of the picture: all of it, unless a field's sides "
            "at the model's scale aren't whole numbers of places. Then its edges are left out, or go on mirrored."
        ),
    ]
    um_per_px: Annotated[float | None, about("The size of a pixel, µm, if it is known.")]
    stated_um_per_px: Annotated[
        StatedPixelSize | None, about("The size of a pixel that the file states, where that can be right.")
    ]
    preview: Annotated[bool, about("Browsers can't show this file as the box read it: show `POST /api/v1/previews`.")]


class ModelOpinion(Record, frozen=True):
    """What one model of the box said."""

    model: Annotated[str, about("The model.")]
    title: Annotated[str, about("Its name for people.")]
    chosen: Annotated[bool, about("The answer is this model's.")]
    accepted: Annotated[bool, about("Its gate accepts the picture.")]
    reason: Annotated[str | None, about("Why not: the code of a reason or of an error.")]
    least_p: Annotated[float | None, about("Its smallest p-value; null where there is none.")]
    ms: Annotated[float | None, about("How long it took, ms; null where it has no opinion.")]


class ReadingDocument(Record, frozen=True):
    """What the box says of a picture. A refused one has no answer, prediction, map, parts or units; one of unknown
    scale, or at a clinic where no class is given, has the map alone."""

    schema: Annotated[str, about("`loupe-reading/1`.")]
    notice: Annotated[str, about("What the box may be used for.")]
    verdict: Annotated[GateVerdict, about("Whether a reading may be given of the picture.")]
    answer: Annotated[
        PictureAnswer | None, about("What people read first; null when refused, and where `site` allows no class.")
    ]
    prediction: Annotated[Prediction | None, about("Every class, for programs; null where there is no answer.")]
    class_map: Annotated[ClassMap | None, about("Where the evidence for each class lies; null when refused.")]
    parts: Annotated[
        FieldParts | None,
        about("Parts of a field that speak for a class of concern; null without an answer, for a section, and for a model "
              "without such classes."),
    ]  # fmt: skip
    units: Annotated[list[UnitPart] | None, about("The units with the largest part; null where there is no answer.")]
    units_rest: Annotated[OtherUnits | None, about("All other units; null where there is no answer.")]
    section: Annotated[SectionSummary | None, about("What the windows of a section gave; null for a field.")]
    image: Annotated[PictureFacts, about("The picture, as it was sent and as it was read.")]
    scale: Annotated[PictureScale, about("At which scale the picture was read.")]
    site: Annotated[SiteState, about("How the model stands at this clinic.")]
    model: Annotated[ModelIdentity, about("Which model reads.")]
    runtime: Annotated[RuntimeIdentity, about("What ran the network.")]
    timings_ms: Annotated[dict[str, float], about("How long each step took, ms.")]
    software: Annotated[str, about("Version of Loupe.")]
    routing: Annotated[list[ModelOpinion], about("What each model of the box said, in the order of the box.")]


# --- how it is made --------------------------------------------------------------------------------------------------


def reading_document(
    routed: Routed, language: str, *, assume_field: bool = False, sample: bool = False
) -> ReadingDocument:
    """What the box says of a picture. Units have the bundle's own names alone (`with_names` adds those of the box).
    `assume_field` and `sample`: as in `picture_scale`."""
    reader, reading = routed.chosen.reader, routed.chosen.reading
    image, accepted = reading.image, reading.verdict.accepted
    scale = picture_scale(reader, reading, language, assume_field=assume_field, sample=sample)
    site = site_state(reader.standing, language, scale_known=scale.state != UNKNOWN)
    answered = accepted and site.state not in NO_CLASS
    summary = _section_summary(reader, reading, answered, language)
    picture_answer = None
    if answered:
        section_headline = None if summary is None else summary.headline
        picture_answer = answer(reader.bundle.manifest, reading.probabilities, language, section_headline)
        if reader.recalibration is not None:  # what was measured and promised of answers is about other probabilities
            picture_answer = msgspec.structs.replace(picture_answer, promise=None, record=None)
    return ReadingDocument(
        schema=SCHEMA,
        notice=words(language)["notice"],
        verdict=_verdict(routed, language),
        answer=picture_answer,
        prediction=_prediction(reader, reading, language) if answered else None,
        class_map=_class_map(reader, reading, language) if accepted else None,
        parts=None if picture_answer is None else _parts(reader, reading, picture_answer.concern, language),
        units=_units(reader, reading, language) if answered else None,
        units_rest=_other_units(reader, reading) if answered else None,
        section=summary,
        image=PictureFacts(
            width=image.width,
            height=image.height,
            format=image.format,
            notes=list(image.notes),
            read_width=image.pixels.shape[1],
            read_height=image.pixels.shape[0],
            read_box=list(image.read_box),
            um_per_px=reading.um_per_px,
            stated_um_per_px=_stated_size(image.stated_um_per_px, language),
            preview=image.preview,
        ),
        scale=scale,
        site=site,
        model=identity(reader.bundle, language),
        runtime=runtime_identity(reader.network.runtime),
        timings_ms={name: round(value, 2) for name, value in reading.timings_ms.items()},
        software=__version__,
        routing=[_opinion(reader, outcome, outcome is routed.chosen, language) for reader, outcome in routed.outcomes],
    )


class NamedUnit(Record, frozen=True):
    """What a box knows of a unit beside its bundle: names, how many more there are, and patches."""

    names: list[UnitName]
    names_more: int
    patches: list[str]


def with_names(document: ReadingDocument, named: Mapping[int, NamedUnit]) -> ReadingDocument:
    """The document with the names that a box knows of its units, and patches of each."""
    if document.units is None:
        return document
    units = [_with_names(unit, named[unit.unit]) for unit in document.units]
    return msgspec.structs.replace(document, units=units)


def _with_names(unit: UnitPart, named: NamedUnit) -> UnitPart:
    return msgspec.structs.replace(
        unit,
        name=named.names[0].name if named.names else None,
        names=named.names,
        names_more=named.names_more,
        patches=named.patches,
    )


def _verdict(routed: Routed, language: str) -> GateVerdict:
    reader, reading = routed.chosen.reader, routed.chosen.reading
    verdict = reading.verdict
    return GateVerdict(
        accepted=verdict.accepted,
        caution=reading.caution,
        caution_words=caution_words(verdict, reading.section, language),
        reason=_refusal(routed, language),
        magnification=verdict.magnification,
        where=_foreign_map(reading.strangeness),
        questions=questions(verdict, reader.modality, language),
    )


def _refusal(routed: Routed, language: str) -> Refusal | None:
    """Why the picture is refused and what to do; `model` is whose words these are, None where they are the box's."""
    verdict, um_per_px = routed.chosen.reading.verdict, routed.chosen.reading.um_per_px
    modalities = {opinion.reader.modality for opinion in routed.opinions if not opinion.reading.verdict.other_kind}
    modality = routed.chosen.reader.modality if len(routed.outcomes) == 1 else ANY
    if modality == ANY and len(modalities) == 1:
        (modality,) = modalities
    reason = refusal(verdict, um_per_px, modality, routed.chosen.model, language)
    if reason is None or len(routed.outcomes) == 1 or not routed.none_of_these:
        return reason
    titles = [reader.bundle.manifest.title.text(language) for reader, _ in routed.outcomes]
    return msgspec.structs.replace(reason, **no_model_words(verdict, titles, modality, language), model=None)


def _opinion(reader: Reader, outcome: Opinion | ImageError, chosen: bool, language: str) -> ModelOpinion:
    """What a model said, or the error for which it has no opinion."""
    accepted, reason, p_value, ms = False, None, None, None
    if isinstance(outcome, ImageError):
        reason = outcome.code
    else:
        verdict = outcome.reading.verdict
        accepted, reason, p_value = verdict.accepted, verdict.reason, least_p(verdict)
        ms = round(outcome.reading.timings_ms["total"], 2)
    manifest = reader.bundle.manifest
    return ModelOpinion(
        model=manifest.id,
        title=manifest.title.text(language),
        chosen=chosen,
        accepted=accepted,
        reason=reason,
        least_p=p_value,
        ms=ms,
    )


def _cell_values(values: NDArray[np.float64]) -> CellValues:
    """Row by row, None where a place doesn't count."""
    return [None if value != value else value for value in values.ravel().tolist()]


def _map_scale(reading: Reading) -> Scale:
    """From cells of the class map to pixels of the file's picture."""
    rows, columns, _ = reading.maps.values.shape
    left, top, right, bottom = reading.image.read_box
    return Scale(((right - left) / columns, (bottom - top) / rows), reading.um_per_px, (left, top))


def _stated_size(scale: StatedScale | None, language: str) -> StatedPixelSize | None:
    if scale is None:
        return None
    return StatedPixelSize(value=scale.um_per_px, source=scale.source, words=stated_words(scale, language))


def _foreign_map(strangeness: NDArray[np.float32] | None) -> ForeignMap | None:
    if strangeness is None:
        return None
    rows, columns = strangeness.shape
    return ForeignMap(
        rows=rows,
        columns=columns,
        foreign=float((strangeness > 1).mean()),
        values=np.round(strangeness.astype(np.float64), 3).ravel().tolist(),
    )


def _prediction(reader: Reader, reading: Reading, language: str) -> Prediction:
    labels, logits = reader.bundle.manifest.labels, reading.maps.logits
    best = labels[reading.best]
    return Prediction(
        label=best.id,
        name=best.name.text(language),
        probabilities=[
            ClassProbability(
                label=label.id,
                name=label.name.text(language),
                probability=float(probability),
                logit=float(logit),
                likelihood=likelihood(float(probability), language),
            )
            for label, probability, logit in zip(labels, reading.probabilities, logits, strict=True)
        ],
    )


def _class_map(reader: Reader, reading: Reading, language: str) -> ClassMap:
    maps, labels, scale = reading.maps, reader.bundle.labels, _map_scale(reading)
    rows, columns, _ = maps.values.shape
    blank_below, limit = reader.scale(reading)
    return ClassMap(
        rows=rows,
        columns=columns,
        cell_px=list(scale.cell_px),
        unit="logit",
        names=reader.bundle.manifest.label_names(language),
        counted=int(np.count_nonzero(maps.counted)),
        limit=limit,
        blank_below=blank_below,
        values={label: _cell_values(maps.values[..., k]) for k, label in enumerate(labels)},
        places=marked_places(maps, labels, scale, blank_below),
    )


def _section_summary(reader: Reader, reading: Reading, answered: bool, language: str) -> SectionSummary | None:
    """`answered`: the section gets a class."""
    section = reading.section
    if section is None:
        return None
    image = reading.image
    across = image.width / image.pixels.shape[1]
    down = image.height / image.pixels.shape[0]
    headline, concern, shares = None, None, None
    if answered:
        labels = reader.bundle.manifest.labels
        headline, concern = _section_answer(reader, reading, section, language)
        shares = [
            ClassShare(label=label.id, name=label.name.text(language), share=float(share))
            for label, share in zip(labels, reading.shares, strict=True)
        ]
    return SectionSummary(
        headline=headline,
        concern=concern,
        read=section.count(READ),
        foreign=section.count(FOREIGN),
        glass=section.count(GLASS),
        reasons=dict(section.reasons),
        window_px=[section.window_px[0] * across, section.window_px[1] * down],
        shares=shares,
    )


def _section_answer(
    reader: Reader, reading: Reading, section: Section, language: str
) -> tuple[str, SectionConcern | None]:
    """The headline of an accepted section, and its regions of concern."""
    manifest, regions = reader.bundle.manifest, reader.regions(reading)
    concern = concern_of(manifest)
    names = list(manifest.label_names(language).values())
    headline = section_headline(section, reading.shares, regions, names, concern, language)
    marked = _marked_regions(reader, reading, regions)
    return headline, section_concern(regions, marked, reading.maps, reader.bundle.labels, concern)


def _marked_regions(reader: Reader, reading: Reading, regions: list[Region]) -> list[MarkedRegion]:
    return marked_regions(regions, reading.maps, reader.bundle.labels, _map_scale(reading), reader.temperature)


def _parts(reader: Reader, reading: Reading, answered: bool, language: str) -> FieldParts | None:
    """The parts of a field that speak for a class of concern; a section's stand in `section`. `answered`: the answer names
    a class of concern."""
    manifest = reader.bundle.manifest
    if reading.section is not None or not concern_of(manifest):
        return None
    regions = reader.regions(reading)
    return field_parts(regions, _marked_regions(reader, reading, regions), manifest, answered, language)


def _units(reader: Reader, reading: Reading, language: str) -> list[UnitPart]:
    """The units with the largest part in the logit of the class that is read, each with its map."""
    manifest, best = reader.bundle.manifest, reading.best
    contributions = reading.maps.units[:, best]
    shown = reader.strongest_units(reading)
    values = reader.head.unit_maps(reading.outputs["features"], reading.maps.counted, shown, best)
    return [
        UnitPart(
            unit=unit,
            name=name.text(language) if (name := manifest.unit_name(unit)) else None,
            contribution=float(contributions[unit]),
            values=_cell_values(values[..., place]),
        )
        for place, unit in enumerate(shown)
    ]


def _other_units(reader: Reader, reading: Reading) -> OtherUnits:
    contributions = reading.maps.units[:, reading.best]
    shown = reader.strongest_units(reading)
    blank_below, limit = reader.scale(reading)
    return OtherUnits(
        count=len(contributions) - len(shown),
        contribution=float(np.delete(contributions, shown).sum()),
        bias=float(reader.head.bias[reading.best]),
        limit=limit / UNIT_SCALE,
        blank_below=blank_below / UNIT_SCALE,
    )
