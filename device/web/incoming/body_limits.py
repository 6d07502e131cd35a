"""How many bytes the body of a request may have: one table by method and path.

The door refuses by it before it reads a body; Flask applies it again, under any server.
"""

from __future__ import annotations

import re

from device.base.errors import BodyTooLarge, UploadTooLarge
from device.reading.site.photo import MEASUREMENTS
from device.reading.site.profile import MAX_BYTES as PROFILE_BYTES
from device.settings import Settings

FORM_OVERHEAD_BYTES = 10_000  # what a form adds to its picture
NAMES_BYTES = 3_000_000  # an export of `TOTAL_LIMIT` names (device/storage/names.py) of accented letters
JSON_BYTES = 4_000
JOB = "/api/v1/commissioning/job"
PICTURES = {
    ("POST", "/api/v1/readings"),
    ("POST", "/api/v1/previews"),
    ("POST", f"{JOB}/pictures"),
    *(("POST", f"/api/v1/measurements/{what}") for what in MEASUREMENTS),
}
JSON = {
    ("POST", "/api/v1/health/reset"),
    ("POST", "/api/v1/instruments"),
    ("POST", JOB),
    ("POST", f"{JOB}/report"),
}
JSON_PUT = re.compile(rf"/api/v1/(units/\d+/name|instruments/[^/]*)|{JOB}/pictures/\d+", re.ASCII)
PICTURE_AGAIN = re.compile(rf"{JOB}/pictures/\d+", re.ASCII)


def _is_picture(method: str, path: str) -> bool:
    """Whether the body is a picture file."""
    return (method, path) in PICTURES or (method == "POST" and PICTURE_AGAIN.fullmatch(path) is not None)


def limit_of(method: str, path: str, settings: Settings) -> int:
    """The largest body that a request may have, in bytes; 0 where none belongs to it. `path` without the query,
    decoded."""
    route = method, path
    if _is_picture(method, path):
        return settings.max_upload_bytes + FORM_OVERHEAD_BYTES
    if route == ("PUT", "/api/v1/units/names"):
        return NAMES_BYTES
    if route == ("POST", "/api/v1/commissioning/profiles"):
        return PROFILE_BYTES
    if route in JSON or (method == "PUT" and JSON_PUT.fullmatch(path)):
        return JSON_BYTES
    return 0


def too_large(method: str, path: str, settings: Settings) -> UploadTooLarge | BodyTooLarge:
    """The error of a body over that limit: a picture's, or any other's."""
    if _is_picture(method, path):
        return UploadTooLarge(limit_mb=settings.max_upload_mb)
    return BodyTooLarge(limit_bytes=limit_of(method, path, settings))
