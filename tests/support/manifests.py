"""Bundles with another manifest than they were packed with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from msgspec import to_builtins

from device.reading.bundle import Bundle
from device.reading.manifest import Manifest, manifest_of


def changed_manifest(bundle: Bundle, **sections: Any) -> Manifest:
    """The bundle's manifest with other sections, JSON-able; without those that are None."""
    document = to_builtins(bundle.manifest) | sections
    return manifest_of({name: section for name, section in document.items() if section is not None}, bundle.name)


def answering(bundle: Bundle, concern: Sequence[str], **changed: Any) -> Bundle:
    """The bundle with classes of concern and, thresholds that leave the top class alone, unless `changed`."""
    each = {"threshold": 1.0, "level": 0.65, "n": 8, "pictures": 80, "inside": 75}
    rules = {
        "concern": list(concern),
        "confidence": 0.9,
        "unit": "block",
        "classes": dict.fromkeys(bundle.labels, each),
        "size": 1.0,
        "concern_outside": {"pictures": 160, "outside": 4},
        "record": [],
        **changed,
    }
    return replace(bundle, manifest=changed_manifest(bundle, answer=rules))
