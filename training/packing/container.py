"""Writing a bundle file: network, zip, signature. `device/reading/bundle.py` reads it (`docs/engineers/bundle.md`)."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import to_builtins
from msgspec.structs import replace
from numpy.typing import NDArray

from device.base.strict_json import parse
from device.reading.bundle import TRAILER_BYTES, statement
from device.reading.keys import key_id
from device.reading.manifest import MANIFEST, NETWORK, Manifest, Member, manifest_of

EPOCH = (1980, 1, 1, 0, 0, 0)


def npy(array: NDArray[Any]) -> bytes:
    """An array as a member of a bundle: a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def hashed(content: bytes) -> Member:
    """A member as the manifest lists it."""
    return Member(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def manifest_bytes(manifest: Manifest) -> bytes:
    """A manifest as the member that it becomes."""
    return json.dumps(to_builtins(manifest), ensure_ascii=False, indent=1).encode()


def sign_body(body: bytes, key: Ed25519PrivateKey) -> bytes:
    """A bundle's bytes up to its trailer → the whole file."""
    return body + b64encode(key_id(key.public_key()) + key.sign(statement(body)))


def write_bundle(
    path: Path, manifest: Manifest, network: bytes, members: Mapping[str, bytes], key: Ed25519PrivateKey
) -> None:
    """Write and sign a bundle file (`docs/engineers/bundle.md`); the same content and key give the same bytes."""
    listed = {NETWORK: hashed(network), **{name: hashed(content) for name, content in sorted(members.items())}}
    text = manifest_bytes(replace(manifest, members=listed))
    manifest_of(parse(text), path.name)  # as the box will read it
    buffer = io.BytesIO()
    buffer.write(network)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, content in {MANIFEST: text, **dict(sorted(members.items()))}.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
        archive.comment = bytes(TRAILER_BYTES)  # the place of the signature, filled below
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(sign_body(buffer.getvalue()[:-TRAILER_BYTES], key))
    temporary.replace(path)
