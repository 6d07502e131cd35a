"""At which scale a picture was read, who says so, and what to do where nobody does.

A model of tissue learned from structures of one size. Where the size of a picture's pixels isn't known, it is read as if
it showed a field as large as those of the model, which is a guess. So people get no class, unless a technician allows the
guess (setting `assume_field`), which each reading then says. A model may need no scale: its bundle says so.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

from device.base.texts import fill, words
from device.documents.records import Record, about
from device.reading.image import StatedScale
from device.reading.reading import Reader, Reading

GIVEN, ASSUMED, UNKNOWN, NOT_NEEDED = "given", "assumed", "unknown", "not_needed"
TYPED, FILE, SAMPLE = "typed", "file", "sample"
DIGITS = 4  # of a size in words, as the page writes it


class PictureScale(Record, frozen=True):
    """At which scale the picture was read."""

    state: Annotated[
        str,
        about(
            "`given`: the size of a pixel is known; `assumed`: it isn't, and a technician allows to assume the model's own "
            "field; `unknown`: it isn't, so there is no class; `not_needed`: it isn't, and the model needs none."
        ),
    ]
    um_per_px: Annotated[float | None, about("The size of a pixel, µm: known or assumed; null otherwise.")]
    source: Annotated[
        str | None,
        about(
            "Who says so: `typed`, `instrument`, `site` (the clinic's profile), `sample` (the box's own picture) or `file` "
            "(the file states the same); null where it isn't known."
        ),
    ]
    instrument: Annotated[str | None, about("The instrument's name; null where none was chosen.")]
    words: Annotated[str, about("The same in words, with what to do where the scale isn't known.")]


def picture_scale(
    reader: Reader, reading: Reading, language: str, *, assume_field: bool = False, sample: bool = False
) -> PictureScale:
    """`assume_field`: a technician allows to assume the model's own field. `sample`: the size of a pixel is the one that
    the box knows of a sample picture of its own."""
    um_per_px, instrument = reading.um_per_px, reading.instrument
    source: str | None = reading.scale_source
    if um_per_px is not None:
        state = GIVEN
        if sample:
            source, instrument = SAMPLE, None
        elif source == TYPED and _is_stated(reading, um_per_px):
            source = FILE
    elif not reader.bundle.manifest.needs_scale:
        state = NOT_NEEDED
    elif assume_field:
        state, um_per_px = ASSUMED, _assumed_um_per_px(reader, reading)
    else:
        state = UNKNOWN
    name = None if instrument is None else instrument.name
    texts = words(language)["scale"]
    text = texts["given"][source] if state == GIVEN else texts[state]
    facts = {"um": size_words(um_per_px, language) if um_per_px else "", "instrument": name or ""}
    return PictureScale(
        state=state, um_per_px=um_per_px, source=source, instrument=name, words=fill(text, facts, language)
    )


def size_words(um_per_px: float, language: str) -> str:
    """The size of a pixel as people write it."""
    value = f"{um_per_px:.{DIGITS}g}"
    return value if language == "en" else value.replace(".", ",")


def stated_words(stated: StatedScale, language: str) -> str:
    """What a file states of its pixels, as a sentence."""
    texts = words(language)["stated_scale"]
    facts = {"value": size_words(stated.um_per_px, language), "source": texts["sources"][stated.source]}
    return fill(texts["words"], facts, language)


def _is_stated(reading: Reading, um_per_px: float) -> bool:
    """Whether a size is the one that the file states, as the page and people round it."""
    stated = reading.image.stated_um_per_px
    return stated is not None and abs(um_per_px - stated.um_per_px) < 10**-DIGITS


def _assumed_um_per_px(reader: Reader, reading: Reading) -> float:
    """The size of a pixel that follows from the scale at which the network got the picture."""
    image = reading.image
    height, width, _ = image.pixels.shape
    return reader.bundle.manifest.preprocessing.um_per_px * sqrt(width * height / (image.width * image.height))
