"""The rehearsal: before it serves, the box does with each bundle all that it will do, in each language.

It reads each golden picture and must get what was recorded (`device/reading/golden.py`), puts the readings and the model
card into words, and finds nothing in them that JSON doesn't have. A bundle's rehearsal runs in a process of its own
(`device/reading/trial.py`).
"""

from __future__ import annotations

import json
from functools import partial

import msgspec

from device.base.errors import BundleTwice
from device.base.texts import LANGUAGES
from device.documents.card import card
from device.documents.reading_document import reading_document
from device.documents.records import Record
from device.reading.bundle import Bundle, bundle_files
from device.reading.golden import verify_picture
from device.reading.image import Limits
from device.reading.reading import Reader
from device.reading.routing import alone
from device.reading.runtime import find_runtime
from device.reading.trial import try_apart
from device.settings import Settings


def open_verified(settings: Settings) -> tuple[Bundle, ...]:
    """All bundles of the settings, their golden outputs reproduced on this machine. Raises a `LoupeError` at the first
    one that can't be trusted: a box with a model missing would refuse pictures that its staff know it to read."""
    find_runtime()  # so that the processes forked from this one share it
    bundles: dict[str, Bundle] = {}
    for path in bundle_files(settings.bundle):
        bundle = Bundle.open(path, settings.keys)
        model = bundle.manifest.id
        if model in bundles:
            raise BundleTwice(bundle=bundle.name, other=bundles[model].name, model=model)
        try_apart(partial(_rehearse, bundle, settings.limits), f"{bundle.name}: to read with it")
        bundles[model] = bundle
    return tuple(bundles.values())


def _rehearse(bundle: Bundle, limits: Limits) -> None:
    """Read every golden picture and tell it as the service does, in each language; and the model card. Raises
    `GoldenMismatch`, `ModelUnusable`, and whatever readings with this bundle would meet."""
    reader = Reader(bundle, limits)
    for golden in bundle.manifest.golden:
        reading = verify_picture(reader, golden)
        for language in LANGUAGES:
            _check(reading_document(alone(reader, reading), language))
    for language in LANGUAGES:
        _check(card(bundle.manifest, language))


def _check(document: Record) -> None:
    """Raises where the document has something that JSON hasn't."""
    json.dumps(msgspec.to_builtins(document), allow_nan=False)
