"""Pictures as files."""

from __future__ import annotations

from io import BytesIO

from PIL import Image as Pillow


def png(picture: Pillow.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
