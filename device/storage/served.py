"""Which version of each model this box has served: so it refuses an older one, unless somebody says that it is meant.

A signature never ends: an old bundle, whose faults a newer one mended, is as validly signed as on its first day. So the
box remembers, in a file beside its store, the highest version of each model that it served, and the bytes of that. The
file says nothing of pictures. Where it is missing or can't be read nothing is remembered: that stops no box, and is told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, to_builtins

from device.base.errors import BundleOlder, LoupeError, ServedUnreadable, StoreUnusable, VersionReused
from device.base.files import read_file, reason_of, write_whole
from device.base.records import record_of
from device.base.strict_json import parse
from device.reading.bundle import Bundle
from device.reading.manifest import Sha256
from device.settings import ModelId

SCHEMA: Final = "loupe-served/1"
MAX_BYTES = 100_000
MOST_MODELS = 500


class Served(Struct, frozen=True):
    """The highest version of a model that was served, and the SHA-256 of its bundle."""

    version: Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){2}\Z")]
    sha256: Sha256

    @property
    def order(self) -> tuple[int, ...]:
        return order_of(self.version)


class ServedFile(Struct, frozen=True):
    """What is remembered, by model. A newer program's file may have other keys too."""

    schema: Literal["loupe-served/1"]
    models: Mapping[ModelId, Served]


def order_of(version: str) -> tuple[int, ...]:
    """Versions in their order: 1.10.0 comes after 1.9.9."""
    return tuple(int(part) for part in version.split("."))


def served_file(store: Path) -> Path:
    """`loupe.sqlite` → `loupe.served.json`."""
    return store.with_name(f"{store.stem}.served.json")


def read_served(store: Path) -> Mapping[str, Served]:
    """What the box remembers, by model; nothing where there is no such file. Raises `ServedUnreadable`."""
    path = served_file(store)
    if not os.path.lexists(path):
        return {}
    try:
        return record_of(parse(read_file(path, MAX_BYTES)), ServedFile).models
    except (OSError, ValueError) as error:
        raise ServedUnreadable(file=str(path), detail=reason_of(error)) from error


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
    document = to_builtins(ServedFile(SCHEMA, models))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(document, indent=1).encode())
    except OSError as error:
        raise StoreUnusable(store=str(path), detail=reason_of(error)) from error
