"""What a release is made of: refused unless all is ready, hashed and signed so that common tools can check it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from device import __version__
from tests.support.shipped import ROOT
from tools.release import Unready, check_tagged, collect, git, notes_of, sign_all, trusted_key, version_of

CHANGELOG = (
    "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n### Added\n- A thing.\n\n## [0.1.0] - 2026-12-01\n"
)


def write_key(folder: Path) -> tuple[Path, Path]:
    """A new key's private file, and the folder with its public half."""
    key = Ed25519PrivateKey.generate()
    private, keys = folder / "somebody.pem", folder / "keys"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys.mkdir()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (keys / "somebody.pub").write_bytes(public)
    return private, keys


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one commit, version 0.2.0."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (root / ".gitignore").write_text("/build/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "One")
    return root


def test_the_version_stands_in_one_place() -> None:
    assert version_of(ROOT) == __version__


def test_the_notes_are_the_changelogs_section() -> None:
    assert notes_of(CHANGELOG, "0.2.0") == "### Added\n- A thing.\n"


@pytest.mark.parametrize("version", ["0.1.0", "0.2", "0.3.0"])
def test_a_version_of_which_the_changelog_says_nothing_is_not_released(version: str) -> None:
    with pytest.raises(Unready, match="CHANGELOG"):
        notes_of(CHANGELOG, version)


def test_only_a_clean_tagged_commit_is_released(repository: Path) -> None:
    with pytest.raises(Unready, match=re.escape("no tag v0.2.0")):
        check_tagged(repository, "0.2.0")
    git(repository, "tag", "v0.2.0")
    check_tagged(repository, version_of(repository))
    (repository / "new.txt").touch()
    with pytest.raises(Unready, match="committed"):
        check_tagged(repository, "0.2.0")


def test_only_a_key_that_boxes_trust_signs(tmp_path: Path) -> None:
    private, keys = write_key(tmp_path)
    assert trusted_key(private, keys)
    with pytest.raises(Unready, match="no box trusts it"):
        trusted_key(private, ROOT / "models" / "keys")
    with pytest.raises(Unready, match="can't be opened"):
        trusted_key(tmp_path / "none.pem", keys)


def test_what_is_released_is_the_tagged_state_and_each_kit(repository: Path) -> None:
    git(repository, "tag", "v0.2.0")
    wheelhouse = repository / "build" / "wheelhouse"
    (wheelhouse / "aarch64").mkdir(parents=True)
    (wheelhouse / "aarch64.tar").write_bytes(b"wheels")
    (wheelhouse / "aarch64" / "sbom.cdx.json").write_bytes(b"{}")
    folder = repository / "build" / "release"
    collect(repository, wheelhouse, folder, "0.2.0")
    assert {file.name for file in folder.iterdir()} == {
        "loupe-0.2.0.tar.gz",
        "wheelhouse-aarch64.tar",
        "sbom-aarch64.cdx.json",
    }
    with tarfile.open(folder / "loupe-0.2.0.tar.gz") as archive:
        assert "loupe-0.2.0/pyproject.toml" in archive.getnames()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_release_is_checked_with_the_commands_of_the_documentation(tmp_path: Path) -> None:
    private, keys = write_key(tmp_path)
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "NOTES.md").write_text("- A thing.\n")
    (folder / "kit.tar").write_bytes(bytes(1000))
    sign_all(folder, trusted_key(private, keys))
    shutil.copy(keys / "somebody.pub", tmp_path / "loupe-project.pub")
    page = (ROOT / "docs" / "engineers" / "releasing.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    ((?:openssl|sha256sum) .+)", page, re.MULTILINE)
    assert len(commands) == 2

    def passes(command: str) -> bool:
        words = command.replace("loupe-project.pub", str(tmp_path / "loupe-project.pub")).split()
        return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0

    assert [passes(command) for command in commands] == [True, True]
    (folder / "kit.tar").write_bytes(bytes(1001))
    assert [passes(command) for command in commands] == [True, False]
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("kit", "kat"))
    assert not passes(commands[0])
