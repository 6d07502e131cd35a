"""Picture files that tests draw or assemble: tissue in every format, headers that lie, kinds that no library writes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import PIL.Image


def tissue(width: int = 160, height: int = 120, seed: int = 0) -> PIL.Image.Image:
    """A picture with structure at every scale, in the colours of H&E."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for cells in (4, 12, 40):
        noise = PIL.Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += np.asarray(noise.resize((width, height), PIL.Image.Resampling.BICUBIC)) / 3
    pink = np.array([235, 190, 215])
    return PIL.Image.fromarray((picture * 0.3 + pink * 0.7).astype(np.uint8))


def encode(picture: PIL.Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def png(width: int, height: int, bits: int, colour: int, samples: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG of unfiltered rows, for kinds that Pillow doesn't write and for headers that lie."""
    stride = len(samples) // height
    rows = b"".join(b"\0" + samples[y * stride : (y + 1) * stride] for y in range(height if samples else 0))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), extra, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


Tags = dict[int, int | tuple[int, ...]]


def tiff(tags: Tags, data: bytes) -> bytes:
    """A little-endian TIFF of one strip or tile; tags with several values are SHORTs."""
    offset = 8 + 2 + 12 * (len(tags) + 2) + 4
    place, size = (324, 325) if 322 in tags else (273, 279)
    values = b"".join(struct.pack(f"<{len(v)}H", *v) for v in tags.values() if isinstance(v, tuple) and len(v) > 2)
    entries, at = b"", offset
    for tag, value in sorted({**tags, place: offset + len(values), size: len(data)}.items()):
        if isinstance(value, int):
            entries += struct.pack("<HHII", tag, 4, 1, value)
        elif len(value) <= 2:
            entries += struct.pack("<HHI", tag, 3, len(value)) + struct.pack(f"<{len(value)}H", *value).ljust(4, b"\0")
        else:
            entries += struct.pack("<HHII", tag, 3, len(value), at)
            at += 2 * len(value)
    return b"II*\0" + struct.pack("<IH", 8, len(tags) + 2) + entries + struct.pack("<I", 0) + values + data


def tiff_tags(
    width: int, height: int, photometric: int, bits: tuple[int, ...], **more: int
) -> dict[int, int | tuple[int, ...]]:
    named = {"compression": 259, "orientation": 274, "sample_format": 339, "tile_width": 322, "tile_height": 323}
    tags: dict[int, int | tuple[int, ...]] = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: photometric,
        277: len(bits),
    }
    if "tile_width" not in more:
        tags[278] = height
    return tags | {named[name]: value for name, value in more.items()}


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference in grey levels."""
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def ramp(bits: int) -> np.ndarray:
    """256 × 64 grey values from 0 to the largest of so many bits."""
    return np.tile(np.linspace(0, 2**bits - 1, 256).round().astype(np.uint16), (64, 1))


def riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def zeros(count: int) -> bytes:
    """So many zeros, deflated, without ever holding them."""
    deflate, piece = zlib.compressobj(), bytes(1 << 20)
    return b"".join(deflate.compress(piece) for _ in range(count >> 20)) + deflate.flush()
