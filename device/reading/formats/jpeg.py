"""JPEG, through Pillow and libjpeg-turbo, which can decode it at a half to an eighth of its size where that is enough.

libjpeg fills missing data with grey or shifted blocks and only warns, and Pillow drops its warnings. So the picture
data are first decoded once by a decoder that stops at a warning (`simplejpeg`, libjpeg-turbo too), at an eighth of the
size, which costs about as much as the scaled decoding. It gets only the markers that matter: junk between them or after
the end is no damage, because all viewers skip it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from device.base.errors import ImageDamaged, ImageTruncated, VarietyNotRead
from device.reading.formats.exif import Exif, parse_exif
from device.reading.formats.joined import Joined
from device.reading.formats.pillow import read_with
from device.reading.formats.scale import scale_of_resolution
from device.reading.image import Image, Limits, SizeRule

EOI, SOS, DHT, DRI, APP0, APP1, APP2, APP14 = 0xD9, 0xDA, 0xC4, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length: TEM, RST0 to RST7, SOI
FRAMES = {*range(0xC0, 0xD0)} - {DHT, 0xC8, 0xCC}
HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)
EXTENDED, LOSSLESS = 0xC1, (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)
SOI_BYTES = b"\xff\xd8"
NEEDED = {*FRAMES, DHT, DRI, 0xCC, 0xDB}
LOOKED_AT = {*NEEDED, SOS, APP0, APP1, APP2, APP14}

# A marker ends a scan, except the restart markers within it.
SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# FF is followed by 00 or by a marker, also through fill bytes; several FF before a 00 are an erased piece of memory.
ERASED = b"\xff\xff\x00"
AFTER_FILL = re.compile(rb"[^\xff]")
BLOCK_BYTES = 65_536
ZEROS = bytes(64)  # more zeros than any block takes, see `_zeros_are_proper`
# So many bytes between a picture and its end marker are what it lacks elsewhere; fewer are some cameras' habit.
LEAST_JUNK = 9

LARGEST_PROFILE = 4 << 20
MOST_SEGMENTS = 10_000

# Programs write progressive pictures in ten scans, of four inks in eighteen; libjpeg goes over the whole picture for each.
FEW_SCANS, MOST_SCANS, MOST_SCANNED_PX = 18, 100, 500_000_000

WARNING = re.compile(r"Corrupt JPEG data|Premature end")
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


@dataclass(frozen=True)
class Segment:
    """A marker and the contents of its segment where they matter. After SOS, the picture data up to the next marker:
    two places in `source`, so that no large file is copied."""

    marker: int
    body: bytes
    source: bytes = b""
    start: int = 0
    stop: int = 0

    @property
    def scan(self) -> bytes:
        return self.source[self.start : self.stop]

    @property
    def scan_bytes(self) -> int:
        return self.stop - self.start

    def has_erased(self) -> bool:
        return self.source.find(ERASED, self.start, self.stop) >= 0

    def has_zeros(self) -> bool:
        return self.source.find(ZEROS, self.start, self.stop) >= 0


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    segments = list(walk(data))
    check_scans(segments)
    frame = next((segment for segment in segments if segment.marker in FRAMES), None)
    if frame is not None and frame.body:
        if frame.body[0] != 8 and frame.marker not in LOSSLESS:
            raise VarietyNotRead(format="JPEG", variety=f"{frame.body[0]} bits")
        if frame.marker in LOSSLESS:
            raise VarietyNotRead(format="JPEG", variety="lossless")
    exif = exif_of(segments)
    pieces = _plain(segments, shown=True)
    return read_with(
        JpegImageFile,
        "JPEG",
        Joined(pieces),
        limits,
        target,
        ends_early=lambda: b"\xff\xd9" not in data[-64:],
        orientation=lambda _: exif.orientation,
        stated_um_per_px=scale_of_resolution(exif.resolution or _density(segments), "resolution"),
        check=lambda: check_whole(segments),
        work_bytes=lambda width, height: _work_bytes(segments, width * height),
        colours=partial(_colours, pieces) if _has_colours(frame) else None,
    )


def _work_bytes(segments: list[Segment], px: int) -> float:
    """Memory that libjpeg takes for a picture of so many pixels beside its output, and that the check for damage takes
    before: a copy of the file and an eighth of the picture."""
    copied = sum(segment.scan_bytes + len(segment.body) for segment in segments)
    if any(segment.has_zeros() for segment in segments):
        copied *= 2
    return copied + px / 16 + px * _coefficient_bytes_per_px(segments)


def _has_colours(frame: Segment | None) -> bool:
    """Whether `_colours` can read the picture: `check_whole` has checked it, and it is neither grey nor CMYK."""
    return frame is not None and frame.marker in HUFFMAN_FRAMES and len(frame.body) >= 6 and frame.body[5] == 3


def _colours(pieces: list[bytes | memoryview], out: NDArray[np.uint8]) -> None:
    """Decode the picture at full size into uint8 [h, w, 3]. The result equals Pillow's bit for bit; Pillow takes four
    bytes a pixel."""
    simplejpeg.decode_jpeg(b"".join(pieces), "RGB", False, False, buffer=out.reshape(-1), strict=False)


def walk(data: bytes) -> Iterator[Segment]:
    """The segments of a JPEG up to its end, without what lies between them. Raises `ImageDamaged` where there are more
    than any program writes."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        at = data.find(b"\xff", at)
        behind = AFTER_FILL.search(data, at) if at >= 0 else None
        if behind is None:
            return
        at = behind.start()
        marker = data[at]
        at += 1
        if marker == 0 or marker in ALONE:
            continue
        if marker == EOI:
            yield Segment(EOI, b"")
            return
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + max(2, length)] if marker in LOOKED_AT else b""
        at += max(2, length)
        if marker != SOS:
            yield Segment(marker, body)
            continue
        end = SCAN_END.search(data, at)
        stop = end.start() if end else len(data)
        yield Segment(SOS, body, data, at, _without_fill(data, at, stop) if end else stop)
        at = stop
    raise ImageDamaged


def _without_fill(data: bytes, start: int, stop: int) -> int:
    """The end of the data between two places, without trailing fill bytes: Pillow copies them again and again."""
    while stop > start:
        block = data[max(start, stop - BLOCK_BYTES) : stop]
        left = len(block.rstrip(b"\xff"))
        stop -= len(block) - left
        if left:
            break
    return stop


def size_of(frame: Segment) -> tuple[int, int]:
    """(width, height) that a frame's header states."""
    height, width = (int.from_bytes(frame.body[k : k + 2], "big") for k in (1, 3))
    return width, height


def is_jfif(segment: Segment) -> bool:
    return segment.marker == APP0 and segment.body[:5] == b"JFIF\0"


def exif_of(segments: list[Segment]) -> Exif:
    """The first EXIF block."""
    blocks = (segment.body for segment in segments if segment.marker == APP1 and segment.body[:6] == b"Exif\0\0")
    return parse_exif(next(blocks, b""))


def _density(segments: list[Segment]) -> tuple[float, float, int] | None:
    """JFIF's resolution: pixels a unit across and down, and EXIF's code of the unit."""
    block = next((s.body for s in segments if is_jfif(s) and len(s.body) >= 12), None)
    if block is None:
        return None
    unit, across, down = struct.unpack(">BHH", block[7:12])
    return across, down, unit + 1


def check_whole(segments: list[Segment]) -> None:
    """Raises `ImageTruncated` or `ImageDamaged` where picture data are missing or invalid."""
    tables: dict[int, int] = {}
    progressive = False
    looked_at: list[Segment] = []
    for segment in segments:
        if segment.marker == DHT:
            tables |= _first_symbols(segment.body)
        elif segment.marker in FRAMES:
            if segment.marker not in HUFFMAN_FRAMES:
                return  # arithmetic coding, which Pillow reads or refuses
            progressive = segment.marker == 0xC2
        elif segment.marker == SOS and (segment.has_zeros() or segment.has_erased()):
            segment = _without_padding(segment, tables, progressive)
        looked_at.append(segment)
    problem = _warning(looked_at)
    if problem is None:
        return
    if problem.startswith("Premature end of JPEG file"):
        raise ImageTruncated
    junk = EXTRANEOUS.search(problem)
    if junk is None or not _may_be_padding(segments, int(junk[1])):
        raise ImageDamaged


def _without_padding(scan: Segment, tables: dict[int, int], progressive: bool) -> Segment:
    """The scan without trailing zeros, which some cameras write. Raises `ImageDamaged` where a lost piece inside it was
    replaced by zeros or ones, as file systems and memory cards do: zeros decode without a warning."""
    if scan.has_erased():
        raise ImageDamaged
    if _zeros_are_proper(scan, tables, progressive):
        return scan
    data = scan.scan.rstrip(b"\0")
    data += b"\0" if data.endswith(b"\xff") else b""
    if ZEROS in data:
        raise ImageDamaged
    return Segment(scan.marker, scan.body, data, 0, len(data))


def _first_symbols(body: bytes) -> dict[int, int]:
    """For each Huffman table of a DHT segment (class × 16 + number): the symbol of the code that is all zeros."""
    symbols, at = {}, 0
    while at + 17 < len(body):
        symbols[body[at]] = body[at + 17]
        at += 17 + sum(body[at + 1 : at + 17])
    return symbols


def _zeros_are_proper(scan: Segment, tables: dict[int, int], progressive: bool) -> bool:
    """Whether a long run of zeros may be a blank part of the picture. It may where the shortest code of each table
    means "nothing more in this block". Elsewhere it would be 63 equal coefficients, block after block."""
    if len(scan.body) < 4:
        return True
    components = scan.body[0]
    start, approximation = scan.body[-3], scan.body[-1]
    if progressive and approximation >> 4:
        return True  # single bits that refine what came before
    proper = True
    for selectors in scan.body[2 : 2 + 2 * components : 2]:
        if start == 0:
            proper &= tables.get(selectors >> 4, 0) == 0
        if not progressive or start:
            symbol = tables.get(0x10 | selectors & 15, 0)
            proper &= symbol & 15 == 0 and symbol != 0xF0
    return proper


def _warning(segments: list[Segment]) -> str | None:
    """libjpeg's warning about the picture data; None where it reports no damage."""
    frame = next((segment for segment in segments if segment.marker in FRAMES and len(segment.body) >= 6), None)
    if frame is None:
        return None  # Pillow says what is wrong
    colours = {1: "GRAY", 4: "CMYK"}.get(frame.body[5], "GRAY")
    try:
        simplejpeg.decode_jpeg(b"".join(_plain(segments)), colours, True, True, 1, 1, 8, strict=True)
    except ValueError as problem:
        if WARNING.search(str(problem)):
            return str(problem)
    return None


def _plain(segments: list[Segment], *, shown: bool = False) -> list[bytes | memoryview]:
    """The JPEG written again with the segments that the picture needs. Where it is `shown`, also those that define its
    colours."""
    parts: list[bytes | memoryview] = [SOI_BYTES]
    colours = _colour_segments(segments) if shown else []
    sequential = any(segment.marker in (0xC0, EXTENDED) for segment in segments)
    for segment in segments:
        if segment.marker == SOS or segment.marker in NEEDED or any(segment is each for each in colours):
            body = segment.body
            if segment.marker == SOS and sequential and not shown:
                body = body[:-3] + b"\0\x3f\0"  # some cameras' are wrong, and nobody minds
            parts += [b"\xff", bytes([segment.marker]), struct.pack(">H", len(body) + 2), body]
            parts.append(memoryview(segment.source)[segment.start : segment.stop])
    if segments and segments[-1].marker == EOI:
        parts.append(b"\xff\xd9")
    return parts


def _colour_segments(segments: list[Segment]) -> list[Segment]:
    """The first JFIF and the first Adobe segment, and the colour profile unless it is absurdly long."""
    jfif = next((segment for segment in segments if is_jfif(segment)), None)
    adobe = next((each for each in segments if each.marker == APP14 and each.body[:5] == b"Adobe"), None)
    profile = [each for each in segments if each.marker == APP2 and each.body[:12] == b"ICC_PROFILE\0"]
    if sum(len(each.body) for each in profile) > LARGEST_PROFILE:
        profile = []
    return [each for each in (jfif, adobe, *profile) if each is not None]


def check_scans(segments: list[Segment]) -> None:
    """Raises `ImageDamaged` where a picture has more scans than any program writes: each scan is a pass over the whole
    picture."""
    frame = next((each for each in segments if each.marker in FRAMES and len(each.body) >= 6), None)
    scans = sum(each.marker == SOS for each in segments)
    if frame is not None and (
        scans > MOST_SCANS or (scans > FEW_SCANS and scans * prod(size_of(frame)) > MOST_SCANNED_PX)
    ):
        raise ImageDamaged


def _coefficient_bytes_per_px(segments: list[Segment]) -> float:
    """Memory that libjpeg keeps for each pixel of a picture in several scans: two bytes for each sample."""
    frame = next((each for each in segments if each.marker in FRAMES and len(each.body) >= 6), None)
    if frame is None or sum(each.marker == SOS for each in segments) < 2:
        return 0
    across_down = [(factor >> 4, factor & 15) for factor in frame.body[7::3][: frame.body[5]]]
    largest = max((across for across, _ in across_down), default=1) * max((down for _, down in across_down), default=1)
    return 2 * sum(across * down for across, down in across_down) / max(1, largest)


def _may_be_padding(segments: list[Segment], count: int) -> bool:
    """Whether so many bytes before the end marker are a camera's padding rather than picture data."""
    last = next(segment for segment in reversed(segments) if segment.marker == SOS)
    start = max(last.start, last.stop - count + 1)
    return (
        count < LEAST_JUNK or last.source.count(last.source[start : start + 1], start, last.stop) == last.stop - start
    )
