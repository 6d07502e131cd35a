"""A bundle: everything a model needs on the box, in one signed file (`docs/bundle.md` has the format).

    [ network: a TFLite flatbuffer ][ zip: manifest.json, arrays, golden pictures, card ][ key id, Ed25519 signature ]

The network stands first, so that the runtime memory-maps the bundle itself; the signature is the zip's comment
(in Base64), so that `unzip` lists the rest. The signature covers every byte before it. `Bundle.open` checks, in this
order: the signature by a trusted key, the manifest against its schema, each member's size and hash, each array's
shape. Nothing in the file is interpreted before its signature holds. Golden outputs are `device/golden.py`'s.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from base64 import b64decode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import fastjsonschema
import numpy as np
from cryptography.exceptions import InvalidSignature
from numpy.typing import NDArray

from device.errors import (
    BundleChanged,
    BundleMissing,
    KeyUnreadable,
    MemberMismatch,
    NotABundle,
    SchemaMismatch,
    SignatureInvalid,
    UnknownSigner,
)
from device.keys import KEY_ID_BYTES, trusted_keys

SCHEMA_FILE = Path(__file__).with_name("manifest.schema.json")
NETWORK = "network.tflite"
MANIFEST = "manifest.json"
CARD = "card.md"
SCHEMA_VERSION = 3
SIGNATURE_BYTES = 64
TRAILER_BYTES = (KEY_ID_BYTES + SIGNATURE_BYTES) * 4 // 3  # a multiple of 3, so Base64 has no slack bits
STATEMENT = b"loupe bundle 1\n"


def statement(body: bytes) -> bytes:
    """What is signed: a line that says what this is, then the SHA-256 of all bytes before the trailer."""
    return STATEMENT + hashlib.sha256(body).digest()


@cache
def _schema() -> Any:
    return fastjsonschema.compile(json.loads(SCHEMA_FILE.read_text()))


def check_manifest(manifest: Any, name: str) -> None:
    """Raises `SchemaMismatch` naming the first thing that the schema doesn't allow; of another schema, both versions."""
    found = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if found != SCHEMA_VERSION:
        raise SchemaMismatch(bundle=name, detail=f"its schema_version is {found!r}, not {SCHEMA_VERSION}")
    try:
        _schema()(manifest)
    except fastjsonschema.JsonSchemaValueException as error:
        raise SchemaMismatch(bundle=name, detail=error.message) from error


@dataclass(frozen=True)
class Bundle:
    """An opened, verified bundle. Its file stays open and `network_path` goes through it, so that what runs is what was
    verified even if another file takes its name."""

    name: str
    sha256: str
    signer: str
    manifest: dict[str, Any]
    members: dict[str, bytes]
    network_path: Path
    file: BinaryIO | None = None

    @classmethod
    def open(cls, path: Path, keys: Path) -> Bundle:
        """Verify all but the golden outputs. Raises a `BundleError` that names the cause."""
        name = path.name
        try:
            file = path.open("rb")
            data = file.read()
        except OSError as error:
            raise BundleMissing(bundle=name) from error
        if len(data) <= TRAILER_BYTES:
            raise NotABundle(bundle=name)
        signer = _check_signature(data, keys, name)
        manifest, members = _check_members(data, name)
        held = Path(f"/proc/self/fd/{file.fileno()}")
        bundle = cls(name, hashlib.sha256(data).hexdigest(), signer, manifest, members, held, file)
        bundle._check_arrays()
        bundle._check_answer()
        return bundle

    def check_unchanged(self) -> None:
        """Hold the open file against the bytes that were verified: it may have been written to since, in place. Raises
        `BundleChanged`."""
        try:
            data = self.network_path.read_bytes()
        except OSError as error:
            raise BundleMissing(bundle=self.name) from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise BundleChanged(bundle=self.name)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label["id"] for label in self.manifest["labels"])

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self.members[CARD].decode()

    def array(self, member: str) -> NDArray[Any]:
        """A member that is a `.npy` array. Raises `SchemaMismatch` when it isn't one."""
        try:
            array: NDArray[Any] = np.load(io.BytesIO(self.members[member]), allow_pickle=False)
        except (ValueError, EOFError, KeyError) as error:
            raise SchemaMismatch(bundle=self.name, detail=f"{member} is not an array: {error}") from error
        return array

    def _check_arrays(self) -> None:
        outputs, classes = self.manifest["network"]["outputs"], len(self.labels)
        head = self.manifest["head"]
        shapes: list[tuple[str, tuple[int, ...]]] = [
            (head["weights"], (outputs["features"]["channels"], classes)),
            (head["bias"], (classes,)),
        ]
        gate = self.manifest["gate"]
        early, middle = (outputs[name]["channels"] for name in ("early", "middle"))
        for table, width in (("made", early), ("shows", middle), ("cells", early)):
            shapes += [(gate[table]["centre"], (width,)), (gate[table]["whitening"], (width, width))]
        shapes += [
            (gate["scale"]["weights"], (early + middle,)),
            (gate["scale"]["centres"], (len(gate["scale"]["ratios"]), early)),
        ]
        for member, shape in shapes:
            array = self.array(member)
            if array.shape != shape or not np.isfinite(array).all():
                raise SchemaMismatch(bundle=self.name, detail=f"{member} is {array.shape}, not finite numbers {shape}")

    def _check_answer(self) -> None:
        """That the answer's rules are about the model's own classes, each once."""
        rules, known = self.manifest["answer"], set(self.labels)
        named = {*rules["concern"], *(label for row in rules["record"] for label in row["labels"])}
        counted = {len(row["counts"]) for row in rules["record"]}
        if set(rules["classes"]) != known or not named <= known or not counted <= {len(known)}:
            raise SchemaMismatch(bundle=self.name, detail="its answer is about other classes than its labels")


def _check_signature(data: bytes, keys: Path, name: str) -> str:
    body, trailer = data[:-TRAILER_BYTES], data[-TRAILER_BYTES:]
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


def _check_members(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            start = min(info.header_offset for info in archive.infolist())
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        manifest = json.loads(members.pop(MANIFEST))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise NotABundle(bundle=name) from error
    check_manifest(manifest, name)
    listed = manifest["members"]
    found = {**members, NETWORK: data[:start]}
    for member in sorted(listed.keys() | found.keys()):
        said = listed.get(member)
        if said is None or member not in found:
            raise MemberMismatch(bundle=name, member=member)
        if len(found[member]) != said["size"] or hashlib.sha256(found[member]).hexdigest() != said["sha256"]:
            raise MemberMismatch(bundle=name, member=member)
    return manifest, members
