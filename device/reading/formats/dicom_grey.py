"""Grey of 8 bits from the stored values of a grey DICOM picture, as a viewer shows it first (PS3.3, C.11).

Stored value → modality LUT or rescale → VOI LUT or window → inverted for MONOCHROME1. One table of all possible stored
values holds all of it, so a mammogram of 20 megapixels takes no memory for it.
"""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from device.reading.formats.dicom_frames import Layout
from device.reading.formats.pixels import STRIP_PX, Samples

FULL_SCALE_BITS = 8  # grey of so many bits is meant as it is, where the file says nothing


def stored_values(samples: Samples, layout: Layout) -> NDArray[np.uint16]:
    """The stored bits as an index into a table of 2^bits values: uint16 [rows, columns]. The other bits of a word may
    hold an overlay."""
    shift = max(0, layout.high_bit + 1 - layout.bits_stored)
    mask = (1 << layout.bits_stored) - 1
    words = (
        samples.view(samples.dtype.newbyteorder("=").str.replace("i", "u")) if samples.dtype.kind == "i" else samples
    )
    return np.asarray((words >> shift) & mask, np.uint16)


def grey_table(samples: Samples, layout: Layout, dataset: Dataset, notes: list[str]) -> NDArray[np.uint8]:
    """The grey of each value that `stored_values` of the samples, [rows, columns], can give: uint8 [values]. Where the
    file doesn't say which values are black and white, the picture's own darkest and brightest are, and
    `window_of_values` is added to the notes."""
    stored = np.arange(1 << layout.bits_stored, dtype=np.int32)
    if layout.signed:
        half = 1 << (layout.bits_stored - 1)
        stored = np.where(stored >= half, stored - 2 * half, stored).astype(np.int32)
    measured = apply_modality_lut(stored, dataset)
    shown = _voi_lut(measured, dataset)
    if shown is None:
        shown = _window(measured.astype(np.float64), dataset)
    if shown is None:
        shown = _full_range(samples, measured.astype(np.float64), stored, layout, dataset, notes)
    if layout.photometric == "MONOCHROME1":
        shown = 1 - shown
    return np.round(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def _voi_lut(measured: Samples, dataset: Dataset) -> NDArray[np.float64] | None:
    if not dataset.get("VOILUTSequence"):
        return None
    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    return np.asarray(apply_voi(np.round(measured).astype(np.int32), dataset) / ((1 << bits) - 1), np.float64)


def _window(measured: NDArray[np.float64], dataset: Dataset) -> NDArray[np.float64] | None:
    """The first window of the file, from 0 to 1 (C.11.2.1.2 and C.11.2.1.3); None where it has no valid one."""
    try:
        centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    except ValueError:  # no numbers
        return None
    if centre is None or width is None or width <= 0:
        return None
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (measured - centre) / width, -700, 700))))
    if function == "LINEAR":
        if width <= 1:
            return (measured > centre - 0.5).astype(np.float64)
        return (measured - (centre - 0.5)) / (width - 1) + 0.5
    return (measured - centre) / width + 0.5


def _first(value: object) -> float | None:
    first = value[0] if value is not None and not isinstance(value, str | float | int) and len(value) else value  # type: ignore[arg-type, index]
    try:
        number = float(first)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def _full_range(
    samples: Samples,
    measured: NDArray[np.float64],
    stored: NDArray[np.int32],
    layout: Layout,
    dataset: Dataset,
    notes: list[str],
) -> NDArray[np.float64]:
    if layout.bits_stored <= FULL_SCALE_BITS:
        counted = np.ones(len(measured), bool)
    else:
        notes.append("window_of_values")
        counted = np.zeros(len(measured), bool)
        for top in range(0, len(samples), STRIP_PX):
            counted[stored_values(samples[top : top + STRIP_PX], layout)] = True
        padding = dataset.get("PixelPaddingValue")
        if isinstance(padding, int) and (counted & (stored != padding)).any():
            counted &= stored != padding
    low, high = measured[counted].min(), measured[counted].max()
    return np.asarray((measured - low) / max(high - low, 1e-12), np.float64)
