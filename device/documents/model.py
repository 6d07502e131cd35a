"""Which model reads: what identifies it, in words of a language."""

from __future__ import annotations

from typing import Any

from device.reading.bundle import Bundle


def identity(bundle: Bundle, language: str) -> dict[str, Any]:
    """Which model reads: id, version, title, the bundle's hash and whose key signed it."""
    manifest = bundle.manifest
    return {
        "id": manifest["id"],
        "version": manifest["version"],
        "title": manifest["title"][language],
        "sha256": bundle.sha256,
        "signer": bundle.signer,
    }
