"""What the query of an address says: the language of the answer, the model that is meant, the size of a pixel.

The records list the parameters for the API's description (`device/web/openapi/document.py`); the functions read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from flask import request
from msgspec import UNSET, Meta, Struct, UnsetType

from device.base.errors import UnknownModel, echoed
from device.base.texts import DEFAULT_LANGUAGE, LANGUAGES
from device.reading.bundle import Bundle
from device.reading.sections import parse_um_per_px
from device.reading.site.commission import KINDS
from device.reading.site.instrument import HIGHEST_UM_PER_PX, LOWEST_UM_PER_PX
from device.storage.names import EXPERT_LIMIT
from device.web.commissioning import PATIENT_CHARACTERS

Language = Annotated[
    Literal["en", "fr"],
    Meta(description="The language of all words; without it, or with another, the one that `Accept-Language` prefers."),
]
Model = Annotated[str, Meta(description="The id of a model on the box.")]
Micrometres = Annotated[
    float,
    Meta(
        ge=LOWEST_UM_PER_PX,
        le=HIGHEST_UM_PER_PX,
        description="The size of a pixel, µm. With it the picture is read at the model's own scale, as a section if large.",
    ),
]
InstrumentId = Annotated[
    str,
    Meta(
        description="The id of an instrument of the box, which says how large the picture's pixels are; a size of a pixel "
        "that is given counts in its place."
    ),
]
Expert = Annotated[
    str,
    Meta(
        max_length=EXPERT_LIMIT, description="Initials or a pseudonym; without it, the name that was given without any."
    ),
]

Job = Annotated[str, Meta(description="The name of the commissioning, as the answer that began it has it.")]
Patient = Annotated[
    str,
    Meta(max_length=PATIENT_CHARACTERS, description="What tells the picture's patient from others. It is not kept."),
]
Diagnosis = Annotated[
    str, Meta(description="What the picture shows: a class of the model, or `malignant` or `not_malignant`.")
]
Kind = Annotated[
    str,
    Meta(
        extra_json_schema={"enum": list(KINDS)},
        description="Which other material it is; in the place of a patient.",
    ),
]


class LanguageQuery(Struct):
    """Of what has words, and is about the whole box."""

    lang: Language | UnsetType = UNSET


class ModelQuery(LanguageQuery):
    """Of what is about one model: the first, or all, where none is named."""

    model: Model | UnsetType = UNSET


class ReadingQuery(ModelQuery):
    """Of a reading."""

    um_per_px: Micrometres | UnsetType = UNSET
    instrument: InstrumentId | UnsetType = UNSET


class ExpertQuery(ModelQuery):
    """Of what is about the name that one expert gave."""

    expert: Expert | UnsetType = UNSET


class JobQuery(LanguageQuery):
    """Of what is about the commissioning under way."""

    job: Job | UnsetType = UNSET


class NewPictureQuery(JobQuery):
    """Of a picture for it: a patient's, or one of other material."""

    patient: Patient | UnsetType = UNSET
    label: Diagnosis | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET


def language() -> str:
    """The language of the answer: `?lang=`, else the browser's choice, else English."""
    chosen = request.args.get("lang")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(LANGUAGES) or DEFAULT_LANGUAGE


def asked_bundles(bundles: Sequence[Bundle]) -> Sequence[Bundle]:
    """The bundle that `?model=` names, else all. Raises `UnknownModel`."""
    model = request.args.get("model")
    return bundles if model is None else [bundle_named(bundles, model)]


def bundle_named(bundles: Sequence[Bundle], model: str) -> Bundle:
    """The bundle with an id. Raises `UnknownModel`."""
    for bundle in bundles:
        if bundle.manifest.id == model:
            return bundle
    raise UnknownModel(model=echoed(model), models=", ".join(bundle.manifest.id for bundle in bundles))


def um_per_px() -> float | None:
    """The size of a pixel that `?um_per_px=` gives, µm. Raises `ScaleInvalid`."""
    given = request.args.get("um_per_px")
    return parse_um_per_px(given) if given else None
