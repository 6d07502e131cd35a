"""The serving process's side of the decoding children: it has them made, gives each one file, and answers their
requests.

A child gets the file's bytes. Then it asks for the size that a rule wants, for memory (which raises its limit once the
budget has it), and for a place for the pixels. Whatever a child says is checked like input from a stranger. It has
`DEADLINE_S` from the last byte of its file, not counting the time that it waits for memory. It is killed then, or when
the client leaves.
"""

from __future__ import annotations

import math
import mmap
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from device.base.errors import (
    DecodingTooSlow,
    DecodingUnavailable,
    ImageDamaged,
    ImageError,
    LoupeError,
    ReadingStopped,
    UploadTooLarge,
)
from device.reading.decoding.budget import ASKED_EVERY_S, Budget, Stop
from device.reading.decoding.child import BASE_BYTES, OPEN_BY_NAME, SPARE_ADDRESSES
from device.reading.decoding.messages import Ended, Message, receive, send
from device.reading.image import Image, Limits, SizeRule, StatedScale

DEADLINE_S = 20
READY_S = 30.0  # in which a child must have been made, on a slow card
LONGEST_WORD = 200
BYTES_PER_MB = 1_000_000


@dataclass(frozen=True)
class Child:
    """A child that waits for its job: its connection, process id and bytes of addresses."""

    connection: socket.socket
    process: int
    handle: int  # of the process: its id may be another's once it is dead
    addresses: int

    def end(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        os.close(self.handle)
        self.connection.close()


class Sandbox:
    """The fork server of this process, and one child of it that waits for the next file. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0  # a fork of this process must make its own
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._waiting: socket.socket | None = None
        self._loaded: set[str] = set()  # by the server, and so by each child since

    def child(self, module: str) -> Child:
        """A child, for a file that a module of `device/reading/formats` reads. Raises `DecodingUnavailable`."""
        with self._lock:
            for _ in range(2):  # a server that has died is started anew, once
                with suppress(OSError, Ended):
                    self._start()
                    child = (self._waited_for() if module in self._loaded else None) or _greeted(self._asked(module))
                    self._waiting = self._asked(module)
                    return child
                self._stop()
        raise DecodingUnavailable(detail="no process")

    def _waited_for(self) -> Child | None:
        """The child that is ready for a file; None where there is none, or it has died meanwhile."""
        connection, self._waiting = self._waiting, None
        if connection is None:
            return None
        with suppress(OSError, Ended):
            child = _greeted(connection)
            if not select.select([child.handle], [], [], 0)[0]:
                return child
            child.end()
        connection.close()
        return None

    def _start(self) -> None:
        if self._server is not None and self._owner == os.getpid():
            return
        self._stop()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "device.reading.decoding.fork_server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # One thread: the server forks.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self._control, self._owner = mine, os.getpid()

    def _stop(self) -> None:
        for connection in (self._control, self._waiting):
            if connection is not None:
                connection.close()
        if self._server is not None and self._owner == os.getpid():
            self._server.kill()
            self._server.wait()
        self._server = self._control = self._waiting = None
        self._loaded = set()

    def _asked(self, module: str) -> socket.socket:
        """The connection to a child that is being made."""
        assert self._control is not None
        if module not in self._loaded and self._waiting is not None:
            self._waiting.close()  # that one would have to load it itself
            self._waiting = None
        self._loaded.add(module)
        mine, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [module.encode()], [theirs.fileno()])
        return mine


def _greeted(connection: socket.socket) -> Child:
    """The child at the other end, once it has reported."""
    connection.settimeout(READY_S)
    end = time.monotonic() + READY_S

    def patience() -> None:
        if time.monotonic() > end:
            raise Ended

    hello = receive(connection, patience)
    process = int(hello["process"])
    connection.settimeout(ASKED_EVERY_S)
    return Child(connection, process, os.pidfd_open(process), int(hello["addresses"]))


def decode(
    sandbox: Sandbox,
    budget: Budget,
    module: str,
    data: bytes,
    limits: Limits,
    target: int | SizeRule | None,
    stop: Stop | None,
) -> Image:
    """What `device.reading.image.decode` promises, of a file that a module of `device/reading/formats` reads, decoded
    by a child.

    Raises besides `DecodingTooSlow`, `DecodingTooLarge`, `DecodingUnavailable`, `Busy`, or `ReadingStopped` once `stop`
    says so.
    """
    base = len(data) * (2 if module in OPEN_BY_NAME else 1) + BASE_BYTES
    if base > budget.most // 2:
        raise UploadTooLarge(limit_mb=(budget.most // 2 - BASE_BYTES) // BYTES_PER_MB)
    with ExitStack() as held:
        budget.take(base, stop=stop)
        held.callback(budget.give_back, base)
        for _ in range(2):  # a child that has died before it had the file is no fault of that
            child = sandbox.child(module)
            held.callback(child.end)
            job = _Job(child, budget, limits, target, stop, base)
            held.callback(job.give_back)
            with suppress(Ended):
                return job.run(module, data)
    raise DecodingUnavailable(detail="a process ended before it had the file")


class _Job:
    """One file in one child."""

    def __init__(
        self, child: Child, budget: Budget, limits: Limits, target: int | SizeRule | None, stop: Stop | None, base: int
    ) -> None:
        self.child, self.budget, self.limits, self.target, self.stop = child, budget, limits, target, stop
        self.base, self.work, self.result = base, 0, 0
        self.pixels: NDArray[np.uint8] | None = None
        self.wanted: tuple[int, int] | None = None
        self.end = math.inf

    def run(self, module: str, data: bytes) -> Image:
        """Raises `Ended` where the child ended before it had all of the file."""
        addresses = self.child.addresses + self.base + SPARE_ADDRESSES
        send(
            self.child.connection,
            {
                "module": module,
                "bytes": len(data),
                "limits": vars(self.limits),
                "target": "rule" if callable(self.target) else self.target,
                "most": self.budget.most - self.base,
                "most_result": self.budget.most_result,
                "addresses": addresses,
                "most_addresses": addresses + self.budget.total,
            },
        )
        self._send_bytes(data)
        self.end = time.monotonic() + DEADLINE_S
        while True:
            message = self._received()
            if "decoded" in message:
                return self._image(message["decoded"])
            if "error" in message:
                raise _error(message)
            self._answer(message)

    def give_back(self) -> None:
        """Give back the memory that the child worked with. Pixels that somebody holds now are given back with those."""
        self.budget.give_back(self.work, self.result)

    def _answer(self, message: Message) -> None:
        match message:
            case {"size_of": [int(width), int(height)]} if callable(self.target):
                self._send({"size": self.target(width, height)})
            case {"take": [int(work), int(result)]} if work >= 0 and result >= 0:
                self._take(work, result)
                self._send({})
            case {"pixels": [int(height), int(width)]} if height > 0 and width > 0 and self.pixels is None:
                self._lay_pixels(height, width)
            case _:
                raise ImageDamaged

    def _take(self, work: int, result: int) -> None:
        if work + result > self.budget.most - self.base or result > self.budget.most_result:
            raise ImageDamaged  # it was told
        before = time.monotonic()
        self.budget.take(work, result, stop=self.stop)
        self.work, self.result = self.work + work, self.result + result
        self.end += time.monotonic() - before
        soft = self.child.addresses + self.base + SPARE_ADDRESSES + self.work + self.result
        with suppress(ProcessLookupError):
            hard = resource.prlimit(self.child.process, resource.RLIMIT_AS)[1]
            resource.prlimit(self.child.process, resource.RLIMIT_AS, (min(soft, hard), hard))

    def _lay_pixels(self, height: int, width: int) -> None:
        size = height * width * 3
        if size > self.result:
            raise ImageDamaged
        descriptor = os.memfd_create("pixels")
        try:
            os.ftruncate(descriptor, size)
            shared = mmap.mmap(descriptor, size)
            self.pixels = np.frombuffer(shared, np.uint8).reshape(height, width, 3)
            weakref.finalize(shared, self.budget.give_back, 0, size).atexit = False
            self.result -= size
            try:
                socket.send_fds(self.child.connection, [b"."], [descriptor])
            except OSError as failure:
                raise self._ended() from failure
        finally:
            os.close(descriptor)

    def _image(self, facts: object) -> Image:
        """The image that a child describes. Raises `ImageDamaged` where the description is impossible."""
        match facts:
            case {
                "width": int(width),
                "height": int(height),
                "format": str(name),
                "notes": list(notes),
                "stated_um_per_px": scale,
                "preview": bool(preview),
            } if self.pixels is not None and all(isinstance(note, str) for note in notes):
                return Image(self.pixels, width, height, name, tuple(notes), _scale(scale), preview)
        raise ImageDamaged

    def _send(self, message: Message) -> None:
        try:
            send(self.child.connection, message)
        except Ended as ended:
            raise self._ended() from ended

    def _send_bytes(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._check()
            try:
                rest = rest[self.child.connection.send(rest) :]
            except TimeoutError:
                continue
            except OSError as failure:
                raise Ended from failure

    def _received(self) -> Message:
        try:
            return receive(self.child.connection, self._check)
        except Ended as ended:
            raise self._ended() from ended

    def _ended(self) -> ImageError:
        """Why a child ended without an answer: its time was over, or the file broke it."""
        return DecodingTooSlow(limit_s=DEADLINE_S) if time.monotonic() > self.end - 1 else ImageDamaged()

    def _check(self) -> None:
        if self.stop is not None and self.stop():
            raise ReadingStopped
        if time.monotonic() > self.end:
            raise DecodingTooSlow(limit_s=DEADLINE_S)


def _scale(facts: object) -> StatedScale | None:
    match facts:
        case {"um_per_px": float(um) | int(um), "source": str(source)} if len(source) <= LONGEST_WORD:
            return StatedScale(um, source)
    return None


def _error(message: Message) -> LoupeError:
    """The error that a child names, with its facts; `ImageDamaged` where there is no such error."""
    named = {each.__name__: each for each in (*ImageError.__subclasses__(), DecodingUnavailable)}
    kind, facts = named.get(str(message.get("error"))), message.get("facts")
    if kind is None or not isinstance(facts, dict) or set(facts) != {field.name for field in fields(kind)}:
        return ImageDamaged()
    if not all(
        isinstance(fact, int | float) or (isinstance(fact, str) and len(fact) <= LONGEST_WORD)
        for fact in facts.values()
    ):
        return ImageDamaged()
    error: LoupeError = kind(**facts)
    return error


_sandbox = Sandbox()


def this_sandbox() -> Sandbox:
    """The sandbox of this process."""
    return _sandbox
