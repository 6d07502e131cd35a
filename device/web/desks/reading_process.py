"""The reading process: the desks of the service stand in a process of their own, so that no other answer slows a
reading. Of the threads of one Python process only one runs at a time, and a client that asks for hundreds of pages a
second keeps it busy (figures in `docs/engineers/decisions.md`).

The serving process has a *keeper* forked before it has any thread. The keeper forks the reading process, hands over one
connection for each desk, waits, and forks another when that one has died: of memory, say, for which the kernel ends it
before the others. What was read just then is answered with `ReadersLost`. Each process ends with the one that forked
it.

A connection carries one request at a time. While it is worked on, the asker may send `STOP`. The two sides trust each
other as threads do.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from device.base.allocator import give_back_large_blocks
from device.base.dumps import forbid_dumps
from device.base.errors import LoupeError, ReadersLost
from device.base.log import LOG
from device.base.process import end_with_parent, set_dumpable, set_name
from device.reading.site.commission import Commissioned
from device.reading.site.photo import Measurement
from device.web.desks.desk import (
    DeskHere,
    FinishedReading,
    Office,
    PictureMeasured,
    PicturesOfSite,
    PictureToMeasure,
    PictureToRead,
    Stop,
    desks_here,
)

LOOK_S = 0.1
START_S = 30.0  # in which a reading process must have been forked
LEAST_LIFE_S = 1.0  # of a reading process, so that one that dies at once isn't forked without a pause
RETRY_AFTER_S = 1
LENGTH_BYTES = 8
ASK, STOP = b"a", b"s"
LEFT_TO_THE_PARENT = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH),
)
ENDED_FIRST = "500"  # of 1000, added to the share of memory by which the kernel chooses whom it ends


class Ended(Exception):
    """The other side has closed the connection."""


# --- messages --------------------------------------------------------------------------------------------------------


def _send(connection: socket.socket, *parts: bytes) -> None:
    for part in parts:
        connection.sendall(len(part).to_bytes(LENGTH_BYTES))
        connection.sendall(part)


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    data = connection.recv(count, socket.MSG_WAITALL) if count else b""
    if len(data) < count:
        raise Ended
    return data


def _receive(connection: socket.socket) -> bytes:
    return _receive_exactly(connection, int.from_bytes(_receive_exactly(connection, LENGTH_BYTES)))


# --- the reading process ---------------------------------------------------------------------------------------------


def _serve(connection: socket.socket, desk: DeskHere) -> None:
    """Work for one connection until it is closed."""
    poller = select.poll()
    poller.register(connection, select.POLLIN)

    def stop() -> bool:
        return bool(poller.poll(0))  # `STOP`, or nobody is there

    work: dict[str, Callable[..., object]] = {
        "read": lambda data, *rest: desk.read(PictureToRead(data, *rest), stop),
        "preview": lambda data: desk.preview(data, stop),
        "measure": lambda data, what: desk.measure(what, data, stop),
        "means": lambda data, *rest: desk.means(PictureToMeasure(data, *rest), stop),
        "commission": lambda _, pictures: desk.commission(pictures, stop),
        "test": lambda _: desk.test(),
    }
    while True:
        while _receive_exactly(connection, 1) == STOP:
            pass  # it came when the work was done
        name, rest = pickle.loads(_receive(connection))  # noqa: S301 — see the module's docstring
        data = _receive(connection)
        try:
            answer = work[name](data, *rest)
        except (LoupeError, MemoryError) as error:
            answer = error.with_traceback(None)
            answer.__cause__ = answer.__context__ = None
        except Exception as error:
            LOG.exception("a reading failed")
            answer = RuntimeError(type(error).__name__)
        del data
        _send(connection, pickle.dumps(answer))
        del answer


def _read_for(connections: Sequence[socket.socket], office: Office) -> None:
    """The life of a reading process."""
    _let_end_first()
    give_back_large_blocks()
    desks = desks_here(office, len(connections))

    def work(connection: socket.socket, desk: DeskHere) -> None:
        try:
            _serve(connection, desk)
        except (Ended, OSError):
            os._exit(0)  # nobody asks any more
        except BaseException:
            LOG.exception("a desk failed")
            os._exit(1)

    for connection, desk in zip(connections, desks, strict=True):
        threading.Thread(target=work, args=(connection, desk)).start()


def _let_end_first() -> None:
    """Have the kernel end this process before others where memory runs out."""
    set_name(b"loupe-read")
    set_dumpable(True)  # else the file is another's
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(ENDED_FIRST)
    forbid_dumps()


# --- the keeper ------------------------------------------------------------------------------------------------------


def _fork(live: Callable[[], None]) -> int:
    """A process that ends with this one, and does nothing but `live`; its id."""
    parent = os.getpid()
    process = os.fork()
    if process:
        return process
    try:
        end_with_parent(parent)
        for number in LEFT_TO_THE_PARENT:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        live()
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()
    except BaseException:
        LOG.exception("a process ended")
    finally:
        os._exit(0)


def _close_network_sockets() -> None:
    """Those that clients connect to: they must close with the process that serves. systemd's log is a socket too."""
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as duplicate:
                    if duplicate.family in (socket.AF_INET, socket.AF_INET6):
                        os.close(number)


def _keep(control: socket.socket, office: Office, desks: int) -> None:
    """The life of the keeper."""
    _close_network_sockets()
    while True:
        pairs = [socket.socketpair() for _ in range(desks)]

        def live(pairs: Sequence[tuple[socket.socket, socket.socket]] = pairs) -> None:
            control.close()
            for theirs, _ in pairs:
                theirs.close()
            _read_for([ours for _, ours in pairs], office)

        born = time.monotonic()
        process = _fork(live)
        try:
            socket.send_fds(control, [b"\0"], [theirs.fileno() for theirs, _ in pairs])
        except BrokenPipeError:
            return  # nobody asks any more
        for pair in pairs:
            for end in pair:
                end.close()
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code:
            LOG.error("the reading process ended with %d (below 0: by that signal); another takes its place", code)
        time.sleep(max(0.0, LEAST_LIFE_S - (time.monotonic() - born)))


# --- the asking side -------------------------------------------------------------------------------------------------


class DeskApart:
    """A desk in the reading process: its number there. See `device/web/desks/desk.py`."""

    def __init__(self, process: ReadingProcess, number: int) -> None:
        self._process, self._number = process, number

    def read(self, picture: PictureToRead, stop: Stop) -> FinishedReading:
        rest = (
            picture.model,
            picture.um_per_px,
            picture.language,
            picture.sections,
            picture.sample,
            dict(picture.standings),
        )
        answer = self._ask("read", picture.data, rest, stop)
        assert isinstance(answer, FinishedReading)
        return answer

    def preview(self, data: bytes, stop: Stop) -> bytes:
        answer = self._ask("preview", data, (), stop)
        assert isinstance(answer, bytes)
        return answer

    def measure(self, what: str, data: bytes, stop: Stop) -> Measurement:
        answer = self._ask("measure", data, (what,), stop)
        assert isinstance(answer, Measurement)
        return answer

    def means(self, picture: PictureToMeasure, stop: Stop) -> PictureMeasured:
        answer = self._ask("means", picture.data, (picture.model, picture.instrument, picture.colour), stop)
        assert isinstance(answer, PictureMeasured)
        return answer

    def commission(self, pictures: PicturesOfSite, stop: Stop) -> Commissioned:
        answer = self._ask("commission", b"", (pictures,), stop)
        assert isinstance(answer, Commissioned)
        return answer

    def test(self) -> None:
        self._ask("test", b"", (), lambda: False)

    def _ask(self, name: str, data: bytes, rest: tuple[object, ...], stop: Stop) -> object:
        """Raises what the desk does, `ReadersLost` where the reading process dies meanwhile."""
        connection = self._process.connection(self._number)
        poller, stopped = select.poll(), False
        poller.register(connection, select.POLLIN)
        try:
            connection.sendall(ASK)
            _send(connection, pickle.dumps((name, rest)), data)
            while not poller.poll(LOOK_S * 1e3):
                if not stopped and stop():
                    connection.sendall(STOP)
                    stopped = True
            answer = pickle.loads(_receive(connection))  # noqa: S301 — see the module's docstring
        except (OSError, Ended) as error:
            raise ReadersLost(retry_after_s=RETRY_AFTER_S) from error
        try:
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            del answer  # else the error and this frame hold each other, and with them the picture, for long


class ReadingProcess:
    """The reading process that there is now. To be made before this process has threads, which may then share it."""

    def __init__(self, office: Office, desks: int) -> None:
        self._lock, self._count = threading.Lock(), desks
        self._control, theirs = socket.socketpair()
        self._control.settimeout(START_S)

        def live() -> None:
            self._control.close()
            _keep(theirs, office, desks)

        self.keeper = _fork(live)
        theirs.close()
        self._connections: list[socket.socket] = []
        self.desks = tuple(DeskApart(self, number) for number in range(desks))

    def connection(self, number: int) -> socket.socket:
        """The connection of a desk, to the next reading process where the last one has died. Raises `ReadersLost`."""
        with self._lock:
            while not self._connections or _is_dead(self._connections[number]):
                for each in self._connections:
                    each.shutdown(socket.SHUT_RDWR)  # and closed when nobody uses it any more
                try:
                    _, descriptors, _, _ = socket.recv_fds(self._control, 1, self._count)
                except OSError as error:
                    raise ReadersLost(retry_after_s=RETRY_AFTER_S) from error
                if not descriptors:
                    LOG.critical("the keeper of the readers has ended")
                    os.kill(os.getpid(), signal.SIGTERM)  # the next worker has a keeper of its own
                    raise ReadersLost(retry_after_s=RETRY_AFTER_S)
                self._connections = [socket.socket(fileno=each) for each in descriptors]
            return self._connections[number]


def _is_dead(connection: socket.socket) -> bool:
    """Whether the other side is gone; it says nothing unasked."""
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    return bool(poller.poll(0))
