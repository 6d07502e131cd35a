"""What the query of an address says: the language of the answer, the model that is meant, the size of a pixel."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request

from device.base.errors import UnknownModel, echoed
from device.base.texts import DEFAULT_LANGUAGE, LANGUAGES
from device.reading.bundle import Bundle
from device.reading.sections import parse_um_per_px


def language() -> str:
    """The language of the answer: `?lang=`, else the browser's choice, else English."""
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        return asked
    return request.accept_languages.best_match(LANGUAGES) or DEFAULT_LANGUAGE


def asked_bundles(bundles: Sequence[Bundle]) -> Sequence[Bundle]:
    """The bundle that `?model=` names, else all. Raises `UnknownModel`."""
    asked = request.args.get("model")
    meant = [bundle for bundle in bundles if asked in (None, bundle.manifest.id)]
    if not meant:
        raise UnknownModel(model=echoed(asked), models=", ".join(bundle.manifest.id for bundle in bundles))
    return meant


def um_per_px() -> float | None:
    """The size of a pixel that `?um_per_px=` gives, µm. Raises `ScaleInvalid`."""
    given = request.args.get("um_per_px")
    return parse_um_per_px(given) if given else None
