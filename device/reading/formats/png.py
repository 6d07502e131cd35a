"""PNG, through Pillow; with 16 bits a sample through libpng (`imagecodecs`), because Pillow keeps only the high bytes
of colours.

Pillow skips the checksums of picture data and unpacks text that nobody asked for. So the file is first read chunk by
chunk: checksums are tested, and only the chunks that the picture needs are passed on.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from device.base.errors import AnimatedImage, ImageDamaged, ImageTruncated
from device.reading.formats.exif import parse_exif
from device.reading.formats.joined import Joined
from device.reading.formats.pillow import note_profile, read_with
from device.reading.formats.pixels import (
    LARGE_PX,
    STRIP_AREA_PX,
    TURNS,
    Samples,
    Stored,
    bits_for,
    check_size,
    finish,
    note_bits,
    room,
    scaled,
    sixteen_bits,
    wanted_size,
)
from device.reading.formats.scale import stated_scale
from device.reading.image import Image, Limits, SizeRule, StatedScale

if TYPE_CHECKING:
    from device.reading.formats.png_bands import BandedRows

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PALETTE, CHANNELS = 3, {0: 1, 2: 3, 4: 2, 6: 4}  # samples of a pixel, by the header's kind of colour
NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
WANTED = (*NEEDED, b"acTL", b"iCCP", b"eXIf", b"pHYs", b"sBIT", b"fcTL")
LARGEST_PROFILE = 4 << 20
# Programs write chunks of 8 kB and more. Each that is kept takes some hundred bytes.
MOST_CHUNKS, USUAL_BYTES = 20_000, 8000
METRE = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """`kind`, contents, and the place of its bytes in the file, with length and checksum."""

    kind: bytes
    body: memoryview
    place: slice


def prepare() -> None:
    """Load the libraries that the first file would load."""
    import imagecodecs

    import device.reading.formats.png_bands

    _ = imagecodecs.png_decode, device.reading.formats.png_bands


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    chunks = _once(_walk(data))
    header = next((chunk.body for chunk in chunks if chunk.kind == b"IHDR" and len(chunk.body) == 13), None)
    if header is None:
        raise ImageTruncated if len(data) < len(SIGNATURE) + 25 else ImageDamaged
    bodies = {chunk.kind: bytes(chunk.body) for chunk in chunks if chunk.kind not in NEEDED}
    orientation = parse_exif(bodies.get(b"eXIf", b"")).orientation
    whole = chunks[-1].kind == b"IEND"
    view = memoryview(data)
    pieces = [SIGNATURE, *_joined(view, [chunk.place for chunk in chunks if chunk.kind != b"eXIf"])]
    if _in_bands(header, chunks, orientation):
        return _read_banded(header, chunks, bodies, whole, limits, target)
    if header[8] == 16:
        return _read_deep(header, pieces, bodies, whole, orientation, limits, target)
    return read_with(
        PngImageFile,
        "PNG",
        Joined(pieces),
        limits,
        target,
        ends_early=lambda: not whole,
        orientation=lambda _: orientation,
        stated_um_per_px=_stated(bodies),
        preview=orientation > 1,  # not all browsers turn PNGs
    )


def _in_bands(header: memoryview, chunks: Sequence[Chunk], orientation: int) -> bool:
    """Whether a picture is large enough to be decoded a band of rows at a time, and of a kind that allows it."""
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if width * height <= LARGE_PX or interlaced or orientation in TURNS:
        return False
    if colour == PALETTE:
        return bool(bits == 8)
    return colour in CHANNELS and bits in (8, 16) and all(chunk.kind != b"tRNS" for chunk in chunks)


def _read_banded(
    header: memoryview,
    chunks: Sequence[Chunk],
    bodies: dict[bytes, bytes],
    whole: bool,
    limits: Limits,
    target: int | SizeRule | None,
) -> Image:
    """A large PNG, never whole in memory."""
    from device.reading.formats.png_bands import WORK_BYTES, BandedRows

    width, height = struct.unpack(">II", header[:8])
    check_size(width, height, limits)
    _refuse_frames(bodies)
    size = wanted_size(width, height, target)
    notes: list[str] = []
    with room((width, height), size, WORK_BYTES):
        rows = BandedRows(header, [chunk.body for chunk in chunks if chunk.kind == b"IDAT"])
        try:
            if header[9] == PALETTE:
                to_eight_bits = _palette(rows, chunks, notes)
            else:
                to_eight_bits = _samples(rows, header[8], max(bodies.get(b"sBIT", b""), default=None), notes)
            note_profile(_profile(bodies), notes)
            stated = _stated(bodies)
            picture = Stored(rows, to_eight_bits)
            return finish(
                picture, size, (width, height), "PNG", notes, stated_um_per_px=stated, preview=header[8] == 16
            )
        except ImageDamaged as damage:
            raise (damage if whole else ImageTruncated()) from damage


def _samples(
    rows: BandedRows, bits: int, stated: int | None, notes: list[str]
) -> Callable[[Samples], NDArray[np.uint8]]:
    """A function from rows that are grey or RGB, with or without alpha, to grey, RGB or RGBA of 8 bits."""
    channels = 1 if len(rows.shape) == 2 else rows.shape[2]
    colours = channels - 1 if channels in (2, 4) else channels
    has_alpha = colours < channels
    used, opaque = bits, bits
    if bits == 16:
        used = bits_for(_largest(rows, slice(0, colours)), stated)
        note_bits(used, notes)
    if colours == 1:
        notes.append("grey_expanded")
    if has_alpha and not _any_alpha(rows):
        notes.append("alpha_ignored")
        has_alpha = False
    if has_alpha and bits == 16:
        opaque = bits_for(_largest(rows, slice(colours, channels)))

    def to_eight_bits(strip: Samples) -> NDArray[np.uint8]:
        if channels == 1 or (channels == 4 and has_alpha and bits == 8):
            return scaled(strip, used)
        shown = scaled(strip[..., :colours], used)
        if not has_alpha:
            return shown[..., 0] if colours == 1 else shown
        shown = np.broadcast_to(shown, (*strip.shape[:2], 3))
        return np.concatenate([shown, scaled(strip[..., -1:], opaque)], axis=2)

    return to_eight_bits


def _strips(rows: BandedRows) -> Iterator[Samples]:
    step = max(1, STRIP_AREA_PX // rows.shape[1])
    return (rows[top : top + step] for top in range(0, len(rows), step))


def _largest(rows: BandedRows, samples: slice) -> int:
    """The largest value of some of a pixel's samples."""
    return max(int((strip[..., samples] if strip.ndim == 3 else strip).max()) for strip in _strips(rows))


def _any_alpha(rows: BandedRows) -> bool:
    """Whether a pixel's last sample is above 0 anywhere."""
    return any(strip[..., -1].any() for strip in _strips(rows))


def _palette(rows: BandedRows, chunks: Sequence[Chunk], notes: list[str]) -> Callable[[Samples], NDArray[np.uint8]]:
    """A function from rows of palette indices to RGB or RGBA."""
    notes.append("palette_expanded")
    bodies = {chunk.kind: np.frombuffer(chunk.body, np.uint8) for chunk in chunks if chunk.kind in (b"PLTE", b"tRNS")}
    listed, alpha = bodies.get(b"PLTE", np.empty(0, np.uint8))[:768], bodies.get(b"tRNS")
    if not len(listed) or len(listed) % 3:
        raise ImageDamaged
    table = np.zeros((256, 3), np.uint8)
    table[: len(listed) // 3] = listed.reshape(-1, 3)
    if alpha is None:
        return lambda strip: table[strip]
    opacity = np.full((256, 1), 255, np.uint8)
    opacity[: len(alpha), 0] = alpha[:256]
    used = np.zeros(256, bool)
    for strip in _strips(rows):
        used[strip] = True
    if not opacity[used].any():
        notes.append("alpha_ignored")
        return lambda strip: table[strip]
    both = np.concatenate([table, opacity], axis=1)
    return lambda strip: both[strip]


def _refuse_frames(bodies: dict[bytes, bytes]) -> None:
    frames = int.from_bytes(bodies.get(b"acTL", b"")[:4], "big")
    if frames > 1:
        raise AnimatedImage(frames=frames)


def _once(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks, with one of each kind beside the picture data: to unpack a profile a thousand times takes long."""
    needed: list[Chunk] = []
    seen: set[bytes] = set()
    for chunk in chunks:
        if chunk.kind == b"IDAT" or chunk.kind not in seen:
            needed.append(chunk)
        seen.add(chunk.kind)
    return needed


def _joined(view: memoryview, places: Sequence[slice]) -> list[bytes | memoryview]:
    """The bytes at these places, in as few pieces as possible."""
    pieces: list[bytes | memoryview] = []
    first = last = 0
    for place in places:
        if place.start != last:
            pieces.append(view[first:last])
            first = place.start
        last = place.stop
    return [*pieces, view[first:last]]


def _walk(data: bytes) -> Iterator[Chunk]:
    """The chunks that matter, up to the end of the picture or of the file. Raises `ImageDamaged` where the checksum of
    a necessary chunk is wrong."""
    view, at = memoryview(data), len(SIGNATURE)
    for _ in range(max(MOST_CHUNKS, len(data) // USUAL_BYTES)):
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


def _stated(bodies: dict[bytes, bytes]) -> StatedScale | None:
    """pHYs gives pixels a metre."""
    body = bodies.get(b"pHYs", b"")
    if len(body) != 9:
        return None
    across, down, unit = struct.unpack(">IIB", body)
    if unit != METRE or not across or not down:
        return None
    return stated_scale(1e6 / across, 1e6 / down, "resolution")


def _read_deep(
    header: memoryview,
    pieces: list[bytes | memoryview],
    bodies: dict[bytes, bytes],
    whole: bool,
    orientation: int,
    limits: Limits,
    target: int | SizeRule | None,
) -> Image:
    """A PNG of 16 bits a sample."""
    import imagecodecs  # 29 MB, for few files

    width, height = struct.unpack(">II", header[:8])
    colour = header[9]
    channels = CHANNELS.get(colour)
    if channels is None or width == 0 or height == 0:
        raise ImageDamaged
    check_size(width, height, limits)
    _refuse_frames(bodies)
    size = wanted_size(width, height, target)
    decode_bytes = width * height * 2 * channels + sum(map(len, pieces))
    notes: list[str] = []
    with room((width, height), size, decode_bytes):
        try:
            samples = imagecodecs.png_decode(b"".join(pieces))
        except imagecodecs.PngError as failure:
            raise (ImageDamaged if whole else ImageTruncated) from failure
        note_profile(_profile(bodies), notes)
        return finish(
            sixteen_bits(samples, notes, max(bodies.get(b"sBIT", b""), default=None)),
            size,
            (width, height),
            "PNG",
            notes,
            orientation=orientation,
            stated_um_per_px=_stated(bodies),
            preview=True,
        )


def _profile(bodies: dict[bytes, bytes]) -> bytes | None:
    """The colour profile; None where there is none or it can't be unpacked."""
    name, _, packed = bodies.get(b"iCCP", b"").partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], LARGEST_PROFILE) if name else None
    except zlib.error:
        return None
