"""The desks of a serving process are shared out so that nobody starves another and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from device.base.errors import Busy, ReadingStopped
from device.web.desks.pool import Cost, DeskPool

QUICK, COSTLY, SECTION = Cost
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

    def add(self, *names: str, cost: Cost = QUICK, gone: Callable[[], bool] = lambda: False) -> None:
        """Each name is an address, perhaps with a number behind it."""
        for name in names:
            asked = len(self.came) + len(self.refused) + len(self.pool._waiting)
            self.threads.append(threading.Thread(target=self._ask, args=(name, cost, gone)))
            self.threads[-1].start()
            wait_until(lambda asked=asked: len(self.came) + len(self.refused) + len(self.pool._waiting) > asked)  # type: ignore[misc]

    def _ask(self, name: str, cost: Cost, gone: Callable[[], bool]) -> None:
        try:
            with self.pool.desk(cost, address=name.rstrip("0123456789"), gone=gone):
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


def test_neither_kind_of_picture_keeps_the_others_from_all_desks() -> None:
    """Two desks for quick ones, two for others, of which one for a section."""
    line = Line(DeskPool([1, 2, 3, 4], queue=4))
    desk = line.pool.desk
    with desk(SECTION, address="a"):
        line.add("a", cost=SECTION)
        with desk(COSTLY, address="a"):
            line.add("a", cost=COSTLY)
            with desk(QUICK, address="a"), desk(QUICK, address="a"):
                line.add("a", cost=QUICK)
                assert not line.came
    assert len(line.end()) == 3


def test_dear_pictures_have_both_of_their_desks_where_there_is_no_section() -> None:
    pool = DeskPool([1, 2, 3, 4], queue=0)
    with pool.desk(COSTLY), pool.desk(COSTLY), pool.desk(), pool.desk():
        for cost in Cost:
            with pytest.raises(Busy), pool.desk(cost):
                pass


@pytest.mark.parametrize("cost", [QUICK, COSTLY])
def test_whoever_has_company_leaves_a_desk_to_it(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(DeskPool([1, 2, 3, 4], queue=4))
    desk = line.pool.desk
    with desk(address="b"):
        pass
    with desk(QUICK, address="a"), desk(COSTLY, address="a"):
        line.add("a", cost=cost)
        assert not line.came
        with desk(cost, address="b"):
            pass
        assert not line.came
        monkeypatch.setattr("device.web.desks.pool.COMPANY_S", 0.0)
        wait_until(lambda: bool(line.came))  # the company has gone
    line.end()


def test_addresses_take_turns_however_many_pictures_each_has(one: tuple[Line, ExitStack]) -> None:
    line, in_use = one
    line.add("many1", "many2", "many3", "few1")
    in_use.close()
    assert line.end() == ["many1", "few1", "many2", "many3"]


def test_of_a_crowd_nearly_the_newest_is_next_and_of_few_the_oldest() -> None:
    line = Line(DeskPool([1], queue=9))
    with line.pool.desk(address="first"):
        line.add(*(f"a{number}" for number in range(1, 7)))
    assert line.end() == ["a5", "a4", "a1", "a2", "a3", "a6"]


def test_of_an_address_the_kinds_take_turns(one: tuple[Line, ExitStack]) -> None:
    line, in_use = one
    line.add("a1", "a2", "a3")
    line.add("a4", "a5", cost=COSTLY)
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


def test_each_kind_has_places_of_its_own(one: tuple[Line, ExitStack]) -> None:
    line, in_use = one
    line.add("a1", "a2", cost=SECTION)
    line.add("a3", "a4", "a5", cost=COSTLY)
    line.add("a6", "a7", "a8", "a9")
    wait_until(lambda: len(line.refused) == 2)
    assert sorted(line.refused) == ["a2", "a5"]
    in_use.close()
    assert len(line.end()) == 7


def test_whoever_leaves_is_out_of_the_line(one: tuple[Line, ExitStack]) -> None:
    line, _ = one
    gone = threading.Event()
    line.add("a", gone=gone.is_set)
    gone.set()
    wait_until(lambda: line.refused == ["a"])
    assert not line.pool._waiting


def test_whoever_has_left_gives_way_first(one: tuple[Line, ExitStack], monkeypatch: pytest.MonkeyPatch) -> None:
    line, in_use = one
    monkeypatch.setattr("device.web.desks.pool.LOOK_S", SOON_S)
    gone = threading.Event()
    line.add("a1", "a2", "a3", gone=gone.is_set)
    line.add("a4")
    gone.set()
    line.add("a5", "a6")
    wait_until(lambda: len(line.refused) == 3)
    assert sorted(line.refused) == ["a1", "a2", "a3"]
    in_use.close()
    assert line.end() == ["a4", "a5", "a6"]


def test_nobody_waits_for_ever(one: tuple[Line, ExitStack], monkeypatch: pytest.MonkeyPatch) -> None:
    line, in_use = one
    monkeypatch.setattr("device.web.desks.pool.PATIENCE_S", 0.0)
    with pytest.raises(Busy), line.pool.desk(address="a"):
        pass
    in_use.close()
    with line.pool.desk(address="a"):  # the one that gave up holds no place
        pass


def test_no_desk_is_lost_whatever_its_pictures_end_with() -> None:
    pool = DeskPool([1, 2, 3, 4], queue=1000)
    left, kinds = threading.Event(), list(Cost)

    def use(number: int) -> None:
        try:
            with pool.desk(kinds[number % 3], address=str(number % 5), gone=lambda: number % 7 == 0 or left.is_set()):
                time.sleep(0.001)
                assert number % 2
        except (AssertionError, ReadingStopped):
            pass

    threads = [threading.Thread(target=use, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert sorted(pool._free) == [1, 2, 3, 4]
    assert not pool._waiting
    assert not pool._held
