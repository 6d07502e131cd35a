"""DICOM files that tests draw: a data set with a planted patient, its pixels in any transfer syntax."""

from __future__ import annotations

import zlib
from typing import Any, Literal

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, generate_uid

ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
MAMMOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"

IMPLICIT, EXPLICIT, DEFLATED, BIG = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
BASELINE, EXTENDED, LOSSLESS, LOSSLESS_SV1 = (f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JPEG_LS, JPEG_LS_NEAR, JPEG_2000, JPEG_2000_LOSSY = (f"1.2.840.10008.1.2.4.{n}" for n in (80, 81, 90, 91))
RLE = "1.2.840.10008.1.2.5"

# What must never leave: each is unlike any word of the box.
PATIENT = {
    "PatientName": "Zyxwvut^Quirinia",
    "PatientID": "MRN-778899",
    "PatientBirthDate": "19610203",
    "InstitutionName": "Hôpital Xanthippe",
    "ReferringPhysicianName": "Vogelfrey^Ottokar",
    "StudyDescription": "Qwombat study",
    "AccessionNumber": "ACC5544332",
    "DeviceSerialNumber": "SN-90817263",
}


def dicom(
    samples: NDArray[Any],
    *,
    syntax: str = EXPLICIT,
    kind: str = ULTRASOUND,
    photometric: str | None = None,
    bits: int | None = None,
    frames: list[bytes] | None = None,
    preamble: bool = True,
    **elements: Any,
) -> bytes:
    """A file of the samples, [h, w] or [h, w, 3] of 8 or 16 bits; `frames` are the packed ones where the syntax packs."""
    dataset = Dataset()
    for name, value in {**PATIENT, **elements}.items():
        setattr(dataset, name, value)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = UID(kind), generate_uid(entropy_srcs=["drawn"])
    dataset.Rows, dataset.Columns = elements.get("Rows", samples.shape[0]), elements.get("Columns", samples.shape[1])
    dataset.SamplesPerPixel = 1 if samples.ndim == 2 else 3
    dataset.PhotometricInterpretation = photometric or ("MONOCHROME2" if samples.ndim == 2 else "RGB")
    dataset.BitsAllocated = 8 * samples.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(samples.dtype.kind == "i")
    if samples.ndim == 3:
        dataset.PlanarConfiguration = elements.get("PlanarConfiguration", 0)
    packed = frames if frames is not None else pack(samples, syntax, dataset.BitsStored)
    if packed is not None:
        dataset.PixelData = encapsulate(packed)
        dataset["PixelData"].is_undefined_length = True
    else:
        order: Literal["<", ">"] = ">" if syntax == BIG else "<"
        stored = samples.transpose(2, 0, 1) if getattr(dataset, "PlanarConfiguration", 0) else samples
        data = np.ascontiguousarray(stored).astype(samples.dtype.newbyteorder(order)).tobytes()
        dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if samples.dtype.itemsize == 2 and packed is None else "OB"
    return written(dataset, syntax, preamble)


def written(dataset: Dataset, syntax: str = EXPLICIT, preamble: bool = True, kind: str | None = None) -> bytes:
    """The file of a data set; without a preamble and its own header if so asked."""
    body = DicomBytesIO()
    body.is_implicit_VR, body.is_little_endian = syntax == IMPLICIT, syntax != BIG
    write_dataset(body, dataset)
    if not preamble:
        return body.getvalue()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(kind) if kind else dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    file = DicomBytesIO()
    file.write(bytes(128) + b"DICM")
    write_file_meta_info(file, meta)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    stored = deflater.compress(body.getvalue()) + deflater.flush() if syntax == DEFLATED else body.getvalue()
    return file.getvalue() + stored


def pack(samples: NDArray[Any], syntax: str, bits: int) -> list[bytes] | None:
    """One frame as the transfer syntax packs it, None where it doesn't."""
    samples = np.ascontiguousarray(samples)
    if syntax in (BASELINE, EXTENDED):
        if bits == 12:
            return [imagecodecs.jpeg8_encode(samples, 98, bitspersample=12)]
        return [imagecodecs.jpeg8_encode(samples, 95)]
    if syntax in (LOSSLESS, LOSSLESS_SV1):
        colours: dict[str, Any] = {"colorspace": "RGB", "outcolorspace": "RGB"} if samples.ndim == 3 else {}
        return [imagecodecs.jpeg8_encode(samples, lossless=True, predictor=1, bitspersample=bits, **colours)]
    if syntax in (JPEG_LS, JPEG_LS_NEAR):
        return [imagecodecs.jpegls_encode(samples, level=0 if syntax == JPEG_LS else 1)]
    if syntax in (JPEG_2000, JPEG_2000_LOSSY):
        level = 0 if syntax == JPEG_2000 else 45
        return [imagecodecs.jpeg2k_encode(samples, level=level, codecformat="j2k", bitspersample=bits)]
    return [rle(samples)] if syntax == RLE else None


def rle(samples: NDArray[Any]) -> bytes:
    """Run lengths, PS3.5 annex G: a segment for each byte of each sample, high bytes first."""
    planes = samples[..., None] if samples.ndim == 2 else samples
    segments = []
    for sample in range(planes.shape[2]):
        words = np.ascontiguousarray(planes[..., sample]).astype(planes.dtype.newbyteorder(">"))
        split = words.view(np.uint8).reshape(*words.shape, words.dtype.itemsize)
        for byte in range(split.shape[2]):
            segment = b"".join(imagecodecs.packbits_encode(np.ascontiguousarray(row)) for row in split[..., byte])
            segments.append(segment + b"\0" * (len(segment) % 2))
    at, offsets = 64, []
    for segment in segments:
        offsets.append(at)
        at += len(segment)
    header = np.array([len(segments), *offsets, *[0] * (15 - len(offsets))], "<u4").tobytes()
    return header + b"".join(segments)


def item(**elements: Any) -> Dataset:
    """An item of a sequence."""
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset
