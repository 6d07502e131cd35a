"""Which files of a data folder are pictures: one rule for every adapter, for scoring, and for folders of foreign pictures.

A picture is known by its suffix, in small or capital letters. What systems and programs leave beside pictures is none,
whatever its suffix: names that begin with a dot (a Mac's `._name.jpg`, Jupyter's `.ipynb_checkpoints`), `__MACOSX`,
`Thumbs.db`. All that is passed over is counted by kind. A link that leads nowhere is a picture that can't be read: whoever
opens it will say so.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.errors import DataError

DICOM = (".dcm", ".dicom")
# What the box reads, but for whole slides: nobody trains on one as a picture.
PICTURES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif", ".avif", *DICOM,
)  # fmt: skip
# By their names in small letters: Windows' miniatures and folder settings; a Mac's, a Synology's and Windows' own folders.
SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})
SYSTEM_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information"})
HIDDEN_FILE, HIDDEN_FOLDER = "hidden file", "hidden folder"
NAMED_LIKE_PICTURE, NO_FILE, KNOWN_FOLDER = "folder named like a picture", "device or pipe", "second link to a folder"
NAMED = 8  # folders in a message
LONGEST_SUFFIX = 16


@dataclass(frozen=True)
class Files:
    """What lies under a folder: paths relative to it, "/" between names, sorted. `others` are files that are no pictures by
    their suffix; `passed_over` counts by kind what isn't listed at all."""

    pictures: tuple[str, ...]
    others: tuple[str, ...]
    folders: tuple[str, ...]
    passed_over: Mapping[str, int]


def list_files(folder: Path) -> Files:
    """Everything under a folder, links followed. Raises `DataError` that names a folder that can't be opened, or a picture
    or folder whose name isn't text."""
    pictures: list[str] = []
    others: list[str] = []
    folders: list[str] = []
    passed_over: Counter[str] = Counter()
    pending, known = [""], {_identity(folder)}
    while pending:
        here = pending.pop()
        for entry in _entries(folder / here):
            path, kind, suffix = f"{here}{entry.name}", _kind(entry), PurePosixPath(entry.name).suffix.lower()
            if entry.name.startswith("."):
                passed_over[HIDDEN_FOLDER if kind == stat.S_IFDIR else HIDDEN_FILE] += 1
            elif kind == stat.S_IFDIR:
                if entry.name.lower() in SYSTEM_FOLDERS:
                    passed_over[f"folder {entry.name}"] += 1
                elif (identity := _identity(folder / path)) in known:
                    passed_over[KNOWN_FOLDER] += 1
                else:
                    known.add(identity)
                    passed_over.update([NAMED_LIKE_PICTURE] if suffix in PICTURES else [])
                    folders.append(_text(path))
                    pending.append(f"{path}/")
            elif kind not in (stat.S_IFREG, None):
                passed_over[NO_FILE] += 1
            elif entry.name.lower() in SYSTEM_FILES:
                passed_over[entry.name] += 1
            elif suffix in PICTURES:
                pictures.append(_text(path))
            else:
                others.append(path)
    return Files(tuple(sorted(pictures)), tuple(sorted(others)), tuple(sorted(folders)), passed_over)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(
            f"the folder {folder} can't be opened ({error.strerror}): make it readable, or move it away"
        ) from error


def _kind(entry: os.DirEntry[str]) -> int | None:
    """What an entry or the target of a link is, as `stat` counts kinds; None for a link that leads nowhere."""
    try:
        if entry.is_symlink():
            return stat.S_IFMT(Path(entry.path).stat().st_mode)
        if entry.is_dir(follow_symlinks=False):
            return stat.S_IFDIR
        return stat.S_IFREG if entry.is_file(follow_symlinks=False) else stat.S_IFIFO
    except OSError:
        return None


def _identity(folder: Path) -> tuple[int, int]:
    """The same for two paths to one folder: a link may lead to a folder above it."""
    state = folder.stat()
    return state.st_dev, state.st_ino


def _text(path: str) -> str:
    """Old archives have names in other encodings, which no table, split or report can hold."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"the name {os.fsencode(path)!r} is not UTF-8: rename that file or folder, with plain letters"
        ) from error
    return path


def by_suffix(files: Iterable[str]) -> Counter[str]:
    """Files counted by their suffix in small letters."""
    return Counter(_suffix(file) for file in files)


def _suffix(file: str) -> str:
    suffix = PurePosixPath(file).suffix.lower()
    # One that can't be shown, or that is none (`slide 3. right breast`), would make a riddle of the count.
    return suffix if re.fullmatch(rf"\.[!-~]{{1,{LONGEST_SUFFIX}}}", suffix) else ""


def passed_over_words(files: Files, used: Iterable[str] = ()) -> str:
    """What was passed over, counted by kind, as a sentence; empty where nothing was. `used` are other files that were read,
    such as tables."""
    taken = set(used)
    suffixes = by_suffix(file for file in files.others if file not in taken)
    kinds = {
        **{_plural(kind, count): count for kind, count in files.passed_over.items()},
        **{suffix or _plural("file", count) + " without a suffix": count for suffix, count in suffixes.items()},
    }
    counted = ", ".join(
        f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    )
    return f"Passed over, as no pictures: {counted}." if counted else ""


def _plural(kind: str, count: int) -> str:
    if count == 1 or kind.lower() in SYSTEM_FILES:
        return kind
    first, _, rest = kind.partition(" ")
    if kind in (HIDDEN_FILE, HIDDEN_FOLDER):
        return f"{kind}s"
    return f"{first}s {rest}".strip() if first in ("folder", "file", "device") else kind


def folder_words(files: Files) -> str:
    """The folders that are there, those with pictures first, for a message to somebody whose layout isn't recognised."""
    held = Counter(str(PurePosixPath(file).parent) for file in files.pictures)
    rows = [f"{'the folder itself' if folder == '.' else folder} ({_count(n)})" for folder, n in sorted(held.items())]
    # A folder above one that is named says nothing new.
    named = [PurePosixPath(folder) for folder in held]
    rows += [
        f"{folder} (no pictures)"
        for folder in files.folders
        if folder not in held and not any(PurePosixPath(folder) in path.parents for path in named)
    ]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return ", ".join(rows[:NAMED]) + more if rows else "neither folders nor pictures"


def _count(pictures: int) -> str:
    return "1 picture" if pictures == 1 else f"{pictures} pictures"
