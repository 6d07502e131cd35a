"""One connection: from its bytes to a whole request, and from an answer to its bytes.

A connection is always in one phase. Bytes that arrive while the app works belong to the next request, and few of them
are kept. `check`, several times a second, sees whether the client reads and writes fast enough.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from device.base.errors import Busy, LoupeError
from device.base.log import LOG
from device.base.texts import DEFAULT_LANGUAGE
from device.web.door.answer import Answer
from device.web.door.body import Body
from device.web.door.client import Client
from device.web.door.conversation import Conversation
from device.web.door.head import fault, request_of, size_of
from device.web.door.pace import Pace
from device.web.door.phase import Phase
from device.web.door.refusal import language_of, refusal
from device.web.door.wsgi import Request, call, environ_of
from device.web.incoming.client import machine_address

if TYPE_CHECKING:
    from device.web.door.door import Door

FORGET = struct.pack("ii", 1, 0)  # linger: on, for no time
SLICE_BYTES, CHUNKS_AT_ONCE = 4_096, 16  # of a chunked body
WHEN_GIVEN_UP = {
    Phase.LEAVING: 0,
    Phase.IDLE: 1,
    **dict.fromkeys((Phase.HEAD, Phase.BODY, Phase.ANSWERING), 2),
    Phase.ASKING: 3,
    Phase.WAITING: 5,
}
YOUNG_GIVEN_UP = 4
Cause = LoupeError | HTTPStatus


class Connection(asyncio.BufferedProtocol):
    """A job of a lane once its request is whole (`device/web/door/lanes.py`)."""

    def __init__(self, door: Door) -> None:
        self.door, self.rules = door, door.rules
        self.phase, self.since = Phase.IDLE, door.now()
        self.client = Client("")
        self._transport: asyncio.Transport
        self._peer, self._local = "", ("localhost", 0)
        self._closing = False  # after the answer
        self._has_been_answered = False
        # The request.
        self._head, self._extra = bytearray(), bytearray()
        self._http = Conversation(self.rules.head_bytes)
        self._request: Request | None = None
        self._route = ("GET", "/")
        self._language = DEFAULT_LANGUAGE
        self._body, self._limit, self._chunks = Body(), 0, 0
        self._left: int | None = 0  # of the body; None where it is chunked
        # The answer, and what comes after it.
        self._sending = self._dropped = 0
        self._last_dropped = self.since
        self._pace, self._began_s = Pace(self.rules, self.since), 0.0
        self._resting: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        return self.client.address

    @property
    def received(self) -> int:
        """Bytes of the body so far."""
        return self._body.size

    @property
    def rate(self) -> float:
        """Bytes a second that came lately."""
        return self._pace.rate

    @property
    def last_progress(self) -> float:
        """When the body or the answer last moved on by more than a few bytes."""
        return max(self.since, self._pace.last_progress)

    # --- what asyncio calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(0)
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if isinstance(peer, tuple) and isinstance(local, tuple):
            self._peer, self._local = str(peer[0]), (str(local[0]), int(local[1]))
        self.client = Client(machine_address(self._peer))
        self.door.admit(self)

    def get_buffer(self, _size: int) -> bytearray:
        self._began_s = time.thread_time()
        return self.door.buffer

    def buffer_updated(self, count: int) -> None:
        self._pace.came(count, self.door.now())
        self._take(memoryview(self.door.buffer)[:count])
        self._spend(time.thread_time() - self._began_s)

    def eof_received(self) -> bool:
        """A client that closes its side while its picture is read counts as gone: the two cases look alike. The app's
        answer is sent all the same."""
        if self.phase is Phase.BODY:
            self.refuse(HTTPStatus.BAD_REQUEST)
        elif self.phase in (Phase.WAITING, Phase.RUNNING, Phase.ANSWERING):
            self.client.gone = self._closing = True
            return True
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        was, self.phase = self.phase, Phase.CLOSED
        self.client.gone = True
        self.door.forget(self)
        if was is Phase.WAITING:
            self.door.lane(self._route).remove(self)
        if self._resting:
            self._resting.cancel()
        self._let_go()

    def resume_writing(self) -> None:
        """All of the answer has gone out. asyncio hasn't finished yet: closing the connection here fails."""
        asyncio.get_running_loop().call_soon(self._sent)

    def _sent(self) -> None:
        if self.phase is Phase.ANSWERING and not self._transport.get_write_buffer_size():
            self._answered()

    def _take(self, data: memoryview) -> None:
        if self.phase in (Phase.IDLE, Phase.HEAD):
            self._take_head(bytes(data))
        elif self.phase is Phase.BODY:
            self._take_body(data)
        elif self.phase is Phase.LEAVING:
            self._dropped += len(data)
            self._last_dropped = self.door.now()
            if self._dropped > self.rules.linger_bytes:
                self.abort()
        elif self.phase is not Phase.CLOSED:
            self._take_extra(data)

    # --- head --------------------------------------------------------------------------------------------------------

    def _take_head(self, data: bytes) -> None:
        if self.phase is Phase.IDLE:
            data = data.lstrip(b"\r\n")  # which some clients send after a body
            if not data:
                return
            self._enter(Phase.HEAD)
        looked_at = len(self._head)
        self._head += data
        size = size_of(self._head, looked_at)
        cause = fault(self._head, size or len(self._head), self.rules)
        if cause:
            self.refuse(cause)
        elif size:
            head, rest = bytes(self._head[:size]), bytes(self._head[size:])
            self._head.clear()
            cause = self._parse(head)
            if cause:
                self.refuse(cause)
            else:
                self._begin_body(rest)

    def _parse(self, head: bytes) -> HTTPStatus | None:
        """Why the head can't be served; None where it can."""
        parsed = self._http.head(head)
        if isinstance(parsed, HTTPStatus):
            return parsed
        accepted = b", ".join(value for name, value in parsed.headers if name == b"accept-language")
        self._language = language_of(accepted.decode("latin-1"))
        request = request_of(parsed)
        if isinstance(request, HTTPStatus):
            return request
        self._request, self._route = request, (request.method, request.route)
        tokens = request.field(b"connection").lower().replace(b" ", b"").split(b",")
        self._closing = self._closing or request.version == "1.0" or b"close" in tokens
        return None

    # --- body --------------------------------------------------------------------------------------------------------

    def _begin_body(self, rest: bytes) -> None:
        assert self._request is not None
        chunked = bool(self._request.field(b"transfer-encoding"))
        length = int(self._request.field(b"content-length") or b"0")
        self._limit = self.rules.body_limit(*self._route)
        self._body, self._chunks, self._left = Body(), 0, None if chunked else length
        if not self._limit and (chunked or length):
            # The answer can't depend on a body where none is taken: give it, and close instead of reading.
            self._closing = True
            self._wait()
        elif length > self._limit:
            self.refuse(self.rules.too_large(*self._route))
        elif length > self.rules.small_body_bytes:
            self._ask(length, rest)
        else:
            self._read_body(rest)

    def _ask(self, size: int, rest: bytes | memoryview) -> None:
        self._extra += rest
        self._enter(Phase.ASKING)
        self._transport.pause_reading()
        self.door.room.ask(self, size)

    def got_room(self) -> None:
        """A large body has got its room (`device/web/door/room.py`)."""
        rest = bytes(self._extra)
        self._extra.clear()
        self._read_body(rest)

    def _read_body(self, rest: bytes) -> None:
        self._enter(Phase.BODY)
        self._resume()
        if self._http.awaits_go_on:
            self._transport.write(self._http.go_on())
        self._take_body(memoryview(rest))

    def _take_body(self, data: memoryview) -> None:
        if self._left is not None:
            part = data[: self._left]
            self._left -= len(part)
            self._add(part)
            if self.phase is Phase.BODY and not self._left:
                self._extra += data[len(part) :]
                self._wait()
            return
        self._extra += data
        self._transport.pause_reading()
        self.door.later.add(self)

    def work(self) -> None:
        """Take some of the chunks that came (`device/web/door/later.py`)."""
        if self.phase is not Phase.BODY or self._resting:
            return
        began = time.thread_time()
        self._take_chunks()
        self._spend(time.thread_time() - began)

    def _take_chunks(self) -> None:
        for _ in range(CHUNKS_AT_ONCE):
            event = self._http.next_event()
            if event is h11.NEED_DATA and self._extra:
                self._http.receive(bytes(self._extra[:SLICE_BYTES]))
                del self._extra[:SLICE_BYTES]
            elif event is h11.NEED_DATA:
                self._resume()
                return
            elif isinstance(event, h11.Data):
                self._chunks += 1
                if self._chunks > self.rules.free_chunks + self._body.size / self.rules.chunk_bytes:
                    self.refuse(HTTPStatus.BAD_REQUEST)
                else:
                    self._add(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._extra[:0] = self._http.unread
                self.door.room.keep_only(self, self._body.size)
                self._resume()
                self._wait()
            else:
                self.refuse(HTTPStatus.BAD_REQUEST)
            if self.phase is not Phase.BODY:
                return
        self.door.later.add(self)

    def _add(self, data: bytes | bytearray | memoryview) -> None:
        """Add data to the body. May end the phase: where the body is too large, where it needs room, or where others
        need the memory more."""
        small, before = self.rules.small_body_bytes, self._body.size
        self._body.add(data)
        if self._body.size > self._limit:
            self.refuse(self.rules.too_large(*self._route))
        elif self._body.size + (self._left or 0) <= small:
            self.door.room.hold(self, len(data))
        elif self._left is None and before <= small:
            self._ask(self._limit, b"")

    def _take_extra(self, data: memoryview) -> None:
        """Bytes that come before the answer to the request before. A few are kept for afterwards. They are read in any
        case, or the client's leaving would go unnoticed behind them."""
        if self._closing:
            return
        self._extra += data
        if len(self._extra) > self.rules.extra_bytes:
            if self.phase is Phase.ANSWERING:
                self._transport.pause_reading()
            else:
                self.refuse(HTTPStatus.BAD_REQUEST)

    # --- the app -----------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        self._enter(Phase.WAITING)
        self.door.lane(self._route).add(self)

    def started(self) -> None:
        self._enter(Phase.RUNNING)
        self.door.at_work.add(self)

    def run(self) -> Answer:
        """Run the app, in a thread of a lane."""
        assert self._request is not None
        began = time.thread_time()
        environ = environ_of(self._request, self._body, self.client, self._local, self._peer)
        try:
            return call(self.door.app, environ)
        except Exception as error:
            LOG.error("the app failed", exc_info=error)
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, self._language)
        finally:
            self._pace.spent_s += time.thread_time() - began

    def finished(self, answer: Answer) -> None:
        self.door.at_work.discard(self)
        self._let_go()
        if self.phase is Phase.RUNNING:
            self._answer(answer)

    def _let_go(self) -> None:
        """Release the body or the answer, once no thread uses it."""
        if self not in self.door.at_work:
            self.door.room.release(self)
            self._body = Body()

    # --- the answer --------------------------------------------------------------------------------------------------

    def send_away(self) -> None:
        """Refuse the request: there is no place for it now."""
        self.refuse(Busy(retry_after_s=self.rules.retry_after_s))

    def refuse(self, cause: Cause) -> None:
        """Answer without the app, and close: the rest of what was sent can't be trusted."""
        if self.phase is Phase.WAITING:
            self.door.lane(self._route).remove(self)
        self.phase = Phase.ANSWERING
        self._let_go()
        self.client.gone = self._closing = True
        self._answer(refusal(cause, self._language))

    def _answer(self, answer: Answer) -> None:
        self._closing = self._closing or self.door.stopping
        method = self._request.method if self._request else ""
        sent = self._http.answer(answer, method, closing=self._closing)
        self._enter(Phase.ANSWERING)
        self._sending = len(sent)
        self._transport.write(sent)
        left = self._transport.get_write_buffer_size()
        if left:
            self.door.room.hold(self, left)  # may give up this very connection
        else:
            self._answered()

    def _answered(self) -> None:
        self.door.answered += 1
        self._let_go()
        if self._closing:
            self._leave()
            return
        self._enter(Phase.IDLE)
        self._has_been_answered = True
        self._request, self._http = None, Conversation(self.rules.head_bytes)
        self._spend(0.0)
        self._go_on()

    def _go_on(self) -> None:
        """Continue with what was sent meanwhile, unless the connection rests."""
        self._resume()
        if self._extra and not self._resting:
            extra = bytes(self._extra)
            self._extra.clear()
            self._take_head(extra)

    def _leave(self) -> None:
        """Say that nothing more comes, and wait for the client to say so too. Closed at once, with bytes of its own
        unread, the client would lose the answer."""
        self._enter(Phase.LEAVING)
        self._last_dropped = self.since
        self._extra.clear()
        self._resume()
        try:
            self._transport.write_eof()
        except OSError:  # the client was quicker, and nothing is left to wait for
            self.abort()

    # --- whose turn it is to be listened to --------------------------------------------------------------------------

    def _spend(self, seconds: float) -> None:
        """Count processor time against this client. One that has taken much isn't listened to for a while."""
        self._pace.spent_s += seconds
        others = self.door.noticed(self)
        if self._resting or self.phase is Phase.CLOSED:
            return
        rest_s = self._pace.rest_s(others, busy=self.phase in (Phase.WAITING, Phase.RUNNING))
        if rest_s:
            self._transport.pause_reading()
            self._resting = asyncio.get_running_loop().call_later(rest_s, self._rested)

    def _rested(self) -> None:
        self._resting = None
        if self.phase is Phase.IDLE:
            self._go_on()
        elif self.phase is Phase.BODY and self._left is None:
            self.door.later.add(self)
        else:
            self._resume()

    def _resume(self) -> None:
        if not self._resting and self.phase is not Phase.ASKING:
            self._transport.resume_reading()

    # --- deadlines ---------------------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Give up a client that is too slow."""
        rules, passed = self.rules, now - self.since
        self._pace.tick()
        if self.phase is Phase.IDLE and passed > rules.idle_s:
            self.abort()
        elif self.phase is Phase.HEAD and passed > rules.head_s:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self.phase is Phase.BODY:
            allowed = rules.body_grace_s + self._body.size / rules.least_bytes_per_s
            if passed > min(allowed, rules.body_s):
                self.refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self.phase in (Phase.ASKING, Phase.WAITING) and passed > rules.patience_s:
            self.send_away()
        elif self.phase is Phase.ANSWERING:
            read = self._sending - self._transport.get_write_buffer_size()
            if passed > min(rules.answer_grace_s + read / rules.least_bytes_per_s, rules.answer_s):
                self.drop()
        elif self.phase is Phase.LEAVING and (
            passed > rules.linger_s or now - self._last_dropped > rules.linger_silent_s
        ):
            self.abort()

    def importance(self, now: float) -> tuple[int, float, float]:
        """The order in which connections are given up for others, the least important first. Of the same kind: the
        slower first, then the older."""
        fresh = self.phase is Phase.IDLE and not self._has_been_answered  # with something to read: see acceptor.py
        asks = fresh or self.phase in (Phase.HEAD, Phase.BODY)
        if asks and now - self.since < self.rules.young_s:
            return YOUNG_GIVEN_UP, 0.0, self.since
        comes = asks or self.phase is Phase.ANSWERING
        return WHEN_GIVEN_UP[self.phase], self.rate if comes else 0.0, self.since

    def abort(self) -> None:
        """Close at once, without another word."""
        self._transport.abort()

    def drop(self) -> None:
        """Close at once, and have the system discard what it was given to send: nobody reads it."""
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, FORGET)
        self._transport.abort()

    def _enter(self, phase: Phase) -> None:
        self.phase, self.since = phase, self.door.now()
