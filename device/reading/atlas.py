"""A unit atlas: what `loupe-train dissect` found out about a bundle's units, for the survey page.

`docs/researchers/units.md` has its format.

    NAME.atlas, a zip: atlas.json, and a JPEG for each patch: 76-0.jpg is the strongest of unit 76

It lies beside the bundle and is optional: nothing is read with it, so it isn't signed, and a bad one costs the page its
patches, never a reading. It belongs to one network, whose hash it carries; a bundle that was packed anew around the same
network keeps its atlas.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

from device.base.errors import AtlasInvalid, AtlasOfOtherModel
from device.base.files import read_file
from device.base.strict_json import parse
from device.reading.bundle import Bundle
from device.reading.manifest import NETWORK

SCHEMA = "loupe-atlas/1"
SCHEMA_FILE = Path(__file__).with_name("atlas.schema.json")
INDEX = "atlas.json"
SUFFIX = ".atlas"
PATCH = re.compile(r"\d{1,4}-\d{1,2}\.jpg")
JPEG = b"\xff\xd8\xff"
MAX_BYTES = 64_000_000
MAX_INDEX_BYTES = 8_000_000
MAX_PATCH_BYTES = 200_000  # those that are drawn take 3,000
MAX_MEMBERS = 50_000
# What zip members and JSON that are damaged, encrypted (RuntimeError), packed in an unknown way (NotImplementedError) or
# nested without end (RecursionError) raise.
DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    RuntimeError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


@dataclass(frozen=True)
class Atlas:
    """A checked atlas: `index` is its atlas.json, `patches` the JPEG files by name."""

    index: dict[str, Any]
    patches: Mapping[str, bytes]

    def unit(self, unit: int) -> dict[str, Any] | None:
        """What the atlas says of a unit; None where it says nothing."""
        found: dict[str, Any] | None = self.index["units"].get(str(unit))
        return found


@cache
def _schema() -> Any:
    return fastjsonschema.compile(json.loads(SCHEMA_FILE.read_text()))


def network_of(bundle: Bundle) -> str:
    """The SHA-256 of a bundle's network: what an atlas and names of units belong to."""
    return bundle.manifest.members[NETWORK].sha256


def atlas_path(bundle: Path) -> Path:
    """Where the atlas of a bundle's file lies: beside it, with the same name."""
    return bundle.with_suffix(SUFFIX)


def open_atlas(path: Path, bundle: Bundle) -> Atlas | None:
    """The atlas at a path, checked against its bundle; None where there is no such file.

    Raises `AtlasInvalid` and `AtlasOfOtherModel`.
    """
    if not os.path.lexists(path):
        return None
    try:
        index, patches = _members(read_file(path, MAX_BYTES))
        _schema()(index)
    except DAMAGE as error:
        raise AtlasInvalid(atlas=path.name, detail=str(error) or type(error).__name__) from error
    made_for = index["bundle"]
    if made_for["network"] != network_of(bundle) or tuple(index["labels"]) != bundle.labels:
        raise AtlasOfOtherModel(atlas=path.name, made_for=f"{made_for['id']} {made_for['version']}", bundle=bundle.name)
    channels = bundle.manifest.network.outputs["features"].channels
    for unit, said in index["units"].items():
        if not int(unit) < channels:
            raise AtlasInvalid(atlas=path.name, detail=f"the network has no unit {unit}")
        for patch in said["patches"]:
            if patch["file"] not in patches:
                raise AtlasInvalid(
                    atlas=path.name, detail=f"unit {unit} names {patch['file']}, which isn't in the file"
                )
    return Atlas(index, patches)


def _members(data: bytes) -> tuple[Any, dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        listed = archive.infolist()
        if len(listed) > MAX_MEMBERS:
            raise ValueError(f"more than {MAX_MEMBERS} files")
        if len({info.filename for info in listed}) < len(listed):
            raise ValueError("two files of one name")
        if sum(info.file_size for info in listed) > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES // 1_000_000} MB")
        for info in listed:
            most = MAX_INDEX_BYTES if info.filename == INDEX else MAX_PATCH_BYTES
            if info.file_size > most:
                raise ValueError(f"{info.filename} unpacks to more than {most // 1000} kB")
        index = parse(archive.read(INDEX))
        patches = {info.filename: archive.read(info) for info in listed if info.filename != INDEX}
    for name, patch in patches.items():
        if not PATCH.fullmatch(name) or not patch.startswith(JPEG):
            raise ValueError(f"{name} is no patch (UNIT-RANK.jpg)")
    return index, patches
