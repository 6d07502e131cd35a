"""A scanner's slide that tests draw: a TIFF of JPEG pages with Hamamatsu's tags."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray


def ndpi(picture: NDArray[np.uint8], um_per_px: float | None = 0.25, *, as_slide: bool = True) -> bytes:
    """A slide of two pages, the second a quarter as large; or else a TIFF of one that bears the maker's name."""
    file = io.BytesIO()
    small = np.asarray(PIL.Image.fromarray(picture).reduce(4))
    with tifffile.TiffWriter(file) as writer:
        for page, (samples, lens) in enumerate([(picture, 20.0), (small, 5.0)][: 2 if as_slide else 1]):
            own = [(65420, 4, 1, 1, True), (65421, 11, 1, lens, True)]
            own += [(tag, 9, 1, 0, True) for tag in (65422, 65423, 65424)]  # where it lies on the slide
            writer.write(
                np.asarray(PIL.Image.fromarray(samples).convert("YCbCr")),
                photometric="ycbcr",
                compression="jpeg",
                compressionargs={"level": 95},
                rowsperstrip=len(samples),
                subfiletype=int(page > 0),
                resolution=(1e4 / (um_per_px * 4**page),) * 2 if um_per_px else (1, 1),
                resolutionunit="CENTIMETER" if um_per_px else "NONE",
                metadata=None,
                extratags=[(271, 2, 10, "Hamamatsu", True), *(own if as_slide else [])],
            )
    return file.getvalue()
