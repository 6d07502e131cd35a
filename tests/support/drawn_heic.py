"""HEIC files that tests draw: an HEVC picture whose blocks are all stored as plain samples (PCM), in an HEIF container.

No package that may be shipped can encode HEVC; a picture of PCM blocks needs next to nothing of it (ITU-T H.265, 7.3 and
9.3): headers, one arithmetically coded flag a block, and the samples.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray

BLOCK = 16
# rangeTabLps (table 9-46), for the only quarter of the range that comes up here, and the states in it.
LPS = (
    240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110, 104, 99, 94, 89, 85, 80, 76, 72, 69,
    65, 62, 59, 56, 53, 50, 48, 45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15,
    14, 14, 13, 12, 12, 11, 11, 10, 9,
)  # fmt: skip


class Bits:
    """Bits written one after the other, with H.265's codes for numbers."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def u(self, value: int, count: int = 1) -> Bits:
        self.text.append(format(value, f"0{count}b") if count else "")
        return self

    def ue(self, *values: int) -> Bits:
        for value in values:
            code = format(value + 1, "b")
            self.text.append("0" * (len(code) - 1) + code)
        return self

    def bytes(self, stop: bool = True) -> bytes:
        text = "".join(self.text) + ("1" if stop else "")
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8) if text else b""


class Arithmetic:
    """H.265's arithmetic encoder (9.3.5), for one flag that is always the more probable and for ends."""

    def __init__(self) -> None:
        self.state = 0
        self.start()

    def start(self) -> None:
        self.low, self.range, self.first, self.outstanding, self.bits = 0, 510, True, 0, Bits()

    def put(self, bit: int) -> None:
        if self.first:
            self.first = False
        else:
            self.bits.u(bit)
        for _ in range(self.outstanding):
            self.bits.u(1 - bit)
        self.outstanding = 0

    def renormalise(self) -> None:
        while self.range < 256:
            if self.low < 256:
                self.put(0)
            elif self.low >= 512:
                self.low -= 512
                self.put(1)
            else:
                self.low -= 256
                self.outstanding += 1
            self.range <<= 1
            self.low <<= 1

    def probable(self) -> None:
        assert (self.range >> 6) & 3 == 3
        self.range -= LPS[self.state]
        self.state = min(62, self.state + 1)
        self.renormalise()

    def end(self, bit: int) -> None:
        self.range -= 2
        if bit:
            self.low += self.range
            self.range = 2
            self.renormalise()
            self.put((self.low >> 9) & 1)
            self.bits.u(((self.low >> 7) & 3) | 1, 2)
        else:
            self.renormalise()


def nal(kind: int, payload: bytes) -> bytes:
    """A unit of the stream; zeros that would look like a start code are broken up."""
    safe, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            safe.append(3)
            zeros = 0
        safe.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes([kind << 1, 1]) + bytes(safe)


def _profile(bits: Bits, depth: int) -> Bits:
    profile = 1 if depth == 8 else 2
    bits.u(0, 3).u(profile, 5).u(0b11 << 29 if depth == 8 else 1 << 29, 32).u(0b1001, 4).u(0, 44).u(120, 8)
    return bits


def parameter_sets(width: int, height: int, depth: int, grey: bool) -> tuple[bytes, bytes, bytes]:
    """The units VPS, SPS and PPS."""
    wide, high = -(-width // BLOCK) * BLOCK, -(-height // BLOCK) * BLOCK
    vps = _profile(Bits().u(0, 4).u(3, 2).u(0, 6).u(0, 3).u(1).u(0xFFFF, 16), depth)
    vps.u(1).ue(0, 0, 0).u(0, 6).ue(0).u(0).u(0)
    sps = _profile(Bits().u(0, 4).u(0, 3).u(1), depth).ue(0, 0 if grey else 1, wide, high)
    step = 1 if grey else 2
    sps.u(1).ue(0, (wide - width) // step, 0, (high - height) // step)
    sps.ue(depth - 8, depth - 8, 0).u(1).ue(0, 0, 0)
    sps.ue(1, 0, 0, 2, 0, 0).u(0, 3)  # blocks of 16; no scaling lists, asymmetric parts or offsets
    sps.u(1).u(depth - 1, 4).u(depth - 1, 4).ue(1, 0).u(1)  # PCM
    sps.ue(0).u(0, 5)
    pps = Bits().ue(0, 0).u(0, 7).ue(0, 0, 0).u(0, 3).ue(0, 0).u(0, 4).u(0, 2).u(0)
    pps.u(1).u(0).u(1).u(0, 2).ue(0).u(0, 2)  # no deblocking
    return nal(32, vps.bytes()), nal(33, sps.bytes()), nal(34, pps.bytes())


def _slice(planes: Sequence[NDArray[np.uint16]], depth: int) -> bytes:
    header = Bits().u(1).u(0).ue(0, 2, 0).bytes()
    coder, out = Arithmetic(), bytearray(header)
    rows, columns = planes[0].shape[0] // BLOCK, planes[0].shape[1] // BLOCK
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        coder.probable()  # one block, not split
        coder.end(1)  # of plain samples
        out += coder.bits.bytes(stop=False)
        samples = "".join(
            format(int(value), f"0{depth}b")
            for plane, side in zip(planes, (BLOCK, BLOCK // 2, BLOCK // 2), strict=False)
            for value in plane[row * side : (row + 1) * side, column * side : (column + 1) * side].ravel()
        )
        out += int(samples, 2).to_bytes(len(samples) // 8)
        coder.start()
        coder.end(int(number == rows * columns - 1))
    return nal(20, bytes(out) + coder.bits.bytes(stop=False))


def _planes(picture: NDArray[np.uint8], depth: int) -> list[NDArray[np.uint16]]:
    """Luminance and halved colour differences, padded to whole blocks; grey has luminance alone."""
    height, width = picture.shape[:2]
    around = ((0, -height % BLOCK), (0, -width % BLOCK))
    if picture.ndim == 2:
        return [np.left_shift(np.pad(picture, around, "edge"), depth - 8, dtype=np.uint16)]
    colours = np.asarray(PIL.Image.fromarray(picture).convert("YCbCr")).astype(np.uint16)
    planes = [np.pad(colours[..., part], around, "edge") for part in range(3)]
    halved = [(p[0::2, 0::2] + p[1::2, 0::2] + p[0::2, 1::2] + p[1::2, 1::2] + 2) // 4 for p in planes[1:]]
    return [np.left_shift(plane, depth - 8, dtype=np.uint16) for plane in (planes[0], *halved)]


def hevc(picture: NDArray[np.uint8], depth: int = 8) -> tuple[bytes, bytes]:
    """The decoder's configuration (box hvcC) and the coded picture of uint8 [h, w] or [h, w, 3]."""
    grey = picture.ndim == 2
    sets = parameter_sets(picture.shape[1], picture.shape[0], depth, grey)
    record = struct.pack(">BBIHIBHBBBBHBB", 1, 1 if depth == 8 else 2, 0x60000000, 0x9000, 0, 120, 0xF000, 0xFC,
                         0xFC | (0 if grey else 1), 0xF8 | (depth - 8), 0xF8 | (depth - 8), 0, 0x0F, 3)  # fmt: skip
    for kind, unit in zip((32, 33, 34), sets, strict=True):
        record += struct.pack(">BHH", 0x80 | kind, 1, len(unit)) + unit
    coded = _slice(_planes(picture, depth), depth)
    return box("hvcC", record), struct.pack(">I", len(coded)) + coded


def box(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind.encode() + body


def full(kind: str, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


class Container:
    """An HEIF file that is put together: properties, items that bear them, references between items."""

    def __init__(self) -> None:
        self.properties: list[bytes] = []
        self.items: list[tuple[str, bytes, list[int]]] = []
        self.references: list[bytes] = []

    def property(self, data: bytes) -> int:
        self.properties.append(data)
        return len(self.properties)

    def item(self, kind: str, data: bytes, *properties: bytes) -> int:
        self.items.append((kind, data, [self.property(data) for data in properties]))
        return len(self.items)

    def refer(self, kind: str, source: int, *targets: int) -> None:
        self.references.append(box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets)))

    def file(self, primary: int, brand: str = "heic") -> bytes:
        start = box("ftyp", brand.encode(), bytes(4), b"mif1", brand.encode())
        meta = self._meta(primary, 0)
        meta = self._meta(primary, len(start) + len(meta) + 8)
        return start + meta + box("mdat", *(data for _, data, _ in self.items))

    def _meta(self, primary: int, at: int) -> bytes:
        names = [
            full("infe", struct.pack(">HH", number, 0), kind.encode(), b"\0", version=2)
            for number, (kind, _, _) in enumerate(self.items, 1)
        ]
        places = b""
        for number, (_, data, _) in enumerate(self.items, 1):
            places += struct.pack(">HHHII", number, 0, 1, at, len(data))
            at += len(data)
        bearing = [(number, found) for number, (_, _, found) in enumerate(self.items, 1) if found]
        linked = b"".join(struct.pack(f">HB{len(f)}B", n, len(f), *(0x80 | each for each in f)) for n, f in bearing)
        return full(
            "meta",
            full("hdlr", bytes(4) + b"pict" + bytes(13)),
            full("pitm", struct.pack(">H", primary)),
            full("iloc", b"\x44\0", struct.pack(">H", len(self.items)), places),
            full("iinf", struct.pack(">H", len(names)), *names),
            *([full("iref", *self.references)] if self.references else []),
            box("iprp", box("ipco", *self.properties), full("ipma", struct.pack(">I", len(bearing)), linked)),
        )


def extents(width: int, height: int) -> bytes:
    """The property that says how large an item is."""
    return full("ispe", struct.pack(">II", width, height))


def turned(quarters: int) -> bytes:
    """Anticlockwise quarter turns."""
    return box("irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    """About the vertical axis (0) or the horizontal one (1), as HEIF counts them."""
    return box("imir", bytes([axis]))


def coded(container: Container, picture: NDArray[np.uint8], *properties: bytes, depth: int = 8) -> int:
    """Add a picture to a container."""
    configuration, data = hevc(picture, depth)
    return container.item("hvc1", data, configuration, extents(picture.shape[1], picture.shape[0]), *properties)


def heic(picture: NDArray[np.uint8], *properties: bytes, depth: int = 8, exif: bytes | None = None) -> bytes:
    """A file of one picture."""
    container = Container()
    primary = coded(container, picture, *properties, depth=depth)
    if exif is not None:
        container.refer("cdsc", container.item("Exif", bytes(4) + exif), primary)
    return container.file(primary)


def colours(matrix: int = 6, whole_range: bool = True) -> bytes:
    """The property that says how luminance and colour differences were made: 6 is what JPEG does (ITU-T H.273)."""
    return box("colr", b"nclx", struct.pack(">HHHB", 1, 13, matrix, 0x80 * whole_range))
