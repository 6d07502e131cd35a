"""Damages picture files of every kind that the box reads and decodes them: `make torture` (20,000 files), a shorter run
is a test.

    python tests/torture.py --count 20000 --seed 1

Each file must become a picture or a named error, within two seconds of computing and within bounded memory. Files are
drawn here and damaged by chance, from a seed: so a run can be repeated, and one file of it (`--only KIND --file NUMBER`).
Each kind is decoded in a process of its own, whose memory is limited; where that process dies, the number of the file
that did it is told."""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from device.errors import LoupeError
from device.image import Limits, decode

SLOWEST_S = 2.0
ADDRESS_SPACE = 3 << 30
MOST_MB = 700  # what 64 megapixels may take, beside Python and the decoders themselves
LIMITS = Limits()
AREA_PX = 512 * 384
STUCK_S = 120  # without a word, a process is stopped


# --- whole files -----------------------------------------------------------------------------------------------------


def jpegs() -> Iterator[bytes]:
    from drawn_files import encode, tissue

    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    kinds = (
        {},
        {"progressive": True},
        {"subsampling": 0, "optimize": True},
        {"restart_marker_rows": 1},
        {"exif": exif},
    )
    for options in kinds:
        yield encode(tissue(), "JPEG", quality=85, **options)
    yield encode(tissue().convert("L"), "JPEG")
    yield encode(tissue().convert("CMYK"), "JPEG")


def pngs() -> Iterator[bytes]:
    from drawn_files import encode, png, png_chunk, tissue

    yield encode(tissue(), "PNG", dpi=(100_000, 100_000))
    yield encode(tissue().convert("P"), "PNG", transparency=3)
    yield encode(tissue().convert("LA"), "PNG")
    yield encode(tissue().convert("1"), "PNG")
    deep = np.random.default_rng(0).integers(0, 4096, (96, 96, 4)).astype(">u2")
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        text = png_chunk(b"zTXt", b"k\0\0x")
        yield png(96, 96, 16, colour, deep[..., :channels].tobytes(), text)


def tiffs() -> Iterator[bytes]:
    import tifffile
    from drawn_files import encode, tiff, tiff_tags, tissue

    rgb, grey = np.asarray(tissue()), np.asarray(tissue().convert("L"))

    def written(pixels: np.ndarray, *, big: bool = False, order: str = "<", **options: Any) -> bytes:
        file = io.BytesIO()
        with tifffile.TiffWriter(file, bigtiff=big, byteorder=order) as writer:
            writer.write(pixels, metadata=None, **options)
            if options.get("subifds"):
                writer.write(pixels[::2, ::2], metadata=None, subfiletype=1, **(options | {"subifds": None}))
        return file.getvalue()

    for compression in (None, "lzw", "zlib", "packbits", "zstd", "jpeg", "webp", "jpeg2000"):
        yield written(rgb, photometric="rgb", compression=compression, tile=(64, 64))
        yield written(rgb, photometric="rgb", compression=compression, rowsperstrip=32, big=True)
    for order in "<>":
        deep, planes = grey.astype(np.uint16) * 257, rgb.transpose(2, 0, 1).astype(np.uint16) * 16
        yield written(deep, order=order, photometric="miniswhite", compression="lzw", predictor=True)
        yield written(planes, order=order, photometric="rgb", planarconfig="separate")
    stated = {"resolution": (40000, 40000), "resolutionunit": 3}
    yield written(rgb, photometric="rgb", tile=(64, 64), subifds=1, compression="jpeg", **stated)
    yield encode(tissue().convert("P"), "TIFF")
    yield encode(tissue().convert("CMYK"), "TIFF", compression="tiff_lzw")
    yield tiff(tiff_tags(160, 120, 6, (8, 8, 8)), rgb.tobytes()[: 160 * 120 * 3 // 2])
    yield tiff(tiff_tags(160, 120, 1, (12,)), grey.tobytes() * 2)


def webps() -> Iterator[bytes]:
    from drawn_files import encode, tissue

    yield encode(tissue(), "WEBP", quality=80)
    yield encode(tissue().convert("RGBA"), "WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")


def bmps() -> Iterator[bytes]:
    from drawn_files import encode, tissue

    for mode in ("RGB", "RGBA", "P", "1"):
        yield encode(tissue().convert(mode), "BMP")


def dicoms() -> Iterator[bytes]:
    import drawn_dicom as drawn
    from drawn_files import tissue

    rgb = np.asarray(tissue())
    deep = np.asarray(tissue().convert("L")).astype(np.uint16) * 16
    plain, packed = (drawn.EXPLICIT, drawn.IMPLICIT, drawn.DEFLATED), (drawn.BASELINE, drawn.JPEG_LS, drawn.JPEG_2000)
    for syntax in (*plain, *packed, drawn.RLE):
        yield drawn.dicom(rgb, syntax=syntax, preamble=syntax != drawn.IMPLICIT)
    for syntax in (drawn.BIG, drawn.LOSSLESS_SV1, drawn.JPEG_LS, drawn.RLE):
        yield drawn.dicom(deep, syntax=syntax, bits=12, WindowCenter=2000, WindowWidth=3000)


def heics() -> Iterator[bytes]:
    from drawn_files import tissue
    from drawn_heic import colours, heic, turned

    picture = np.asarray(tissue(160, 112))
    yield heic(picture, colours(), turned(1))
    yield heic(picture[..., 0].copy(), colours())


def avifs() -> Iterator[bytes]:
    from drawn_files import encode, tissue

    yield encode(tissue(160, 112), "AVIF", quality=80, speed=9)
    yield encode(tissue(160, 112).convert("RGBA"), "AVIF", quality=80, speed=9)


def slides() -> Iterator[bytes]:
    from drawn_files import tissue
    from drawn_slide import ndpi

    yield ndpi(np.asarray(tissue(320, 240)))


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "JPEG": jpegs,
    "PNG": pngs,
    "TIFF": tiffs,
    "WebP": webps,
    "BMP": bmps,
    "DICOM": dicoms,
    "HEIC": heics,
    "AVIF": avifs,
    "slides": slides,
}


# --- damage ----------------------------------------------------------------------------------------------------------

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def damaged(seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """One of the files with one to four changes: bytes, numbers at their extremes, holes, cuts, pieces moved or of
    another file."""
    data = bytearray(seeds[int(rng.integers(len(seeds)))])
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        # Half of the changes hit the header, where they do most.
        at = int(rng.integers(min(len(data), 600) if rng.random() < 0.5 else len(data)))
        length = int(rng.integers(1, 600))
        match int(rng.integers(9)):
            case 0 | 1:
                data[at] = int(rng.integers(256))
            case 2:
                data[at] ^= 1 << int(rng.integers(8))
            case 3:
                width = int(rng.choice([1, 2, 4]))
                value = EXTREMES[int(rng.integers(len(EXTREMES)))] & (1 << 8 * width) - 1
                data[at : at + width] = value.to_bytes(width, "big" if rng.random() < 0.5 else "little")
            case 4:
                data[at : at + length] = bytes([0 if rng.random() < 0.6 else 255]) * len(data[at : at + length])
            case 5:
                data[at : at + length] = rng.integers(0, 256, len(data[at : at + length]), dtype=np.uint8).tobytes()
            case 6:
                del data[at : at + length]
            case 7:
                data[at:at] = data[at : at + length]
            case 8 if rng.random() < 0.5:
                del data[at:]
            case 8:
                other = seeds[int(rng.integers(len(seeds)))]
                data[at : at + length] = other[at : at + length]
    return with_right_checksums(bytes(data)) if data[:4] == b"\x89PNG" and rng.random() < 0.7 else bytes(data)


def with_right_checksums(data: bytes) -> bytes:
    """A damaged PNG whose checksums say that it is whole: so that the damage reaches the decoder."""
    changed, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 <= len(data):
            changed[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(changed)


def files(kind: str, seed: int) -> Iterator[bytes]:
    """The damaged files of a kind, without end: each has a generator of its own, so that one can be made alone."""
    seeds = list(KINDS[kind]())
    number = 0
    while True:
        yield damaged(seeds, np.random.default_rng([seed, list(KINDS).index(kind), number]))
        number += 1


# --- decoding --------------------------------------------------------------------------------------------------------


def outcome(data: bytes) -> str:
    """ "read", the code of the named error, or what else was raised."""
    try:
        image = decode(data, LIMITS, AREA_PX)
    except LoupeError as error:
        return error.code
    except BaseException as failure:
        return f"UNNAMED {type(failure).__name__}: {str(failure)[:80]}"
    return "read" if image.pixels.ndim == 3 and image.pixels.dtype == np.uint8 else f"NO PICTURE {image.pixels.shape}"


def work(kind: str, count: int, seed: int) -> None:
    """Decode so many files of a kind; a line of JSON for each, before it is decoded and after."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    warnings.simplefilter("ignore")
    made = files(kind, seed)
    for number in range(count):
        data = next(made)
        print(json.dumps([number]), flush=True)
        start = time.process_time()
        result = outcome(data)
        print(json.dumps([number, result, time.process_time() - start, peak_mb()]), flush=True)


def peak_mb() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def torture(kind: str, count: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Figures of a kind, and one sentence for each thing that went wrong."""
    command = [sys.executable, __file__, "--work", kind, "--count", str(count), "--seed", str(seed)]
    tests = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
    limit_s = STUCK_S + count * SLOWEST_S
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=limit_s)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    slowest = peak = 0.0
    number = -1
    for line in ran.stdout.splitlines():
        number, *rest = json.loads(line)
        if not rest:
            continue
        result, seconds, peak = rest
        named = result == result.lower()
        outcomes[result if named else "unnamed"] += 1
        slowest = max(slowest, seconds)
        if not named:
            wrong.append(f"{kind} {number}: {result}")
        if seconds > SLOWEST_S:
            wrong.append(f"{kind} {number}: {seconds:.1f} s ({result})")
    if ran.returncode:
        wrong.append(f"{kind} {number}: the process ended with {ran.returncode}: {ran.stderr[-300:]}")
    if peak > MOST_MB:
        wrong.append(f"{kind}: {peak:.0f} MB")
    figures = {"read": outcomes["read"], "slowest": slowest, "peak": peak, "outcomes": outcomes}
    return {"files": sum(outcomes.values()), **figures}, wrong


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="files of all kinds together (default 20000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=KINDS, help="this kind alone")
    parser.add_argument("--file", type=int, help="with --only: write the file of this number to standard output")
    parser.add_argument("--work", choices=KINDS, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.work:
        work(asked.work, asked.count, asked.seed)
        return 0
    if asked.only and asked.file is not None:
        seeds = list(KINDS[asked.only]())
        rng = np.random.default_rng([asked.seed, list(KINDS).index(asked.only), asked.file])
        sys.stdout.buffer.write(damaged(seeds, rng))
        return 0
    kinds = [asked.only] if asked.only else list(KINDS)
    print(f"{'kind':8} {'files':>6} {'read':>6} {'slowest':>8} {'peak MB':>8}  refused as", flush=True)
    all_wrong: list[str] = []
    for kind in kinds:
        figures, wrong = torture(kind, asked.count // len(kinds), asked.seed)
        all_wrong += wrong
        refused = ", ".join(f"{code} {many}" for code, many in figures["outcomes"].most_common() if code != "read")
        row = f"{kind:8} {figures['files']:6} {figures['read']:6} {figures['slowest']:6.2f} s {figures['peak']:8.0f}"
        print(f"{row}  {refused}", flush=True)
    for sentence in all_wrong:
        print(f"WRONG {sentence}", flush=True)
    return bool(all_wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
