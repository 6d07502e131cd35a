"""Memory for what clients send and don't read: bodies, until the app is done with them, and answers.

Small bodies and answers count by the bytes that came. Where they hold too much, the address that holds most gives back
the one that has made no progress for longest or, where most of them are whole, its largest. A large body asks for room
by its length before it is read. Where there is none, it waits unread in the client's machine, which costs nothing here
and needs no retries. Addresses take turns, and of one address's bodies the smallest goes first. A part of the memory is
reserved for small bodies.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from device.web.door.phase import Phase
from device.web.door.rules import Rules

if TYPE_CHECKING:
    from device.web.door.connection import Connection


class Room:
    """Only the door's thread touches it."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._large: dict[Connection, int] = {}  # what was given to each
        self._asking: OrderedDict[str, dict[Connection, int]] = OrderedDict()  # by address; whose turn is next, first
        self._small: dict[Connection, int] = {}  # what each holds
        self._large_held = self._small_held = 0
        self._returning: dict[Connection, int] = {}  # what threads are about to let go

    @property
    def is_empty(self) -> bool:
        """Whether nothing that was sent is held."""
        return not self._large and not self._small

    # --- large bodies ------------------------------------------------------------------------------------------------

    def ask(self, connection: Connection, size: int) -> None:
        """Give a connection room as soon as there is some. What it held as a small body goes into that."""
        self._release_small(connection)
        self._asking.setdefault(connection.address, {})[connection] = size
        self._give()

    def keep_only(self, connection: Connection, size: int) -> None:
        """A large body turned out to be smaller."""
        given = self._large.get(connection, 0)
        if size < given:
            self._large[connection] = size
            self._large_held -= given - size
            self._give()

    def check(self, now: float) -> None:
        """While others wait for room, a connection that has some must use it."""
        for connection in self._reading(now):
            if self._asking and connection.rate < self._rules.contended_bytes_per_s:
                connection.send_away()
        self._make_way(now)

    def _make_way(self, now: float) -> None:
        """A body that will need its room for long gives way to a smaller one that waits. One of an address that has
        several gives way to one of an address that has none."""
        waiting = [(size, each) for line in self._asking.values() for each, size in line.items()]
        waiting = [(size, each) for size, each in waiting if now - each.since > self._rules.contended_grace_s]
        if not waiting:
            return
        size, first = min(waiting, key=lambda each: each[0])
        count = Counter(each.address for each in self._large)
        long = [
            each
            for each in self._reading(now)
            if self._left_s(each, now) > self._rules.contended_left_s
            and (self._large[each] > size or (count[each.address] > 1 and not count[first.address]))
        ]
        if long:
            max(long, key=lambda each: self._left_s(each, now)).send_away()

    def _reading(self, now: float) -> list[Connection]:
        """The connections whose large bodies have been coming for a while."""
        grace_s = self._rules.contended_grace_s
        return [each for each in self._large if each.phase is Phase.BODY and now - each.since > grace_s]

    def _left_s(self, connection: Connection, now: float) -> float:
        """How long a large body will need to come, at the rate so far."""
        left = self._large[connection] - connection.received
        return left * (now - connection.since) / max(1, connection.received)

    def _give(self) -> None:
        for address in list(self._asking):
            line = self._asking.get(address)
            if not line:  # one that got room has given it back at once, to this one
                continue
            connection = min(line, key=lambda each: line[each])
            size = line[connection]
            if self._large_held + size > self._rules.large_bytes:
                continue
            del line[connection]
            if line:
                self._asking.move_to_end(address)
            else:
                del self._asking[address]
            self._large[connection] = size
            self._large_held += size
            connection.got_room()

    # --- small bodies and answers ------------------------------------------------------------------------------------

    def hold(self, connection: Connection, size: int) -> None:
        """Count more bytes for a small body or an answer. The connection may lose its place by that."""
        self._small[connection] = self._small.get(connection, 0) + size
        self._small_held += size
        room = self._rules.held_bytes - self._large_held
        while self._small_held - sum(self._returning.values()) > room and self._give_back(connection):
            pass

    def _give_back(self, newest: Connection) -> bool:
        """Have a connection give back its memory; whether one did. `newest`: the connection whose bytes just came. A
        thread that waits for a reader leaves its line within half a second (`device/web/desks/pool.py`). How much
        may come back that way is limited, because until then the thread still holds the memory."""
        by_address: dict[str, list[Connection]] = {}
        for connection in self._small:
            if self._can_give_back(connection):
                by_address.setdefault(connection.address, []).append(connection)
        if not by_address:
            return False
        most = max(by_address.values(), key=self._held_by)
        unfinished = [each for each in most if each.phase in (Phase.BODY, Phase.ANSWERING) and each is not newest]
        if 2 * self._held_by(unfinished) > self._held_by(most):
            given = min(unfinished, key=lambda each: each.last_progress)
        else:
            given = max(most, key=lambda each: self._small[each])
        if given.phase is Phase.ANSWERING:
            self.release(given)
            given.drop()
            return True
        if given.phase is Phase.RUNNING:
            self._returning[given] = self._small[given]
        given.send_away()
        return True

    def _held_by(self, connections: Iterable[Connection]) -> int:
        return sum(self._small[each] for each in connections)

    def _can_give_back(self, connection: Connection) -> bool:
        if connection.phase is not Phase.RUNNING:
            return connection.phase in (Phase.BODY, Phase.WAITING, Phase.ANSWERING)
        returning = sum(self._returning.values()) + self._small[connection]
        return (
            not connection.client.served and connection not in self._returning and returning <= self._rules.small_bytes
        )

    # --- both --------------------------------------------------------------------------------------------------------

    def release(self, connection: Connection) -> None:
        """Forget what a connection held and what it asked for."""
        line = self._asking.get(connection.address, {})
        if line.pop(connection, None) is not None and not line:
            del self._asking[connection.address]
        self._release_small(connection)
        given = self._large.pop(connection, 0)
        if given:
            self._large_held -= given
            self._give()

    def _release_small(self, connection: Connection) -> None:
        self._small_held -= self._small.pop(connection, 0)
        self._returning.pop(connection, None)
