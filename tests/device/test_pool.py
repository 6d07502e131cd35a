"""The desks of a serving process are shared out so that nobody starves another and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from device.errors import Busy, ReadingStopped
from device.pool import DeskPool

SOON_S = 10.0


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


@dataclass
class Line:
    """Pictures that ask a pool one after the other, each in a thread of its own; `came` tells who had a turn, in order."""

    pool: DeskPool[int]
    came: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def add(self, *names: str, long: bool = False, gone: Callable[[], bool] = lambda: False) -> None:
        """Each name is an address, perhaps with a number behind it."""
        for name in names:
            asked = len(self.came) + len(self.refused) + len(self.pool._waiting)
            self.threads.append(threading.Thread(target=self._ask, args=(name, long, gone)))
            self.threads[-1].start()
            wait_until(lambda asked=asked: len(self.came) + len(self.refused) + len(self.pool._waiting) > asked)  # type: ignore[misc]

    def _ask(self, name: str, long: bool, gone: Callable[[], bool]) -> None:
        try:
            with self.pool.desk(long=long, address=name.rstrip("0123456789"), gone=gone):
                self.came.append(name)
        except (Busy, ReadingStopped):
            self.refused.append(name)

    def end(self) -> list[str]:
        for thread in self.threads:
            thread.join(SOON_S)
        return self.came


@pytest.fixture
def one() -> Iterator[tuple[Line, ExitStack]]:
    """A pool of one desk, which is in use until the stack is closed."""
    line = Line(DeskPool([1], queue=4))
    with ExitStack() as in_use:
        in_use.enter_context(line.pool.desk(address="first"))
        yield line, in_use
    line.end()


def test_long_pictures_leave_desks_to_short_ones() -> None:
    line = Line(DeskPool([1, 2, 3], queue=4))
    with line.pool.desk(long=True, address="a"):
        line.add("a", "a", long=True)
        with line.pool.desk(address="a"), line.pool.desk(address="a"):
            pass
        assert not line.came
    assert len(line.end()) == 2


def test_short_pictures_leave_a_desk_to_long_ones() -> None:
    line = Line(DeskPool([1, 2, 3], queue=4))
    with line.pool.desk(address="a"), line.pool.desk(address="a"):
        line.add("a")
        with line.pool.desk(address="a", long=True):
            pass
        assert not line.came
    line.end()


def test_whoever_has_company_leaves_a_desk_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(DeskPool([1, 2, 3], queue=4))
    with line.pool.desk(address="b"):
        pass
    with line.pool.desk(address="a"), line.pool.desk(address="a", long=True):
        line.add("a")
        assert not line.came
        with line.pool.desk(address="b"):
            pass
        assert not line.came
        monkeypatch.setattr("device.pool.COMPANY_S", 0.0)
        wait_until(lambda: bool(line.came))  # the company has gone
    line.end()


def test_addresses_take_turns_however_many_pictures_each_has(one: tuple[Line, ExitStack]) -> None:
    line, in_use = one
    line.add("many1", "many2", "many3", "few1")
    in_use.close()
    assert line.end() == ["many1", "few1", "many2", "many3"]


def test_of_an_address_short_and_long_pictures_take_turns(one: tuple[Line, ExitStack]) -> None:
    line, in_use = one
    line.add("a1", "a2", "a3")
    line.add("a4", "a5", long=True)
    in_use.close()
    assert line.end() == ["a1", "a4", "a2", "a5", "a3"]


def test_where_the_line_is_full_the_address_with_most_in_it_gives_way(one: tuple[Line, ExitStack]) -> None:
    line, in_use = one
    line.add("many1", "many2", "many3", "few1", "other1")
    wait_until(lambda: bool(line.refused))
    assert line.refused == ["many3"]
    line.add("many4")
    assert line.refused == ["many3", "many4"]
    in_use.close()
    assert sorted(line.end()) == ["few1", "many1", "many2", "other1"]


def test_long_pictures_take_no_place_of_short_ones(one: tuple[Line, ExitStack]) -> None:
    line, in_use = one
    line.add(*["a"] * 4, long=True)
    line.add(*["a"] * 4)
    assert not line.refused
    in_use.close()
    assert len(line.end()) == 8


def test_whoever_leaves_is_out_of_the_line(one: tuple[Line, ExitStack]) -> None:
    line, _ = one
    gone = threading.Event()
    line.add("a", gone=gone.is_set)
    gone.set()
    wait_until(lambda: line.refused == ["a"])
    assert not line.pool._waiting


def test_nobody_waits_for_ever(one: tuple[Line, ExitStack], monkeypatch: pytest.MonkeyPatch) -> None:
    line, in_use = one
    monkeypatch.setattr("device.pool.PATIENCE_S", 0.0)
    with pytest.raises(Busy), line.pool.desk(address="a"):
        pass
    in_use.close()
    with line.pool.desk(address="a"):  # the one that gave up holds no place
        pass


def test_no_desk_is_lost_whatever_its_pictures_end_with() -> None:
    pool = DeskPool([1, 2, 3], queue=1000)
    left = threading.Event()

    def use(number: int) -> None:
        try:
            with pool.desk(
                long=number % 3 == 0, address=str(number % 5), gone=lambda: number % 7 == 0 or left.is_set()
            ):
                time.sleep(0.001)
                assert number % 2
        except (AssertionError, ReadingStopped):
            pass

    threads = [threading.Thread(target=use, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    with pool.idle() as desks:
        assert sorted(desks) == [1, 2, 3]
    assert not pool._waiting
    assert not pool._short_held
    assert pool._long_held == 0
