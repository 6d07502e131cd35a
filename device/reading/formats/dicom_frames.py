"""The frames of a DICOM file: their places in its bytes, and the samples that each holds.

imagecodecs (BSD) decodes compressed frames; RLE frames are unpacked as PackBits into memory of a known size. A
compressed frame has a header of its own. Where that disagrees with the file's rows and columns nothing is decoded, so a
small file can't ask for more memory than the limits allow.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from device.base.errors import ImageDamaged, ImageTruncated
from device.reading.formats.jpeg import check_scans, check_whole, walk
from device.reading.formats.jpeg_stream import LOSSLESS, JpegHeader, is_ycbcr, jpeg_header
from device.reading.formats.pixels import Samples

UNDEFINED = 0xFFFFFFFF
PROGRESSIVE, HEADER_BYTES = 0xC2, 1 << 18
MOST_FRAMES = 100_000  # tiles of 256 pixels of the largest slides
ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")

# Transfer syntaxes by how their frames are packed (DICOM PS3.5, annex A).
NATIVE = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "explicit big endian",
}
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
JPEG_LS = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81))
JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91))
HIGH_THROUGHPUT = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))
RLE = ("1.2.840.10008.1.2.5",)
COMPRESSED = (*JPEG, *JPEG_LS, *JPEG_2000, *HIGH_THROUGHPUT, *RLE)


@dataclass(frozen=True)
class Layout:
    """How the samples of one frame are stored, by the file's header."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool
    photometric: str
    syntax: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame that isn't compressed."""
        samples = 2 if self.photometric == "YBR_FULL_422" and self.syntax not in COMPRESSED else self.samples
        return self.rows * self.columns * samples * self.bits_allocated // 8


def prepare() -> None:
    """Load the libraries that the first frame would load."""
    import imagecodecs

    for name in ("packbits", "jpeg8", "jpegsof3", "jpegls", "jpeg2k"):
        getattr(imagecodecs, f"{name}_decode")


def bytes_per_px(layout: Layout, frame: memoryview | bytes) -> float:
    """Memory that decoding takes for each pixel of a frame, with its samples. Measured, and tested against the
    measurement."""
    samples, wide = layout.samples, layout.bits_allocated // 8
    if layout.syntax in NATIVE:
        return 6 * wide if layout.photometric == "YBR_FULL_422" else 0
    if layout.syntax in RLE:
        return 2 * samples * wide + 3
    if layout.syntax in JPEG:
        header = jpeg_header(bytes(frame[:HEADER_BYTES]))
        if header.process == LOSSLESS:
            return 2 * samples * wide
        return samples + 0.5 + (2 * samples if header.process == PROGRESSIVE else 0)
    if layout.syntax in JPEG_LS:
        return samples * wide + 1
    return samples * (5 + wide)  # OpenJPEG keeps samples of 32 bits


def frames_of(data: bytes, at: int, implicit: bool, layout: Layout, count: int) -> list[memoryview | bytes]:
    """The bytes of each of the `count` frames of the element PixelData, which starts at `at`.

    Raises `ImageTruncated` where the file ends before them, `ImageDamaged` where they are inconsistent.
    """
    big = layout.syntax == BIG_ENDIAN
    length, start = _length(data, at, implicit, big)
    if count > MOST_FRAMES:
        raise ImageDamaged
    if (length == UNDEFINED) != (layout.syntax in COMPRESSED):
        raise ImageDamaged
    if layout.syntax in NATIVE:
        return _native_frames(data, start, length, layout.frame_bytes, count)
    return _assembled(_fragments(data, start), count)


def _length(data: bytes, at: int, implicit: bool, big: bool) -> tuple[int, int]:
    """Length of the element at `at`, and where its value starts."""
    order = ">" if big else "<"
    try:
        if implicit:
            return struct.unpack_from("<I", data, at + 4)[0], at + 8
        if data[at + 4 : at + 6] in LONG_VRS:
            return struct.unpack_from(order + "I", data, at + 8)[0], at + 12
        return struct.unpack_from(order + "H", data, at + 6)[0], at + 8
    except struct.error:
        raise ImageTruncated from None


def _native_frames(data: bytes, start: int, length: int, frame_bytes: int, count: int) -> list[memoryview | bytes]:
    if start + frame_bytes * count > len(data):
        raise ImageTruncated
    if frame_bytes * count > length:
        raise ImageDamaged
    view = memoryview(data)
    return [view[start + number * frame_bytes : start + (number + 1) * frame_bytes] for number in range(count)]


def _fragments(data: bytes, at: int) -> tuple[list[int], list[tuple[int, memoryview]]]:
    """The basic offset table; and for each fragment its start, counted as the table counts, and its bytes."""
    view, first = memoryview(data), 0
    table: list[int] | None = None
    fragments: list[tuple[int, memoryview]] = []
    while True:
        header = data[at : at + 8]
        if len(header) < 8:
            raise ImageTruncated
        tag, length = header[:4], struct.unpack("<I", header[4:])[0]
        if tag == SEQUENCE_END:
            return table or [], fragments
        if tag != ITEM or length == UNDEFINED:
            raise ImageDamaged
        if at + 8 + length > len(data):
            raise ImageTruncated
        value = view[at + 8 : at + 8 + length]
        if table is None:
            table = (
                list(struct.unpack(f"<{length // 4}I", value[: length // 4 * 4])) if length // 4 <= MOST_FRAMES else []
            )
            first = at + 8 + length
        else:
            fragments.append((at - first, value))
        at += 8 + length


def _assembled(
    table_and_fragments: tuple[list[int], list[tuple[int, memoryview]]], count: int
) -> list[memoryview | bytes]:
    """The fragments of each frame put together: by the offset table, else one fragment a frame, else all fragments as
    one frame."""
    table, fragments = table_and_fragments
    if len(fragments) < count:
        raise ImageDamaged
    if len(fragments) == count:
        return [value for _, value in fragments]
    if count == 1:
        return [b"".join(value for _, value in fragments)]
    if len(table) == count:
        ends = [*table[1:], UNDEFINED]
        return [
            b"".join(value for at, value in fragments if start <= at < end)
            for start, end in zip(table, ends, strict=True)
        ]
    # A JPEG, JPEG-LS or JPEG 2000 frame starts with a marker of its own.
    starts = [number for number, (_, value) in enumerate(fragments) if bytes(value[:2]) in (b"\xff\xd8", b"\xff\x4f")]
    if len(starts) != count:
        raise ImageDamaged
    bounds = zip(starts, [*starts[1:], len(fragments)], strict=True)
    return [b"".join(value for _, value in fragments[first:last]) for first, last in bounds]


def samples_of(frame: memoryview | bytes, layout: Layout) -> tuple[Samples, str]:
    """The samples of a frame as stored, [rows, columns] or [rows, columns, samples] of 8 or 16 bits, and the photometric
    interpretation that they then have: decoders of JPEG and JPEG 2000 give RGB."""
    if layout.syntax in NATIVE:
        return _native(frame, layout), layout.photometric
    if layout.syntax in RLE:
        return _rle(bytes(frame), layout), layout.photometric
    if layout.syntax in JPEG:
        return _jpeg(bytes(frame), layout)
    return _other(bytes(frame), layout)


def _dtype(layout: Layout) -> np.dtype[Any]:
    order = ">" if layout.syntax == BIG_ENDIAN else "<"
    return np.dtype("u1") if layout.bits_allocated == 8 else np.dtype(f"{order}u2")


def _native(frame: memoryview | bytes, layout: Layout) -> Samples:
    flat = np.frombuffer(frame, _dtype(layout))
    rows, columns = layout.rows, layout.columns
    if layout.photometric == "YBR_FULL_422":
        # Two luminances share a pair of colour differences: Y Y B R.
        groups = flat.reshape(rows, columns // 2, 4)
        expanded = np.empty((rows, columns, 3), flat.dtype)
        expanded[:, 0::2, 0], expanded[:, 1::2, 0] = groups[..., 0], groups[..., 1]
        expanded[..., 1], expanded[..., 2] = np.repeat(groups[..., 2], 2, 1), np.repeat(groups[..., 3], 2, 1)
        return expanded
    return _shaped(flat, layout, planar=layout.planar)


def _shaped(flat: Samples, layout: Layout, planar: bool) -> Samples:
    rows, columns, samples = layout.rows, layout.columns, layout.samples
    if samples == 1:
        return flat.reshape(rows, columns)
    return flat.reshape(samples, rows, columns).transpose(1, 2, 0) if planar else flat.reshape(rows, columns, samples)


def _rle(frame: bytes, layout: Layout) -> Samples:
    """Run lengths (PS3.5, annex G): one PackBits segment for each byte of each sample, the high bytes first."""
    from imagecodecs import packbits_decode

    width = layout.bits_allocated // 8
    header = struct.unpack_from("<16I", frame)
    segments = layout.samples * width
    if header[0] != segments or any(offset < 64 for offset in header[1 : 1 + segments]):
        raise ImageDamaged
    planes = np.empty((layout.samples, layout.rows * layout.columns, width), np.uint8)
    ends = [*header[2 : 1 + segments], len(frame)]
    for number, (start, end) in enumerate(zip(header[1 : 1 + segments], ends, strict=True)):
        # Rows may be padded to an even number of bytes: a segment may be one byte longer than its pixels.
        plane = packbits_decode(frame[start:end], out=planes.shape[1] + 1)
        if len(plane) < planes.shape[1]:
            raise ImageDamaged
        sample, byte = divmod(number, width)
        planes[sample, :, width - 1 - byte] = np.frombuffer(plane, np.uint8)[: planes.shape[1]]
    flat = planes.reshape(-1).view("<u2" if width == 2 else "u1")
    return _shaped(flat, layout, planar=True)


def _jpeg(frame: bytes, layout: Layout) -> tuple[Samples, str]:
    from imagecodecs import jpeg8_decode, jpegsof3_decode

    header = jpeg_header(frame)
    _check(header, layout)
    if header.process == LOSSLESS:
        return np.ascontiguousarray(jpegsof3_decode(frame)), layout.photometric
    segments = list(walk(frame))
    check_scans(segments)
    check_whole(segments)
    if header.components == 1:
        return jpeg8_decode(frame), layout.photometric
    space = "YCBCR" if is_ycbcr(header, layout.photometric.startswith("YBR")) else "RGB"
    return jpeg8_decode(frame, colorspace=space, outcolorspace="RGB"), "RGB"


def _other(frame: bytes, layout: Layout) -> tuple[Samples, str]:
    from imagecodecs import jpeg2k_decode, jpegls_decode

    if layout.syntax in JPEG_LS:
        _check(jpeg_header(frame), layout)
        return jpegls_decode(frame), layout.photometric
    _check(_jpeg2000_header(frame), layout)
    samples = jpeg2k_decode(frame)
    # The codec itself undoes the colour transforms that are part of JPEG 2000.
    return samples, "RGB" if layout.photometric in ("YBR_RCT", "YBR_ICT") else layout.photometric


def _jpeg2000_header(frame: bytes) -> JpegHeader:
    """Of a codestream, bare or in a JP2 file: the marker SIZ follows SOC at once (ISO 15444-1, A.5.1)."""
    at = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0:
        raise ImageDamaged
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    tile_width, tile_height = struct.unpack_from(">2I", frame, at + 24)
    components, depth = struct.unpack_from(">HB", frame, at + 40)
    if tile_width == 0 or tile_height == 0:
        raise ImageDamaged
    return JpegHeader(0, bottom - top, right - left, components, (depth & 0x7F) + 1)


def _check(header: JpegHeader, layout: Layout) -> None:
    """Raises `ImageDamaged` where a compressed frame has another size than the file says. To be called before it takes
    memory."""
    stated = (layout.rows, layout.columns, layout.samples)
    if (header.rows, header.columns, header.components) != stated or header.bits > 16:
        raise ImageDamaged
