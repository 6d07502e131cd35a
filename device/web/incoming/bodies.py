"""The records that requests send as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from device.reading.site.instrument import MOST_NAME, HowKnown, Level, Side, UmPerPx
from device.storage.names import EXPERT_LIMIT, NAME_LIMIT, TOTAL_LIMIT, WHEN

Expert = Annotated[str, Meta(max_length=EXPERT_LIMIT, description="Initials or a pseudonym.")]


class ResetBody(Struct, frozen=True):
    """That a model's drift watch is to begin anew."""

    model: Annotated[str, Meta(description="The id of a model on the box.")]
    confirm: Annotated[bool, Meta(extra_json_schema={"const": True}, description="That this is meant.")]


class UnitNameBody(Struct, frozen=True):
    """What an expert calls a unit: a term of the lexicon, or else a text of the expert's own."""

    term: Annotated[str, Meta(description="The id of a term of the model's lexicon.")] | None = None
    text: Annotated[str, Meta(max_length=NAME_LIMIT, description="One line, with a letter in it.")] | None = None
    expert: Expert | None = None


class InstrumentBody(Struct, frozen=True):
    """An instrument as a technician sets it up; the box gives it an id and a version."""

    name: Annotated[str, Meta(max_length=MOST_NAME, description="One line, with a letter or digit in it.")]
    um_per_px: Annotated[UmPerPx, Meta(description="The size of a pixel of its full-size picture, µm.")]
    width_px: Annotated[Side, Meta(description="Of a full-size picture; 0, as the height: pictures of any size.")] = 0
    height_px: Annotated[Side, Meta(description="The same.")] = 0
    white: Annotated[tuple[Level, Level, Level] | None, Meta(description="Red, green and blue of empty glass.")] = None
    how: Annotated[HowKnown, Meta(description="How the size of a pixel is known.")] = "typed"


class GivenNameBody(Struct, frozen=True):
    """What an expert called a unit on another box."""

    unit: Annotated[int, Meta(ge=0)]
    at: Annotated[str, Meta(description="When, UTC: `2026-01-31T09:30:00.000Z`.", pattern=WHEN.pattern)]
    term: str | None = None
    text: str | None = None
    expert: Annotated[str, Meta(max_length=EXPERT_LIMIT, description="Empty where the name was given without any.")] = (
        ""
    )


class NamesBody(Struct, frozen=True):
    """The names that another box exported."""

    schema: Literal["loupe-names/1"]
    network: Annotated[str, Meta(description="The SHA-256 of the network whose units are named.")]
    names: Annotated[list[GivenNameBody], Meta(max_length=TOTAL_LIMIT)]


class BeginBody(Struct, frozen=True):
    """What is to be commissioned."""

    model: Annotated[str, Meta(description="The id of a model on the box.")]
    instrument: Annotated[str, Meta(description="The id of the instrument that takes the pictures.")] | None = None


class DiagnosisBody(Struct, frozen=True):
    """What a patient's picture shows."""

    label: Annotated[str, Meta(description="As `label` of the picture; null takes it back.")] | None


class ReportBody(Struct, frozen=True):
    """How the report is to be made."""

    floor: Annotated[
        float, Meta(ge=0, le=1, description="The least accuracy that the clinic asks for: below it no class is given.")
    ]
