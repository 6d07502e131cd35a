"""JSON that a request brings.

It is bounded in breadth before it becomes values, which take up to a hundred times its bytes, and read strictly
(`device/base/strict_json.py`).
"""

from __future__ import annotations

from codecs import BOM_UTF8

from flask import request

from device.base import strict_json
from device.base.errors import JsonInvalid, JsonTooDeep, Phrase

# More than any document that the box takes has.
BRACKETS_LIMIT, COMMAS_LIMIT = 15_000, 100_000
REASONS = {
    "syntax": Phrase("json_syntax"),
    "encoding": Phrase("json_encoding"),
    "members": Phrase("json_members"),
    "number": Phrase("json_number"),
}


def sent_json() -> object:
    """What the request sent as JSON; None where it sent something else. Raises `JsonInvalid`, `JsonTooDeep`."""
    return parse_json(request.get_data(cache=False)) if request.is_json else None


def parse_json(data: bytes) -> object:
    """The value of a JSON document in UTF-8. Raises `JsonInvalid`, `JsonTooDeep`."""
    if data.count(b"[") + data.count(b"{") > BRACKETS_LIMIT or data.count(b",") > COMMAS_LIMIT:
        raise JsonInvalid(reason=Phrase("json_breadth"))
    try:
        return strict_json.parse(data.removeprefix(BOM_UTF8))
    except strict_json.NotStrict as error:
        if error.rule == "depth":
            raise JsonTooDeep() from error
        raise JsonInvalid(reason=REASONS[error.rule]) from error
