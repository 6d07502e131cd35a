"""The keys that sign bundles. A private key never lies in the repository: by default in `~/.config/loupe`."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from training.errors import RunError

DEFAULT_KEY = Path.home() / ".config" / "loupe" / "development.pem"


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file; a new one is made, readable by its owner alone, where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        print(f"made a new signing key, {path}: keep it, and keep it out of repositories")
        return key
    try:
        loaded = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is not an unencrypted PEM private key: {error}") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise RunError(f"{path} is not an Ed25519 key")
    return loaded


def publish_key(key: Ed25519PrivateKey, path: Path) -> None:
    """Write the public half, which boxes are told to trust."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
