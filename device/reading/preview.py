"""What the box shows of a file that a browser can't show as the box read it: TIFF, DICOM, HEIC, 16 bits, some turned files.

The pixels are those that a reading sees, upright and at most `LONGEST_PX` along a side. They are sent as a JPEG and not
stored.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import PIL.Image

from device.reading.image import Limits, decode

LONGEST_PX = 2048
QUALITY = 90


def preview_jpeg(data: bytes, limits: Limits, stop: Callable[[], bool] | None = None) -> bytes:
    """A picture file as a JPEG of its upright pixels. Raises the `ImageError` that a reading would."""
    pixels = decode(data, limits, fitting, stop=stop).pixels
    file = BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def fitting(width: int, height: int) -> tuple[int, int]:
    """The size of a picture's preview."""
    scale = min(1.0, LONGEST_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
