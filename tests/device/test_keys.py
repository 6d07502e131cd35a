"""Trusted keys: what isn't a key stops no box whose models other keys verify, and is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from device.base.errors import KeysMissing, KeyUnreadable, UnknownSigner
from device.base.texts import LANGUAGES
from device.cli import main
from device.reading.bundle import Bundle, bundle_files
from device.reading.keys import MAX_BYTES, trusted_keys
from device.settings import Settings
from device.web.app import create_app
from tests.support.shipped import BUNDLE, KEYS, SAMPLES, SIGNER

GOOD = (KEYS / f"{SIGNER}.pub").read_bytes()
PEM, PUBLIC = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo

NO_KEYS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "utf-16": lambda path: path.write_bytes(GOOD.decode().encode("utf-16")),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "cut": lambda path: path.write_bytes(GOOD[:60]),
    "huge": lambda path: path.write_bytes(GOOD + b"\n" * MAX_BYTES),
    "folder": lambda path: path.mkdir(),
    "broken link": lambda path: path.symlink_to("nowhere"),
    "circle of links": lambda path: path.symlink_to(path.name),
    "pipe": lambda path: os.mkfifo(path),
    "of another kind": lambda path: path.write_bytes(
        generate_private_key(SECP256R1()).public_key().public_bytes(PEM, PUBLIC)
    ),
    "private key": lambda path: path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    ),
    "for ssh": lambda path: path.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ user@host\n"),
}  # fmt: skip


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the key that signed the shipped bundles."""
    shutil.copytree(KEYS, folder := tmp_path / "keys")
    return folder


@pytest.mark.parametrize("write", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_is_named_and_stops_nothing_beside_a_good_one(
    write: Callable[[Path], object], keys: Path
) -> None:
    write(keys / "another.pub")
    assert Bundle.open(BUNDLE, keys).signer == SIGNER
    assert trusted_keys(keys).unreadable == ("another.pub",)


@pytest.mark.parametrize("write", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_is_the_error_where_no_other_key_verifies(
    write: Callable[[Path], object], tmp_path: Path
) -> None:
    write(tmp_path / "only.pub")
    with pytest.raises(KeyUnreadable) as raised:
        Bundle.open(BUNDLE, tmp_path)
    assert raised.value.facts == {"bundle": "bach.loupe", "key": "only.pub"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_that_may_not_be_read_is_named(keys: Path) -> None:
    (keys / "another.pub").write_bytes(GOOD)
    (keys / "another.pub").chmod(0)
    assert trusted_keys(keys).unreadable == ("another.pub",)


def test_a_key_with_a_byte_order_mark_or_windows_line_ends_is_a_key(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"))
    assert Bundle.open(BUNDLE, tmp_path).signer == "a"


def test_hidden_files_are_passed_over(keys: Path, tmp_path: Path) -> None:
    """A Mac leaves them beside what it copies to a stick: of keys and of models."""
    (keys / f"._{SIGNER}.pub").write_bytes(b"\0\5\26\7" + bytes(4092))
    assert trusted_keys(keys).unreadable == ()
    (models := tmp_path / "models").mkdir()
    (models / "._bach.loupe").write_bytes(b"\0\5\26\7" + bytes(4092))
    (models / "bach.loupe").symlink_to(BUNDLE)
    assert [path.name for path in bundle_files(models)] == ["bach.loupe"]


def test_a_folder_without_keys_trusts_nobody(tmp_path: Path) -> None:
    with pytest.raises(UnknownSigner):
        Bundle.open(BUNDLE, tmp_path)


@pytest.mark.parametrize("folder", ["none", "file", "loop"])
def test_a_folder_of_keys_that_cannot_be_opened_is_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(GOOD)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(KeysMissing) as raised:
        Bundle.open(BUNDLE, tmp_path / folder)
    assert raised.value.keys == str(tmp_path / folder)


@pytest.mark.parametrize("language", LANGUAGES)
def test_verify_tells_of_a_file_that_is_no_key_and_goes_on(
    language: str, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (keys / "another.pub").write_bytes(b"")
    assert main(["verify", "--bundle", str(BUNDLE), "--keys", str(keys), "--language", language]) == 0
    printed = capsys.readouterr()
    assert "another.pub" in printed.err
    assert "[key_ignored]" in printed.err
    assert "Traceback" not in printed.err
    assert printed.out.startswith(f"bach.loupe: signature by {SIGNER}")


def test_verify_names_the_only_key_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "only.pub").write_bytes(GOOD.decode().encode("utf-16"))
    assert main(["verify", "--bundle", str(BUNDLE), "--keys", str(tmp_path)]) == 1
    assert "only.pub" in (printed := capsys.readouterr().err)
    assert "[key_unreadable]" in printed


def test_log_and_health_page_name_a_file_that_is_no_key(
    bundle: Bundle, keys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (keys / "another.pub").write_bytes(b"")
    client = create_app(Settings(BUNDLE, keys, SAMPLES, tmp_path / "store.sqlite", threads=1), bundle).test_client()
    assert [record.message.count("another.pub") for record in caplog.records] == [1]
    (problem,) = client.get("/api/v1/health?lang=en").json["problems"]
    assert problem["code"] == "key_ignored"
    assert "another.pub" in problem["detail"]
    assert "another.pub" in client.get("/health").text
