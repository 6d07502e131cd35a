"""The technician's code: requests that take something from everyone on the network need it (`NEEDED`, `SECURITY.md`).

People have no roles on the box: anyone on the clinic's Wi-Fi may have pictures read and may name units. Only the
technician may throw counts or names away, replace names, or set up instruments, and sends a code with such a request. The
code comes from a file (setting `technician_code_file`). Without one, these requests are refused, unless only this machine
can connect.

Wrong codes are counted for a minute, by address and in all. An address that sent too many has to wait, whatever it
sends; an address that sent none is always heard, so that nobody keeps the technician out.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from math import ceil
from pathlib import Path
from threading import Lock

from device.base.errors import (
    Phrase,
    TechnicianCodeInvalid,
    TechnicianCodeLater,
    TechnicianCodeNeeded,
    TechnicianCodeUnset,
    TechnicianCodeWrong,
)

HEADER = "X-Loupe-Code"
# Method and rule of the requests that need the code.
NEEDED = frozenset(
    {
        ("POST", "/api/v1/health/reset"),
        ("PUT", "/api/v1/units/names"),
        ("DELETE", "/api/v1/units/<int:unit>/name"),
        ("DELETE", "/api/v1/units/names"),
        ("POST", "/api/v1/instruments"),
        ("PUT", "/api/v1/instruments/<instrument>"),
        ("DELETE", "/api/v1/instruments/<instrument>"),
        ("POST", "/api/v1/commissioning/job"),
        ("DELETE", "/api/v1/commissioning/job"),
        ("POST", "/api/v1/commissioning/job/pictures"),
        ("POST", "/api/v1/commissioning/job/colours"),
        ("POST", "/api/v1/commissioning/job/pictures/<int:picture>"),
        ("PUT", "/api/v1/commissioning/job/pictures/<int:picture>"),
        ("DELETE", "/api/v1/commissioning/job/pictures/<int:picture>"),
        ("POST", "/api/v1/commissioning/job/report"),
        ("POST", "/api/v1/commissioning/job/profile"),
        ("POST", "/api/v1/commissioning/profiles"),
        ("DELETE", "/api/v1/commissioning/profiles/<profile>"),
    }
)
# A device that took an address for each guess sent 1,200 guesses a second: at that rate, to guess twelve random digits
# takes more than ten years.
LEAST_CHARACTERS, MOST_CHARACTERS = 12, 128
FILE_LIMIT = 1_000  # bytes
WRONG_FOR_S, WRONG_BY_ADDRESS, WRONG_IN_ALL, WRONG_KEPT = 60.0, 5, 20, 1_000


class Technician:
    """Checks the code that a request brings. Threads may share it."""

    def __init__(self, code: str | None, *, alone: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`alone`: only this machine can connect. `clock` gives seconds."""
        self._digest = _digest(code) if code else None
        self._alone, self._clock, self._lock = alone, clock, Lock()
        self._wrong: deque[tuple[float, str]] = deque(maxlen=WRONG_KEPT)  # when, and from which address

    def check(self, code: str | None, address: str) -> None:
        """Raises `TechnicianCodeUnset`, `TechnicianCodeNeeded`, `TechnicianCodeWrong`, `TechnicianCodeLater`."""
        if self._digest is None:
            if self._alone:
                return
            raise TechnicianCodeUnset()
        if not code:
            raise TechnicianCodeNeeded()
        with self._lock:
            now = self._clock()
            while self._wrong and self._wrong[0][0] <= now - WRONG_FOR_S:
                self._wrong.popleft()
            own = [when for when, where in self._wrong if where == address]
            # Of many addresses that guess together, each has one guess.
            allowed = WRONG_BY_ADDRESS if len(self._wrong) < WRONG_IN_ALL else 1
            if len(own) >= allowed:
                raise TechnicianCodeLater(retry_after_s=max(1, ceil(own[-allowed] + WRONG_FOR_S - now)))
            if not compare_digest(_digest(code), self._digest):
                self._wrong.append((now, address))
                raise TechnicianCodeWrong()


def _digest(code: str) -> bytes:
    return sha256(code.encode(errors="replace")).digest()


def read_code(file: Path) -> str:
    """The code in the only line of a file. Raises `TechnicianCodeInvalid`."""

    def invalid(reason: str) -> TechnicianCodeInvalid:
        return TechnicianCodeInvalid(file=str(file), reason=reason)

    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(FILE_LIMIT + 1) if stat.S_ISREG(mode) else b""
    except (OSError, ValueError) as error:  # ValueError: a path that can't be one
        raise invalid(Phrase("code_missing")) from error
    if not stat.S_ISREG(mode):
        raise invalid(Phrase("code_no_file"))
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise invalid(Phrase("code_open"))
    code = data.removesuffix(b"\n").removesuffix(b"\r")
    if not LEAST_CHARACTERS <= len(code) <= MOST_CHARACTERS:
        raise invalid(Phrase("code_length"))
    if not all(0x21 <= byte <= 0x7E for byte in code):
        raise invalid(Phrase("code_characters"))
    return code.decode("ascii")
