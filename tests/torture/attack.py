"""One attack: what it draws, what one of its clients does; and the process that it runs in beside the box.

    python -m tests.torture.attack NAME --port 8000 --source 127.0.0.2 --seconds 10

tells `ready` when all is drawn, begins at a line on its standard input and ends with its outcomes as JSON. An attacker's
own computing isn't the box's: it runs at the lowest priority, as if it were another machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.shipped import ROOT
from tests.torture.wire import Target, failed

PAUSE_S = 0.02  # after a refused connection, so that an attacker doesn't merely spin
GRACE_S = 90


@dataclass(frozen=True)
class Attack:
    """`act` is one round of one client: it gets what `draw` made, and says what came back."""

    name: str
    what: str
    act: Callable[[Target, Any, random.Random], str]
    draw: Callable[[random.Random], Any] = lambda _rng: None
    clients: int = 32
    alike: bool = False  # each client does what the good one does: from one address nobody can tell them apart


def run(attack: Attack, port: int, source: str, seconds: float, seed: int, clients: int | None) -> Counter[str]:
    """All clients at once, round after round."""
    drawn = attack.draw(random.Random(seed))
    os.nice(19)
    print("ready", flush=True)
    sys.stdin.readline()
    target = Target(port, source, time.monotonic() + seconds)
    outcomes: Counter[str] = Counter()

    def client(number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        while target.left_s > 0:
            try:
                outcome = attack.act(target, drawn, rng)
            except OSError as error:
                outcome = failed(target, error)
            outcomes[outcome] += 1
            if outcome in ("REFUSED", "closed"):
                time.sleep(PAUSE_S)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients or attack.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


class Beside:
    """An attack in a process of its own."""

    def __init__(
        self, name: str, port: int, source: str, seconds: float, seed: int, clients: int | None = None
    ) -> None:
        self.seconds = seconds
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.torture.attack", name, "--port", str(port), "--source", source]
        command += ["--seconds", str(seconds), "--seed", str(seed)]
        if clients:
            command += ["--clients", str(clients)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def go(self) -> None:
        """Wait until it has drawn what it sends, then let it begin. Raises `RuntimeError`."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the attack couldn't be drawn")
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def end(self) -> Counter[str]:
        out, _ = self._process.communicate(timeout=self.seconds + GRACE_S)
        return Counter(json.loads(out))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def main(arguments: list[str]) -> None:
    from tests.torture.attacks import ATTACKS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--source", default="127.0.0.2")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int)
    asked = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    outcomes = run(ATTACKS[asked.name], asked.port, asked.source, asked.seconds, asked.seed, asked.clients)
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
