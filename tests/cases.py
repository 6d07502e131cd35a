"""Runs the cases of ../shared/cases, a line a case: `make cases`, or some: `make cases CASES="02 04"`.

Each case is a folder with small inputs and a README that says what is right. Its function here gets the folder and yields
one sentence for each thing that isn't as it should be; none means ok. The inputs stay where they are: the tests of the
repository draw inputs of the same kinds themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import numpy as np
import PIL.Image

from device.errors import ImageError
from device.image import Image, Limits, decode

ROOT = Path(__file__).parent.parent
FOLDER = ROOT.parent / "shared" / "cases"

Differences = Iterator[str]


def outcome(file: Path) -> Image | ImageError:
    """What the decoder makes of a file: the picture, or the error that names what is wrong."""
    try:
        return decode(file.read_bytes(), Limits())
    except ImageError as error:
        return error


def refused(folder: Path, codes: set[str], *names: str) -> Differences:
    """Each file is refused with one of the codes."""
    for name in names:
        result = outcome(folder / name)
        if isinstance(result, Image):
            yield f"{name} is read, notes {result.notes}"
        elif result.code not in codes:
            yield f"{name}: {result.code}"


def equals(folder: Path, *names: str, note: str | None = None, within: int = 1) -> Differences:
    """Each file's pixels are those of expected.png, within so many levels; with a note where one is due."""
    expected = np.asarray(PIL.Image.open(folder / "expected.png").convert("RGB")).astype(int)
    for name in names:
        result = outcome(folder / name)
        if isinstance(result, ImageError):
            yield f"{name}: {result.code} {result.facts}"
        elif result.pixels.shape != expected.shape:
            yield f"{name}: {result.pixels.shape}, not {expected.shape}"
        else:
            apart = int(np.abs(result.pixels - expected).max())
            if apart > within:
                yield f"{name} is up to {apart} levels apart"
            if note and note not in result.notes:
                yield f"{name} lacks the note {note}: {result.notes}"


def jpeg_damaged(folder: Path) -> Differences:
    yield from refused(
        folder, {"image_damaged", "image_truncated"}, "cut95-eoi.jpg", "hole512.jpg", "lost512.jpg"
    )  # fmt: skip


def xmp_orientation(folder: Path) -> Differences:
    upright = decode((folder / "upright.jpg").read_bytes(), Limits())
    for name in ("xmp3.jpg", "xmp6.jpg"):
        result = decode((folder / name).read_bytes(), Limits())
        if "exif_rotated" in result.notes:
            yield f"{name} is turned by its XMP"
        elif (
            result.pixels.shape == upright.pixels.shape
            and np.abs(result.pixels.astype(int) - upright.pixels).mean() > 8
        ):
            yield f"{name} differs from upright.jpg"


def white_is_zero(folder: Path) -> Differences:
    yield from equals(folder, "white0-16.tif", "white0-16-lzw.tif")


def planar(folder: Path) -> Differences:
    yield from equals(folder, "rgb16-planar.tif", note="sixteen_bit_scaled")


def big_tiff(folder: Path) -> Differences:
    yield from equals(folder, "big-le.tif", "big-be.tif")


def tiff_cut_off(folder: Path) -> Differences:
    yield from refused(folder, {"image_truncated"}, "deflate.tif", "jpeg.tif", "lzw.tif", "packbits.tif")


def png_large_metadata(folder: Path) -> Differences:
    for name in ("itxt.png", "ztxt.png"):
        result = outcome(folder / name)
        if isinstance(result, ImageError):
            yield f"{name}: {result.code}"


def zero_bytes(folder: Path) -> Differences:
    yield from refused(folder, {"image_empty"}, "z.jpg")


def reduced_pages(folder: Path) -> Differences:
    result = outcome(folder / "pyramid.tif")
    if isinstance(result, ImageError):
        yield f"pyramid.tif: {result.code} {result.facts}"


def varieties(folder: Path) -> Differences:
    """Those that can be read are; the others are refused in a sentence of their own."""
    for file in sorted(folder.iterdir()):
        if file.name != "README":
            result = outcome(file)
            if isinstance(result, ImageError) and result.code in ("unsupported_format", "image_damaged"):
                yield f"{file.name}: {result.code}"


def alpha_all_zero(folder: Path) -> Differences:
    names = ("four-samples-no-extrasamples.tif", "rgba-alpha0.tif", "v4-alpha0.bmp")
    yield from equals(folder, *names, note="alpha_ignored")


def twelve_in_sixteen(folder: Path) -> Differences:
    for name in ("rgb-12in16.tif", "us-12in16.tif"):
        result = outcome(folder / name)
        if isinstance(result, ImageError):
            yield f"{name}: {result.code}"
        elif result.pixels.max() < 128:
            yield f"{name}: the brightest value is {result.pixels.max()}"


# Folder's number → what is checked. A folder that isn't here is printed as not checked.
CASES: dict[str, Callable[[Path], Differences]] = {
    "02": jpeg_damaged,
    "03": xmp_orientation,
    "04": white_is_zero,
    "05": planar,
    "06": big_tiff,
    "07": tiff_cut_off,
    "08": png_large_metadata,
    "15": zero_bytes,
    "16": reduced_pages,
    "19": varieties,
    "20": alpha_all_zero,
    "21": twelve_in_sixteen,
}


def run(folder: Path) -> list[str] | None:
    """What differs in a case; None where nothing checks it. Whatever a check raises is a difference too."""
    check = CASES.get(folder.name[:2])
    if check is None:
        return None
    try:
        with redirect_stderr(StringIO()):
            return list(check(folder))
    except Exception as failure:
        return [f"{type(failure).__name__}: {failure}"]


def main(asked: list[str]) -> int:
    """Print a line a case. Returns how many differ."""
    differing = 0
    for folder in sorted(path for path in FOLDER.iterdir() if path.is_dir()):
        if asked and folder.name[:2] not in asked:
            continue
        differences = run(folder)
        differing += bool(differences)
        verdict = "not checked" if differences is None else "ok" if not differences else "; ".join(differences)
        print(f"{folder.name:36} {verdict}")
    return differing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
