"""What all format modules share: the check of a header against the limits, the size at which a picture is wanted, and
the way from stored samples to upright RGB pixels of that size.

A format module opens the header, calls `check_size`, then `wanted_size`, decodes within `room`, and ends in `finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor
from typing import Protocol, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Resampling, Transpose

from device.base.errors import ImageTooNarrow, ImageTooSmall, TooManyPixels
from device.reading.decoding.memory import current_memory
from device.reading.image import Image, Limits, SizeRule, StatedScale, read_size

# EXIF's orientations 2 to 8: what brings the stored picture upright.
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
QUARTER_TURNS = (5, 6, 7, 8)

# The cheap first step (JPEG's scaled decoding, box averaging) stops at twice the size that is wanted; Lanczos does the
# rest. Going all the way with the cheap step would save 8 ms of 17 on a 2048 × 1536 JPEG, but read it 8 % blurrier and
# 3 grey levels apart from the same picture in another format; stopping at twice, it is 1 level.
GAP = 2
LANCZOS_REACH = 3  # pixels of the coarser of the two scales that Pillow's filter sees on either side

# A result of more pixels than `STRIPS_ABOVE_PX` is made in strips of so many rows, as is one of which the first step
# leaves so much. Some kinds have a way of their own for files of more than `LARGE_PX`.
STRIPS_ABOVE_PX, STRIP_PX, LARGE_PX = 1_000_000, 256, 4_000_000

# Bits that the samples of cameras and scanners have.
USED_BITS = (8, 10, 12, 14, 16)

RESULT_BYTES_PER_PX = 3
# A strip that is worked on: so many pixels at most, each with its copies.
STRIP_AREA_PX, STRIP_BYTES_PER_PX = 500_000, 20
BLOCK_PX = 100_000  # of which samples become 8 bits at a time


def check_size(width: int, height: int, limits: Limits, decoded_px: int | None = None) -> None:
    """Check a header's width × height against the limits. `decoded_px`: pixels that are decoded, where not width ×
    height: more where tiles are larger than the picture, fewer where a smaller copy in the file is decoded instead.
    Raises `TooManyPixels`, `ImageTooSmall` or `ImageTooNarrow`."""
    if (width * height if decoded_px is None else decoded_px) > limits.max_megapixels * 1e6:
        raise TooManyPixels(width=width, height=height, limit_megapixels=limits.max_megapixels)
    if min(width, height) < limits.min_px:
        raise ImageTooSmall(width=width, height=height, minimum_px=limits.min_px)
    if max(width, height) > limits.max_aspect * min(width, height):
        raise ImageTooNarrow(width=width, height=height, limit_ratio=limits.max_aspect)


@contextmanager
def room(
    full_size: tuple[int, int],
    size: tuple[int, int],
    decode_bytes: float,
    decoded_size: tuple[int, int] | None = None,
    *,
    in_strips: bool = True,
) -> Iterator[None]:
    """Takes memory for as long as it is open: for a picture of `full_size` (width, height) that is decoded, to
    `decoded_size` where a decoder reduces it, and brought to `size`, `in_strips` or as a whole. The decoder takes at
    most `decode_bytes`; what `finish` takes is added here. Some kinds need several times as much as others, so they
    may have fewer pixels. Raises `TooManyPixels`, and `Busy` where others have the memory."""
    memory = current_memory()
    result = size[0] * size[1] * RESULT_BYTES_PER_PX
    work = ceil(decode_bytes) + _finish_bytes(decoded_size or full_size, size, in_strips)
    allowed = min(memory.most / (work + result), memory.most_result / result)
    if allowed < 1:
        width, height = full_size
        raise TooManyPixels(width=width, height=height, limit_megapixels=floor(width * height * allowed / 1e5) / 10)
    with memory.taken(work, result):
        yield


def _finish_bytes(decoded: tuple[int, int], size: tuple[int, int], in_strips: bool) -> int:
    """Memory that `finish` takes beside the decoded picture and the resulting pixels."""
    strips = min(STRIP_AREA_PX, decoded[0] * decoded[1]) * STRIP_BYTES_PER_PX
    if _is_large(decoded, size):
        return strips
    across, down = (ceil(whole / max(1, int(whole / part / GAP))) for whole, part in zip(decoded, size, strict=True))
    reduced = across * down if in_strips or (across, down) != decoded else 0
    return (strips if in_strips else 0) + 4 * reduced + 4 * size[0] * (down + 4 * size[1])


def _is_large(decoded: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether a picture is resized strip by strip: where the result is large, or where the cheap first step leaves a
    large picture."""
    if size[0] * size[1] > STRIPS_ABOVE_PX:
        return True
    left = all(whole < 2 * GAP * part for whole, part in zip(decoded, size, strict=True))
    return left and decoded[0] * decoded[1] > 2 * LARGE_PX


def wanted_size(width: int, height: int, target: int | SizeRule | None) -> tuple[int, int]:
    """(width, height) at which `decode`'s `target` wants a picture of width × height. Raises what the rule raises."""
    if target is None:
        return width, height
    return read_size(width, height, target) if isinstance(target, int) else target(width, height)


# Samples as a file holds them.
Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


class Rows(Protocol):
    """A source of the samples of rows [first:last], from top to bottom: an array, or a decoder that decodes them when
    asked."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Samples: ...


@dataclass(frozen=True)
class Stored:
    """A decoded picture as an array of any samples: `samples` [h, w] or [h, w, samples], and `to_eight_bits`, which
    makes a strip of its rows uint8 [h, w] grey, [h, w, 3] RGB or [h, w, 4] RGBA. So the picture is in memory once,
    at the size that it has in the file."""

    samples: Rows
    to_eight_bits: Callable[[Samples], NDArray[np.uint8]] = np.asarray

    @property
    def size(self) -> tuple[int, int]:
        return self.samples.shape[1], self.samples.shape[0]

    def turned(self, orientation: int) -> Stored:
        """Upright, without a copy."""
        samples = np.asarray(self.samples)
        samples = samples.swapaxes(0, 1) if orientation in QUARTER_TURNS else samples
        if orientation in (3, 4, 7, 8):
            samples = samples[::-1]
        if orientation in (2, 3, 6, 7):
            samples = samples[:, ::-1]
        return Stored(samples, self.to_eight_bits)


def finish(
    picture: PIL.Image.Image | Stored,
    size: tuple[int, int],
    full_size: tuple[int, int],
    name: str,
    notes: list[str],
    *,
    orientation: int = 1,
    stated_um_per_px: StatedScale | None = None,
    preview: bool = False,
) -> Image:
    """The `Image` of a decoded picture: a Pillow picture in mode L, RGB or RGBA, or an array.

    `picture` may already be smaller than the file's, which is `full_size` (width, height); `size` is what is wanted. Both
    are as stored: an EXIF `orientation` of 2 to 8 is applied here, to them too. Transparent parts become white.
    """
    width, height = full_size
    # Turned at full size and flattened at the small one: so all orientations give the same pixels, at little memory.
    if orientation in TURNS:
        notes.append("exif_rotated")
        picture = picture.turned(orientation) if isinstance(picture, Stored) else picture.transpose(TURNS[orientation])
        if orientation in QUARTER_TURNS:
            width, height, size = height, width, (size[1], size[0])
    if _is_large(picture.size, size):
        pixels = _in_strips(picture, size, notes)
    elif isinstance(picture, Stored):
        pixels = np.asarray(_flatten(_resize_in_strips(picture, size), notes))
    else:
        pixels = np.asarray(_flatten(_resize(picture, size), notes))
    return Image(pixels, width, height, name, tuple(dict.fromkeys(notes)), stated_um_per_px, preview)


def show_if_all_transparent(picture: PIL.Image.Image, notes: list[str]) -> None:
    """Make an RGBA picture opaque if its alpha is 0 everywhere: frame grabbers and clipboards leave the fourth channel
    empty, and nobody saves an invisible picture."""
    if picture.mode != "RGBA":
        return
    width, height = picture.size
    step = max(1, STRIP_AREA_PX // width)  # the whole alpha would be one more copy
    strips = (picture.crop((0, top, width, min(height, top + step))) for top in range(0, height, step))
    if all(strip.getchannel("A").getextrema() == (0, 0) for strip in strips):
        picture.putalpha(255)
        notes.append("alpha_ignored")


def eight_bits(samples: Samples, white: int) -> NDArray[np.uint8]:
    """Samples from 0 to `white` scaled to 0 to 255. The arithmetic takes four bytes a sample: pass a strip at a time."""
    return np.minimum((samples.astype(np.uint32) * 255 + white // 2) // white, 255).astype(np.uint8)


def scaled(samples: Samples, bits: int) -> NDArray[np.uint8]:
    """Samples of 1 to 16 bits as 8 bits."""
    if bits == 8 and samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    return eight_bits(samples, (1 << bits) - 1)


def sample_bits(samples: Samples, stated: int | None = None) -> int:
    """How many of 16 bits the samples use: 8, 10, 12, 14 or 16. Cameras save values of fewer bits unscaled, and most
    files don't say so. `stated` is what the file says."""
    return bits_for(
        max((int(samples[top : top + STRIP_PX].max()) for top in range(0, len(samples), STRIP_PX)), default=0), stated
    )


def bits_for(largest: int, stated: int | None = None) -> int:
    """The same from the largest value."""
    needed = max(largest.bit_length(), stated or 0)
    return next(bits for bits in USED_BITS if bits >= min(needed, USED_BITS[-1]))


def note_bits(bits: int, notes: list[str]) -> None:
    """Add a note on how samples that use so many of 16 bits become 8 bits."""
    if bits == USED_BITS[-1]:
        notes.append("sixteen_bit_scaled")
    else:
        notes.append("low_bits_scaled")


def sixteen_bits(samples: NDArray[np.uint16], notes: list[str], stated: int | None = None) -> Stored:
    """A picture of 16 bits a sample: [h, w] grey, [h, w, 2] grey and alpha, [h, w, 3] RGB or [h, w, 4] RGBA. `stated`: how
    many bits the file says that its samples use."""
    has_alpha = samples.ndim == 3 and samples.shape[2] in (2, 4)
    colours = samples[..., :-1] if has_alpha else samples
    bits = sample_bits(colours, stated)
    note_bits(bits, notes)
    if samples.ndim == 2 or samples.shape[2] <= 2:
        notes.append("grey_expanded")
    if has_alpha and not samples[..., -1].any():
        notes.append("alpha_ignored")
        has_alpha = False
    if not has_alpha:
        grey = colours.ndim == 3 and colours.shape[2] == 1
        return Stored(colours, lambda strip: scaled(strip[..., 0] if grey else strip, bits))
    opaque = sample_bits(samples[..., -1])

    def with_alpha(strip: Samples) -> NDArray[np.uint8]:
        colour = np.broadcast_to(scaled(strip[..., :-1], bits), (*strip.shape[:2], 3))
        return np.concatenate([colour, scaled(strip[..., -1:], opaque)], axis=2)

    return Stored(samples, with_alpha)


def _rows(picture: PIL.Image.Image | Stored, first: int, last: int) -> PIL.Image.Image:
    """A strip of a picture as mode L, RGB or RGBA."""
    if isinstance(picture, Stored):
        step = max(1, BLOCK_PX // picture.size[0])
        strip = picture.samples[first:last]
        blocks = [picture.to_eight_bits(strip[at : at + step]) for at in range(0, last - first, step)]
        return PIL.Image.fromarray(np.ascontiguousarray(blocks[0] if len(blocks) == 1 else np.concatenate(blocks)))
    return picture.crop((0, first, picture.size[0], last))


def _resize(picture: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    if picture.size == size:
        return picture
    if picture.mode == "RGBA":
        return _resize_in_strips(picture, size)
    return picture.resize(size, Resampling.LANCZOS, reducing_gap=GAP)


def _resize_in_strips(picture: PIL.Image.Image | Stored, size: tuple[int, int]) -> PIL.Image.Image:
    """The same values as Pillow's `resize`. Pillow would multiply a whole large RGBA picture by its alpha first, in a
    second copy. Here that is done a strip at a time, which the cheap first step then reduces at once."""
    width, height = picture.size
    across, down = (max(1, int(whole / part / GAP)) for whole, part in zip(picture.size, size, strict=True))
    mode = {"RGBA": "RGBa"}.get(mode_of_rows := _rows(picture, 0, 1).mode, mode_of_rows)
    if picture.size == size:  # alpha stays as it is
        mode = mode_of_rows
    reduced = PIL.Image.new(mode, (ceil(width / across), ceil(height / down)))
    step = max(1, min(STRIP_PX, STRIP_AREA_PX // width) // down) * down
    for top in range(0, height, step):
        strip = _rows(picture, top, min(height, top + step))
        strip = strip if strip.mode == mode else strip.convert(mode)
        reduced.paste(strip.reduce((across, down)), (0, top // down))
    if picture.size == size:
        return reduced
    box = (0, 0, width / across, height / down)
    return reduced.resize(size, Resampling.LANCZOS, box=box).convert(mode_of_rows)


def _in_strips(picture: PIL.Image.Image | Stored, size: tuple[int, int], notes: list[str]) -> NDArray[np.uint8]:
    """Resized and flattened a strip at a time, so that the large picture is never there twice: uint8 [h, w, 3]."""
    width, height = size
    full_width, full_height = picture.size
    scale = full_height / height
    reach = ceil(LANCZOS_REACH * max(1.0, scale)) + 1  # rows that the filter sees beyond its box: so there are no seams
    pixels = current_memory().new_pixels(height, width)
    step = max(1, min(STRIP_PX, int(STRIP_AREA_PX / max(width, full_width * scale))))
    for top in range(0, height, step):
        bottom = min(height, top + step)
        if picture.size == size:
            pixels[top:bottom] = np.asarray(_flatten(_rows(picture, top, bottom), notes))
            continue
        first, last = max(0, floor(top * scale) - reach), min(full_height, ceil(bottom * scale) + reach)
        seen = _rows(picture, first, last)
        box = (0, top * scale - first, full_width, min(bottom * scale - first, last - first))
        strip = seen.resize((width, bottom - top), Resampling.LANCZOS, box=box)
        pixels[top:bottom] = np.asarray(_flatten(strip, notes))
    return pixels


def _flatten(picture: PIL.Image.Image, notes: list[str]) -> PIL.Image.Image:
    """Lay transparent parts on white."""
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
        notes.append("alpha_flattened")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")
