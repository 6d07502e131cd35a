"""DICOM, through pydicom: ultrasound, mammography, secondary capture, slide microscopy.

Only elements that say how pixels are stored, shown and sized are read. pydicom skips all others, so nothing about the
patient is ever decoded, and no value of the file goes into a message. `dicom_frames` has the frames, `dicom_grey` the
grey values. A file of several frames is refused, except the tiles of one slide, which are put together.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import ceil

import numpy as np
import PIL.Image
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_partial
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from device.base.errors import (
    CompressionNotRead,
    DecodingTooLarge,
    DicomFrames,
    DicomWithoutPicture,
    ImageDamaged,
    ImageTruncated,
    LoupeError,
    VarietyNotRead,
)
from device.reading.decoding.memory import current_memory
from device.reading.formats.dicom_frames import (
    BIG_ENDIAN,
    COMPRESSED,
    DEFLATED,
    ITEM,
    NATIVE,
    Layout,
    bytes_per_px,
    frames_of,
    prepare,
    samples_of,
)
from device.reading.formats.dicom_grey import grey_table, stored_values
from device.reading.formats.dicom_scale import stated_scale
from device.reading.formats.mosaic import REDUCED_BYTES_PER_PX, put_together, reduction, refuse_without_scale
from device.reading.formats.pillow import note_profile
from device.reading.formats.pixels import Samples, Stored, check_size, eight_bits, finish, room, wanted_size
from device.reading.image import Image, Limits, SizeRule

__all__ = ["prepare", "read"]

NAME = "DICOM"
INFLATED_BYTES = 1 << 20

# pydicom's remarks quote values. Set once, for the process.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").disabled = True
warnings.filterwarnings("ignore", module="pydicom")

STANDARD = re.compile(r"1\.2\.840\.10008\.[0-9.]{1,50}")
PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
PALETTES = [
    f"{segmented}{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
]
LOOKED_AT = [
    *("SOPClassUID", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PlanarConfiguration", *PALETTES),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "PixelPaddingValue"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "SequenceOfUltrasoundRegions"),
    *("TotalPixelMatrixColumns", "TotalPixelMatrixRows", "TotalPixelMatrixFocalPlanes", "NumberOfOpticalPaths"),
    *("DimensionOrganizationType", "SharedFunctionalGroupsSequence", "ICCProfile", "OpticalPathSequence"),
]
PLACES = "PerFrameFunctionalGroupsSequence"  # long, so looked at only where it is needed

# A header takes pydicom about 10 µs an item or element: no real one has so many.
MOST_ITEMS = 100_000

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
GREYS = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    try:
        with ExitStack() as held:
            return _read(_inflated(data, limits, held), limits, target)
    except (LoupeError, MemoryError):
        raise
    except Exception:
        # What pydicom and the decoders raise may quote the file: so nothing of it is chained.
        raise ImageDamaged from None


def _read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    dataset, at = _header(data, LOOKED_AT)
    layout = _layout(dataset, at)
    _lift_groups(dataset)
    width, height = layout.columns, layout.rows
    frames = int(dataset.get("NumberOfFrames") or 1)
    tiled = _is_tiled(dataset)
    if frames != 1 and not tiled:
        raise DicomFrames(frames=frames)
    if tiled:
        width, height = int(dataset.TotalPixelMatrixColumns), int(dataset.TotalPixelMatrixRows)
    scale = stated_scale(dataset)
    if tiled:
        refuse_without_scale((width, height), scale, target, limits)
    # The pieces of a slide are decoded one by one, and what they are put together to is made smaller at once.
    check_size(width, height, limits, layout.rows * layout.columns if tiled and callable(target) else None)
    size = wanted_size(width, height, target)
    frame_data = frames_of(data, at, bool(dataset.original_encoding[0]), layout, frames)
    factor = reduction((width, height), size, limits) if tiled else 1
    notes: list[str] = []
    note_profile(_profile(dataset), notes)
    decoded_size = ceil(width / factor), ceil(height / factor)
    with room((width, height), size, _bytes_taken(layout, frame_data, (width, height), factor), decoded_size):
        if tiled:
            places = _places(dataset, data, layout, (width, height), frames)
            strips = _strips(frame_data, places, layout, dataset, (width, height), notes)
            picture: PIL.Image.Image | Stored = put_together(strips, (width, height), factor)
        else:
            picture = _picture(frame_data[0], layout, dataset, notes)
        return finish(picture, size, (width, height), NAME, notes, stated_um_per_px=scale, preview=True)


def _bytes_taken(
    layout: Layout, frames: Sequence[memoryview | bytes], full: tuple[int, int], factor: int
) -> int:  # fmt: skip
    """The memory that reading takes: a frame and its packed bytes. For a slide: a frame with its copies in other
    colours, a row of tiles, and the reduced picture."""
    packed = 0 if layout.syntax in NATIVE else 2 * max(map(len, frames))
    px = layout.rows * layout.columns
    frame = ceil(px * bytes_per_px(layout, frames[0])) + packed
    if len(frames) == 1 and (layout.columns, layout.rows) == full:
        return frame
    width, height = full
    reduced = REDUCED_BYTES_PER_PX * ceil(width / factor) * ceil(height / factor)
    return frame + 14 * px + 12 * layout.rows * width + reduced


# --- the header ------------------------------------------------------------------------------------------------------


def _inflated(data: bytes, limits: Limits, held: ExitStack) -> bytes:
    """The file with its data set inflated. Its memory counts for as long as `held` is open. Raises `ImageDamaged` where
    that is more than any picture takes, `DecodingTooLarge` where it is more than there is."""
    start = data.find(b"DICM", 128, 132) + 4
    at = data.find(b"\x02\x00\x10\x00UI", start, start + 2048)  # transfer syntax
    if start < 4 or at < 0 or data[at + 8 : at + 8 + len(DEFLATED)] != DEFLATED.encode():
        return data
    length_at = data.find(b"\x02\x00\x00\x00UL\x04\x00", start, start + 16)
    if length_at < 0:
        raise ImageDamaged
    end = length_at + 12 + int.from_bytes(data[length_at + 8 : length_at + 12], "little")
    most = int(limits.max_megapixels * 3e6) + 16_000_000
    size = sum(len(part) for part in _inflating(memoryview(data)[end:], most))
    memory = current_memory()
    if 2 * size > memory.most:
        raise DecodingTooLarge
    held.enter_context(memory.taken(2 * size, 0))  # its parts, then put together
    # Named as what it is now: explicit little endian, padded to the same length.
    plain = data[:end].replace(DEFLATED.encode(), b"1.2.840.10008.1.2.1".ljust(len(DEFLATED), b"\0"), 1)
    return b"".join([plain, *_inflating(memoryview(data)[end:], most)])


def _inflating(packed: memoryview, most: int) -> Iterator[bytes]:
    """Inflates deflated data part by part. Raises `ImageDamaged` where they are more than `most`, `ImageTruncated`
    where their end is missing."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for at in range(0, len(packed), INFLATED_BYTES):
        piece: bytes | memoryview = packed[at : at + INFLATED_BYTES]
        while True:
            part = inflater.decompress(piece, INFLATED_BYTES)
            piece = inflater.unconsumed_tail
            most -= len(part)
            if most < 0:
                raise ImageDamaged
            if not part:
                break
            yield part
    if not inflater.eof:
        raise ImageTruncated


def _header(data: bytes, keywords: Sequence[str]) -> tuple[FileDataset, int]:
    """The elements of these names, and where the element with the pixels starts: -1 where there is none."""
    if data.count(ITEM) > MOST_ITEMS:
        raise ImageDamaged
    file, count = io.BytesIO(data), 0

    def stop(tag: BaseTag, _: str | None, length: int) -> bool:
        nonlocal count
        count += 1
        if count > MOST_ITEMS:
            raise ImageDamaged
        if tag not in PIXELS and length != 0xFFFFFFFF and file.tell() + length > len(data):
            raise ImageTruncated
        return int(tag) in PIXELS

    dataset = read_partial(file, stop, force=True, specific_tags=[Tag(keyword) for keyword in keywords])
    at = file.tell()
    return dataset, at if at + 8 <= len(data) else -1


def _layout(dataset: FileDataset, at: int) -> Layout:
    """Raises `DicomWithoutPicture`, `CompressionNotRead`, `VarietyNotRead` or `ImageDamaged`."""
    if at < 0 or "Rows" not in dataset or "Columns" not in dataset:
        uid = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
        kind = _name_of(uid)
        if at < 0 and (not uid or "Rows" in dataset or "Image Storage" in kind):
            raise ImageTruncated
        raise DicomWithoutPicture(kind=kind)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "")).rstrip("\0 ") or _guessed_syntax(dataset)
    if syntax not in NATIVE and syntax not in COMPRESSED:
        raise CompressionNotRead(format=NAME, compression=_name_of(syntax))
    layout = Layout(
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        samples=int(dataset.SamplesPerPixel),
        bits_allocated=int(dataset.BitsAllocated),
        bits_stored=int(dataset.get("BitsStored") or dataset.BitsAllocated),
        high_bit=int(dataset.get("HighBit") or 0) or int(dataset.get("BitsStored") or dataset.BitsAllocated) - 1,
        signed=bool(dataset.get("PixelRepresentation")),
        planar=bool(dataset.get("PlanarConfiguration")),
        photometric=str(dataset.PhotometricInterpretation).strip(),
        syntax=syntax,
    )
    if layout.bits_allocated not in (8, 16) or not 1 <= layout.bits_stored <= layout.bits_allocated:
        raise VarietyNotRead(format=NAME, variety="Bits Allocated")
    if layout.photometric not in (*COLOURS, *GREYS, PALETTE):
        raise VarietyNotRead(format=NAME, variety="Photometric Interpretation")
    if layout.samples != (3 if layout.photometric in COLOURS else 1):
        raise VarietyNotRead(format=NAME, variety="Samples per Pixel")
    return layout


def _lift_groups(dataset: Dataset) -> None:
    """Newer kinds of file keep the window and the rescaling of all frames in a group. Copies them to where older kinds
    have them."""
    for group in dataset.get("SharedFunctionalGroupsSequence") or ():
        for name in ("FrameVOILUTSequence", "PixelValueTransformationSequence"):
            for shared in group.get(name) or ():
                for element in shared:
                    if element.tag not in dataset:
                        dataset[element.tag] = element


def _profile(dataset: Dataset) -> bytes | None:
    """The colour profile of the picture, or of the light in which a slide was scanned."""
    lights = dataset.get("OpticalPathSequence") or ()
    return next((each.ICCProfile for each in (dataset, *lights) if each.get("ICCProfile")), None)


def _guessed_syntax(dataset: FileDataset) -> str:
    implicit, little = dataset.original_encoding
    if implicit:
        return "1.2.840.10008.1.2"
    return "1.2.840.10008.1.2.1" if little else BIG_ENDIAN


def _name_of(uid: object) -> str:
    """The standard's name for it, or its number there. Any other text of the file may be a person's name."""
    text = str(uid or "").rstrip("\0 ")
    name = UID(text).name
    return name if name != text or STANDARD.fullmatch(text) else "?"


# --- pixels ----------------------------------------------------------------------------------------------------------


def _picture(frame: memoryview | bytes, layout: Layout, dataset: Dataset, notes: list[str]) -> Stored:
    """One frame. It is in memory once, as it is stored."""
    samples, photometric = samples_of(frame, layout)
    expected = (layout.rows, layout.columns) if layout.samples == 1 else (layout.rows, layout.columns, layout.samples)
    if samples.shape != expected:
        raise ImageDamaged
    if layout.bits_stored > 8:
        notes.append("sixteen_bit_scaled")
    if photometric in GREYS or photometric == PALETTE:
        notes.append("grey_expanded" if photometric in GREYS else "palette_expanded")
        table = _palette(layout, dataset) if photometric == PALETTE else grey_table(samples, layout, dataset, notes)
        return Stored(samples, lambda strip: table[stored_values(strip, layout)])

    def to_eight_bits(strip: Samples) -> NDArray[np.uint8]:
        if strip.dtype != np.uint8:
            strip = eight_bits(strip.astype(np.uint16), (1 << layout.bits_stored) - 1)
        if not photometric.startswith("YBR"):
            return np.asarray(strip, np.uint8)
        return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(strip), "YCbCr").convert("RGB"))

    return Stored(samples, to_eight_bits)


def _palette(layout: Layout, dataset: Dataset) -> NDArray[np.uint8]:
    """The colour of each value that can be stored: uint8 [values, 3]."""
    colours = apply_color_lut(np.arange(1 << layout.bits_stored, dtype=np.uint16)[:, None], dataset)[:, 0, :3]
    # Entries of 16 bits, unless somebody stored 8 bits in them.
    return np.asarray(colours >> 8 if colours.max() > 255 else colours, np.uint8)


def _rgb(picture: Stored) -> NDArray[np.uint8]:
    """A whole picture, uint8 [h, w, 3]."""
    shown = picture.to_eight_bits(np.asarray(picture.samples))
    return np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown


# --- slides ----------------------------------------------------------------------------------------------------------


def _is_tiled(dataset: Dataset) -> bool:
    """Whether the frames are the tiles of one picture, at one focus and in one light."""
    if not dataset.get("TotalPixelMatrixColumns") or not dataset.get("TotalPixelMatrixRows"):
        return False
    planes = max(int(dataset.get(name) or 1) for name in ("TotalPixelMatrixFocalPlanes", "NumberOfOpticalPaths"))
    return planes == 1


def _places(dataset: Dataset, data: bytes, layout: Layout, full: tuple[int, int], frames: int) -> list[tuple[int, int]]:
    """Left and top of each tile in the whole picture, in the order of the frames (PS3.3, C.7.6.17.3)."""
    across, down = ceil(full[0] / layout.columns), ceil(full[1] / layout.rows)
    if str(dataset.get("DimensionOrganizationType") or "TILED_FULL") == "TILED_FULL" or frames == 1:
        if frames != across * down:
            raise ImageDamaged
        return [(n % across * layout.columns, n // across * layout.rows) for n in range(frames)]
    groups = _header(data, [PLACES])[0].PerFrameFunctionalGroupsSequence
    if len(groups) != frames:
        raise ImageDamaged
    positions = [group.PlanePositionSlideSequence[0] for group in groups]
    return [
        (int(p.ColumnPositionInTotalImagePixelMatrix) - 1, int(p.RowPositionInTotalImagePixelMatrix) - 1)
        for p in positions
    ]


def _strips(
    frames: Sequence[memoryview | bytes],
    places: Sequence[tuple[int, int]],
    layout: Layout,
    dataset: Dataset,
    full: tuple[int, int],
    notes: list[str],
) -> Iterator[NDArray[np.uint8]]:
    """The picture as strips, one row of tiles each, uint8 [rows, width, 3]; white where there is no tile."""
    width, height = full
    for top in range(0, height, layout.rows):
        strip = np.full((min(layout.rows, height - top), width, 3), 255, np.uint8)
        for frame, (left, at) in zip(frames, places, strict=True):
            if at != top or not 0 <= left < width:
                continue
            tile = _rgb(_picture(frame, layout, dataset, notes))
            tile = tile[: len(strip), : width - left]
            strip[: len(tile), left : left + tile.shape[1]] = tile
        yield strip
