"""The clinic's instruments, and what a photo tells of one, as JSON (`docs/engineers/api.md`)."""

from __future__ import annotations

from typing import Annotated

from device.documents.records import Record, about
from device.documents.scale import stated_words
from device.reading.site.glass import Glass
from device.reading.site.micrometer import Marks
from device.reading.site.photo import Measurement, Statement
from device.storage.instruments import LIMIT, KeptInstrument

Colour = list[int]


class InstrumentEntry(Record, frozen=True):
    """A microscope with its camera and one objective."""

    id: Annotated[str, about("What stands for it in addresses.")]
    name: Annotated[str, about("What staff call it.")]
    um_per_px: Annotated[float, about("The size of a pixel of its full-size picture, µm.")]
    width_px: Annotated[int, about("Of a full-size picture; 0 where pictures of any size have such pixels.")]
    height_px: Annotated[int, about("The same.")]
    white: Annotated[
        Colour | None, about("Red, green and blue of empty glass, 0 to 255; null where nobody measured it.")
    ]
    how: Annotated[str, about("How the size of a pixel is known: `micrometer`, `file` or `typed`.")]
    version: Annotated[
        int, about("Rises when anything changes that pixels depend on, and is never given twice on a box.")
    ]
    at: Annotated[str, about("When it got this version, by the box's clock: UTC.")]


class InstrumentsDocument(Record, frozen=True):
    """The instruments of the clinic."""

    instruments: Annotated[list[InstrumentEntry], about("By name.")]
    limit: Annotated[int, about("How many the box keeps at most.")]


class MarksDocument(Record, frozen=True):
    """The marks of a stage micrometer in a photo."""

    width: Annotated[int, about("Pixels of the photo, upright.")]
    height: Annotated[int, about("Pixels of the photo, upright.")]
    period_px: Annotated[
        float, about("From mark to mark, pixels of the photo: their distance in µm over this is µm/px.")
    ]
    error_px: Annotated[float, about("The standard error of `period_px`.")]
    marks: Annotated[int, about("How many marks were found.")]
    found: Annotated[float, about("Share of the places between the first and the last mark that have one, 0 to 1.")]
    angle: Annotated[float, about("Of the scale, degrees from the photo's lower edge.")]
    lines: Annotated[
        list[list[float]], about("The two ends of each mark, 400 at most: x, y, x, y in pixels of the photo.")
    ]


class GlassDocument(Record, frozen=True):
    """Empty glass in a photo."""

    width: Annotated[int, about("Pixels of the photo, upright.")]
    height: Annotated[int, about("Pixels of the photo, upright.")]
    white: Annotated[Colour, about("Its median red, green and blue, 0 to 255.")]


class PixelSizeDocument(Record, frozen=True):
    """What a file states of its pixels."""

    width: Annotated[int, about("Pixels of the picture, upright.")]
    height: Annotated[int, about("Pixels of the picture, upright.")]
    um_per_px: Annotated[float, about("The size of a pixel, µm.")]
    source: Annotated[str, about("Where the file says so, such as `dicom` or `resolution`.")]
    words: Annotated[str, about("The same in words.")]


def instrument_entry(kept: KeptInstrument) -> InstrumentEntry:
    """An instrument as the API and the page have it."""
    of = kept.instrument
    return InstrumentEntry(
        id=of.id,
        name=of.name,
        um_per_px=of.um_per_px,
        width_px=of.width_px,
        height_px=of.height_px,
        white=None if of.white is None else list(of.white),
        how=of.how,
        version=kept.version,
        at=kept.at,
    )


def instruments_document(kept: list[KeptInstrument]) -> InstrumentsDocument:
    """All instruments of a box."""
    return InstrumentsDocument(instruments=[instrument_entry(each) for each in kept], limit=LIMIT)


def measurement_document(measured: Measurement, language: str) -> MarksDocument | GlassDocument | PixelSizeDocument:
    """What a photo tells of the instrument that took it."""
    if isinstance(measured, Marks):
        return MarksDocument(
            width=measured.width,
            height=measured.height,
            period_px=round(measured.period_px, 4),
            error_px=round(measured.error_px, 5),
            marks=len(measured.lines),
            found=round(measured.found, 3),
            angle=round(measured.angle, 2),
            lines=[[round(float(end), 1) for end in line] for line in measured.lines],
        )
    if isinstance(measured, Glass):
        return GlassDocument(width=measured.width, height=measured.height, white=list(measured.white))
    return _statement(measured, language)


def _statement(said: Statement, language: str) -> PixelSizeDocument:
    return PixelSizeDocument(
        width=said.width,
        height=said.height,
        um_per_px=said.stated.um_per_px,
        source=said.stated.source,
        words=stated_words(said.stated, language),
    )
