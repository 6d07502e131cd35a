"""A trial: work that may crash its process, done in a child process with limits on memory and time.

A signature says who signed a network, not that the runtime survives it: damaged tables of a flatbuffer can crash the
process that loads them, or make it ask for all memory.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import signal
import time
from collections.abc import Callable

from device.base.errors import LoupeError, ModelUnusable
from device.base.process import address_bytes, end_with_parent

MORE_MEMORY_BYTES = 600_000_000  # of addresses, beyond what the process has: the shipped models take 90
CPU_S, WALL_S, LOOK_S = 120, 300.0, 0.005
MOST_ANSWER_BYTES = 60_000  # what a pipe holds without a reader
MOST_CHARACTERS = 200


def try_apart(work: Callable[[], object], about: str) -> None:
    """Do the work in a child process. Raises the `LoupeError` that the work raises, and `ModelUnusable` where it raises
    anything else, crashes or takes too long; `about` says what was tried."""
    reading_end, writing_end = os.pipe()
    parent = os.getpid()
    process = os.fork()
    if not process:
        try:
            os.close(reading_end)
            end_with_parent(parent)
            os.write(writing_end, pickle.dumps(_outcome(work, about)))
        finally:
            os._exit(0)
    os.close(writing_end)
    try:
        status = _ended(process)
        os.set_blocking(reading_end, False)
        outcome = os.read(reading_end, MOST_ANSWER_BYTES) if status == 0 else b""
    finally:
        os.close(reading_end)
    if not outcome:
        how = "took too long" if status is None else f"ended the process that tried it ({_in_words(status)})"
        raise ModelUnusable(detail=f"{about} {how}")
    error = pickle.loads(outcome)  # noqa: S301 — by this program, a moment ago
    if error is not None:
        raise error


def _ended(process: int) -> int | None:
    """How a child ended, as `waitpid` says it; None where it had to be ended."""
    deadline = time.monotonic() + WALL_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        time.sleep(LOOK_S)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def _in_words(status: int) -> str:
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {status}"


def _outcome(work: Callable[[], object], about: str) -> LoupeError | None:
    """In the child: the error, None where there is none."""
    try:
        _confine()
        work()
    except LoupeError as error:
        return error  # `pickle` leaves out what is behind it
    except Exception as error:  # whatever it is, readings would meet it
        return ModelUnusable(detail=f"{about} raised {type(error).__name__} ({ascii(str(error))[:MOST_CHARACTERS]})")
    return None


def _confine() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    faulthandler.disable()  # the parent reports how the child ended
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)  # what the runtime prints
    for name, bound in (
        (resource.RLIMIT_AS, address_bytes() + MORE_MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(name)
        resource.prlimit(0, name, (bound if most < 0 else min(bound, most), most))
