"""The key by which a box signs its site profiles: an Ed25519 key of its own, made at first use, that its owner alone can
read.

It says that a profile was made on this box and not changed since. It isn't the key of a bundle: what it signs is true of
one clinic only.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from device.base.errors import BoxKeyUnusable, Phrase
from device.base.files import read_file, reason_of, sync_folder

NAME = "loupe.site.key"
MAX_BYTES = 10_000
OWNER_ALONE = 0o600


def key_beside(path: Path) -> Path:
    """The key of the profiles in a file's folder: beside a store, or beside a profile that a command wrote."""
    return path.with_name(NAME)


def box_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file, which is made where there is none. Raises `BoxKeyUnusable`."""
    if not os.path.lexists(path):
        _make(path)
    key = _read(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise BoxKeyUnusable(key=str(path), detail=Phrase("key_public"))
    return key


def verifying_key(path: Path) -> Ed25519PublicKey:
    """The public key of a file with a private or a public one. Raises `BoxKeyUnusable`."""
    key = _read(path)
    return key.public_key() if isinstance(key, Ed25519PrivateKey) else key


def _make(path: Path) -> None:
    """Write a new key: whole and on the disk, or not at all. Of two that do so at once, the first one's stays."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)  # left by a process of the same number that was killed
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            pass
        finally:
            new.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise BoxKeyUnusable(key=str(path), detail=reason_of(error)) from error


def _read(path: Path) -> Ed25519PrivateKey | Ed25519PublicKey:
    try:
        data = read_file(path, MAX_BYTES)
        key = load_pem_private_key(data, None) if b"PRIVATE" in data else load_pem_public_key(data)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BoxKeyUnusable(key=str(path), detail=reason_of(error)) from error
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise BoxKeyUnusable(key=str(path), detail=Phrase("key_other"))
    return key
