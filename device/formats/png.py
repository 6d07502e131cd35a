"""PNG, through Pillow; with 16 bits a sample through libpng (`imagecodecs`), for of colours Pillow keeps the high bytes
alone.

Pillow passes over the checksums of picture data and unpacks text that nobody asked for. So the file is walked chunk by
chunk first: checksums are tested, and only the chunks that the picture needs are handed on."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from device.errors import AnimatedImage, ImageDamaged, ImageTruncated
from device.formats.exif import parse_exif
from device.formats.joined import Joined
from device.formats.pillow import note_profile, read_with
from device.formats.pixels import check_size, finish, room, sixteen_bits, wanted_size
from device.formats.scale import stated_scale
from device.image import Image, Limits, SizeRule, StatedScale

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
WANTED = (*NEEDED, b"acTL", b"iCCP", b"eXIf", b"pHYs", b"sBIT", b"fcTL")
LARGEST_PROFILE = 4 << 20
MOST_CHUNKS = 100_000
METRE = 1


@dataclass(frozen=True)
class Chunk:
    """`kind`, what it holds, and where its bytes lie in the file, with length and checksum."""

    kind: bytes
    body: memoryview
    place: slice


def prepare() -> None:
    """Load what is loaded with the first file that needs it."""
    import imagecodecs

    _ = imagecodecs.png_decode


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    chunks = _once(_walk(data))
    header = next((chunk.body for chunk in chunks if chunk.kind == b"IHDR" and len(chunk.body) == 13), None)
    if header is None:
        raise ImageTruncated if len(data) < len(SIGNATURE) + 25 else ImageDamaged
    found = {chunk.kind: bytes(chunk.body) for chunk in chunks if chunk.kind not in NEEDED}
    orientation = parse_exif(found.get(b"eXIf", b"")).orientation
    whole = chunks[-1].kind == b"IEND"
    view = memoryview(data)
    pieces: list[bytes | memoryview] = [SIGNATURE, *(view[chunk.place] for chunk in chunks if chunk.kind != b"eXIf")]
    if header[8] == 16:
        return _read_deep(header, pieces, found, whole, orientation, limits, target)
    return read_with(
        PngImageFile,
        "PNG",
        Joined(pieces),
        limits,
        target,
        ends_early=lambda: not whole,
        orientation=lambda _: orientation,
        stated_um_per_px=_stated(found),
        preview=orientation > 1,  # not all browsers turn PNGs
        work_bytes=lambda _width, _height: len(data),  # put together anew, for libpng
        colours=partial(_colours, pieces),
    )


def _colours(pieces: list[bytes | memoryview], out: NDArray[np.uint8]) -> None:
    """Lay an RGB picture of 8 bits into uint8 [h, w, 3], at three bytes a pixel where Pillow takes four."""
    import imagecodecs

    imagecodecs.png_decode(b"".join(pieces), out=out)


def _once(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks, of those beside the picture data one of each kind: a profile that is unpacked a thousand times takes
    long."""
    kept: list[Chunk] = []
    seen: set[bytes] = set()
    for chunk in chunks:
        if chunk.kind == b"IDAT" or chunk.kind not in seen:
            kept.append(chunk)
        seen.add(chunk.kind)
    return kept


def _walk(data: bytes) -> Iterator[Chunk]:
    """The chunks that matter, up to the end of the picture or of the file. Raises `ImageDamaged` where a checksum of one
    that the picture can't do without is wrong."""
    view, at = memoryview(data), len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if at + 12 > len(data):
            return
        length, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        end = at + 12 + length
        if kind in WANTED:
            body = view[at + 8 : min(end - 4, len(data))]
            whole = end <= len(data)
            right = whole and zlib.crc32(view[at + 4 : end - 4]) == int.from_bytes(view[end - 4 : end], "big")
            if whole and not right and kind in NEEDED:
                raise ImageDamaged
            if right or (kind == b"IDAT" and not whole):
                yield Chunk(kind, body, slice(at, end))
        elif not kind[0] & 0x20 and end <= len(data):
            raise ImageDamaged  # PNG has no other chunks without which there is no picture
        if kind == b"IEND":
            return
        at = end
    raise ImageDamaged


def _stated(found: dict[bytes, bytes]) -> StatedScale | None:
    """pHYs gives pixels a metre."""
    body = found.get(b"pHYs", b"")
    if len(body) != 9:
        return None
    across, down, unit = struct.unpack(">IIB", body)
    if unit != METRE or not across or not down:
        return None
    return stated_scale(1e6 / across, 1e6 / down, "resolution")


def _read_deep(
    header: memoryview,
    pieces: list[bytes | memoryview],
    found: dict[bytes, bytes],
    whole: bool,
    orientation: int,
    limits: Limits,
    target: int | SizeRule | None,
) -> Image:
    """A PNG of 16 bits a sample."""
    import imagecodecs  # 29 MB, for few files

    width, height = struct.unpack(">II", header[:8])
    colour = header[9]
    channels = {0: 1, 2: 3, 4: 2, 6: 4}.get(colour)
    if channels is None or width == 0 or height == 0:
        raise ImageDamaged
    check_size(width, height, limits)
    frames = int.from_bytes(found.get(b"acTL", b"")[:4], "big")
    if frames > 1:
        raise AnimatedImage(frames=frames)
    size = wanted_size(width, height, target)
    decode_bytes = width * height * 2 * channels + sum(map(len, pieces))
    notes: list[str] = []
    with room((width, height), size, decode_bytes):
        try:
            samples = imagecodecs.png_decode(b"".join(pieces))
        except imagecodecs.PngError as failure:
            raise (ImageDamaged if whole else ImageTruncated) from failure
        note_profile(_profile(found), notes)
        return finish(
            sixteen_bits(samples, notes, max(found.get(b"sBIT", b""), default=None)),
            size,
            (width, height),
            "PNG",
            notes,
            orientation=orientation,
            stated_um_per_px=_stated(found),
            preview=True,
        )


def _profile(found: dict[bytes, bytes]) -> bytes | None:
    """The colour profile, None where there is none or it can't be unpacked."""
    name, _, packed = found.get(b"iCCP", b"").partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], LARGEST_PROFILE) if name else None
    except zlib.error:
        return None
