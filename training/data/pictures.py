"""The pictures behind samples: the bytes that a person would upload to the box, and the pixels that its network would see.

A window is cut out of its file and stored as PNG without loss. Windows of one file lie beside each other in a list of
samples, so the file that was decoded last is kept and each is decoded once.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from device.base.errors import ImageDamaged, ImageError
from device.base.texts import error_words
from device.reading.image import Image, Limits, SizeRule, decode_in_process
from device.reading.sections import as_field, is_section, true_size
from training.data.sample import Sample, mosaic_files
from training.errors import DataError, PicturesUnreadable
from training.recipe import Data

# A patch of IDC is 50 px wide; the box itself takes nothing under 64 px.
LIMITS = Limits(min_px=32)
WHITE = 255
STORED = 0  # PNG without compression: windows are written and read at once
# The code of a file that can't be opened, beside those that the box's decoder gives.
UNOPENED = "file_unreadable"
NAMED = 5  # files in a message
T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Why a picture file can't be read: a code, the box's where it has one, and words for a person."""

    code: str
    words: str


def problem_of(error: ImageError | OSError) -> Problem:
    """What an error of opening or decoding a picture means."""
    if isinstance(error, ImageError):
        return Problem(error.code, error_words(error, "en")["title"])
    return Problem(UNOPENED, f"It can't be opened: {error.strerror or error}")


def unreadable(folder: Path, problems: Sequence[tuple[str, Problem]], count: int) -> PicturesUnreadable:
    """The error for files of a data folder, of `count` in all, that can't be read: it names the first of them, and what
    lists the others."""
    listed = "\n".join(f"- {folder / file}: {problem.words} [{problem.code}]" for file, problem in problems[:NAMED])
    more = f"\n… and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    return PicturesUnreadable(
        f"{len(problems)} of {count} picture files can't be read:\n{listed}{more}\n"
        f"→ Replace them or move them away. `loupe-train data check {folder} --recipe RECIPE` lists all that can't be read"
    )


def counted(items: Sequence[T], words: str) -> Iterable[T]:
    """The items, with a bar that shows how far one is; nothing where nobody watches."""
    console = Console(stderr=True)
    return track(items, words, transient=True, console=console, disable=not console.is_terminal)


def file_bytes(path: Path) -> bytes:
    """The bytes of a picture file that the box can decode: the file's own, or as PNG what mini-MIAS ships as PGM.

    Raises `OSError` where it can't be opened, `ImageDamaged` for a PGM that can't be decoded.
    """
    data = path.read_bytes()
    if path.suffix.lower() != ".pgm":
        return data
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["PPM"]) as picture:
            return _png(np.asarray(picture))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageDamaged from error


@lru_cache(maxsize=2)
def _whole(path: Path) -> NDArray[np.uint8]:
    """Pixels of a file [h, w], or [h, w, 3] where it has colours."""
    pixels = decode_in_process(file_bytes(path), LIMITS).pixels
    grey = pixels[..., 0]
    return grey if all(np.array_equal(grey, pixels[..., channel]) for channel in (1, 2)) else pixels


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG", compress_level=STORED)
    return buffer.getvalue()


@lru_cache(maxsize=10_000)
def _tile(path: Path) -> NDArray[np.uint8]:
    return decode_in_process(file_bytes(path), LIMITS).pixels


def _put_together(folder: Path, files: list[list[str]]) -> NDArray[np.uint8]:
    """Tiles side by side, white where there is none."""
    rows = [[folder / file if file else None for file in row] for row in files]
    white = np.full_like(next(_tile(path) for row in rows for path in row if path), WHITE)
    return np.concatenate([np.concatenate([_tile(p) if p else white for p in row], 1) for row in rows], 0)


def picture_bytes(folder: Path, sample: Sample) -> bytes:
    """What would be uploaded to the box: the file's bytes, or the sample's window as PNG.

    Raises the `ImageError` of a file that can't be decoded when a window is cut from it.
    """
    path = folder / sample.file
    if files := mosaic_files(sample):
        return _png(_put_together(folder, files))
    if sample.box is None:
        return file_bytes(path)
    left, top, right, bottom = sample.box
    return _png(_whole(path)[top:bottom, left:right])


def stated_um_per_px(sample: Sample, data: Data) -> float | None:
    """The size of a pixel, µm, that is stated when a sample is read: none where a recipe brings pictures to one area.

    Raises `DataError` where it brings them to one scale and the set doesn't say theirs.
    """
    if data.brought_to == "area":
        return None
    if sample.um_per_px is None:
        raise DataError(
            f'{sample.file}: the size of its pixels isn\'t known, which data.brought_to = "scale" needs. Give it to the '
            'adapter, or set data.brought_to = "area"'
        )
    return sample.um_per_px


def target_of(sample: Sample, data: Data | None) -> int | SizeRule | None:
    """At what size a sample is decoded for a recipe's network; with None at its own size. Raises `DataError`."""
    if data is None:
        return None
    um_per_px = stated_um_per_px(sample, data)
    if um_per_px is None:
        return data.area_px
    return true_size(um_per_px, data.um_per_px, data.area_px, LIMITS.max_megapixels)


def load_images(folder: Path, samples: Sequence[Sample], data: Data | None) -> list[Image]:
    """Each sample decoded as the box does, for a recipe's network or, with None, at its own size. Raises
    `PicturesUnreadable` that names the file, `DataError` for one that isn't a field at the recipe's scale."""
    return [_image(folder, sample, data) for sample in counted(samples, "decode")]


def decode_sample(folder: Path, sample: Sample, data: Data | None) -> Image:
    """A sample decoded as the box does, for a recipe's network or, with None, at its own size. Raises `ImageError`,
    `OSError` and `DataError`."""
    image = decode_in_process(picture_bytes(folder, sample), LIMITS, target_of(sample, data))
    return as_field(image, data.area_px) if data is not None and data.brought_to == "scale" else image


def _image(folder: Path, sample: Sample, data: Data | None) -> Image:
    try:
        image = decode_sample(folder, sample, data)
    except (ImageError, OSError) as error:
        raise unreadable(folder, [(sample.file, problem_of(error))], 1) from error
    if data is not None and data.brought_to == "scale" and is_section(image.pixels, data.area_px):
        raise DataError(
            f"{sample.file} is larger than a field at {data.um_per_px:g} µm a pixel: raise data.area_px, or cut it"
        )
    return image


def load_pixels(folder: Path, samples: Sequence[Sample], data: Data | None) -> list[NDArray[np.uint8]]:
    """Each sample's pixels, uint8 [h, w, 3], as the box's network would see them or, with None, at the files' own
    size."""
    return [image.pixels for image in load_images(folder, samples, data)]
