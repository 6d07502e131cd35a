"""New connections: all are taken from the system at once, and opened when they send something, a few at a time, the
addresses in turn.

Without this, a client that connects again and again would fill the system's queue, and a newcomer would wait behind it
or find no place. Here such a client fills only its own address's queues, whose oldest connections give way. In a crowd
the newest is opened first, because in order of arrival each would wait until it gives way. Silent connections cost
little and take no place from others.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from device.web.door.rules import Rules
from device.web.door.turns import Turns
from device.web.incoming.client import machine_address

TAKEN_AT_ONCE, LOOKED_AT_AT_ONCE, OPENED_AT_ONCE = 64, 64, 32
CROWD = 16  # of one address in the line
CLOSED_STATES = (7, 8)  # TCP_CLOSE and TCP_CLOSE_WAIT of Linux's <netinet/tcp.h>
PAUSE_S = 0.1  # where the system gives no more


class Acceptor:
    """`open_connection` makes the protocol of a connection that is opened."""

    def __init__(self, rules: Rules, open_connection: Callable[[], asyncio.BufferedProtocol]) -> None:
        self._rules, self._open_connection = rules, open_connection
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._silent: Turns[socket.socket] = Turns()
        self._since: dict[socket.socket, tuple[float, str]] = {}  # when each silent one came, and whose it is
        self._waiting: Turns[socket.socket] = Turns()  # they have said something
        self._next: asyncio.Handle | None = None
        self._opening: set[asyncio.Task[object]] = set()

    def listen(self, listener: socket.socket) -> None:
        """Take what comes to a listening socket from now on."""
        listener.setblocking(False)
        self._listeners.append(listener)
        self._loop.add_reader(listener, self._take, listener)

    def close(self) -> None:
        """Take no more, and close what waits."""
        while self._listeners:
            listener = self._listeners.pop()
            self._loop.remove_reader(listener)
            listener.close()
        while self._silent:
            self._drop_silent(self._silent.longest())
        while self._waiting:
            self._waiting.next()[1].close()

    def check(self, now: float) -> None:
        """Close those that have been silent for too long."""
        for connection, (came_at, address) in list(self._since.items()):
            if now - came_at <= self._rules.idle_s:
                break
            self._forget_silent(address, connection)
            connection.close()

    def _take(self, listener: socket.socket) -> None:
        # systemd makes a socket that it hands over wait again, each time that a unit asks for it.
        os.set_blocking(listener.fileno(), False)
        for _ in range(TAKEN_AT_ONCE):
            try:
                connection, peer = listener.accept()
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionAbortedError:
                continue
            except OSError:  # no descriptors or no memory
                self._loop.remove_reader(listener)
                self._loop.call_later(PAUSE_S, self._try_again, listener)
                break
            self._add(machine_address(str(peer[0])), connection)

    def _try_again(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener, self._take, listener)

    # --- those that have said nothing --------------------------------------------------------------------------------

    def _add(self, address: str, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._silent.add(address, connection)
        self._since[connection] = self._loop.time(), address
        self._loop.add_reader(connection, self._hear, address, connection)
        if self._silent.length(address) > self._rules.silent_per_address:
            self._drop_silent(address)
        elif len(self._silent) > self._rules.silent:
            self._drop_silent(self._silent.longest())

    def _drop_silent(self, address: str) -> None:
        oldest = self._silent.oldest(address)
        self._forget_silent(address, oldest)
        oldest.close()

    def _forget_silent(self, address: str, connection: socket.socket) -> None:
        self._loop.remove_reader(connection)
        self._silent.remove(address, connection)
        del self._since[connection]

    def _hear(self, address: str, connection: socket.socket) -> None:
        """It has said something, or has left."""
        self._forget_silent(address, connection)
        if _has_left(connection, crowded=False):
            connection.close()
            return
        self._waiting.add(address, connection)
        if self._waiting.length(address) > self._rules.unopened_per_address:
            self._drop_waiting(address)
        elif len(self._waiting) > self._rules.unopened:
            self._drop_waiting(self._waiting.longest())
        if not self._next:
            self._next = self._loop.call_soon(self._open)

    # --- those that have ---------------------------------------------------------------------------------------------

    def _drop_waiting(self, address: str) -> None:
        oldest = self._waiting.oldest(address)
        self._waiting.remove(address, oldest)
        oldest.close()

    def _open(self) -> None:
        self._next = None
        opened = 0
        for _ in range(LOOKED_AT_AT_ONCE):
            if not self._waiting or opened == OPENED_AT_ONCE:
                break
            address, connection = self._waiting.next(CROWD)
            if _has_left(connection, crowded=self._waiting.length(address) >= CROWD):
                connection.close()
                continue
            opened += 1
            opening = self._loop.create_task(self._open_one(connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        if self._waiting:
            self._next = self._loop.call_soon(self._open)

    async def _open_one(self, connection: socket.socket) -> None:
        await self._loop.connect_accepted_socket(self._open_connection, connection)


def _has_left(connection: socket.socket, crowded: bool) -> bool:
    """Whether the client has closed its side without sending anything; in a crowd, also after sending something. Some
    clients close their side and wait for the answer, but those that fill the queue don't wait."""
    try:
        if not connection.recv(1, socket.MSG_PEEK):
            return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    return crowded and connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in CLOSED_STATES
