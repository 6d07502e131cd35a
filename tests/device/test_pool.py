"""The readers of a serving process are shared out so that nobody waits for ever."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from device.bundle import Bundle
from device.errors import Busy
from device.image import Limits
from device.pool import RouterPool


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.pool.PATIENCE_S", 0.01)


def test_sections_leave_one_reader_to_fields(bundle: Bundle) -> None:
    pool = RouterPool([bundle], Limits(), threads=2, queue=4)
    with pool.router(long=True):
        with pytest.raises(Busy), pool.router(long=True):
            pass
        with pool.router():
            pass
    with pool.router(long=True):  # the one that gave up holds no place
        pass


def test_fields_may_take_all_readers_and_a_lone_reader_reads_sections_too(bundle: Bundle) -> None:
    for threads, long in ((2, False), (1, True)):
        pool = RouterPool([bundle], Limits(), threads=threads, queue=0)
        with ExitStack() as taken:
            for _ in range(threads):
                taken.enter_context(pool.router(long=long))
            with pytest.raises(Busy), pool.router(long=long):
                pass
