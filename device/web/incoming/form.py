"""The picture in a form (`multipart/form-data`, RFC 7578): one file among a few fields.

Werkzeug's parser is for any form: 30 MB of a part's header take it 7 s, and it holds a file three times in memory. A
form with a picture has a few parts with short heads, so this module searches for what separates them.
"""

from __future__ import annotations

import re

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header

FIELD = "image"
PARTS_LIMIT, HEAD_LIMIT, BOUNDARY_LIMIT = 16, 2_000, 70
DISPOSITION = re.compile(rb"^content-disposition:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def picture_in(body: bytes, content_type: str) -> bytes | None:
    """The file of the field `image`; None where there is none, or the form is no form. Raises `RequestEntityTooLarge`
    where it has more parts than any page sends."""
    boundary = parse_options_header(content_type)[1].get("boundary", "").encode("latin-1", "replace")
    if not 0 < len(boundary) <= BOUNDARY_LIMIT:
        return None
    first, delimiter = b"--" + boundary, b"\r\n--" + boundary
    start = body.find(first, 0, HEAD_LIMIT)
    place = start + len(first)
    for _ in range(PARTS_LIMIT):
        head_end = body.find(b"\r\n\r\n", place, place + HEAD_LIMIT)
        if start < 0 or head_end < 0:
            return None
        data = head_end + 4
        end = body.find(delimiter, head_end + 2)
        if end < 0:
            return None
        if _names_the_picture(body[place:head_end]):
            return body[data:end]
        place = end + len(delimiter)
        if body.startswith(b"--", place):
            return None
    raise RequestEntityTooLarge


def _names_the_picture(head: bytes) -> bool:
    """Whether a part's head is that of the field, and says that it is a file."""
    disposition = DISPOSITION.search(head)
    if not disposition:
        return False
    kind, options = parse_options_header(disposition[1].decode("utf-8", "replace"))
    return kind == "form-data" and options.get("name") == FIELD and "filename" in options
