"""The door as a worker of gunicorn, whose parent starts it, hears its heartbeat and replaces it when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from gunicorn.workers.base import Worker

from device.base.allocator import give_back_large_blocks, trim
from device.base.log import LOG
from device.web.door.door import Door

HEARTBEAT_S = 1.0
TRIM_S = 5.0
BEFORE_THE_PARENT_S = 1.0  # which kills what is still there when its patience is over
SWITCH_S = 0.0005  # after which a thread of the app lets the door's go on; Python's own is 0.005


class DoorWorker(Worker):
    """`self.app` is gunicorn's application, here `device.web.server.Server`: it has the rules."""

    def init_process(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_failure)
        asyncio.set_event_loop(self._loop)
        self._grace_s = self.cfg.graceful_timeout - BEFORE_THE_PARENT_S
        self._ended = asyncio.Event()
        super().init_process()

    def init_signals(self) -> None:
        """asyncio wakes up for a signal. gunicorn's own handlers would wait for the next event."""
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        self._loop.add_signal_handler(signal.SIGTERM, self._end, self._grace_s)
        self._loop.add_signal_handler(signal.SIGINT, self._end, 0.0)
        self._loop.add_signal_handler(signal.SIGQUIT, self._end, 0.0)
        self._loop.add_signal_handler(signal.SIGUSR1, self.log.reopen_files)
        self._loop.add_signal_handler(signal.SIGWINCH, lambda: None)
        signal.signal(signal.SIGABRT, self.handle_abort)

    def _end(self, grace_s: float) -> None:
        self.alive, self._grace_s = False, min(self._grace_s, grace_s)
        self._ended.set()

    def run(self) -> None:
        give_back_large_blocks()
        sys.setswitchinterval(SWITCH_S)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        door = Door(self.wsgi, self.app.rules)
        beating, trimming = asyncio.create_task(self._beat()), asyncio.create_task(self._trim(door))
        door.start(each.sock for each in self.sockets)
        await self._ended.wait()
        await door.stop(self._grace_s)
        beating.cancel()
        trimming.cancel()

    async def _beat(self) -> None:
        """Tell the parent that this process isn't stuck; end where the parent has ended."""
        while True:
            self.notify()
            if self.ppid != os.getppid():
                self._ended.set()
            await asyncio.sleep(HEARTBEAT_S)

    async def _trim(self, door: Door) -> None:
        """Give memory back now and then, after requests, while nothing that was sent is held."""
        trimmed_at = 0
        while True:
            await asyncio.sleep(TRIM_S)
            if door.answered != trimmed_at and door.room.is_empty:
                trimmed_at = door.answered
                await self._loop.run_in_executor(None, trim)


def _log_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """asyncio's own message would hold the client's address and bytes."""
    error = context.get("exception")
    LOG.error("the door failed", exc_info=error if isinstance(error, BaseException) else None)
