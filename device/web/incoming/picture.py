"""The picture that a request brings: its bytes, and how much work it is."""

from __future__ import annotations

from flask import request

from device.base.errors import ImageEmpty, NoImage, ReadingStopped, UploadTooLarge
from device.reading.formats.cost import is_cheap
from device.reading.image import SizeRule, known_kind
from device.settings import Settings
from device.web.desks.pool import Cost
from device.web.incoming.client import is_gone
from device.web.incoming.form import picture_in


def sent_picture(settings: Settings) -> bytes:
    """The file that was sent, as the multipart field `image` or as the body itself.

    Raises `NoImage`, `ImageEmpty` or `UploadTooLarge`; `ReadingStopped` where nobody waits for the answer.
    """
    if is_gone(request.environ):
        raise ReadingStopped
    data = request.get_data(cache=False, parse_form_data=False)
    if request.mimetype == "multipart/form-data":
        picture = picture_in(data, request.content_type or "")
        if picture is None:
            raise NoImage()
        data = picture
    elif not data and not request.mimetype:
        raise NoImage()
    if not data:
        raise ImageEmpty()
    if len(data) > settings.max_upload_bytes:
        raise UploadTooLarge(limit_mb=settings.max_upload_mb)
    return data


def cost_of(data: bytes, *targets: int | SizeRule) -> Cost:
    """Of a file that is decoded at these sizes. Raises the `ImageError` of a file that isn't read at all: it need not
    wait to be refused."""
    known_kind(data)
    return Cost.QUICK if all(is_cheap(data, target) for target in targets) else Cost.COSTLY
