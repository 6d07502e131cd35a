"""A site profile: what commissioning found out about a clinic, in one signed file (`docs/engineers/site-profile.md`).

    loupe site profile 1 | the record as JSON, on one line | key id and Ed25519 signature, in Base64

The profile is of one bundle, named by its hash, and of one instrument. It holds statistics and arrays: no picture, no name
of a file, nothing of a single patient. The box signs it with a key of its own (`device/reading/site/box_key.py`); nothing
in the file is interpreted before its signature holds. Whatever is wrong with it has a named error, and stops no box: the
model then reads as one that isn't commissioned.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from errno import EISDIR
from math import prod
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, ValidationError, convert
from msgspec.json import encode
from numpy.typing import NDArray

from device.base.errors import (
    Phrase,
    ProfileDamaged,
    ProfileMissing,
    ProfileNewer,
    ProfileOfOtherKey,
    ProfileOfOtherModel,
    ProfileTooLarge,
    ProfileUnwritable,
)
from device.base.files import read_file, reason_of, write_whole
from device.base.records import Record
from device.base.strict_json import parse
from device.reading.bundle import Bundle
from device.reading.keys import KEY_ID_BYTES, key_id
from device.reading.manifest import Date, Line, Name, Sha256, Share, Version
from device.reading.site.instrument import Instrument
from device.reading.site.measure import SiteMeasure
from device.reading.site.records import SiteFit

SCHEMA_VERSION: Final = 1
SUFFIX = ".profile"
MAX_BYTES = 4_000_000  # a profile takes some hundred thousand
FIRST_LINE = b"loupe site profile 1\n"
SIGNATURE_BYTES = 64
TRAILER_BYTES = (KEY_ID_BYTES + SIGNATURE_BYTES) * 4 // 3 + 1
MOST_SIZES, MOST_IN_ARRAY = 3, 1e12
DETAIL_CHARACTERS = 200

ProfileId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}-[1-9][0-9]{0,5}\Z")]


class OfBundle(Record, frozen=True):
    """The bundle that a profile is of."""

    model: Name
    version: Version
    sha256: Sha256


class SiteProfile(Record, frozen=True, kw_only=True):
    """What was found out about one bundle at one clinic. `version` counts the profiles of a model on a box. `instrument`:
    None where pictures of any device are meant, for models that need no scale; `instrument_version`: which of its versions
    on the box, 0 where it was named by a command. `floor`: the least accuracy that the
    clinic asks for; a class is given only where what was `measured` isn't below it."""

    schema_version: Literal[1] = SCHEMA_VERSION
    version: Annotated[int, Meta(ge=1, le=100_000)] = 1
    created: Date
    software: Line
    bundle: OfBundle
    instrument: Instrument | None = None
    instrument_version: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    fit: SiteFit
    measured: SiteMeasure | None = None
    floor: Share

    @property
    def id(self) -> str:
        """`bach-3`: the model's third profile on this box."""
        return f"{self.bundle.model}-{self.version}"

    @property
    def withheld(self) -> bool:
        """Whether accuracy here may be lower than the clinic asks for, so that no class is given: of few pictures only
        where it surely is."""
        if self.measured is None:
            return False
        accuracy = self.measured.accuracy
        return (accuracy.low if self.measured.enough else accuracy.high) < self.floor


@dataclass(frozen=True)
class SignedProfile:
    """A profile whose signature holds; `sha256` of its file."""

    profile: SiteProfile
    sha256: str


def sign_profile(profile: SiteProfile, key: Ed25519PrivateKey) -> bytes:
    """The bytes of a profile's file."""
    body = FIRST_LINE + encode(profile, enc_hook=_plain) + b"\n"
    signature = key.sign(_statement(body))
    return body + b64encode(key_id(key.public_key()) + signature) + b"\n"


def open_profile(data: bytes, name: str, keys: Sequence[Ed25519PublicKey]) -> SignedProfile:
    """The profile in a file's bytes, signed by one of the keys. `name`: the file's. Raises a `ProfileError`."""
    if len(data) > MAX_BYTES:
        raise ProfileTooLarge(profile=name, limit_mb=MAX_BYTES // 1_000_000)
    if not data.startswith(b"loupe site profile "):
        raise ProfileDamaged(profile=name, detail=Phrase("profile_start"))
    if not data.startswith(FIRST_LINE):
        raise ProfileNewer(profile=name, version=_shown(data[19:40].split(b"\n")[0]), known=SCHEMA_VERSION)
    body, trailer = data[:-TRAILER_BYTES], data[-TRAILER_BYTES:]
    _check_signature(body, trailer, name, keys)
    try:
        document = parse(body[len(FIRST_LINE) :])
    except ValueError as error:
        raise ProfileDamaged(profile=name, detail=str(error)[:DETAIL_CHARACTERS]) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ProfileNewer(profile=name, version=str(version), known=SCHEMA_VERSION)
    try:
        profile = convert(document, SiteProfile, dec_hook=_array)
    except ValidationError as error:
        raise ProfileDamaged(profile=name, detail=_shown(str(error).encode())) from error
    return SignedProfile(profile, hashlib.sha256(data).hexdigest())


def load_profile(path: Path, keys: Sequence[Ed25519PublicKey]) -> SignedProfile:
    """The profile in a file. Raises a `ProfileError`."""
    try:
        data = read_file(path, MAX_BYTES)
    except ValueError as error:
        raise ProfileTooLarge(profile=path.name, limit_mb=MAX_BYTES // 1_000_000) from error
    except OSError as error:
        raise ProfileMissing(profile=path.name, detail=reason_of(error)) from error
    return open_profile(data, path.name, keys)


def save_profile(profile: SiteProfile, path: Path, key: Ed25519PrivateKey) -> SignedProfile:
    """Sign a profile and write it: in one step, and on the disk when this returns. Raises `ProfileUnwritable`."""
    data = sign_profile(profile, key)
    write_profile(data, path)
    return SignedProfile(profile, hashlib.sha256(data).hexdigest())


def check_writable(path: Path) -> None:
    """Raises `ProfileUnwritable` where no file could be written there, before anybody waits for its content."""
    new = path.with_name(f"{path.name}.new")
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        new.touch()
        new.unlink()
    except OSError as error:
        raise ProfileUnwritable(profile=str(path), detail=reason_of(error)) from error


def write_profile(data: bytes, path: Path) -> None:
    """Write a profile's bytes likewise. Raises `ProfileUnwritable`."""
    try:
        write_whole(path, data)
    except OSError as error:
        raise ProfileUnwritable(profile=str(path), detail=reason_of(error)) from error


def check_bundle(profile: SiteProfile, bundle: Bundle, name: str) -> None:
    """Raises `ProfileOfOtherModel` where a profile isn't of this bundle, `ProfileDamaged` where its arrays don't fit."""
    if profile.bundle.sha256 != bundle.sha256:
        raise ProfileOfOtherModel(
            profile=name,
            made_for=f"{profile.bundle.model} {profile.bundle.version}",
            bundle=f"{bundle.manifest.id} {bundle.manifest.version}",
        )
    for fault in profile.fit.faults(bundle):
        raise ProfileDamaged(profile=name, detail=fault)


def of_bundle(bundle: Bundle) -> OfBundle:
    """What a profile of this bundle says of it."""
    return OfBundle(bundle.manifest.id, bundle.manifest.version, bundle.sha256)


def _statement(body: bytes) -> bytes:
    """What is signed: a line that says what this is, then the SHA-256 of all before the signature."""
    return FIRST_LINE + hashlib.sha256(body).digest()


def _check_signature(body: bytes, trailer: bytes, name: str, keys: Sequence[Ed25519PublicKey]) -> None:
    try:
        signed = b64decode(trailer.rstrip(b"\n"), validate=True)
    except binascii.Error as error:
        raise ProfileDamaged(profile=name, detail=Phrase("profile_signature")) from error
    claimed, signature = signed[:KEY_ID_BYTES], signed[KEY_ID_BYTES:]
    key = {key_id(each): each for each in keys}.get(claimed)
    if key is None:
        raise ProfileOfOtherKey(profile=name, key_id=claimed.hex())
    try:
        key.verify(signature, _statement(body))
    except InvalidSignature as error:
        raise ProfileDamaged(profile=name, detail=Phrase("profile_changed")) from error


def _plain(value: object) -> object:
    """An array as JSON has it: its sizes, and its numbers as little-endian float64 in Base64."""
    if isinstance(value, np.ndarray):
        return {"sizes": list(value.shape), "float64": b64encode(value.astype("<f8").tobytes()).decode()}
    raise TypeError(type(value).__name__)


def _array(_kind: type[Any], value: object) -> NDArray[np.float64]:
    """The array of what `_plain` made. Raises `ValueError`."""
    stored = convert(value, StoredArray)
    data = b64decode(stored.float64, validate=True)
    if len(data) != 8 * prod(stored.sizes):
        raise ValueError(f"an array is not as long as its sizes {stored.sizes} say")
    array = np.frombuffer(data, "<f8").reshape(stored.sizes)
    if not (np.abs(array) <= MOST_IN_ARRAY).all():  # not >, which NaN would pass
        raise ValueError("an array has a number that is not finite or is too large")
    return array


class StoredArray(Record, frozen=True):
    """An array as a profile's file has it."""

    sizes: Annotated[tuple[Annotated[int, Meta(ge=0, le=100_000)], ...], Meta(max_length=MOST_SIZES)]
    float64: Annotated[str, Meta(max_length=MAX_BYTES)]


def _shown(text: bytes) -> str:
    """A part of a file as a terminal may show it."""
    return "".join(
        each if each.isprintable() else f"\\x{ord(each):02x}"
        for each in text.decode(errors="replace")[:DETAIL_CHARACTERS]
    )
