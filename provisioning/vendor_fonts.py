#!/usr/bin/env python3
"""Put the page's font files into `device/web/static/fonts/`:

    python3 provisioning/vendor_fonts.py

The box has no internet and a clinic's machines have any fonts or none, so the page brings its own: Source Sans 3 (SIL Open
Font License), regular and semibold, for Latin letters. They come from one pinned npm package, fetched with `npm pack`; the
archive and each file are checked against the hashes below. `device/web/static/fonts.css` says which letters a file
holds, and
`tests/test_fonts.py` that these are all letters of the box's words.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).resolve().parent.parent / "device" / "web" / "static" / "fonts"
PACKAGE = "@fontsource/source-sans-3@5.3.1"
ARCHIVE_SHA256 = "b598201d980b3512805bbea186aab8ef91590d59990e6a13c90e030b6ff37881"
FILES_SHA256 = {
    "LICENSE": "18aabf190848725e2576eefb5c29ba06aac1029d02132252a7f312eac2e50cf3",
    "source-sans-3-latin-400-normal.woff2": "0f73f35e08cde0a2f10c109c6e01d71459d97e4099ecd9a50f1b6c0209e4de2b",
    "source-sans-3-latin-600-normal.woff2": "14527d193b0e30bc32ef931549a246cdfd286573bb12869b7e052b8101a39d38",
    "source-sans-3-latin-ext-400-normal.woff2": "f5706bb057951632456ecbc496dfd01f0e1598718cb31c464c74a6b1fe79c837",
    "source-sans-3-latin-ext-600-normal.woff2": "5727d1da676bb59d22a985ccb0506219e25e847738214fec4eb00c17bed81ffc",
}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch(package: str) -> bytes:
    """The archive of an npm package, as its registry has it."""
    with TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).iterdir()
        return archive.read_bytes()


def vendor(archive: bytes) -> None:
    """Write the files anew; nothing is written unless archive and files are those that were pinned."""
    if digest(archive) != ARCHIVE_SHA256:
        sys.exit(f"{PACKAGE} isn't the archive that was pinned: its SHA-256 is {digest(archive)}.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "package.tgz"
        path.write_bytes(archive)
        with tarfile.open(path) as package:
            members = {Path(name).name: name for name in package.getnames()}
            files = {name: package.extractfile(members[name]).read() for name in FILES_SHA256}  # type: ignore[union-attr]
    if changed := [name for name, data in files.items() if digest(data) != FILES_SHA256[name]]:
        sys.exit(f"In {PACKAGE} these files aren't those that were pinned: {', '.join(changed)}.")
    FOLDER.mkdir(exist_ok=True)
    for name, data in files.items():
        (FOLDER / name).write_bytes(data)
        print(FOLDER / name)


if __name__ == "__main__":
    vendor(fetch(PACKAGE))
