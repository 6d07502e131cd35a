"""The public keys that this box trusts: the files `*.pub` (PEM, Ed25519) of one folder.

A file that holds no such key doesn't stop a box whose bundles other keys verify: it becomes the problem `KeyIgnored`.
Hidden files are left out: a Mac writes a `._NAME.pub` beside each file that it copies to a stick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from device.base.errors import KeyIgnored, KeysMissing, LoupeError
from device.base.files import read_file

SUFFIX = ".pub"
KEY_ID_BYTES = 8
MAX_BYTES = 10_000  # a key takes 113


@dataclass(frozen=True)
class TrustedKeys:
    """`keys`: key id → (name, key). `unreadable`: the names of files `*.pub` that hold no Ed25519 public key."""

    keys: Mapping[bytes, tuple[str, Ed25519PublicKey]]
    unreadable: tuple[str, ...]


def key_id(key: Ed25519PublicKey) -> bytes:
    """The first 8 bytes of the SHA-256 of the raw public key: enough to name it, not to trust it."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).digest()[:KEY_ID_BYTES]


def trusted_keys(folder: Path) -> TrustedKeys:
    """The keys of a folder. Raises `KeysMissing` where there is no such folder or it can't be opened."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))
    except OSError as error:
        raise KeysMissing(keys=str(folder), detail=error.strerror or type(error).__name__) from error
    keys = [(path, _key(path)) for path in files]
    return TrustedKeys(
        keys={key_id(key): (path.stem, key) for path, key in keys if key},
        unreadable=tuple(path.name for path, key in keys if key is None),
    )


def key_problems(folder: Path) -> list[LoupeError]:
    """What is wrong with the folder and doesn't stop a box whose models are verified."""
    try:
        return [KeyIgnored(key=name) for name in trusted_keys(folder).unreadable]
    except KeysMissing as error:
        return [error]


def _key(path: Path) -> Ed25519PublicKey | None:
    """The key in a file, None where it holds none."""
    try:
        key = load_pem_public_key(read_file(path, MAX_BYTES))
    except (ValueError, UnsupportedAlgorithm, OSError):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None
