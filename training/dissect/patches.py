"""What excites a unit most: windows around its strongest cells, darkened where it stays below its own threshold."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from device.reading.reading import Reader
from training.data.pictures import counted
from training.dissect.subjects import Subjects
from training.dissect.survey import Survey

LEAST_PX, CELLS = 64, 3  # a patch is three cells wide, or more where cells are small
JPEG_QUALITY = 75
DARKENED = 0.35  # what is left of the light where the unit is below its threshold


@dataclass(frozen=True)
class Patch:
    """A square window as JPEG, the class of its picture, and the unit's activation there (real units)."""

    jpeg: bytes
    label: int
    activation: float


def choose(survey: Survey, groups: Sequence[str], unit: int, count: int) -> list[int]:
    """Rows of the survey with the strongest cells of a unit: one a picture, from different groups as far as these go.

    Activations stop at the top of 8 bits, so equal peaks are ordered by the picture's mean. Pictures in which the unit
    is silent are none of its patterns.
    """
    silent = survey.lowest[unit] - 128
    order = np.lexsort((-survey.means[:, unit], -survey.peaks[:, unit]))
    active = [int(row) for row in order if survey.peaks[row, unit] > silent]
    first: dict[str, int] = {}
    for row in active:
        first.setdefault(groups[survey.read[row]], row)
    chosen = list(first.values())[:count]
    chosen += [row for row in active if row not in chosen][: count - len(chosen)]
    return sorted(chosen, key=active.index)


def strongest(steps: NDArray[np.int8]) -> tuple[int, int]:
    """The row and column of a unit's strongest cell in its grid [rows, columns]; among equals, and 8 bits make many, the
    one whose neighbours are strongest."""
    padded = np.pad(steps.astype(np.int64), 1, constant_values=np.iinfo(np.int8).min)
    around = sliding_window_view(padded, (3, 3)).sum((2, 3))
    row, column = np.unravel_index(np.where(steps == steps.max(), around, np.iinfo(np.int64).min).argmax(), steps.shape)
    return int(row), int(column)


def cut(pixels: NDArray[np.uint8], steps: NDArray[np.int8], threshold: int) -> bytes:
    """The window of pixels [h, w, 3] around the strongest cell of a unit's grid [rows, columns], masked, as JPEG."""
    height, width, _ = pixels.shape
    rows, columns = steps.shape
    row, column = strongest(steps)
    side = max(LEAST_PX, round(CELLS * height / rows))
    top = int(np.clip(round((row + 0.5) * height / rows - side / 2), 0, max(height - side, 0)))
    left = int(np.clip(round((column + 0.5) * width / columns - side / 2), 0, max(width - side, 0)))
    # A picture whose peak stays below the threshold is among the strongest of a unit that is rarely excited.
    active = steps >= min(threshold, int(steps.max()))
    smooth = PIL.Image.fromarray(active.astype(np.float32)).resize((width, height), PIL.Image.Resampling.BILINEAR)
    part = np.s_[top : top + side, left : left + side]
    lit = np.asarray(smooth)[part] >= 0.5
    window = pixels[part].astype(np.float32)
    darkened = np.where(lit[..., None], window, window * DARKENED)
    buffer = io.BytesIO()
    PIL.Image.fromarray(darkened.astype(np.uint8)).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def cut_patches(
    reader: Reader, subjects: Subjects, survey: Survey, units: Sequence[int], count: int
) -> dict[int, list[Patch]]:
    """The patches of some units, the strongest first. Each picture that is needed is read once more."""
    wanted: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for unit in units:
        for rank, row in enumerate(choose(survey, subjects.groups, unit, count)):
            wanted[row].append((unit, rank))
    quantization = reader.network.outputs["features"]
    patches: dict[int, dict[int, Patch]] = {unit: {} for unit in units}
    for row in counted(sorted(wanted), "cut"):
        reading = reader.read(subjects.load(int(survey.read[row])).data)
        for unit, rank in wanted[row]:
            steps = np.where(reading.maps.counted, reading.outputs["features"][..., unit], np.iinfo(np.int8).min)
            jpeg = cut(reading.image.pixels, steps, int(survey.thresholds[unit]))
            activation = (int(survey.peaks[row, unit]) - quantization.zero_point) * quantization.scale
            patches[unit][rank] = Patch(jpeg, int(survey.labels[row]), activation)
    return {unit: [patches[rank] for rank in sorted(patches)] for unit, patches in patches.items()}
