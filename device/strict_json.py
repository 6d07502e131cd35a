"""JSON of a file that comes with a model, read strictly: a bundle's manifest, an atlas' index, the list of versions served.

What Python's reader lets pass, and what breaks a page or a sum later, is refused with a word for it: a key that stands
twice, NaN and infinity, numbers that no figure of ours comes near, nesting, text that isn't Unicode.
"""

from __future__ import annotations

import json
from typing import Any

MOST = 1e15  # every whole number below is exact in float64
DEPTH = 16
DIGITS = 40


def parse(data: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises `ValueError` that says what is wrong with it."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is no UTF-8 text") from error
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_whole, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    check(value)
    return value


def check(value: Any) -> None:
    """Raises `ValueError` where a value that is to be JSON has what `parse` doesn't let pass."""
    waiting = [(value, 0)]
    while waiting:
        found, depth = waiting.pop()
        if depth > DEPTH:
            raise ValueError("it is nested too deeply")
        if isinstance(found, dict):
            waiting += [(each, depth + 1) for pair in found.items() for each in pair]
        elif isinstance(found, list | tuple):
            waiting += [(each, depth + 1) for each in found]
        elif isinstance(found, str):
            _check_text(found)
        elif isinstance(found, int | float) and not abs(found) <= MOST:  # not >, which NaN would pass
            raise ValueError(f"it has the number {found:.3g}, not one of at most {MOST:.0e}")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("it has text that is no Unicode") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has {name[:DIGITS]!r} twice")
        found[name] = value
    return found


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:  # to convert many takes time that grows with their square
        raise ValueError(f"it has a number of {len(digits)} digits")
    return int(digits)


def _constant(name: str) -> float:
    raise ValueError(f"it has the number {name}")
