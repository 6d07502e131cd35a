"""An attack beside the good client: quiet first, then the attack, then until the box is quiet again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.torture.attack import Beside as AttackProcess
from tests.torture.attacks import ATTACKS
from tests.torture.box import Box, pss_mb, title
from tests.torture.damage import KINDS
from tests.torture.good import GoodClient, Served
from tests.torture.table import CALM_CPU, After, Beside
from tests.torture.wire import READINGS

Told = Callable[[str, str, "Counter[str]", Served], Beside]
OTHER, SAME = "127.0.0.2", "127.0.0.1"
SAMPLE_S = 0.1
CALM_WITHIN_S = 40.0  # a decode's deadline, a waiting reader's patience
LONG_S = 3600.0
SETTLE_S = 1.0  # an attack's first second isn't measured: its connections are still being made


class Resident:
    """The most memory that the box's processes held at once, as far as looking ten times a second shows."""

    def __init__(self, box: Box) -> None:
        self._box, self._ended = box, threading.Event()
        self.most = 0.0
        self.whose = ""
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            held = [(pss_mb(pid), title(pid)) for pid in self._box.processes()]
            if (together := sum(mb for mb, _ in held)) > self.most:
                self.most = together
                self.whose = ", ".join(f"{name} {mb:.0f}" for mb, name in sorted(held, reverse=True))

    def __enter__(self) -> Resident:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


class Ordeal:
    """A box, its good client, and what is the same for all attacks."""

    def __init__(self, box: Box, good: GoodClient, quiet_s: float) -> None:
        self.box, self.good, self.quiet_s = box, good, quiet_s
        good.serve(quiet_s)  # the first of everything is slower, and takes memory that stays
        for draw in KINDS.values():
            box.ask(READINGS, "POST", next(draw()))
        self.quiet_mb = box.resident_mb()
        self._quiet = good.serve(quiet_s)

    def attacked(self, name: str, source: str, seconds: float, seed: int, clients: int | None = None) -> Beside:
        """One attack of so many seconds."""
        attack = AttackProcess(name, self.box.port, source, seconds, seed, clients)
        try:
            with self.watched() as watched:
                attack.go()
                time.sleep(min(SETTLE_S, seconds / 10))
                served = self.good.serve(seconds - min(SETTLE_S, seconds / 10))
                outcomes = attack.end()
                found = watched(name, "same" if source == SAME else "", outcomes, served)
                found.shared = ATTACKS[name].alike and source == SAME
                return found
        finally:
            attack.kill()

    @contextmanager
    def watched(self) -> Iterator[Told]:
        """Watch the box; what is yielded is to be asked once the attack has ended."""
        box, memory = self.box, self.box.memory
        # The page's process and the one that it started; children for single files come and go.
        before, kills, logged = (box.pid, box.worker()), memory.kills(), box.log.stat().st_size
        with Resident(box) as resident:

            def told(name: str, source: str, outcomes: Counter[str], served: Served) -> Beside:
                killed = memory.kills() - kills
                if not box.lives:
                    box.stop()
                    box.start()
                calm_s = self._calm()
                quiet = self._quiet
                self._quiet = self.good.serve(self.quiet_s)
                same = before == (box.pid, box.worker()) and box.lives
                uncounted = self.good.accepted - self.good.counted()
                after = After(calm_s, box.resident_mb(), same, tuple(self.good.missing()), uncounted)
                with box.log.open("rb") as log:
                    log.seek(logged)
                    said = log.read().decode(errors="replace")
                return Beside(
                    name,
                    source,
                    outcomes,
                    quiet + self._quiet,
                    served,
                    resident.most,
                    resident.whose,
                    self.quiet_mb,
                    killed,
                    said,
                    after,
                )

            yield told

    @contextmanager
    def served(self) -> Iterator[Callable[[], Served]]:
        """The good client goes on in the meantime; what is yielded gives what it got."""
        ended, got = threading.Event(), list[Served]()
        thread = threading.Thread(target=lambda: got.append(self.good.serve(LONG_S, ended)))
        thread.start()
        try:
            yield lambda: got[0]
        finally:
            ended.set()
            thread.join()

    def _calm(self) -> float | None:
        """How long it took until the box did nothing more for the attackers."""
        start = time.monotonic()
        while (spent := time.monotonic() - start) < CALM_WITHIN_S:
            cpu = self.box.cpu_s()
            time.sleep(0.5)
            if self.box.cpu_s() - cpu < CALM_CPU * 0.5 and self.box.ask("/readyz")[0] == 200:
                return spent
        return None
