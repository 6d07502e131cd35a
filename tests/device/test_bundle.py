"""A bundle is used only as it was signed."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import to_builtins
from msgspec.structs import replace

from device.base.errors import (
    BundleError,
    BundleMalformed,
    BundleMissing,
    GoldenMismatch,
    KeyUnreadable,
    MemberMismatch,
    SchemaMismatch,
    SignatureInvalid,
    UnknownSigner,
)
from device.reading.bundle import TRAILER_BYTES, Bundle
from device.reading.golden import verify_golden
from device.reading.image import Limits
from device.reading.manifest import MANIFEST, NETWORK, Manifest
from device.reading.reading import Reader
from tests.support.shipped import BUNDLE, KEYS, MODELS
from training.packing.container import sign_body, write_bundle
from training.packing.signing import publish_key, signing_key

FLIPS_A_MEMBER = 12


@pytest.fixture
def key(tmp_path: Path) -> Ed25519PrivateKey:
    """A throw-away key whose public half lies in `tmp_path`/keys."""
    key = signing_key(tmp_path / "private.pem")
    publish_key(key, tmp_path / "keys" / "throwaway.pub")
    return key


@pytest.fixture(scope="module")
def content() -> tuple[Manifest, bytes, dict[str, bytes]]:
    """Manifest, network and other members of the shipped bundle."""
    bundle = Bundle.open(BUNDLE, KEYS)
    network = BUNDLE.read_bytes()[: bundle.manifest.members[NETWORK].size]
    return bundle.manifest, network, bundle.members


def regions() -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each part of the shipped file: network, each member, the zip's own tables, the trailer."""
    size = BUNDLE.stat().st_size
    with zipfile.ZipFile(BUNDLE) as archive:
        infos = archive.infolist()
        yield NETWORK, 0, infos[0].header_offset
        ends = [info.header_offset for info in infos[1:]] + [archive.start_dir]
        for info, end in zip(infos, ends, strict=True):
            yield info.filename, info.header_offset, end
        yield "zip directory", archive.start_dir, size - TRAILER_BYTES
    yield "key id and signature", size - TRAILER_BYTES, size


@pytest.mark.parametrize(("start", "end"), [pytest.param(s, e, id=name) for name, s, e in regions()])
def test_one_flipped_bit_anywhere_is_refused(start: int, end: int, tmp_path: Path) -> None:
    original = BUNDLE.read_bytes()
    chance = np.random.default_rng(start)
    places = {start, end - 1, *chance.integers(start, end, FLIPS_A_MEMBER).tolist()}
    for place in places:
        flipped = bytearray(original)
        flipped[place] ^= 1 << int(chance.integers(8))
        damaged = tmp_path / "damaged.loupe"
        damaged.write_bytes(flipped)
        with pytest.raises((SignatureInvalid, UnknownSigner)):
            Bundle.open(damaged, KEYS)


def test_a_cut_or_lengthened_file_is_refused(tmp_path: Path) -> None:
    original = BUNDLE.read_bytes()
    for changed in (original[:-1], original[: len(original) // 2], original + b"\0", b"", b"x", os.urandom(1000)):
        damaged = tmp_path / "damaged.loupe"
        damaged.write_bytes(changed)
        with pytest.raises(BundleError):
            Bundle.open(damaged, KEYS)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.loupe")), ids=lambda path: path.stem)
def test_every_shipped_bundle_is_small_and_reproduces_its_golden_pictures(path: Path) -> None:
    assert path.stat().st_size <= 6e6
    bundle = Bundle.open(path, KEYS)
    verify_golden(Reader(bundle, Limits()))
    assert path.with_suffix(".md").read_text(encoding="utf-8") == bundle.card


def test_only_trusted_keys_count(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with pytest.raises(UnknownSigner):
        Bundle.open(BUNDLE, tmp_path / "keys")
    (tmp_path / "keys" / "broken.pub").write_text("not a key")
    with pytest.raises(KeyUnreadable):
        Bundle.open(BUNDLE, tmp_path / "keys")
    with pytest.raises(BundleMissing):
        Bundle.open(tmp_path / "none.loupe", KEYS)


def test_packing_the_same_content_again_opens_and_has_the_same_body(
    content: tuple[Manifest, bytes, dict[str, bytes]], key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    write_bundle(tmp_path / "again.loupe", *content, key)
    assert Bundle.open(tmp_path / "again.loupe", tmp_path / "keys").signer == "throwaway"
    assert (tmp_path / "again.loupe").read_bytes()[:-TRAILER_BYTES] == BUNDLE.read_bytes()[:-TRAILER_BYTES]


def resigned(path: Path, change: dict[str, bytes | None], key: Ed25519PrivateKey, network: bytes | None = None) -> Path:
    """The shipped bundle with members changed (None: left out) but the manifest as it was, validly signed."""
    buffer = BytesIO()
    with zipfile.ZipFile(BUNDLE) as archive:
        members: dict[str, bytes | None] = {info.filename: archive.read(info) for info in archive.infolist()}
        buffer.write(network or BUNDLE.read_bytes()[: archive.infolist()[0].header_offset])
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, data in (members | change).items():
            if data is not None:
                archive.writestr(name, data)
        archive.comment = bytes(TRAILER_BYTES)
    path.write_bytes(sign_body(buffer.getvalue()[:-TRAILER_BYTES], key))
    return path


def test_a_signed_bundle_whose_members_are_not_the_manifests_names_the_member(
    content: tuple[Manifest, bytes, dict[str, bytes]], key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    _, network, members = content
    cases: dict[str, dict[str, bytes | None]] = {
        "card.md": {"card.md": members["card.md"] + b" "},
        "head/bias.npy": {"head/bias.npy": None},
        "extra.txt": {"extra.txt": b"?"},
    }
    for member, change in cases.items():
        path = resigned(tmp_path / "changed.loupe", change, key)
        with pytest.raises(MemberMismatch) as caught:
            Bundle.open(path, tmp_path / "keys")
        assert caught.value.facts["member"] == member
    path = resigned(tmp_path / "changed.loupe", {}, key, network=network[:-1] + b"\x55")
    with pytest.raises(MemberMismatch) as caught:
        Bundle.open(path, tmp_path / "keys")
    assert caught.value.facts["member"] == NETWORK
    with pytest.raises(BundleMalformed):
        Bundle.open(resigned(tmp_path / "changed.loupe", {MANIFEST: b"{"}, key), tmp_path / "keys")


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 1},
        {"surprise": 1},
        {"labels": []},
        {"calibration": {"temperature": 0, "n": 1, "ece": 0}},
        {"head": {"weights": "head/bias.npy", "bias": "head/bias.npy", "scale_log2": -20}},
        {"head": {"weights": "card.md", "bias": "head/bias.npy", "scale_log2": -20}},
        {"head": {"weights": "none.npy", "bias": "head/bias.npy", "scale_log2": -20}},
    ],
)
def test_a_signed_manifest_outside_the_schema_is_refused(
    content: tuple[Manifest, bytes, dict[str, bytes]],
    change: dict[str, Any],
    key: Ed25519PrivateKey,
    tmp_path: Path,
) -> None:
    text = json.dumps(to_builtins(content[0]) | change).encode()
    with pytest.raises(SchemaMismatch):
        Bundle.open(resigned(tmp_path / "changed.loupe", {MANIFEST: text}, key), tmp_path / "keys")


def test_a_golden_output_that_differs_is_refused(
    content: tuple[Manifest, bytes, dict[str, bytes]], key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    manifest, network, members = content
    *others, last = manifest.golden
    wrong: dict[str, Any] = {
        "pixels": "0" * 64,
        "outputs": dict.fromkeys(manifest.network.outputs, "0" * 64),
        "reason": "blurred",
    }
    for part, recorded in wrong.items():
        golden = replace(last, expected=replace(last.expected, **{part: recorded}))
        write_bundle(tmp_path / "g.loupe", replace(manifest, golden=(*others, golden)), network, members, key)
        bundle = Bundle.open(tmp_path / "g.loupe", tmp_path / "keys")
        with pytest.raises(GoldenMismatch) as caught:
            verify_golden(Reader(bundle, Limits()))
        assert caught.value.facts["golden"] == last.name
        assert caught.value.facts["output"] == part


def test_what_was_verified_stays_in_use_when_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "b.loupe"
    shutil.copy(BUNDLE, path)
    bundle = Bundle.open(path, KEYS)
    other = tmp_path / "other"
    other.write_bytes(b"something else")
    other.replace(path)
    assert verify_golden(Reader(bundle, Limits())) == len(bundle.manifest.golden)
