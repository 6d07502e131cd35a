"""The size of a pixel that a DICOM file states."""

from __future__ import annotations

from pydicom.dataset import Dataset

from device.reading.image import StatedScale

UM_PER_MM, UM_PER_CM = 1e3, 1e4
CENTIMETRE = 3  # (0018,6024) Physical Units X Direction
TWO_D, TISSUE = 1, 1
LEAST_UM_PER_PX, MOST_UM_PER_PX = 0.05, 2000  # of slide scanners' pixels, and of ultrasound's
SAME = 0.02  # pixels count as square, and two sizes as one, within this


def stated_scale(dataset: Dataset) -> StatedScale | None:
    """None where the file states none, or pixels that aren't square, or several regions of different scale."""
    try:
        sizes = _of_slide(dataset) or _of_ultrasound(dataset) or _of_spacing(dataset)
    except (ValueError, TypeError, AttributeError):  # no numbers, or half of a pair
        return None
    if not sizes:
        return None
    first = sizes[0]
    if not LEAST_UM_PER_PX <= first <= MOST_UM_PER_PX or any(abs(size / first - 1) > SAME for size in sizes):
        return None
    return StatedScale(round(first, 4), "dicom")


def _of_slide(dataset: Dataset) -> list[float]:
    """From the pixel measures that all frames share, µm. Other pictures with such groups use them too, such as
    tomosynthesis."""
    for group in dataset.get("SharedFunctionalGroupsSequence") or ():
        for measures in group.get("PixelMeasuresSequence") or ():
            if measures.get("PixelSpacing"):
                return [float(size) * UM_PER_MM for size in measures.PixelSpacing]
    return []


def _of_ultrasound(dataset: Dataset) -> list[float]:
    """From the regions that show tissue in two dimensions, µm. A depth scale or a Doppler curve has other units."""
    sizes = []
    for region in dataset.get("SequenceOfUltrasoundRegions") or ():
        units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
        kind = region.get("RegionSpatialFormat", TWO_D), region.get("RegionDataType", TISSUE)
        if units == (CENTIMETRE, CENTIMETRE) and kind == (TWO_D, TISSUE):
            sizes += [abs(float(region.PhysicalDeltaX)) * UM_PER_CM, abs(float(region.PhysicalDeltaY)) * UM_PER_CM]
    return sizes


def _of_spacing(dataset: Dataset) -> list[float]:
    """In the patient where calibrated, else at the detector or on the scanned film, µm."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        if dataset.get(name):
            return [float(size) * UM_PER_MM for size in dataset[name].value]
    return []
