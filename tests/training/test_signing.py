"""Signing keys: they bear their owner's name, and neither a key nor a bundle of somebody else is ever written over."""

from __future__ import annotations

import getpass
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from device.reading.keys import trusted_keys
from tests.support.shipped import BUNDLE, KEYS, SIGNER
from training.cli import main
from training.errors import BundleTaken, OwnerUnknown, PublicKeyTaken, SigningKeyUnusable
from training.packing.signing import check_bundle_file, find_signer, owner_name, publish, safe_name, signing_key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and a git that knows nobody."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Zoë Müller-Œuvre", "zoe-muller-uvre"),
        ("../../etc/passwd", "etc-passwd"),
        ("Dr. A. B.", "dr-a-b"),
        ("李", ""),
        ("x" * 99, "x" * 40),
    ],
)
def test_a_name_becomes_a_files_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_the_owner_is_who_git_knows_or_else_who_is_logged_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "login")
    assert owner_name() == "login"
    subprocess.run(["git", "config", "--global", "user.name", "Ada Löve"], check=True)
    assert owner_name() == "ada-love"
    subprocess.run(["git", "config", "--global", "user.name", "李"], check=True)
    assert owner_name() == "login"
    monkeypatch.setattr(getpass, "getuser", lambda: "")
    with pytest.raises(OwnerUnknown, match="--owner"):
        owner_name()
    with pytest.raises(OwnerUnknown, match="--owner '李'"):
        find_signer("李", None, home)


def test_a_new_key_bears_its_owners_name_and_says_where_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signer = find_signer("Ada", None, home / "keys")
    assert signer.private_file == home / ".config/loupe/ada.pem"
    assert stat.S_IMODE(signer.private_file.stat().st_mode) == 0o600
    assert str(signer.private_file) in capsys.readouterr().out
    assert publish(signer).startswith(f"made the public half of the signing key: {home / 'keys/ada.pub'}")
    assert [name for name, _ in trusted_keys(home / "keys").keys.values()] == ["ada"]
    again = find_signer("ada", None, home / "keys")
    assert publish(again).startswith("the public half of the signing key is there already")
    assert not capsys.readouterr().out  # no second key
    other = find_signer(None, signer.private_file.rename(home / "Lab key.pem"), home / "keys")
    assert other.public_file.name == "lab-key.pub"


def test_a_public_key_that_it_did_not_make_is_never_written_over(home: Path) -> None:
    keys = home / "keys"
    publish(find_signer("ada", None, keys))
    before = (keys / "ada.pub").read_bytes()
    private = home / ".config/loupe/ada.pem"
    private.unlink()
    with pytest.raises(PublicKeyTaken, match="--owner") as missing:
        find_signer("ada", None, keys)
    assert str(private) in str(missing.value)
    assert not private.exists()
    signing_key(private)  # another one
    with pytest.raises(PublicKeyTaken, match="another public key"):
        find_signer("ada", None, keys)
    (keys / "ada.pub").write_text("no key")
    with pytest.raises(PublicKeyTaken, match="no public key"):
        find_signer("ada", None, keys)
    (keys / "ada.pub").write_bytes(before)
    assert find_signer("grace", None, keys).public_file.name == "grace.pub"


def test_the_shipped_key_and_the_shipped_bundles_survive_a_researcher_who_takes_their_names(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / f"keys/{SIGNER}.pub").write_bytes((KEYS / f"{SIGNER}.pub").read_bytes())
    (tmp_path / "bach.loupe").write_bytes(BUNDLE.read_bytes())
    arguments = ["pack", "bach", "--bundle", str(tmp_path / "bach.loupe"), "--keys", str(tmp_path / "keys")]
    assert main([*arguments, "--owner", SIGNER]) == 1
    assert f"{SIGNER}.pub is there" in capsys.readouterr().err
    assert main([*arguments, "--owner", "ada"]) == 1
    assert "isn't signed by ada" in capsys.readouterr().err
    assert (tmp_path / f"keys/{SIGNER}.pub").read_bytes() == (KEYS / f"{SIGNER}.pub").read_bytes()
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [f"{SIGNER}.pub"]
    assert (tmp_path / "bach.loupe").read_bytes() == BUNDLE.read_bytes()
    assert (home / ".config/loupe/ada.pem").exists()


def test_no_file_is_replaced_that_is_not_the_signers_bundle(home: Path) -> None:
    signer = find_signer("ada", None, home / "keys")
    check_bundle_file(home / "new.loupe", signer)
    for content in (b"", b"notes", b"x" * 500):
        (home / "notes.loupe").write_bytes(content)
        with pytest.raises(BundleTaken, match="--bundle"):
            check_bundle_file(home / "notes.loupe", signer)


def test_what_is_no_signing_key_is_named(home: Path) -> None:
    home.mkdir()
    file = home / "key.pem"
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for content, named in ((b"notes", "no unencrypted PEM"), (other, "no Ed25519"), (locked, "no unencrypted PEM")):
        file.write_bytes(content)
        with pytest.raises(SigningKeyUnusable, match=named):
            signing_key(file)
    with pytest.raises(SigningKeyUnusable, match="can't be opened"):
        signing_key(home)
