"""Many clients that keep to the rules: fields, sections, previews, pages, all at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.support.drawn_files import encode, tissue
from tests.support.shipped import MODELS
from tests.torture.bombs import sent
from tests.torture.wire import READINGS, Target, ask, exchange

GETS = (
    *(
        "/",
        "/api/v1/units",
        "/api/v1/units/names",
        "/units",
        "/health",
        "/api/v1/health",
        "/api/v1/model",
        "/model-card",
    ),
    *(
        "/model-card?format=md",
        "/api/v1/samples",
        "/samples/texture-normal.jpg",
        "/healthz",
        "/readyz",
        "/api/v1/units/76",
    ),
    *("/api/v1/units/76/patches/0", "/static/page.js", "/nothing"),
)


def draw_fields(_rng: random.Random) -> list[bytes]:
    pictures = [path.read_bytes() for path in sorted((MODELS / "samples").glob("*.jpg"))]
    return [sent(data, READINGS, way) for data in pictures for way in ("raw", "form")]


def draw_sections(_rng: random.Random) -> list[bytes]:
    import io

    import PIL.Image

    field = PIL.Image.open(MODELS / "samples" / "texture-invasive.jpg").convert("RGB")
    section = PIL.Image.new("RGB", (field.width * 10, field.height * 10))
    for column in range(10):
        for row in range(10):
            section.paste(field, (column * field.width, row * field.height))
    file = io.BytesIO()
    section.save(file, "JPEG", quality=60)
    return [sent(file.getvalue(), f"{READINGS}?um_per_px=1.68")]


def draw_scales(_rng: random.Random) -> list[bytes]:
    """Pictures with sizes of a pixel that make them huge or tiny, and odd shapes."""
    field = (MODELS / "samples" / "texture-invasive.jpg").read_bytes()
    shapes = [encode(tissue(width, height), "JPEG") for width, height in ((65_000, 64), (64, 65_000), (6000, 4000))]
    sizes = ("0.05", "0.051", "0.5", "1.68", "100", "1999", "2000")
    made = [sent(data, f"{READINGS}?um_per_px={size}") for data in (field, *shapes) for size in sizes]
    return made + [sent(data, route) for data in shapes for route in (READINGS, "/api/v1/previews")]


def draw_large(_rng: random.Random) -> list[bytes]:
    """Honest pictures that are dear: large, of 16 bits, of other formats."""
    large, field = tissue(5200, 3900), tissue(2048, 1536)
    files = [encode(large, "JPEG"), encode(large, "JPEG", progressive=True), encode(field, "PNG"), encode(field, "BMP")]
    files += [encode(field, "TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")]
    files += [encode(field, "WEBP"), encode(field, "AVIF", speed=10)]
    return [sent(data) for data in files]


def draw_previews(_rng: random.Random) -> list[bytes]:
    field = tissue(2048, 1536)
    return [sent(encode(field, kind), "/api/v1/previews") for kind in ("TIFF", "BMP", "WEBP")]


def draw_dear_previews(_rng: random.Random) -> list[bytes]:
    return [sent(encode(tissue(4800, 3600), "JPEG"), "/api/v1/previews")]


def send(target: Target, drawn: list[bytes], rng: random.Random) -> str:
    return exchange(target, rng.choice(drawn))


def get(target: Target, _drawn: Any, rng: random.Random) -> str:
    return ask(target, "GET", rng.choice(GETS))


def get_one(path: str) -> Callable[[Target, Any, random.Random], str]:
    return lambda target, _drawn, _rng: ask(target, "GET", path)
