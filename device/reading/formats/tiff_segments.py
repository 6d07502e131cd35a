"""The strips and tiles of a TIFF page: from compressed bytes to samples, one at a time, never more than the page says.

Each must yield as much as the page's size requires. Data beyond the file's end are `ImageTruncated`; data that don't
unpack or yield too little are `ImageDamaged`. `imagecodecs` loads only the decoder that is asked for. Uncompressed and
deflated pages need none.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.base.errors import CompressionNotRead, ImageDamaged, ImageTruncated, VarietyNotRead
from device.reading.formats import tiff_directory as tags
from device.reading.formats.pixels import Samples
from device.reading.formats.tiff_directory import Directory

NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 7, 8, 32946, 32773
APERIO_YCC, APERIO_LOSSY, APERIO_RGB, JPEG_2000, ZSTD, WEBP = 33003, 33004, 33005, 34712, 50000, 50001
J2K = (APERIO_YCC, APERIO_LOSSY, APERIO_RGB, JPEG_2000)
PICTURES = (JPEG, *J2K, WEBP)  # segments that are pictures in themselves
READ = (NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD, *PICTURES)

# Those that are known but not read, by name.
NAMES = {2: "CCITT", 3: "CCITT T.4", 4: "CCITT T.6", 6: "old-style JPEG", 9: "JBIG", 10: "JBIG", 22610: "JPEG XR",
         32809: "ThunderScan", 32908: "PixarFilm", 32909: "PixarLog", 33007: "Aperio YUYV", 34661: "JBIG",
         34676: "SGILog", 34677: "SGILog24", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy DNG", 34925: "LZMA",
         34933: "PNG", 34934: "JPEG XR", 50002: "JPEG XL", 52546: "JPEG XL"}  # fmt: skip

RGB, YCBCR = 2, 6
HORIZONTAL = 2  # predictor
STREAMED = (NONE, DEFLATE, OLD_DEFLATE)  # unpacked a band of rows at a time
BAND_BYTES = 1_000_000
MOST_VALUES = 64  # that are looked at where there should be one for each sample
MOST_SEGMENTS = 50_000  # 64 megapixels in strips of one row and three planes have fewer
# What decoders take for a segment that is a picture in itself: OpenJPEG keeps samples of 32 bits; libjpeg the
# coefficients of a progressive one and, with its picture, that; libwebp two canvases and a frame, and Pillow two copies.
J2K_BYTES_PER_SAMPLE, JPEG_BYTES_PER_SAMPLE, WEBP_BYTES_PER_PX, SUBSAMPLED_BYTES_PER_PX = 5, 4, 24, 8
BAND_COPIES = 16  # a band of single bits is unpacked to bytes first
PADDING = 8  # bytes that a writer may leave behind a segment's samples
CODESTREAM = re.compile(rb"\xff\x4f\xff\x51..", re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """How a page is cut: `size` (width, height) of the page and `tile` of a tile or strip; `samples` each pixel has, of
    `bits` each, `planes` 1 where a segment has all samples of a pixel, else one plane for each; `subsampling` of YCbCr in
    segments that aren't JPEG."""

    size: tuple[int, int]
    tile: tuple[int, int]
    tiled: bool
    samples: int
    bits: int
    planes: int
    subsampling: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @property
    def grid(self) -> tuple[int, int]:
        """Segments across and down."""
        return ceil(self.size[0] / self.tile[0]), ceil(self.size[1] / self.tile[1])


def layout_of(page: Directory) -> Layout:
    """Raises an `ImageError` where the page says too little, or is of a variety that isn't read."""
    compression = page.number(tags.COMPRESSION, NONE)
    if compression not in READ:
        raise CompressionNotRead(format="TIFF", compression=NAMES.get(compression, str(compression)))
    width, height = page.width, page.height
    bits = {int(count) for count in page.values(tags.BITS)[:MOST_VALUES]} or {1}
    if len(bits) != 1:
        raise VarietyNotRead(format="TIFF", variety="BitsPerSample " + ", ".join(map(str, sorted(bits))))
    samples = page.number(tags.SAMPLES, 1)
    if page.tiled:
        tile = page.number(tags.TILE_WIDTH, 0), page.number(tags.TILE_LENGTH, 0)
    else:
        tile = width, min(height, page.number(tags.ROWS_PER_STRIP, height))
    if min(width, height, *tile, samples) < 1:
        raise ImageDamaged
    subsampled = page.number(tags.PHOTOMETRIC, RGB) == YCBCR and compression not in PICTURES
    across, down = _subsampling(page) if subsampled else (1, 1)
    if not {across, down} <= {1, 2, 4}:
        raise ImageDamaged
    planes = samples if page.number(tags.PLANAR, 1) == 2 and samples > 1 else 1
    return Layout((width, height), tile, page.tiled, samples, bits.pop(), planes, (across, down))


def _subsampling(page: Directory) -> tuple[int, int]:
    """How many luminance samples across and down share a pair of colours; 2 and 2 where the page doesn't say."""
    factors = page.values(tags.YCBCR_SUBSAMPLING)
    return (int(factors[0]), int(factors[1])) if len(factors) >= 2 else (2, 2)


def memory_of(page: Directory, layout: Layout) -> int:
    """How many bytes `read_samples` takes: the page, a segment while it is decoded and until it is in place, its bytes,
    and a band of it while it is unpacked."""
    pixel = layout.samples * layout.dtype.itemsize
    segment_px = layout.tile[0] * layout.tile[1]
    compression = page.number(tags.COMPRESSION, NONE)
    in_segment = layout.samples // layout.planes
    if compression in J2K:
        segment = segment_px * in_segment * (J2K_BYTES_PER_SAMPLE + layout.dtype.itemsize)
    elif compression == JPEG:
        segment = segment_px * in_segment * JPEG_BYTES_PER_SAMPLE
    elif compression == WEBP:
        segment = segment_px * WEBP_BYTES_PER_PX
    elif layout.subsampling != (1, 1):
        segment = segment_px * SUBSAMPLED_BYTES_PER_PX
    elif compression in STREAMED:
        segment = 0
    else:
        segment = segment_px * pixel // layout.planes
    starts = page.values(tags.TILE_BYTES if layout.tiled else tags.STRIP_BYTES)[:MOST_SEGMENTS]
    packed = min(len(page.data), int(starts.max())) if len(starts) and starts.dtype.kind in "ui" else 0
    copies = 2 if compression == JPEG or page.number(tags.FILL_ORDER, 1) == 2 else 1
    return layout.size[0] * layout.size[1] * pixel + segment + copies * packed + BAND_BYTES * BAND_COPIES


def read_samples(page: Directory, layout: Layout) -> Samples:
    """All samples of a page: uint8 or uint16 [h, w] or [h, w, samples]."""
    (width, height), (wide, high) = layout.size, layout.tile
    across, down = layout.grid
    shape = (height, width) if layout.samples == 1 else (height, width, layout.samples)
    whole: Samples = np.empty(shape, layout.dtype)
    decoder = Decoder(page, layout)
    for number, data in enumerate(_segments(page, layout)):
        plane, place = divmod(number, across * down)
        top, left = place // across * high, place % across * wide
        target = whole[top : top + high, left : left + wide]
        if layout.planes > 1:
            target = target[..., plane]
        if data is None:
            target[...] = np.iinfo(layout.dtype).max  # scanners leave out tiles of bare glass
            continue
        at = 0
        for band in decoder.bands(data, high if layout.tiled else len(target)):
            rows = target[at : at + len(band)]
            rows[...] = band[: len(rows), : rows.shape[1]].reshape(rows.shape)
            at += len(band)
    return whole


def _segments(page: Directory, layout: Layout) -> Iterator[bytes | None]:
    """The bytes of each segment; None for a tile that was left out."""
    starts = page.values(tags.TILE_OFFSETS if layout.tiled else tags.STRIP_OFFSETS)
    lengths = page.values(tags.TILE_BYTES if layout.tiled else tags.STRIP_BYTES)
    count = layout.grid[0] * layout.grid[1] * layout.planes
    if len(starts) == 1 and len(lengths) == 0 and page.number(tags.COMPRESSION, NONE) == NONE:
        lengths = np.array([len(page.data) - int(starts[0])])  # old writers leave the length out
    if len(starts) < count or len(lengths) < count or count > MOST_SEGMENTS:
        raise ImageDamaged
    ends = starts[:count].astype(np.uint64) + lengths[:count].astype(np.uint64)
    if int(ends.max()) > len(page.data):
        raise ImageTruncated
    for start, length in zip(starts[:count].tolist(), lengths[:count].tolist(), strict=True):
        if length:
            yield page.data[start : start + length]
        elif layout.tiled and lengths[:count].any():
            yield None
        else:
            raise ImageDamaged


def prepare() -> None:
    """Load the libraries that the first segment would load."""
    import imagecodecs
    from PIL import WebPImagePlugin

    import device.reading.formats.jpeg

    _ = WebPImagePlugin, device.reading.formats.jpeg
    for name in ("jpeg8", "jpeg2k", "lzw", "packbits", "zstd", "bitorder", "packints"):
        getattr(imagecodecs, f"{name}_decode")


class Decoder:
    """Decodes the segments of one page."""

    def __init__(self, page: Directory, layout: Layout) -> None:
        self.page, self.layout = page, layout
        self.compression = page.number(tags.COMPRESSION, NONE)
        self.reversed_bits = page.number(tags.FILL_ORDER, 1) == 2
        self.predictor = page.number(tags.PREDICTOR, 1)
        self.samples = 1 if layout.planes > 1 else layout.samples
        self.tables = page.text(tags.JPEG_TABLES)
        self.photometric = page.number(tags.PHOTOMETRIC, RGB)
        if self.predictor not in (1, HORIZONTAL) and self.compression not in PICTURES:
            raise VarietyNotRead(format="TIFF", variety=f"Predictor {self.predictor}")

    def bands(self, data: bytes, rows: int) -> Iterator[Samples]:
        """A segment of so many rows from top to bottom, [rows, columns, samples of a pixel]: a few rows at a time where
        that saves memory."""
        if self.compression in PICTURES:
            decoded = self._picture(data, rows)
            if decoded.ndim == 2:
                decoded = decoded[..., None]
            if decoded.shape[0] < rows or decoded.shape[1] < self.layout.tile[0] or decoded.shape[2] != self.samples:
                raise ImageDamaged
            if decoded.dtype != self.layout.dtype:
                raise ImageDamaged
            yield decoded[:rows]
        elif self.layout.subsampling != (1, 1):
            yield self._subsampled(data, rows)[:rows]
        else:
            row_bytes = (self.layout.tile[0] * self.samples * self.layout.bits + 7) // 8
            in_band = max(1, BAND_BYTES * min(8, self.layout.bits) // 8 // row_bytes)
            pieces = self._pieces(data, in_band * row_bytes, rows * row_bytes, self.layout.tile[1] * row_bytes)
            for piece in pieces:
                yield self._unpack(piece.reshape(-1, row_bytes))

    def _unpack(self, grid: NDArray[np.uint8]) -> Samples:
        """Rows of packed bytes to rows of samples."""
        (rows, _), bits = grid.shape, self.layout.bits
        in_row = self.layout.tile[0] * self.samples
        if bits == 8:
            samples: Samples = grid
        elif bits == 16:
            samples = grid.view(np.dtype(np.uint16).newbyteorder(self.page.order)).astype(np.uint16)
        elif bits in (1, 2, 4):
            single = np.unpackbits(grid, axis=1)[:, : in_row * bits].reshape(rows, in_row, bits)
            samples = np.asarray(np.packbits(single, axis=2)[..., 0] >> (8 - bits), np.uint8)
        else:
            import imagecodecs

            samples = imagecodecs.packints_decode(grid.tobytes(), "H", bits, runlen=in_row).reshape(rows, in_row)
        samples = samples.reshape(rows, -1, self.samples)
        if self.predictor == HORIZONTAL:
            if bits not in (8, 16):
                raise VarietyNotRead(format="TIFF", variety=f"Predictor 2, BitsPerSample {bits}")
            samples = np.add.accumulate(samples, axis=1, dtype=samples.dtype)
        return samples

    def _subsampled(self, data: bytes, rows: int) -> Samples:
        """YCbCr in units of several luminances and one pair of colours."""
        across, down = self.layout.subsampling
        if self.layout.bits != 8 or self.samples != 3 or self.predictor != 1:
            raise VarietyNotRead(format="TIFF", variety="YCbCrSubSampling")
        columns, lines = ceil(self.layout.tile[0] / across), ceil(rows / down)
        unit = across * down + 2
        full = columns * ceil(self.layout.tile[1] / down) * unit
        needed = columns * lines * unit
        units = np.concatenate(list(self._pieces(data, needed, needed, full))).reshape(lines, columns, unit)
        luminance = units[..., :-2].reshape(lines, columns, down, across).swapaxes(1, 2)
        whole = np.empty((lines * down, columns * across, 3), np.uint8)
        whole[..., 0] = luminance.reshape(whole.shape[:2])
        whole[..., 1:] = units[..., -2:].repeat(down, 0).repeat(across, 1)
        return whole

    def _pieces(self, data: bytes, size: int, needed: int, full: int) -> Iterator[NDArray[np.uint8]]:
        """The `needed` uncompressed bytes of a segment, `size` at a time. `full` are those of a segment with all its
        rows: some writers pad to that. Raises `ImageDamaged` where there are fewer."""
        if self.reversed_bits:
            import imagecodecs

            data = bytes(imagecodecs.bitorder_decode(data))
        if self.compression in (DEFLATE, OLD_DEFLATE):
            yield from _inflated(data, size, needed, full)
            return
        whole = np.frombuffer(self._whole(data, full + PADDING), np.uint8)
        if len(whole) < needed:
            raise ImageDamaged
        for at in range(0, needed, size):
            yield whole[at : min(needed, at + size)]

    def _whole(self, data: bytes, most: int) -> bytes | bytearray:
        """The uncompressed bytes of a segment, `most` at most."""
        if self.compression == NONE:
            return data
        import imagecodecs

        if self.compression == LZW:
            return imagecodecs.lzw_decode(data, out=most)
        if self.compression == PACKBITS:
            return imagecodecs.packbits_decode(data, out=most)
        return imagecodecs.zstd_decode(data, out=most)

    def _picture(self, data: bytes, rows: int) -> Samples:
        if self.compression == JPEG:
            return self._jpeg(data, rows)
        if self.compression == WEBP:
            return self._webp(data, rows)
        return self._jpeg_2000(data, rows)

    def _jpeg(self, data: bytes, rows: int) -> Samples:
        import imagecodecs

        from device.reading.formats.jpeg import FRAMES, SOI_BYTES, check_scans, check_whole, is_jfif, size_of, walk

        if self.tables[:2] == SOI_BYTES:  # what all segments share, without its end marker
            data = self.tables[: self.tables.rindex(b"\xff\xd9")] + data[2:]
        segments = list(walk(data))
        frame = next((segment for segment in segments if segment.marker in FRAMES), None)
        if frame is None:
            raise ImageDamaged
        if frame.body[:1] != b"\x08":
            raise VarietyNotRead(format="TIFF", variety="JPEG, 12 bits")
        self._check_size(size_of(frame), rows)
        check_scans(segments)
        check_whole(segments)
        coded = shown = None
        if self.layout.planes > 1 or self.samples == 1:
            shown = 1
        elif self.photometric == YCBCR:
            shown = 2
        elif self.photometric == RGB:
            # Scanners store RGB as it is; where there is a JFIF marker, it is YCbCr whatever the page says.
            coded, shown = None if any(is_jfif(segment) for segment in segments) else 2, 2
        elif self.samples == 4:
            shown = 4
        decoded: Samples = imagecodecs.jpeg8_decode(data, colorspace=coded, outcolorspace=shown)
        return decoded

    def _jpeg_2000(self, data: bytes, rows: int) -> Samples:
        import imagecodecs

        start = CODESTREAM.search(data)
        if start is None or len(data) < start.end() + 40:
            raise ImageDamaged
        at = start.end()
        right, bottom, left, top = (int.from_bytes(data[at + 2 + 4 * k : at + 6 + 4 * k], "big") for k in range(4))
        self._check_size((right - left, bottom - top), rows)
        components = int.from_bytes(data[at + 34 : at + 36], "big")
        steps = data[at + 36 : at + 36 + 3 * min(components, 8)]
        if set(steps[1::3] + steps[2::3]) != {1}:
            raise VarietyNotRead(format="TIFF", variety="JPEG 2000, subsampled")
        decoded: Samples = imagecodecs.jpeg2k_decode(data)
        return decoded

    def _webp(self, data: bytes, rows: int) -> Samples:
        from PIL.WebPImagePlugin import WebPImageFile

        with WebPImageFile(io.BytesIO(data)) as picture:
            self._check_size(picture.size, rows)
            return np.asarray(picture.convert("RGB" if self.samples == 3 else "RGBA"))

    def _check_size(self, size: tuple[int, int], rows: int) -> None:
        """A picture in a segment must have the segment's size. Checked before it takes memory."""
        if size[0] != self.layout.tile[0] or not rows <= size[1] <= self.layout.tile[1]:
            raise ImageDamaged


def _inflated(data: bytes, size: int, needed: int, full: int) -> Iterator[NDArray[np.uint8]]:
    """The `needed` bytes of deflated data, `size` at a time. What follows is read too, for the checksum stands at the
    end."""
    unpacker, rest, left = zlib.decompressobj(), data, needed
    while left > 0:
        piece = bytearray()
        while len(piece) < min(size, left):
            part = unpacker.decompress(rest, min(size, left) - len(piece))
            rest = unpacker.unconsumed_tail
            if not part:
                raise ImageDamaged
            piece += part
        left -= len(piece)
        yield np.frombuffer(bytes(piece), np.uint8)
    unpacker.decompress(rest, full - needed + PADDING)
    unpacker.decompress(unpacker.unconsumed_tail, 1)
    if not unpacker.eof:
        raise ImageDamaged
