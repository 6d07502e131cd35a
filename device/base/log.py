"""What the box writes to its log: standard error, which systemd keeps in the journal. Nothing that was sent is in it.

No filter could find a patient's name in a library's message. So the log takes these texts and no others:

- Loupe's own sentences, of the logger `loupe`: error codes, and facts of the box that no client gave;
- in the parent, which starts and watches the worker and reads no byte of any client, gunicorn's sentences too;
- of everything else: the level and the line of code that spoke. Of an exception, here or in its own right: its type,
  an error's code or number, and the lines of code that it passed; never its message, nor any value.

What the worker writes past all loggers (`print`, the warnings of a C library) goes nowhere. To say something, use `LOG`.
"""

from __future__ import annotations

import errno
import faulthandler
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from itertools import islice
from sqlite3 import Error as SqliteError
from traceback import walk_tb
from types import TracebackType

from device.base.errors import LoupeError
from device.base.texts import DEFAULT_LANGUAGE, error_words

LOG = logging.getLogger("loupe")  # without handlers of its own it writes warnings to standard error as they are
SERVER_LOG = "gunicorn.error"
STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
LINE, TIME = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s", "[%Y-%m-%d %H:%M:%S %z]"
MOST_CAUSES, MOST_PLACES = 4, 12  # of an exception; an endless recursion passes a thousand
HTTP_CLIENT_ERROR = range(400, 500)


def error_line(error: LoupeError, language: str, before_step: str = " ") -> str:
    """An error as the command line and the log tell it: what, why, and the next step."""
    told = error_words(error, language)
    return f"{told['title']}. {told['detail']}{before_step}→ {told['next_step']} [{error.code}]"


def warn(problem: LoupeError) -> None:
    """Log what is wrong beside the product, and doesn't stop it. Of what a client caused the code alone: its facts may
    repeat what was sent."""
    sent = problem.status in HTTP_CLIENT_ERROR
    LOG.warning("%s", f"[{problem.code}]" if sent else error_line(problem, DEFAULT_LANGUAGE))


# --- exceptions without values ---------------------------------------------------------------------------------------


def describe(error: BaseException) -> str:
    """The type of an exception, with what else of it is a number or a name of the program's own."""
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, LoupeError):
        return f"{name} [{error.code}]"
    if isinstance(error, OSError) and error.errno:
        return f"{name} [{errno.errorcode.get(error.errno, error.errno)}]"
    if isinstance(error, SqliteError) and hasattr(error, "sqlite_errorname"):
        return f"{name} [{error.sqlite_errorname}]"
    return name


def without_values(error: BaseException) -> str:
    """An exception and those behind it: types and places, a line each."""
    lines = []
    for cause in islice(_causes(error), MOST_CAUSES):
        places = [f"  at {code}" for code in _places(cause.__traceback__)]
        left_out = len(places) - MOST_PLACES
        if left_out > 0:
            places[1 : 1 + left_out] = [f"  … {left_out} more"]
        lines += [describe(cause), *places]
    return "\n".join(lines)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _places(passed: TracebackType | None) -> Iterator[str]:
    return (f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in walk_tb(passed))


# --- the service's log -----------------------------------------------------------------------------------------------


class Formatter(logging.Formatter):
    """Lines without what was sent."""

    def __init__(self) -> None:
        super().__init__(LINE, TIME)
        self.spoken_by = {LOG.name, SERVER_LOG}  # whose own words are told

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 — logging's name
        if record.name not in self.spoken_by:
            record.message = f"at {record.pathname}:{record.lineno} {record.funcName}"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = record.stack_info = None  # another handler's, with values
        return super().format(record)

    def formatException(self, ei: logging._SysExcInfoType) -> str:  # noqa: N802 — logging's name
        return without_values(ei[1]) if ei[1] else ""


class ServiceLog:
    """The handler of all loggers, on a descriptor of its own."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(STANDARD_ERROR), "w", buffering=1, errors="backslashreplace")
        self._formatter = Formatter()
        self._handler = logging.StreamHandler(self._stream)
        self._handler.setFormatter(self._formatter)
        logging.getLogger().addHandler(self._handler)

    def close_other_ways(self) -> None:
        """From here on this process reads what clients send: let nothing reach the log but what `Formatter` makes."""
        logging.getLogger().handlers = [self._handler]
        self._formatter.spoken_by.discard(SERVER_LOG)
        logging.getLogger(SERVER_LOG).setLevel(logging.WARNING)
        sys.excepthook = lambda _kind, error, _passed: LOG.critical("stopped by %s", without_values(error))
        threading.excepthook = _tell_of_thread
        sys.unraisablehook = _tell_of_unraisable
        # A library's warning may repeat what was sent, and Python would remember each text that it met.
        warnings.simplefilter("ignore")
        faulthandler.enable(self._stream)  # a crash: lines of code, no values
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream, descriptor in ((sys.stdout, STANDARD_OUTPUT), (sys.stderr, STANDARD_ERROR)):
            if stream:  # else the descriptor was closed from the start, and may be another file's by now
                stream.flush()
                os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _tell_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        LOG.error("a thread was ended by %s", without_values(ended.exc_value))


def _tell_of_unraisable(found: sys.UnraisableHookArgs) -> None:
    if found.exc_value is not None:
        LOG.error("nobody could be told of %s", without_values(found.exc_value))
