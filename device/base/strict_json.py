"""JSON read strictly: that of a file that comes with a model (a bundle's manifest, an atlas' index, the list of versions
served), and that of a request (`device/web/incoming/json_body.py`).

What Python's reader lets pass, and what breaks a page or a sum later, is refused by name: a key that stands twice, NaN and
infinity, numbers that no figure of ours comes near, nesting, text that isn't Unicode.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from typing import Any, Literal, NoReturn

MOST = 1e15  # every whole number below is exact in float64
DEPTH = 16
DIGITS = 30  # to convert many takes time that grows with their square
NAME_CHARACTERS = 40

Rule = Literal["encoding", "syntax", "depth", "members", "number"]


class NotStrict(ValueError):
    """JSON that is none, or breaks a rule; the message says what it has."""

    def __init__(self, rule: Rule, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def parse(data: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises `NotStrict`."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NotStrict("encoding", "it is no UTF-8 text") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_number, parse_constant=_constant
        )
    except RecursionError as error:
        raise _too_deep() from error
    except json.JSONDecodeError as error:
        raise NotStrict("syntax", str(error)) from error
    check(value)
    return value


def check(value: Any, depth: int = DEPTH) -> None:
    """Raises `NotStrict` where a value that is to be JSON has what `parse` doesn't let pass, or is nested deeper."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int | float):
        if not abs(value) <= MOST:  # not >, which NaN would pass
            raise NotStrict("number", f"it has the number {value:.3g}, not one of at most {MOST:.0e}")
    elif isinstance(value, dict | list | tuple):
        if not depth:
            raise _too_deep()
        for each in chain(value, value.values()) if isinstance(value, dict) else value:
            check(each, depth - 1)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotStrict("encoding", "it has text that is no Unicode") from error


def _too_deep() -> NotStrict:
    return NotStrict("depth", "it is nested too deeply")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise NotStrict("members", f"it has {twice[:NAME_CHARACTERS]!r} twice")
    return members


def _whole(digits: str) -> int:
    return int(_short(digits))


def _number(digits: str) -> float:
    return float(_short(digits))


def _short(digits: str) -> str:
    if len(digits) > DIGITS:
        raise NotStrict("number", f"it has a number of {len(digits)} digits")
    return digits


def _constant(name: str) -> NoReturn:
    raise NotStrict("number", f"it has the number {name}")
