"""What decoders cost: `python -m tests.decoder_costs` prints version, licence, size on disk, what loading each takes, and
what looking for damage in a JPEG takes beside reading it; what a confined process costs a file, and up to how many
megapixels of each kind the default `decode_memory_mb` reads.

CPU time and memory are those of the first file of its kind in a fresh process that has read a JPEG before, beyond the
second file's: what a box pays once.
"""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.base.errors import LoupeError
from device.reading.decoding.memory import memory_from
from device.reading.image import Limits, decode_in_process

# Package → the kind of file that needs it.
KINDS = {
    "simplejpeg": "JPEG",
    "pillow": "PNG",
    "imagecodecs": "TIFF",
    "pydicom": "DICOM",
    "pi-heif": "HEIC",
    "openslide-bin": "slides",
}

FIRST = """
import sys, time, warnings
warnings.simplefilter("ignore")
from tests.torture import damage
from device.reading.image import Limits
from device.reading.image import decode_in_process as decode
def memory():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1024
first = next(damage.KINDS["JPEG"]())
file = open(sys.argv[1], "rb").read()
if sys.argv[2] != "JPEG":
    decode(first, Limits())
before, start = memory(), time.process_time()
decode(file, Limits())
once = time.process_time() - start
start = time.process_time()
decode(file, Limits())
print(f"{(once - (time.process_time() - start)) * 1e3:6.0f} ms {memory() - before:6.0f} MB")
"""


def first_file(kind: str, folder: Path) -> str:
    """Time and memory that the first file of a kind takes beyond the second."""
    from tests.torture import damage

    files = list(damage.KINDS[kind]())
    (folder / kind).write_bytes(files[1 if kind == "TIFF" else 0])
    command = [sys.executable, "-c", FIRST, str(folder / kind), kind]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def fastest_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(7):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times) * 1e3


def print_damage_costs() -> None:
    """CPU time to look for damage in JPEGs, and to decode them as a field is read."""
    from device.reading.formats.jpeg import check_whole, walk
    from device.reading.image import Limits
    from device.reading.image import decode_in_process as decode
    from tests.support.drawn_files import encode, tissue

    def look_for_damage(jpeg: bytes) -> None:
        check_whole(list(walk(jpeg)))

    print("JPEG                        look for damage   read, that included")
    for width, height in ((768, 576), (2048, 1536), (5184, 3888)):
        for progressive in (False, True):
            noise = np.random.default_rng(0).normal(0, 5, (height, width, 3))
            picture = PIL.Image.fromarray(np.clip(np.asarray(tissue(width, height)) + noise, 0, 255).astype(np.uint8))
            data = encode(picture, "JPEG", quality=90, progressive=progressive)
            look = fastest_ms(partial(look_for_damage, data))
            read = fastest_ms(partial(decode, data, Limits(), 512 * 384))
            name = f"{width} × {height}{', progressive' if progressive else ''}"
            print(f"{name:28} {look:12.1f} ms {read:18.1f} ms")


def print_child_costs() -> None:
    """Median time of a field, decoded in this process and by a child; they take turns, for other work disturbs both."""
    from device.reading.image import Limits, decode, decode_in_process
    from tests.support.drawn_files import encode, tissue

    print("field of 768 × 576      in process  as the box decodes it")
    for file_format, options in {
        "JPEG": {"quality": 90},
        "PNG": {},
        "TIFF": {},
        "WEBP": {"quality": 90},
        "BMP": {},
    }.items():
        data = encode(tissue(768, 576), file_format, **options)
        took: dict[str, list[float]] = {"in process": [], "box": []}
        for _ in range(41):
            for name, action in (("in process", decode_in_process), ("box", decode)):
                start = time.perf_counter()
                action(data, Limits(), 512 * 384)
                took[name].append((time.perf_counter() - start) * 1e3)
        print(f"{file_format:22} {median(took['in process']):8.1f} ms {median(took['box']):19.1f} ms")


class Refusing:
    """Memory that says what a picture asks for, and gives none."""

    def __init__(self) -> None:
        self.most = self.most_result = float("inf")
        self.asked = (0, 0)

    def taken(self, work: int, result: int) -> AbstractContextManager[object]:
        self.asked = work, result
        raise InterruptedError

    def new_pixels(self, _height: int, _width: int) -> NDArray[np.uint8]:
        raise AssertionError


def print_limits() -> None:
    """Up to how many megapixels of each kind are read: as a field, and as a section at its own scale."""
    import imagecodecs
    import tifffile

    from device.reading.decoding.budget import DEFAULT_BYTES, Budget
    from device.reading.decoding.child import BASE_BYTES
    from tests.support.drawn_dicom import JPEG_2000, JPEG_LS, dicom
    from tests.support.drawn_files import encode

    def paged(samples: NDArray[np.generic], **options: Any) -> bytes:
        file = BytesIO()
        tifffile.imwrite(file, samples, photometric="rgb", **options)
        return file.getvalue()

    def kinds(side: int) -> dict[str, bytes]:
        flat = PIL.Image.new("RGB", (side, side), (200, 150, 170))
        pixels = np.asarray(flat)
        deep = pixels.astype(np.uint16) * 257
        return {
            "JPEG": encode(flat, "JPEG"),
            "JPEG, progressive, 4:2:0": encode(flat, "JPEG", progressive=True),
            "JPEG, progressive, 4:4:4": encode(flat, "JPEG", progressive=True, subsampling=0),
            "JPEG of four inks": encode(flat.convert("CMYK"), "JPEG"),
            "PNG, also with 16 bits": imagecodecs.png_encode(deep),
            "PNG, interlaced": interlaced(side),
            "TIFF": paged(pixels, compression="zlib", rowsperstrip=64),
            "TIFF, 16 bits": paged(deep, compression="zlib", rowsperstrip=64),
            "TIFF, JPEG tiles": paged(pixels, compression="jpeg", tile=(512, 512)),
            "TIFF, LZW, one strip": paged(pixels, compression="lzw", rowsperstrip=side),
            "WebP": encode(flat, "WEBP"),
            "WebP, lossless": encode(flat, "WEBP", lossless=True),
            "AVIF": encode(flat, "AVIF", speed=10),
            "BMP": encode(flat, "BMP"),
            "DICOM, 16 bits": dicom(deep[..., 0]),
            "DICOM, JPEG-LS, grey": dicom(deep[..., 0], syntax=JPEG_LS),
            "DICOM, JPEG 2000, grey": dicom(deep[..., 0], syntax=JPEG_2000),
            "DICOM, JPEG 2000, colour": dicom(pixels, syntax=JPEG_2000),
        }

    budget = Budget(DEFAULT_BYTES)
    small, large = 2048, 4096  # what is charged grows with the pixels, beyond a constant
    told = [{name: _asked(data) for name, data in kinds(side).items()} for side in (small, large)]
    print(f"{'megapixels':26} {'field':>6} {'section':>8}")
    for name in told[0]:
        found = []
        for less, more in zip(told[0][name], told[1][name], strict=True):
            per_px = (more - less) / (large**2 - small**2)
            fits = (budget.most - BASE_BYTES - less + per_px * small**2) / per_px
            found.append(min(Limits().max_megapixels, fits / 1e6))
        found[1] = min(found[1], budget.most_result / 3e6)
        print(f"{name:26} {found[0]:6.0f} {found[1]:8.0f}")


def _asked(data: bytes) -> tuple[int, int]:
    """What a picture asks for with its file, to be read as a field and as a section at its own scale."""
    asked = []
    for target in (512 * 384, lambda width, height: (width, height)):
        memory = Refusing()
        with memory_from(memory), suppress(InterruptedError, LoupeError):
            decode_in_process(data, Limits(), target)
        asked.append(sum(memory.asked) + len(data))
    return asked[0], asked[1]


def interlaced(side: int) -> bytes:
    from tests.support.drawn_files import png

    whole = bytearray(png(side, side, 8, 2))
    whole[28] = 1
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4)
    return bytes(whole)


def main() -> None:
    import tempfile

    print(f"{'package':18} {'version':12} {'MB':>6}  {'first file':>18}  licence")
    with tempfile.TemporaryDirectory() as folder:
        for package, kind in KINDS.items():
            found = distribution(package)
            files = [Path(str(found.locate_file(file))) for file in found.files or () if "__pycache__" not in str(file)]
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            named = [line for line in found.metadata.get_all("Classifier", []) if line.startswith("License ::")]
            metadata = found.metadata.json
            licence = str(metadata.get("license_expression") or metadata.get("license") or ", ".join(named) or "?")
            once = first_file(kind, Path(folder))
            print(f"{package:18} {found.version:12} {megabytes:6.1f}  {once:>18}  {licence.splitlines()[0][:60]}")

    print_damage_costs()
    print_child_costs()
    print_limits()


if __name__ == "__main__":
    main()
