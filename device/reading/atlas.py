"""A unit atlas: what `loupe-train dissect` measured of a bundle's units, for the survey page.

`docs/researchers/units.md` has its format.

    NAME.atlas, a zip: atlas.json, and a JPEG for each patch: 76-0.jpg is the strongest of unit 76

It lies beside the bundle and is optional: nothing is read with it, so it isn't signed, and a bad one costs the page its
patches, never a reading. It belongs to one network, whose hash it carries; a bundle that was packed anew around the same
network keeps its atlas.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from device.base.errors import AtlasInvalid, AtlasOfOtherModel
from device.base.files import read_file
from device.base.records import Record, Words, record_of
from device.base.strict_json import parse
from device.reading.bundle import Bundle
from device.reading.manifest import NETWORK, Date, Sha256, Share, UnitNumber

SCHEMA: Final = "loupe-atlas/1"
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


Text: TypeAlias = Annotated[str, Meta(min_length=1)]
PatchFile: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,4}-[0-9]{1,2}\.jpg\Z")]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
AtLeastOne: TypeAlias = Annotated[int, Meta(ge=1)]
NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]


class PictureData(Record, frozen=True):
    """Which pictures something was made from, and by which command; `synthetic` ones were drawn."""

    name: Text
    terms: Text
    synthetic: bool
    pictures: AtLeastOne
    groups: AtLeastOne
    quantile: Share
    created: Date
    command: str


class SelectiveUnits(Record, frozen=True):
    """How many units tell some class from the others with this AUROC or better, and how many would by chance."""

    auroc: Share
    units: Count
    by_chance: NotNegative


class AtlasFigures(Record, frozen=True):
    """What holds for all units together. `covered`: the share of the units in readings' lists that the atlas has; `within`:
    the groups within which classes were compared."""

    data: PictureData
    units: AtLeastOne
    constant: Count
    dead: Count
    covered: Share
    within: Count
    selective: tuple[SelectiveUnits, ...]


class PatchEntry(Record, frozen=True):
    """A patch: its member, the class of its picture, and how strongly it excites the unit."""

    file: PatchFile
    label: str
    activation: float


class UnitFigures(Record, frozen=True):
    """The figures of one unit, activations in real units (`docs/researchers/units.md`)."""

    importance: NotNegative
    listed: Count
    active: Share
    threshold: float
    selectivity: Mapping[str, float]
    means: Mapping[str, float]
    overlap: Mapping[str, Share]
    inside: Mapping[str, Share]


class UnitEntry(UnitFigures, frozen=True):
    """One unit: its figures, and its patches, the strongest first."""

    patches: Annotated[tuple[PatchEntry, ...], Meta(max_length=100)]


class AtlasBundle(Record, frozen=True):
    """The bundle that an atlas was made of; `network`: the SHA-256 of its network, to which the atlas belongs."""

    id: str
    version: str
    sha256: Sha256
    network: Sha256


class AtlasIndex(Record, frozen=True):
    """atlas.json. `units` by number, in the order to show."""

    schema: Literal["loupe-atlas/1"]
    notice: Words
    bundle: AtlasBundle
    labels: Annotated[tuple[str, ...], Meta(min_length=2)]
    figures: AtlasFigures
    patches: PictureData
    concepts: Mapping[str, Words]
    units: Mapping[UnitNumber, UnitEntry]


@dataclass(frozen=True)
class Atlas:
    """A checked atlas: `patches` are the JPEG files by name."""

    index: AtlasIndex
    patches: Mapping[str, bytes]

    def unit(self, unit: int) -> UnitEntry | None:
        """What the atlas says of a unit; None where it says nothing."""
        return self.index.units.get(str(unit))


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
        document, patches = _members(read_file(path, MAX_BYTES))
        index = record_of(document, AtlasIndex)
    except DAMAGE as error:
        raise AtlasInvalid(atlas=path.name, detail=str(error) or type(error).__name__) from error
    made_for = index.bundle
    if made_for.network != network_of(bundle) or index.labels != bundle.labels:
        raise AtlasOfOtherModel(atlas=path.name, made_for=f"{made_for.id} {made_for.version}", bundle=bundle.name)
    channels = bundle.manifest.network.outputs["features"].channels
    for unit, entry in index.units.items():
        if not int(unit) < channels:
            raise AtlasInvalid(atlas=path.name, detail=f"the network has no unit {unit}")
        for patch in entry.patches:
            if patch.file not in patches:
                raise AtlasInvalid(atlas=path.name, detail=f"unit {unit} names {patch.file}, which isn't in the file")
    return Atlas(index, patches)


def _members(data: bytes) -> tuple[object, dict[str, bytes]]:
    """The JSON value of atlas.json, and the patches by name. Raises one of `DAMAGE`."""
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
