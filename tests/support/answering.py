"""Bundles whose answers follow other rules than they were packed with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from device.reading.bundle import Bundle


def answering(bundle: Bundle, concern: Sequence[str], **changed: Any) -> Bundle:
    """The bundle with classes of concern and, thresholds that leave the top class alone, unless `changed`."""
    manifest = bundle.manifest
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
    return replace(bundle, manifest={**manifest, "answer": rules})
