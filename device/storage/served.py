"""Which version of each model this box has served: so it refuses an older one, unless somebody says that it is meant.

A signature never ends: an old bundle, whose faults a newer one mended, is as validly signed as on its first day. So the
box remembers, in a file beside its store, the highest version of each model that it served, and the bytes of that. The
file says nothing of pictures. Where it is missing or can't be read nothing is remembered: that stops no box, and is told.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from device.base.errors import BundleOlder, LoupeError, ServedUnreadable, StoreUnusable, VersionReused
from device.base.files import put_in_place, read_file, reason_of
from device.base.strict_json import parse
from device.reading.bundle import Bundle
from device.settings import MODEL_ID

SCHEMA = "loupe-served/1"
MAX_BYTES = 100_000
MOST_MODELS = 500
VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Served:
    """The highest version of a model that was served, and the SHA-256 of its bundle."""

    version: str
    sha256: str

    @property
    def order(self) -> tuple[int, ...]:
        return order_of(self.version)


def order_of(version: str) -> tuple[int, ...]:
    """Versions in their order: 1.10.0 comes after 1.9.9."""
    return tuple(int(part) for part in version.split("."))


def served_file(store: Path) -> Path:
    """`loupe.sqlite` → `loupe.served.json`."""
    return store.with_name(f"{store.stem}.served.json")


def read_served(store: Path) -> dict[str, Served]:
    """What the box remembers, by model; nothing where there is no such file. Raises `ServedUnreadable`."""
    path = served_file(store)
    if not os.path.lexists(path):
        return {}
    try:
        return _models(parse(read_file(path, MAX_BYTES)))
    except (OSError, ValueError) as error:
        raise ServedUnreadable(file=str(path), detail=reason_of(error)) from error


def _models(document: Any) -> dict[str, Served]:
    """Raises `ValueError`."""
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"it has not the form {SCHEMA}")
    return {model: _served(model, entry) for model, entry in models.items()}


def _served(model: str, entry: Any) -> Served:
    """Raises `ValueError`."""
    version, sha256 = (entry.get("version"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    for form, text in ((re.compile(MODEL_ID), model), (VERSION, version), (SHA256, sha256)):
        if not isinstance(text, str) or not form.fullmatch(text):
            raise ValueError("it has a model without a version and a hash")
    return Served(str(version), str(sha256))


def check_served(store: Path, bundles: Iterable[Bundle], allowed: Iterable[str]) -> list[LoupeError]:
    """Hold verified bundles against what the box remembers; what is odd and stops no box. `allowed`: models of which an
    older version is meant. Raises `BundleOlder`."""
    try:
        served = read_served(store)
    except ServedUnreadable as error:
        return [error]
    odd: list[LoupeError] = []
    for bundle in bundles:
        model, version = bundle.manifest.id, bundle.manifest.version
        before = served.get(model)
        if before is None or model in allowed:
            continue
        if order_of(version) < before.order:
            raise BundleOlder(bundle=bundle.name, model=model, version=version, served=before.version)
        if version == before.version and bundle.sha256 != before.sha256:
            odd.append(VersionReused(model=model, version=version))
    return odd


def remember(store: Path, bundles: Iterable[Bundle]) -> None:
    """Keep the versions that are served now, where they are higher than before; an older one that was allowed doesn't
    lower what is remembered. Raises `StoreUnusable`."""
    try:
        before = read_served(store)
    except ServedUnreadable:  # told already; what it held is lost
        before = {}
    now = dict(before)
    for bundle in bundles:
        model, version = bundle.manifest.id, bundle.manifest.version
        if model not in before or order_of(version) >= before[model].order:
            now.pop(model, None)
            now[model] = Served(version, bundle.sha256)  # last, so that those served long ago are forgotten first
    if now != before or not served_file(store).is_file():
        _write(served_file(store), dict(list(now.items())[-MOST_MODELS:]))


def _write(path: Path, models: Mapping[str, Served]) -> None:
    """In one step, and on the disk when this returns. Raises `StoreUnusable`."""
    document = {"schema": SCHEMA, "models": {model: asdict(served) for model, served in models.items()}}
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(new, path)
    except OSError as error:
        raise StoreUnusable(store=str(path), detail=reason_of(error)) from error
