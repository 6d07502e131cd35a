"""A bundle: everything a model needs on the box, in one signed file (`docs/engineers/bundle.md` has the format).

    [ network: a TFLite flatbuffer ][ zip: manifest.json, arrays, golden pictures, card ][ key id, Ed25519 signature ]

The network stands first, so that the runtime memory-maps the bundle itself; the signature is the zip's comment
(in Base64), so that `unzip` lists the rest. The signature covers every byte before it. `Bundle.open` checks, in this
order: the file's size, before it is read, once; the signature by a trusted key; that the zip is of plain members and
nothing else; the manifest (`device/reading/manifest.py`); each member's size and hash; each array's shape and numbers.
Nothing in the file is interpreted before its signature holds. A signature says who signed a file, not that the file is
right, so whatever is wrong with it has a named error. Golden outputs are checked by `device/reading/golden.py`.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import zipfile
from base64 import b64decode
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from cryptography.exceptions import InvalidSignature
from msgspec import UNSET
from numpy.typing import NDArray

from device.base.errors import (
    BundleChanged,
    BundleMalformed,
    BundleMissing,
    BundleTooLarge,
    KeyUnreadable,
    MemberMismatch,
    NotABundle,
    SchemaMismatch,
    SignatureInvalid,
    UnknownSigner,
)
from device.base.strict_json import parse
from device.reading.keys import KEY_ID_BYTES, trusted_keys
from device.reading.manifest import CARD, COLOURS, MANIFEST, NETWORK, Manifest, manifest_of

MAX_BYTES = 100_000_000  # ResNet152 in 8-bit integers takes 60 million
MAX_MEMBERS = 128
MAX_MEMBERS_BYTES = 32_000_000  # of all but the network: a served bundle holds them in memory
MAX_MANIFEST_BYTES = 4_000_000
SIGNATURE_BYTES = 64
TRAILER_BYTES = (KEY_ID_BYTES + SIGNATURE_BYTES) * 4 // 3  # a multiple of 3, so Base64 has no slack bits
STATEMENT = b"loupe bundle 1\n"
LOCAL_HEADER_BYTES = 30  # of a zip's member, before its name
END_BYTES, END_MARK = 22, b"PK\x05\x06"  # of the zip's last record, before its comment
# What the zip reader raises where a file's tables lie; members are plain, so no unpacker has its say.
ZIP_DAMAGE = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, RuntimeError, OSError)
ARRAY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<[if][48])', 'fortran_order': (True|False), 'shape': \(([0-9, ]{0,40})\), \} *\n",
    re.DOTALL,
)
MOST_IN_ARRAY = 1e12  # beyond any figure, and far from where squares and sums leave float64
# A place's evidence is a whole number that float64 must hold exactly, as a sum over up to 4,096 places too.
EXACT_BITS = 53 - 12
LEVELS = 255  # steps between the least and the greatest 8-bit integer


def statement(body: bytes | memoryview) -> bytes:
    """What is signed: a line that says what this is, then the SHA-256 of all bytes before the trailer."""
    return STATEMENT + hashlib.sha256(body).digest()


@dataclass(frozen=True)
class Bundle:
    """An opened, verified bundle. Its file stays open and `network_path` goes through it, so that what runs is what was
    verified even if another file takes its name."""

    name: str
    sha256: str
    signer: str
    manifest: Manifest
    members: dict[str, bytes]
    network_path: Path
    file: BinaryIO | None = None

    @classmethod
    def open(cls, path: Path, keys: Path) -> Bundle:
        """Verify all but the golden outputs. Raises a `BundleError` that names the cause."""
        file = _opened(path)
        try:
            return cls._read(file, path.name, keys)
        except BaseException:
            file.close()
            raise

    @classmethod
    def _read(cls, file: BinaryIO, name: str, keys: Path) -> Bundle:
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise BundleMissing(bundle=name) from error
        if len(data) > MAX_BYTES:  # it grew since it was looked at
            raise BundleTooLarge(bundle=name, limit_mb=MAX_BYTES // 1_000_000)
        if len(data) <= TRAILER_BYTES:
            raise NotABundle(bundle=name)
        signer = _check_signature(data, keys, name)
        manifest, members = _check_members(data, name)
        open_file = Path(f"/proc/self/fd/{file.fileno()}")
        bundle = cls(name, hashlib.sha256(data).hexdigest(), signer, manifest, members, open_file, file)
        bundle._check_arrays()
        return bundle

    def check_unchanged(self) -> None:
        """Hold the open file against the bytes that were verified: it may have been written to since, in place. Raises
        `BundleChanged`."""
        try:
            with self.network_path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BundleMissing(bundle=self.name) from error
        if sha256 != self.sha256:
            raise BundleChanged(bundle=self.name)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label.id for label in self.manifest.labels)

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self.members[CARD].decode()

    def array(self, member: str) -> NDArray[Any]:
        """A member that is a `.npy` array of 32- or 64-bit numbers, all finite. Raises `SchemaMismatch` when it isn't one.

        Only the form that NumPy writes such arrays in is read: none that would be unpickled, evaluated or allocated.
        """
        data = self.members.get(member, b"")
        header = ARRAY.match(data)
        if header is None:
            raise SchemaMismatch(bundle=self.name, detail=f"{member} is no array of numbers")
        dtype, order, sizes = header.groups()
        shape = tuple(int(size) for size in sizes.split(b",") if size.strip())
        kind = np.dtype(dtype.decode())
        if len(data) - header.end() != prod(shape) * kind.itemsize:
            raise SchemaMismatch(bundle=self.name, detail=f"{member} is not as long as an array {shape}")
        flat = np.frombuffer(data, kind, offset=header.end())
        if not (np.abs(flat.astype(np.float64)) <= MOST_IN_ARRAY).all():  # not >, which NaN would pass
            raise SchemaMismatch(bundle=self.name, detail=f"{member} has a number that is not finite or is too large")
        return flat.reshape(shape, order="F" if order == b"True" else "C")

    def _check_arrays(self) -> None:
        outputs, classes = self.manifest.network.outputs, len(self.labels)
        head, gate = self.manifest.head, self.manifest.gate
        early, middle = outputs["early"].channels, outputs["middle"].channels
        shapes: list[tuple[str, tuple[int, ...]]] = [
            (head.weights, (outputs["features"].channels, classes)),
            (head.bias, (classes,)),
        ]
        for space, width in ((gate.made, early), (gate.shows, middle), (gate.cells, early)):
            shapes += [(space.centre, (width,)), (space.whitening, (width, width))]
        shapes += [
            (gate.scale.weights, (early + middle,)),
            (gate.scale.centres, (len(gate.scale.ratios), early)),
        ]
        site = self.manifest.site
        if site is not UNSET:
            everything = early + middle + COLOURS
            shapes += [
                (site.centres, (len(site.kinds), everything)),
                (site.spread, (everything, everything)),
                (site.proper, (everything, everything)),
                (site.general, (everything,)),
            ]
        for member, shape in shapes:
            array = self.array(member)
            if array.shape != shape:
                raise SchemaMismatch(bundle=self.name, detail=f"{member} is {array.shape}, not {shape}")
        weights, bias = self.array(head.weights), self.array(head.bias)
        whole = all(np.issubdtype(part.dtype, np.integer) for part in (weights, bias))
        most = (np.abs(weights).astype(np.float64).sum(0) * LEVELS + np.abs(bias)).max()
        if not whole or most >= 2.0**EXACT_BITS:
            detail = f"{head.weights} and {head.bias} are no whole numbers whose sums are exact"
            raise SchemaMismatch(bundle=self.name, detail=detail)


def _opened(path: Path) -> BinaryIO:
    """The file, its size within bounds before anything of it is read. Raises a `BundleError`."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")  # a pipe would wait for whoever writes to it
    except OSError as error:
        raise BundleMissing(bundle=path.name) from error
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES:
        return file
    file.close()
    if not stat.S_ISREG(status.st_mode):
        raise BundleMissing(bundle=path.name)
    raise BundleTooLarge(bundle=path.name, limit_mb=MAX_BYTES // 1_000_000)


def _check_signature(data: bytes, keys: Path, name: str) -> str:
    body, trailer = memoryview(data)[:-TRAILER_BYTES], data[-TRAILER_BYTES:]
    try:
        signed = b64decode(trailer, validate=True)
    except ValueError as error:
        raise SignatureInvalid(bundle=name) from error
    claimed, signature = signed[:KEY_ID_BYTES], signed[KEY_ID_BYTES:]
    trusted = trusted_keys(keys)
    if claimed not in trusted.keys:
        if trusted.unreadable:
            raise KeyUnreadable(bundle=name, key=", ".join(trusted.unreadable))
        raise UnknownSigner(bundle=name, key_id=claimed.hex())
    signer, key = trusted.keys[claimed]
    try:
        key.verify(signature, statement(body))
    except InvalidSignature as error:
        raise SignatureInvalid(bundle=name) from error
    return signer


def _check_members(data: bytes, name: str) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the members that it lists, of bytes whose signature holds. Raises a `BundleError`."""
    try:
        network, members = _unzipped(data)
        text = members.pop(MANIFEST, None)
        if text is None or len(text) > MAX_MANIFEST_BYTES:
            raise ValueError(f"{MANIFEST} is missing or larger than {MAX_MANIFEST_BYTES // 1_000_000} MB")
        try:
            document = parse(text)
        except ValueError as error:
            raise ValueError(f"{MANIFEST} can't be read: {error}") from error
    except ZIP_DAMAGE as error:
        raise BundleMalformed(bundle=name, detail=str(error) or type(error).__name__) from error
    manifest = manifest_of(document, name)
    contents: dict[str, bytes | memoryview] = {**members, NETWORK: network}
    for member in sorted(manifest.members.keys() | contents.keys()):
        listed, content = manifest.members.get(member), contents.get(member)
        if listed is None or content is None:
            raise MemberMismatch(bundle=name, member=member)
        if len(content) != listed.size or hashlib.sha256(content).hexdigest() != listed.sha256:
            raise MemberMismatch(bundle=name, member=member)
    return manifest, members


def _unzipped(data: bytes) -> tuple[memoryview, dict[str, bytes]]:
    """The network and the zip's members. Each byte of the file belongs to one of them or to the zip's own tables.

    Raises one of `ZIP_DAMAGE`.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if not 0 < len(infos) <= MAX_MEMBERS:
            raise ValueError(f"the zip has {len(infos)} members, not 1 to {MAX_MEMBERS}")
        if len({info.filename for info in infos}) < len(infos):
            raise ValueError("the zip has two members of one name")
        for info in infos:
            if info.flag_bits or info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ValueError(f"{info.filename[:MAX_MEMBERS]!r} is packed or encrypted, not stored as it is")
        if sum(info.file_size for info in infos) > MAX_MEMBERS_BYTES:
            raise ValueError(f"the zip holds more than {MAX_MEMBERS_BYTES // 1_000_000} MB")
        if not data[-TRAILER_BYTES - END_BYTES :].startswith(END_MARK) or len(archive.comment) != TRAILER_BYTES:
            raise ValueError("the zip doesn't end where its signature stands")
        if any(info.extra or info.comment for info in infos):
            raise ValueError("the zip has other notes than its signature")
        starts = [info.header_offset for info in infos] + [archive.start_dir]
        for info, (start, end) in zip(infos, pairwise(starts), strict=True):
            if end - start != LOCAL_HEADER_BYTES + len(info.filename.encode()) + info.file_size:
                raise ValueError("the zip has bytes between its members")
        return memoryview(data)[: starts[0]], {info.filename: archive.read(info) for info in infos}


def bundle_files(path: Path) -> list[Path]:
    """The bundle itself, or all of a folder by name but hidden files, which a Mac leaves on a stick. Raises `BundleMissing`
    for a folder without any."""
    files = (
        [each for each in sorted(path.glob("*.loupe")) if not each.name.startswith(".")] if path.is_dir() else [path]
    )
    if not files:
        raise BundleMissing(bundle=path.name)
    return files
