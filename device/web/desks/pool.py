"""The desks at which pictures are read (`device/web/desks/desk.py`), and which picture gets the next free one.

Pictures wait in three lines, by what they may cost: quick ones; costly ones, which may take as many seconds as a
decoder is given; and sections, which may take minutes. Two desks stand beside those of the quick ones: for costly
pictures, and one of them for a section. A free desk goes to the address that was served longest ago, so that many
connections bring no more turns than one. Of an address, the three kinds take turns, and in each line the oldest is
first. While several addresses ask, none has all desks of the quick ones, nor both others, so the next address finds one
free at once.

Clients that share an address can't be distinguished. Where a crowd of quick pictures of one address waits, nearly the
newest goes next: in the order of arrival all would come late; so only a few do, and give up.

Where a line is full, pictures whose clients are gone leave it first, then the newest of the address that has most in
it, with `Busy`. So does a picture that waits too long. A client that leaves is out of the line within `LOOK_S`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Generic, TypeVar

from device.base.errors import Busy, ReadingStopped

PATIENCE_S = 30.0
RETRY_AFTER_S = 5
LOOK_S = 0.25
CROWD = 4  # quick pictures of an address that wait for each desk of theirs: more would all come late
COMPANY_S = 60.0  # an address that asked within this time may ask again at any moment
MOST_ADDRESSES = 1000  # that are remembered

COSTLY_DESKS = 2

D = TypeVar("D")


class Cost(Enum):
    """How long a picture may keep a desk."""

    QUICK = "quick"
    COSTLY = "costly"
    SECTION = "section"


@dataclass(eq=False)
class _Ticket(Generic[D]):
    """A picture that waits: `decided` is set once it has a desk, or must leave the line."""

    address: str
    cost: Cost
    number: int
    gone: Callable[[], bool]
    decided: threading.Event = field(default_factory=threading.Event)
    desk: D | None = None


def places(cost: Cost, queue: int) -> int:
    """How many pictures of a kind may wait where `queue` quick ones may: fewer of those that take long."""
    return queue // {Cost.QUICK: 1, Cost.COSTLY: 2, Cost.SECTION: 4}[cost]


class DeskPool(Generic[D]):
    """`desks`, and a line for each kind of picture (`places`)."""

    def __init__(self, desks: Sequence[D], queue: int) -> None:
        self._free, self._queue = list(desks), queue
        self._quick_desks = max(1, len(desks) - COSTLY_DESKS)
        self._lock, self._numbers = threading.Lock(), count(1)
        self._waiting: list[_Ticket[D]] = []
        self._held: Counter[tuple[str, Cost]] = Counter()
        self._served: OrderedDict[tuple[str, Cost | None], int] = OrderedDict()  # the number of an address's last turn
        self._last_asked: OrderedDict[str, float] = OrderedDict()  # when, by address

    @contextmanager
    def desk(
        self, cost: Cost = Cost.QUICK, *, address: str = "", gone: Callable[[], bool] = lambda: False
    ) -> Iterator[D]:
        """A desk for one picture of a client at `address`. Raises `Busy`, or `ReadingStopped` where the client is
        `gone` before its turn."""
        ticket: _Ticket[D] = _Ticket(address, cost, next(self._numbers), gone)
        self._join(ticket)
        try:
            yield self._wait(ticket)
        finally:
            self._leave(ticket)

    @contextmanager
    def idle(self) -> Iterator[D | None]:
        """A desk that no picture uses now, None where there is none."""
        with self._lock:
            desk = self._free.pop() if self._free else None
        try:
            yield desk
        finally:
            if desk is not None:
                with self._lock:
                    self._free.append(desk)
                    self._share_out()

    def _join(self, ticket: _Ticket[D]) -> None:
        with self._lock:
            self._last_asked[ticket.address] = time.monotonic()
            self._last_asked.move_to_end(ticket.address)
            if len(self._last_asked) > MOST_ADDRESSES:
                self._last_asked.popitem(last=False)
            self._waiting.append(ticket)
            self._share_out()
            line = [each for each in self._waiting if each.cost is ticket.cost]
            if len(line) > places(ticket.cost, self._queue):
                line = [each for each in line if not self._sent_away(each)]
            if len(line) > places(ticket.cost, self._queue):
                most = Counter(each.address for each in line)
                loser = max(line, key=lambda each: (most[each.address], each.number))
                self._waiting.remove(loser)
                loser.decided.set()

    def _wait(self, ticket: _Ticket[D]) -> D:
        until = time.monotonic() + PATIENCE_S
        while not ticket.decided.wait(LOOK_S):
            if ticket.gone():
                raise ReadingStopped
            if time.monotonic() > until:
                raise Busy(retry_after_s=RETRY_AFTER_S)
            with self._lock:
                self._share_out()  # other addresses may have left
        if ticket.desk is None:
            if ticket.gone():
                raise ReadingStopped
            raise Busy(retry_after_s=RETRY_AFTER_S)
        return ticket.desk

    def _leave(self, ticket: _Ticket[D]) -> None:
        with self._lock:
            if ticket.desk is not None:
                self._free.append(ticket.desk)
                self._count(ticket, -1)
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            self._share_out()

    def _share_out(self) -> None:
        """Give free desks to those whose turn it is."""
        while self._free:
            ready = [each for each in self._waiting if self._may_have_one(each)]
            if not ready:
                return
            ticket = self._out_of_the_crowd(min(ready, key=self._turn))
            if self._sent_away(ticket):
                continue
            self._waiting.remove(ticket)
            for key in ((ticket.address, None), (ticket.address, ticket.cost)):
                self._served[key] = next(self._numbers)
                self._served.move_to_end(key)
            while len(self._served) > 4 * MOST_ADDRESSES:
                self._served.popitem(last=False)
            self._count(ticket, 1)
            ticket.desk = self._free.pop()
            ticket.decided.set()

    def _sent_away(self, ticket: _Ticket[D]) -> bool:
        """Whether nobody waits for this picture any more; then it leaves the line."""
        if not ticket.gone():
            return False
        self._waiting.remove(ticket)
        ticket.decided.set()
        return True

    def _out_of_the_crowd(self, ticket: _Ticket[D]) -> _Ticket[D]:
        """The ticket whose turn it is: another of the same address where it is one of a crowd of quick ones."""
        like = [each for each in self._waiting if each.cost is ticket.cost and each.address == ticket.address]
        if ticket.cost is not Cost.QUICK or len(like) <= CROWD * self._quick_desks:
            return ticket
        # Those just served that ask again at once are the newest, one for each desk: whoever came before them is next.
        return like[-1 - self._quick_desks]

    def _count(self, ticket: _Ticket[D], change: int) -> None:
        self._held[ticket.address, ticket.cost] += change
        self._held += Counter()  # drops those that hold none

    def _may_have_one(self, ticket: _Ticket[D]) -> bool:
        quick = ticket.cost is Cost.QUICK
        desks = self._quick_desks if quick else COSTLY_DESKS
        if ticket.cost is Cost.SECTION and any(cost is Cost.SECTION for _, cost in self._held):
            return False
        held: Counter[str] = Counter()  # by address, of those desks
        for (address, cost), many in self._held.items():
            if (cost is Cost.QUICK) is quick:
                held[address] += many
        own = held[ticket.address]
        leaves_one_to_others = own + 1 < desks or own == 0
        return held.total() < desks and (leaves_one_to_others or not self._has_company(ticket.address))

    def _has_company(self, address: str) -> bool:
        """Whether another address has asked lately."""
        latest = next((at for other, at in reversed(self._last_asked.items()) if other != address), None)
        return latest is not None and latest > time.monotonic() - COMPANY_S

    def _turn(self, ticket: _Ticket[D]) -> tuple[int, int, int]:
        """The least is next."""
        last = self._served.get((ticket.address, None), 0)
        return last, self._served.get((ticket.address, ticket.cost), 0), ticket.number
