"""Picture files of every kind that the box reads, damaged by chance from a seed, so that one of them can be made again."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import PIL.Image

# --- whole files -----------------------------------------------------------------------------------------------------


def jpegs() -> Iterator[bytes]:
    from tests.support.drawn_files import encode, tissue

    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    kinds: tuple[dict[str, Any], ...] = (
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
    from tests.support.drawn_files import encode, png, png_chunk, tissue

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

    from tests.support.drawn_files import encode, tiff, tiff_tags, tissue

    rgb, grey = np.asarray(tissue()), np.asarray(tissue().convert("L"))

    def written(pixels: np.ndarray, *, big: bool = False, order: Literal["<", ">"] = "<", **options: Any) -> bytes:
        file = io.BytesIO()
        with tifffile.TiffWriter(file, bigtiff=big, byteorder=order) as writer:
            writer.write(pixels, metadata=None, **options)
            if options.get("subifds"):
                writer.write(pixels[::2, ::2], metadata=None, subfiletype=1, **(options | {"subifds": None}))
        return file.getvalue()

    for compression in (None, "lzw", "zlib", "packbits", "zstd", "jpeg", "webp", "jpeg2000"):
        yield written(rgb, photometric="rgb", compression=compression, tile=(64, 64))
        yield written(rgb, photometric="rgb", compression=compression, rowsperstrip=32, big=True)
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        deep, planes = grey.astype(np.uint16) * 257, rgb.transpose(2, 0, 1).astype(np.uint16) * 16
        yield written(deep, order=order, photometric="miniswhite", compression="lzw", predictor=True)
        yield written(planes, order=order, photometric="rgb", planarconfig="separate")
    stated: dict[str, Any] = {"resolution": (40000, 40000), "resolutionunit": 3}
    yield written(rgb, photometric="rgb", tile=(64, 64), subifds=1, compression="jpeg", **stated)
    yield encode(tissue().convert("P"), "TIFF")
    yield encode(tissue().convert("CMYK"), "TIFF", compression="tiff_lzw")
    yield tiff(tiff_tags(160, 120, 6, (8, 8, 8)), rgb.tobytes()[: 160 * 120 * 3 // 2])
    yield tiff(tiff_tags(160, 120, 1, (12,)), grey.tobytes() * 2)


def webps() -> Iterator[bytes]:
    from tests.support.drawn_files import encode, tissue

    yield encode(tissue(), "WEBP", quality=80)
    yield encode(tissue().convert("RGBA"), "WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")


def bmps() -> Iterator[bytes]:
    from tests.support.drawn_files import encode, tissue

    for mode in ("RGB", "RGBA", "P", "1"):
        yield encode(tissue().convert(mode), "BMP")


def dicoms() -> Iterator[bytes]:
    from tests.support import drawn_dicom as drawn
    from tests.support.drawn_files import tissue

    rgb = np.asarray(tissue())
    deep = np.asarray(tissue().convert("L")).astype(np.uint16) * 16
    plain, packed = (drawn.EXPLICIT, drawn.IMPLICIT, drawn.DEFLATED), (drawn.BASELINE, drawn.JPEG_LS, drawn.JPEG_2000)
    for syntax in (*plain, *packed, drawn.RLE):
        yield drawn.dicom(rgb, syntax=syntax, preamble=syntax != drawn.IMPLICIT)
    for syntax in (drawn.BIG, drawn.LOSSLESS_SV1, drawn.JPEG_LS, drawn.RLE):
        yield drawn.dicom(deep, syntax=syntax, bits=12, WindowCenter=2000, WindowWidth=3000)


def heics() -> Iterator[bytes]:
    from tests.support.drawn_files import tissue
    from tests.support.drawn_heic import colours, heic, turned

    picture = np.asarray(tissue(160, 112))
    yield heic(picture, colours(), turned(1))
    yield heic(picture[..., 0].copy(), colours())


def avifs() -> Iterator[bytes]:
    from tests.support.drawn_files import encode, tissue

    yield encode(tissue(160, 112), "AVIF", quality=80, speed=9)
    yield encode(tissue(160, 112).convert("RGBA"), "AVIF", quality=80, speed=9)


def slides() -> Iterator[bytes]:
    from tests.support.drawn_files import tissue
    from tests.support.drawn_slide import ndpi

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
    """The damaged files of a kind, without end."""
    seeds, number = list(KINDS[kind]()), 0
    while True:
        yield damaged(seeds, _chance(kind, seed, number))
        number += 1


def one(kind: str, seed: int, number: int) -> bytes:
    """The damaged file of this number alone."""
    return damaged(list(KINDS[kind]()), _chance(kind, seed, number))


def _chance(kind: str, seed: int, number: int) -> np.random.Generator:
    """A generator for each file, so that one can be made without those before it."""
    return np.random.default_rng([seed, list(KINDS).index(kind), number])
