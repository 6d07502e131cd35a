"""The folders of pictures that a clinic is commissioned with: below one folder a folder for each patient, or for each kind
of foreign material.

Names tell patients and kinds apart while the command runs, and are kept nowhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from device.base.errors import Phrase, PicturesMissing, TooManyPictures
from device.base.files import reason_of
from device.reading.site.commission import MOST_PICTURES


@dataclass(frozen=True)
class FoundPicture:
    """A file, its path below the folder (with slashes), and the folder that it is in: None for one that is in none."""

    path: Path
    below: str
    folder: str | None

    @property
    def patient(self) -> str:
        """Whose it is: all of a folder are one patient's, and one that is in none is another's."""
        return self.folder or self.below


def find_pictures(folder: Path) -> list[FoundPicture]:
    """All files below a folder in the order of their names, hidden ones left out. Raises `PicturesMissing`, and
    `TooManyPictures`."""
    found: list[FoundPicture] = []

    def fail(error: OSError) -> None:
        raise PicturesMissing(folder=str(folder), detail=reason_of(error)) from error

    if not folder.is_dir():
        raise PicturesMissing(folder=str(folder), detail=Phrase("folder_missing"))
    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                path = Path(place, name)
                parts = path.relative_to(folder).parts
                found.append(FoundPicture(path, "/".join(parts), parts[0] if len(parts) > 1 else None))
        if len(found) > MOST_PICTURES:
            raise TooManyPictures(folder=str(folder), pictures=len(found), limit=MOST_PICTURES)
    if not found:
        raise PicturesMissing(folder=str(folder), detail=Phrase("folder_empty"))
    return sorted(found, key=lambda each: each.below)
