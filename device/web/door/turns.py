"""Queues by address, of which each gives its first item in turn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Turns(Generic[Item]):
    """An item stands in one line, once."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, OrderedDict[Item, None]] = OrderedDict()  # whose turn is next, first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, address: str, item: Item) -> None:
        """Add an item at the end of its queue."""
        line = self._lines.setdefault(address, OrderedDict())
        self._count += item not in line
        line[item] = None

    def remove(self, address: str, item: Item) -> None:
        """Remove an item, if it is there."""
        line = self._lines.get(address, OrderedDict())
        if item in line:
            del line[item]
            self._count -= 1
            if not line:
                del self._lines[address]

    def next(self, crowd: int | None = None) -> tuple[str, Item]:
        """Take the first item of the queue whose turn it is; there must be one. Of a queue longer than `crowd` take the
        last item: in order of arrival all of them would come late."""
        address, line = next(iter(self._lines.items()))
        item = next(reversed(line) if crowd is not None and len(line) > crowd else iter(line))
        self._lines.move_to_end(address)
        self.remove(address, item)
        return address, item

    def length(self, address: str) -> int:
        """The length of an address's queue."""
        return len(self._lines.get(address, ()))

    def longest(self) -> str:
        """The address with the longest queue; there must be one."""
        return max(self._lines, key=lambda address: len(self._lines[address]))

    def oldest(self, address: str) -> Item:
        """The item that has been in an address's queue for longest."""
        return next(iter(self._lines[address]))

    def newest(self, address: str) -> Item:
        """The item that came to it last."""
        return next(reversed(self._lines[address]))
