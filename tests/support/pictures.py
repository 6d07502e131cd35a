"""Pictures as files."""

from __future__ import annotations

from io import BytesIO

from PIL import Image as Pillow


def png(picture: Pillow.Image, **stated: object) -> bytes:
    """A picture as the bytes of a PNG file; `stated`: what the file says beside its pixels, such as `dpi`."""
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1, **stated)
    return buffer.getvalue()
