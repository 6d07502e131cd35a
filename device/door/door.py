"""All connections: who may have how many, what their bodies and answers hold together, and the deadlines' clock."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence

from device.door.connection import Connection, Phase
from device.door.lanes import Lane
from device.door.rules import Rules
from device.door.wsgi import App
from device.errors import Busy

BACKLOG = 256


class Door:
    """Serves one app within one event loop, whose thread alone calls it."""

    def __init__(self, app: App, rules: Rules) -> None:
        self.app, self.rules = app, rules
        self.stopping = False
        self._loop = asyncio.get_running_loop()
        self._lanes = {
            name: Lane(name, threads, rules.waiting_per_lane, self._loop) for name, threads in rules.lanes.items()
        }
        self._connections: dict[str, dict[Connection, None]] = {}  # by address, the oldest first
        self.at_work: set[Connection] = set()  # whose request a thread has, though its client may have gone
        self._count = self._held = 0
        self._returning = 0  # of what is held, what threads are about to let go
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.TimerHandle | None = None

    def now(self) -> float:
        return self._loop.time()

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Serve what comes to sockets that are bound."""
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.rules.kernel_bytes)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.rules.kernel_bytes)
            self._servers.append(await self._loop.create_server(lambda: Connection(self), sock=each, backlog=BACKLOG))
        self._tick()

    async def stop(self, grace_s: float) -> None:
        """Take no more connections, give the answers that are due within the time, close."""
        self.stopping = True
        for server in self._servers:
            server.close()
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
        """A new connection; where there are too many, an older one of those that have most makes way."""
        own = self._connections.setdefault(connection.address, {})
        own[connection] = None
        self._count += 1
        if len(own) > self.rules.connections_per_address:
            self._shed(own, connection)
        elif self._count > self.rules.connections:
            most = max(self._connections, key=lambda address: len(self._connections[address]))
            self._shed(self._connections[most], connection)

    def forget(self, connection: Connection) -> None:
        own = self._connections.get(connection.address, {})
        if connection in own:
            del own[connection]
            self._count -= 1
            if not own:
                del self._connections[connection.address]

    def _shed(self, own: Iterable[Connection], newcomer: Connection) -> None:
        """Close the one that has come least far, of several the one that has been there for longest."""
        others = [each for each in own if each is not newcomer and each.phase < Phase.RUNNING]
        if not others:
            newcomer.abort()
            return
        least = min(others, key=lambda each: (each.phase, each.since))
        if least.phase in (Phase.BODY, Phase.WAITING):
            least.refuse(Busy(retry_after_s=self.rules.retry_after_s))
        least.abort()
        self.forget(least)

    def _all(self) -> Sequence[Connection]:
        return [each for own in self._connections.values() for each in own]

    # --- memory ------------------------------------------------------------------------------------------------------

    def hold(self, connection: Connection, size: int) -> None:
        """A connection's body or answer takes so many bytes more. Where all together hold too many, the address that holds
        most gives back its largest, which may be this one. Bodies that are being read stay; however much they hold, there
        is room for one more."""
        connection.held += size
        self._held += size
        while self._held - self._returning > self.rules.held_bytes:
            room = max(self.rules.held_bytes, self._served() + self.rules.largest_body)
            if self._held - self._returning <= room or not self._give_back():
                return

    def release(self, connection: Connection) -> None:
        """What a connection held is gone."""
        self._held -= connection.held
        if connection.returning:
            self._returning -= connection.held
        connection.held, connection.returning = 0, False

    def _served(self) -> int:
        return sum(each.held for each in self.at_work if each.client.served)

    def _give_back(self) -> bool:
        """Whether somebody did. A thread that waits for a reader leaves its line within half a second (`device/pool.py`);
        what comes back in this way is limited, since meanwhile it takes its memory still."""
        candidates = [[each for each in own if self._can_give_back(each)] for own in self._connections.values()]
        most = max(candidates, key=lambda own: sum(each.held for each in own), default=[])
        if not most:
            return False
        largest = max(most, key=lambda each: each.held)
        if largest.phase is Phase.ANSWERING:
            self.release(largest)
            largest.drop()
            return True
        if largest.phase is Phase.RUNNING:
            largest.returning = True
            self._returning += largest.held
        largest.refuse(Busy(retry_after_s=self.rules.retry_after_s))
        return True

    def _can_give_back(self, connection: Connection) -> bool:
        if connection.phase is Phase.RUNNING:
            returning = self._returning + connection.held
            waits = not connection.client.served and not connection.returning
            return waits and connection.held > 0 and returning <= self.rules.largest_body
        return connection.held > 0 and connection.phase in (Phase.BODY, Phase.WAITING, Phase.ANSWERING)

    # --- time --------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self.now()
        for connection in self._all():
            connection.check(now)
        self._ticking = self._loop.call_later(self.rules.tick_s, self._tick)
