"""Golden pictures: before it serves, the box reads each picture in the bundle and must get what was recorded.

On an exact runtime every integer output, the pixels that reached the network and the logits are equal bit for bit; a
machine where they aren't (a runtime without its fast kernels, a bad memory, another decoder) would give readings that
nobody measured. tflite-runtime's kernels round differently by a step or two, so there the verdict must agree and the
probabilities may differ by `INEXACT_TOLERANCE` at most; readings then say that they aren't exact.

The first readings with a bundle are a trial in a process of its own (`device/reading/trial.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.base.errors import BundleMissing, BundleTwice, GoldenMismatch, LoupeError
from device.base.texts import LANGUAGES
from device.documents.card import card
from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.maps import softmax
from device.reading.reading import Reader, Reading
from device.reading.runtime import find_runtime
from device.reading.trial import try_apart
from device.settings import Settings

INEXACT_TOLERANCE = 0.1


def digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's bytes, row-major."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def observe(reader: Reader, picture: bytes) -> dict[str, Any]:
    """What this machine gets for a picture, in the form that the manifest records."""
    return _observed(reader.read(picture))


def _observed(reading: Reading) -> dict[str, Any]:
    return {
        "pixels": digest(reading.image.pixels),
        "outputs": {name: digest(reading.outputs[name]) for name in sorted(reading.outputs)},
        "logits": [float(logit) for logit in reading.maps.logits],
        "reason": reading.verdict.reason,
    }


def verify_golden(reader: Reader) -> int:
    """Read every golden picture; the number that agreed. Raises `GoldenMismatch` naming picture and output."""
    for golden in reader.bundle.manifest["golden"]:
        verify_picture(reader, golden)
    return len(reader.bundle.manifest["golden"])


def verify_picture(reader: Reader, golden: Mapping[str, Any]) -> Reading:
    """Read one golden picture of the reader's bundle. Raises `GoldenMismatch`."""
    bundle, exact = reader.bundle, reader.network.runtime.exact
    name, expected = golden["name"], golden["expected"]
    try:
        reading = reader.read(bundle.members[golden["picture"]])
        observed = _observed(reading)
    except (LoupeError, KeyError) as error:
        raise GoldenMismatch(bundle=bundle.name, golden=name, output=str(error)) from error
    for part in ("pixels", "outputs", "logits", "reason") if exact else ("pixels", "reason"):
        if observed[part] != expected[part]:
            raise GoldenMismatch(bundle=bundle.name, golden=name, output=part)
    gap = np.abs(softmax(observed["logits"]) - softmax(expected["logits"])).max()
    if gap > INEXACT_TOLERANCE:
        raise GoldenMismatch(bundle=bundle.name, golden=name, output=f"probabilities (off by {gap:.2f})")
    return reading


def bundle_files(path: Path) -> list[Path]:
    """The bundle itself, or all of a folder by name but hidden files, which a Mac leaves on a stick. Raises `BundleMissing`
    for a folder without any."""
    files = (
        [each for each in sorted(path.glob("*.loupe")) if not each.name.startswith(".")] if path.is_dir() else [path]
    )
    if not files:
        raise BundleMissing(bundle=path.name)
    return files


def open_verified(settings: Settings) -> tuple[Bundle, ...]:
    """All bundles of the settings, their golden outputs reproduced on this machine. Raises a `LoupeError` at the first
    one that can't be trusted: a box with a model missing would refuse pictures that its staff know it to read."""
    find_runtime()  # so that the processes forked from this one share it
    bundles: dict[str, Bundle] = {}
    for path in bundle_files(settings.bundle):
        bundle = Bundle.open(path, settings.keys)
        model = bundle.manifest["id"]
        if model in bundles:
            raise BundleTwice(bundle=bundle.name, other=bundles[model].name, model=model)
        try_apart(partial(_rehearse, bundle, settings.limits), f"{bundle.name}: to read with it")
        bundles[model] = bundle
    return tuple(bundles.values())


def _rehearse(bundle: Bundle, limits: Limits) -> None:
    """Read every golden picture and tell it as the service does, in each language; and the model card. Raises
    `GoldenMismatch`, `ModelUnusable`, and whatever readings with this bundle would meet."""
    reader = Reader(bundle, limits)
    for golden in bundle.manifest["golden"]:
        reading = verify_picture(reader, golden)
        for language in LANGUAGES:
            json.dumps(reader.as_json(reading, language), allow_nan=False)
    for language in LANGUAGES:
        json.dumps(card(bundle.manifest, language), allow_nan=False)
