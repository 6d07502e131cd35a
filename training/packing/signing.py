"""The keys that sign bundles, named after their owners.

A private key never lies in the repository: by default it is `~/.config/loupe/OWNER.pem`. Its public half, `OWNER.pub`, goes
into a folder of keys that boxes trust. A public key file says who signed, so one that holds another key is never
written over: bundles that carry the other signature would no longer be trusted anywhere.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import unicodedata
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from device.reading.bundle import TRAILER_BYTES
from device.reading.keys import KEY_ID_BYTES, key_id
from training.errors import BundleTaken, OwnerUnknown, PublicKeyTaken, SigningKeyUnusable

PRIVATE_KEYS = Path("~/.config/loupe")
LONGEST_NAME = 40


@dataclass(frozen=True)
class Signer:
    """Who signs a bundle: the owner's name, the private key with its file, and the file of its public half."""

    name: str
    key: Ed25519PrivateKey
    private_file: Path
    public_file: Path


def safe_name(name: str) -> str:
    """A name as the stem of a key's file: small ASCII letters, digits and single hyphens; empty where nothing is left."""
    ascii_letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_letters).strip("-")[:LONGEST_NAME].rstrip("-")


def owner_name() -> str:
    """Who works here: git's `user.name`, or else the name of the login, made safe. Raises `OwnerUnknown`."""
    for name in _names_here():
        if safe := safe_name(name):
            return safe
    raise OwnerUnknown("nobody's name is known here to call the signing key after: give --owner NAME")


def _names_here() -> Iterator[str]:
    with suppress(OSError):  # there is no git
        yield subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False).stdout
    with suppress(OSError, KeyError):  # a user without a name, as in some containers
        yield getpass.getuser()


def find_signer(owner: str | None, private_file: Path | None, keys: Path) -> Signer:
    """Who signs, with a new key where there is none yet.

    `owner` names the files of the key; without it the private key's file does where that is given, or else whoever works
    here. `keys` is the folder of public keys. Raises `OwnerUnknown`, `SigningKeyUnusable` or `PublicKeyTaken`: call this
    before long work, so that nothing is packed in vain.
    """
    if owner is not None and not safe_name(owner):
        raise OwnerUnknown(f"--owner {owner!r} has no letter or digit that a file's name can have: choose another")
    name = safe_name(owner or (private_file.stem if private_file else "")) or owner_name()
    file = (private_file or PRIVATE_KEYS / f"{name}.pem").expanduser()
    public_file = keys / f"{name}.pub"
    if not file.exists() and public_file.exists():
        raise PublicKeyTaken(
            f"{public_file} is there, but not {file}, the private key that belongs to it: a new key would take its name, "
            f"and bundles signed with the old one would not be trusted any more. {_ways_out(name)}"
        )
    signer = Signer(name, signing_key(file), file, public_file)
    check_public(signer.key, public_file, name)
    return signer


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file; a new one is made, readable by its owner alone, where there is none. Raises
    `SigningKeyUnusable`."""
    try:
        if not path.exists():
            return _new_key(path)
        loaded = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise SigningKeyUnusable(f"{path} can't be opened ({error.strerror}): give --key FILE, another one") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyUnusable(f"{path} is no unencrypted PEM private key: give --key FILE, another one") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise SigningKeyUnusable(f"{path} is a private key, but no Ed25519 one: give --key FILE, another one")
    return loaded


def _new_key(path: Path) -> Ed25519PrivateKey:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    print(f"made a new signing key, {path}: keep a copy in a safe place, and keep it out of repositories")
    return key


def check_public(key: Ed25519PrivateKey, path: Path, name: str) -> bool:
    """Whether the file holds the public half of `key`; False where there is no file. Raises `PublicKeyTaken` where it holds
    anything else; `name` is the owner's, for the message."""
    try:
        held = load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyTaken(f"{path} is there, but it is no public key that can be read. {_ways_out(name)}") from error
    if not isinstance(held, Ed25519PublicKey) or _pem(held) != _pem(key.public_key()):
        other = key_id(held).hex() if isinstance(held, Ed25519PublicKey) else "of another kind"
        raise PublicKeyTaken(
            f"{path} holds another public key ({other}) than the one that signs ({key_id(key.public_key()).hex()}). If it "
            f"were replaced, bundles signed with the other key would not be trusted any more. {_ways_out(name)}"
        )
    return True


def _ways_out(name: str) -> str:
    return (
        f"Nothing was packed or changed. Give --owner ANOTHER-NAME to sign as somebody other than {name}, "
        "--key FILE with the private key that belongs to it, or --keys DIR, another folder of public keys"
    )


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def publish_key(key: Ed25519PrivateKey, path: Path) -> bool:
    """Write the public half, which boxes are told to trust; whether it wasn't there before. Raises `PublicKeyTaken`."""
    if check_public(key, path, path.stem):
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:  # nobody else's, even if it came a moment ago
            file.write(_pem(key.public_key()))
    except OSError as error:
        raise SigningKeyUnusable(
            f"{path} can't be written ({error.strerror}): give --keys DIR, another folder"
        ) from error
    return True


def check_bundle_file(path: Path, signer: Signer) -> None:
    """Raises `BundleTaken` where the file is there and isn't a bundle that the signer signed: packing would replace it."""
    try:
        trailer = b64decode(path.read_bytes()[-TRAILER_BYTES:], validate=True)
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        trailer = b""
    if trailer[:KEY_ID_BYTES] != key_id(signer.key.public_key()):
        raise BundleTaken(
            f"{path} is there already, and it isn't signed by {signer.name}. Nothing was packed. Give another id in the "
            "recipe, --bundle FILE, or move that file away"
        )


def publish(signer: Signer) -> str:
    """Put the signer's public half into the folder of keys; what was made and where, in words. Raises `PublicKeyTaken`."""
    made = publish_key(signer.key, signer.public_file)
    words = "made the public half of the signing key" if made else "the public half of the signing key is there already"
    return f"{words}: {signer.public_file} (id {key_id(signer.key.public_key()).hex()})"
