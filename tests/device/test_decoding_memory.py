"""What each kind of file takes while it is decoded is charged before it is taken: measured against the process's peak."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.typing import NDArray

from device.reading.decoding import sandbox
from device.reading.decoding.budget import DEFAULT_BYTES, Budget
from device.reading.decoding.sandbox import Sandbox
from device.reading.formats import kind_of, png_bands
from device.reading.formats.cost import is_cheap
from device.reading.image import Image, Limits, decode_in_process
from device.reading.preview import fitting
from tests.support.drawn_dicom import JPEG_2000, JPEG_LS, LOSSLESS, RLE, dicom
from tests.support.drawn_files import difference, encode, tissue
from tests.support.drawn_slide import ndpi

LIMITS, AREA = Limits(), 512 * 384
SIZE = (2400, 1800)


def memory_of(process: int, name: str) -> int:
    """Bytes of a process: VmRSS now, VmHWM at its highest."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


class Measured(sandbox._Job):
    """A job that tells what it was charged, and what its child took beyond what it had before."""

    charged = taken = 0

    def run(self, module: str, data: bytes) -> Image:
        before, charged = memory_of(self.child.process, "VmRSS"), self.budget.used
        image = super().run(module, data)
        Measured.charged = charged + self.work + self.result + image.pixels.nbytes
        Measured.taken = memory_of(self.child.process, "VmHWM") - before
        return image


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made._stop()


def charged_and_taken(box: Sandbox, data: bytes, target: object) -> tuple[int, int]:
    """Bytes that decoding a file was charged, and what its child took."""
    kind = kind_of(data)
    assert kind is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sandbox, "_Job", Measured)
        sandbox.decode(box, Budget(3_000_000_000), kind.module, data, LIMITS, target, None)  # type: ignore[arg-type]
    return Measured.charged, Measured.taken


@cache
def drawn(size: tuple[int, int]) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(-4, 5, (size[1], size[0], 1))
    return np.clip(np.asarray(tissue(*size)).astype(np.int16) + noise, 0, 255).astype(np.uint8)


def paged(pixels: NDArray[np.generic], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", **options)
    return file.getvalue()


def files(size: tuple[int, int]) -> dict[str, Callable[[], bytes]]:
    pixels = drawn(size)
    picture, deep = PIL.Image.fromarray(pixels), pixels.astype(np.uint16) * 257
    clear = picture.copy()
    clear.putalpha(PIL.Image.linear_gradient("L").resize(size))
    grey = np.ascontiguousarray(deep[..., 0])
    small = picture.resize((size[0] // 2, size[1] // 2))
    return {
        "JPEG": lambda: encode(picture, "JPEG", quality=90),
        "JPEG, progressive": lambda: encode(picture, "JPEG", quality=90, subsampling=0, progressive=True),
        "JPEG, inks": lambda: encode(picture.convert("CMYK"), "JPEG", quality=80),
        "PNG": lambda: encode(picture, "PNG", compress_level=1),
        "PNG, alpha": lambda: encode(clear, "PNG", compress_level=1),
        "PNG, 16 bits": lambda: imagecodecs.png_encode(np.dstack([deep, deep[..., :1]]), 1),
        "WebP": lambda: encode(picture, "WEBP", quality=80, method=0),
        "WebP, alpha": lambda: encode(clear, "WEBP", quality=80, method=0),
        "WebP, lossless": lambda: encode(clear, "WEBP", lossless=True, quality=0, method=0),
        "BMP": lambda: encode(picture, "BMP"),
        "TIFF": lambda: encode(picture, "TIFF"),
        "TIFF, one strip of 16 bits": lambda: paged(deep, compression="zlib", rowsperstrip=size[1]),
        "TIFF, LZW": lambda: encode(picture, "TIFF", compression="tiff_lzw"),
        "TIFF, PackBits": lambda: paged(pixels, compression="packbits", rowsperstrip=size[1]),
        "TIFF, JPEG": lambda: paged(pixels, compression="jpeg", tile=(512, 512)),
        "TIFF, JPEG 2000": lambda: paged(pixels, compression="jpeg2000", tile=(1024, 1024)),
        "TIFF, WebP": lambda: paged(pixels, compression="webp", tile=(1024, 1024)),
        "DICOM": lambda: dicom(pixels),
        "DICOM, grey": lambda: dicom(grey),
        "DICOM, RLE": lambda: dicom(pixels, syntax=RLE),
        "DICOM, JPEG lossless": lambda: dicom(grey, syntax=LOSSLESS),
        "DICOM, JPEG-LS": lambda: dicom(grey, syntax=JPEG_LS),
        "DICOM, JPEG 2000": lambda: dicom(pixels, syntax=JPEG_2000),
        "AVIF": lambda: encode(small, "AVIF", speed=10),
        "NDPI": lambda: ndpi(pixels),
    }


@pytest.mark.parametrize("kind", files((160, 120)))
def test_what_decoding_takes_is_charged_before(box: Sandbox, kind: str) -> None:
    data = files(SIZE)[kind]()
    for target in (AREA, lambda width, height: (width * 4 // 5, height * 4 // 5)):
        charged, taken = charged_and_taken(box, data, target)
        assert taken <= charged, f"{taken / 1e6:.1f} MB of {charged / 1e6:.1f}"


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF", "WEBP"])
def test_a_preview_of_a_large_picture_takes_what_it_is_charged(box: Sandbox, file_format: str) -> None:
    options = {"compression": "tiff_adobe_deflate"} if file_format == "TIFF" else {}
    data = encode(PIL.Image.new("RGB", (4800, 3600), (200, 150, 170)), file_format, **options)
    assert not is_cheap(data, fitting)
    charged, taken = charged_and_taken(box, data, fitting)
    assert taken <= charged <= Budget(DEFAULT_BYTES).most


def test_a_large_png_is_decoded_once_for_its_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    begin = png_bands.BandedRows._begin
    monkeypatch.setattr(png_bands.BandedRows, "_begin", lambda rows: (begun.append(1), begin(rows)))
    decode_in_process(encode(PIL.Image.new("RGB", (6000, 5000)), "PNG", compress_level=1), LIMITS, fitting)
    assert begun == [1]


# --- large pictures ------------------------------------------------------------------------------------------------------


def variants() -> dict[str, bytes]:
    """PNGs of each kind that is decoded in bands."""
    pixels = np.asarray(tissue(301, 203)).copy()
    alpha = np.asarray(PIL.Image.linear_gradient("L").resize((301, 203)))
    deep = pixels.astype(np.uint16) * 257 + np.arange(301, dtype=np.uint16)[:, None] % 256
    few = PIL.Image.fromarray(pixels).quantize(50)
    none = np.zeros_like(alpha)
    return {
        "RGB": encode(PIL.Image.fromarray(pixels), "PNG"),
        "grey": encode(PIL.Image.fromarray(pixels).convert("L"), "PNG"),
        "RGBA": imagecodecs.png_encode(np.dstack([pixels, alpha])),
        "RGBA, empty": imagecodecs.png_encode(np.dstack([pixels, none])),
        "grey and alpha": imagecodecs.png_encode(np.dstack([pixels[..., 0], alpha])),
        "palette": encode(few, "PNG"),
        "palette with alpha": encode(few, "PNG", transparency=bytes([0, 100, *[255] * 48])),
        "palette, empty": encode(few, "PNG", transparency=bytes(50)),
        "16 bits": imagecodecs.png_encode(deep),
        "12 bits of 16": imagecodecs.png_encode(deep >> 4),
        "16 bits, grey": imagecodecs.png_encode(np.ascontiguousarray(deep[..., 0])),
        "16 bits, alpha": imagecodecs.png_encode(np.dstack([deep, alpha.astype(np.uint16) * 257])),
        "16 bits, empty": imagecodecs.png_encode(np.dstack([deep, none])),
        "16 bits, grey and alpha": imagecodecs.png_encode(np.dstack([deep[..., 0], alpha.astype(np.uint16) * 257])),
    }


@pytest.mark.parametrize("kind", variants())
def test_a_large_png_gives_in_bands_what_it_would_give_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = variants()[kind]

    def decoded() -> list[Image]:
        return [
            decode_in_process(data, LIMITS, target) for target in (None, AREA, 100 * 75, lambda w, h: (w // 2, h // 2))
        ]

    expected = decoded()
    monkeypatch.setattr("device.reading.formats.png.LARGE_PX", 1)
    monkeypatch.setattr(png_bands, "BAND_BYTES", 5000)
    in_bands = decoded()
    monkeypatch.setattr("device.reading.formats.pixels.STRIPS_ABOVE_PX", 1)
    monkeypatch.setattr("device.reading.formats.pixels.STRIP_AREA_PX", 20_000)
    for image, other, third in zip(expected, in_bands, decoded(), strict=True):
        assert np.array_equal(image.pixels, other.pixels)
        assert difference(image.pixels, third.pixels) <= 1  # the filter's weights are rounded anew for each strip
        assert image.notes == other.notes == third.notes
    with pytest.raises(Exception, match="image_"):
        decode_in_process(data[: len(data) * 3 // 4], LIMITS)


@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"progressive": True}, {"exif": 6}])
def test_a_large_jpeg_takes_three_bytes_a_pixel_and_gives_the_same(
    options: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = PIL.Image.Exif()
    turn[0x0112] = options.get("exif", 1)
    data = encode(PIL.Image.fromarray(drawn((1200, 900))), "JPEG", **({"quality": 92} | options | {"exif": turn}))
    sizes = (lambda w, h: (w, h), lambda w, h: (w * 4 // 5, h * 4 // 5))
    expected = [decode_in_process(data, LIMITS, size) for size in sizes]
    monkeypatch.setattr("device.reading.formats.pillow.LARGE_PX", 1)
    for size, image in zip(sizes, expected, strict=True):
        assert np.array_equal(decode_in_process(data, LIMITS, size).pixels, image.pixels)


def test_by_default_64_megapixels_of_a_field_and_a_section_of_30_are_read(box: Sandbox) -> None:
    budget = Budget(DEFAULT_BYTES)
    flat = PIL.Image.new("RGB", (8000, 8000), (200, 150, 170))
    for data in (encode(flat, "JPEG"), encode(flat, "PNG", compress_level=1)):
        charged, _ = charged_and_taken(box, data, AREA)
        assert charged + 15_000_000 <= budget.most  # their files are flat; others have some megabytes
    section = encode(PIL.Image.new("RGB", (6000, 5000), (200, 150, 170)), "JPEG")
    charged, _ = charged_and_taken(box, section, lambda width, height: (width, height))
    assert charged + 10_000_000 <= budget.most
    assert budget.most_result >= 6000 * 5000 * 3
