"""Collect a release: the files for boxes and their keepers, each hashed, and the list of hashes signed.

    python -m tools.release [--key FILE]        (or `make release`)

docs/engineers/releasing.md says what comes before and after. Into build/release/loupe-VERSION go the repository as tagged,
the kit of wheels for each kind of board with its bill of materials, the changelog's section, SHA256SUMS and its signature.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

ROOT = Path(__file__).resolve().parent.parent
PRIVATE_KEY = Path("~/.config/loupe/loupe-project.pem")
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
BILL_OF_MATERIALS = "sbom.cdx.json"


class Unready(Exception):
    """Why no release can be made."""


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def version_of(root: Path) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def notes_of(changelog: str, version: str) -> str:
    """The changelog's section of a version. Raises `Unready` where there is none with a date, or it is empty."""
    section = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if not section or not section[1].strip():
        raise Unready(f"CHANGELOG.md has no section `## [{version}] - YEAR-MONTH-DAY` that says what changed")
    return section[1].strip() + "\n"


def check_tagged(root: Path, version: str) -> None:
    """Raises `Unready` unless what is here is the commit with the version's tag."""
    if git(root, "status", "--porcelain"):
        raise Unready("something here isn't committed")
    if f"v{version}" not in git(root, "tag", "--points-at", "HEAD").splitlines():
        raise Unready(f"this commit has no tag v{version}")


def trusted_key(file: Path, keys: Path) -> Ed25519PrivateKey:
    """The private key in a file, whose public half is among those that boxes trust. Raises `Unready`."""
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise Unready(f"{file} can't be opened ({error.strerror}): give --key FILE") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Unready(f"{file} is no Ed25519 key")
    if key.public_key() not in [load_pem_public_key(public.read_bytes()) for public in sorted(keys.glob("*.pub"))]:
        raise Unready(f"{file} has no public half in {keys}: no box trusts it")
    return key


def sign_all(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write the hashes of all files of a folder, as sha256sum does, and the signature of that list."""
    files = sorted(file for file in folder.iterdir() if file.name not in (SUMS, SIGNATURE))
    lines = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (folder / SUMS).write_text(lines, encoding="utf-8")
    (folder / SIGNATURE).write_bytes(key.sign(lines.encode()))


def collect(root: Path, wheelhouse: Path, folder: Path, version: str) -> None:
    """The repository as tagged, and each kit that lies in the wheelhouse."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = f"loupe-{version}"
    git(root, "archive", f"--prefix={source}/", f"--output={folder / f'{source}.tar.gz'}", f"v{version}")
    for kit in sorted(wheelhouse.glob("*.tar")):
        shutil.copy(kit, folder / f"wheelhouse-{kit.name}")
        shutil.copy(wheelhouse / kit.stem / BILL_OF_MATERIALS, folder / f"sbom-{kit.stem}.cdx.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", type=Path, default=PRIVATE_KEY, help="private key that signs (default: %(default)s)")
    options = parser.parse_args()
    version, wheelhouse = version_of(ROOT), ROOT / "build" / "wheelhouse"
    folder = ROOT / "build" / "release" / f"loupe-{version}"
    try:
        notes = notes_of((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
        check_tagged(ROOT, version)
        key = trusted_key(options.key.expanduser(), ROOT / "models" / "keys")
    except Unready as reason:
        sys.exit(f"No release: {reason}. See docs/engineers/releasing.md.")
    subprocess.run([sys.executable, ROOT / "provisioning" / "wheelhouse.py", "--out", wheelhouse], check=True)
    collect(ROOT, wheelhouse, folder, version)
    (folder / "NOTES.md").write_text(notes, encoding="utf-8")
    sign_all(folder, key)
    print(folder)


if __name__ == "__main__":
    main()
