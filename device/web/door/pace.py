"""How fast a client sends, and how much of the processor it takes: what decides which connections rest, and which are given
up first."""

from __future__ import annotations

from device.web.door.rules import Rules

PROGRESS_BYTES = 16_384
MOST_LATELY_BYTES = 1_000_000  # more would let a connection live on it for long


class Pace:
    """Of one connection. The door's thread and the one that runs the app count processor time."""

    def __init__(self, rules: Rules, now: float) -> None:
        self._rules = rules
        self.spent_s = 0.0  # processor time lately
        self.last_progress = now  # when more than a few bytes had come
        self._progress = 0
        self._lately = 0.0  # bytes that came, those of a second ago counting for less

    @property
    def rate(self) -> float:
        """Bytes a second that came lately."""
        return self._lately * (1 - self._rules.forgotten) / self._rules.tick_s

    def came(self, count: int, now: float) -> None:
        """Count bytes that came. A few don't count as progress, or any client could look busy."""
        self._lately = min(self._lately + count, MOST_LATELY_BYTES)
        self._progress += count
        if self._progress >= PROGRESS_BYTES:
            self._progress, self.last_progress = 0, now

    def tick(self) -> None:
        """Let older bytes count for less: once in each `tick_s`."""
        self._lately *= self._rules.forgotten

    def rest_s(self, others: int, *, busy: bool) -> float:
        """How long the connection must rest, 0 where it needn't. One that has taken much rests, longer when there are more
        clients, so that all of them together leave half of the processor to others. `busy`: the app works for it, and its
        leaving is to be noticed soon."""
        rules = self._rules
        if not others or self.spent_s <= rules.free_cpu_s:
            return 0.0
        most_s = rules.notice_s if busy else rules.most_rest_s
        rest = min(self.spent_s * others / rules.cpu_share, most_s)
        self.spent_s = 0.0
        return rest
