"""Files beside the product, which somebody else may have put there: read within bounds, and put in their place for good."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_file(path: Path, most_bytes: int) -> bytes:
    """The bytes of a regular file. Raises `OSError`, and `ValueError` where it is none or has more than so many bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for whoever writes to it
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("no file")
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"larger than {most_bytes / 1e6:g} MB")
    return data


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step: whole and on the disk when this returns, else as it was before. Raises `OSError`."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def put_in_place(new: Path, path: Path) -> None:
    """Give a new file its name, on the disk when this returns. Raises `OSError`."""
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files on the disk when this returns. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason_of(error: Exception) -> str:
    """What an error says, without the path that the error of a file repeats."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error) or type(error).__name__
