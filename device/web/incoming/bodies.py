"""The records that requests send as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

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
