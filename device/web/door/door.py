"""All connections: how many each address may have, what their bodies and answers hold together, and the clock of the
deadlines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING

from device.web.door.acceptor import Acceptor
from device.web.door.connection import Connection
from device.web.door.lanes import Lane
from device.web.door.later import Later
from device.web.door.phase import Phase
from device.web.door.room import Room
from device.web.door.rules import Rules

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

READ_BYTES = 65_536  # of one connection before it is another's turn
LATELY_S = 1.0
SHED_SHARE = 16  # one in so many


class Door:
    """Serves one app within one event loop, whose thread alone calls it."""

    def __init__(self, app: WSGIApplication, rules: Rules) -> None:
        self.app, self.rules = app, rules
        self.stopping = False
        self.room, self.later = Room(rules), Later()
        self.buffer = bytearray(READ_BYTES)  # what one connection has just sent
        self._loop = asyncio.get_running_loop()
        self._lanes = {
            name: Lane(name, threads, rules.waiting_per_lane, self._loop) for name, threads in rules.lanes.items()
        }
        self._connections: dict[str, dict[Connection, None]] = {}  # by address, the oldest first
        self.at_work: set[Connection] = set()  # whose request a thread has, though its client may have gone
        self._count = 0
        self.answered = 0  # requests so far
        self._noticed: dict[Connection, float] = {}  # when each last took processor time
        self._acceptor = Acceptor(rules, lambda: Connection(self))
        self._ticking: asyncio.TimerHandle | None = None

    def now(self) -> float:
        return self._loop.time()

    def start(self, sockets: Iterable[socket.socket]) -> None:
        """Serve what comes to listening sockets."""
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.rules.kernel_bytes)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.rules.kernel_bytes)
            self._acceptor.listen(each)
        self._tick()

    async def stop(self, grace_s: float) -> None:
        """Take no more connections, give the answers that are due within the time, close."""
        self.stopping = True
        self._acceptor.close()
        until = self.now() + grace_s
        while self.now() < until and any(c.phase not in (Phase.IDLE, Phase.HEAD) for c in self._all()):
            await asyncio.sleep(self.rules.tick_s / 5)
        for connection in self._all():
            connection.client.gone = True
            connection.abort()
        if self._ticking:
            self._ticking.cancel()
        for lane in self._lanes.values():
            lane.close()

    def lane(self, route: tuple[str, str]) -> Lane:
        """The lane of a method and path."""
        return self._lanes[self.rules.lane_of(*route)]

    # --- connections -------------------------------------------------------------------------------------------------

    def admit(self, connection: Connection) -> None:
        """Take a new connection. Where there are too many, an older one of the address with the most gives way."""
        own = self._connections.setdefault(connection.address, {})
        own[connection] = None
        self._count += 1
        if len(own) > self.rules.connections_per_address:
            self._shed(own, connection)
        elif self._count > self.rules.connections:
            most = max(self._connections, key=lambda address: len(self._connections[address]))
            self._shed(self._connections[most], connection)

    def forget(self, connection: Connection) -> None:
        self._noticed.pop(connection, None)
        own = self._connections.get(connection.address, {})
        if connection in own:
            del own[connection]
            self._count -= 1
            if not own:
                del self._connections[connection.address]

    def _shed(self, own: Iterable[Connection], newcomer: Connection) -> None:
        """Close the least important connection: one that is closing anyway, then the one whose bytes come most slowly.
        Only where nothing else is left, one that has just come or whose whole request waits."""
        now = self.now()
        others = [each for each in own if each is not newcomer and each.phase not in (Phase.RUNNING, Phase.CLOSED)]
        if not others:
            newcomer.abort()
            return
        # Several at once where there are many: to compare them all takes as long as to open a dozen.
        for least in nsmallest(max(1, len(others) // SHED_SHARE), others, key=lambda each: each.importance(now)):
            if least.phase in (Phase.ASKING, Phase.BODY, Phase.WAITING):
                least.send_away()
            least.abort()
            self.forget(least)

    def _all(self) -> Sequence[Connection]:
        return [each for own in self._connections.values() for each in own]

    # --- time --------------------------------------------------------------------------------------------------------

    def noticed(self, connection: Connection) -> int:
        """Note that a connection takes processor time; returns how many others did lately."""
        self._noticed[connection] = self.now()
        return len(self._noticed) - 1

    def _tick(self) -> None:
        now = self.now()
        self._noticed = {each: at for each, at in self._noticed.items() if at > now - LATELY_S}
        self.room.check(now)
        self._acceptor.check(now)
        for connection in self._all():
            connection.check(now)
        self._ticking = self._loop.call_later(self.rules.tick_s, self._tick)
