"""Files one after another, each sent a few times at once, so that each can be told apart: what came back, after how long,
with how much memory. The good client goes on beside them.

    python -m tests.torture.single PORT SOURCE bombs|some-bombs|FOLDER

sends them, and tells each by a line before and a line after.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.support.shipped import ROOT
from tests.torture.beside import OTHER, Ordeal, Resident
from tests.torture.bombs import BOMBS, ROUTES, sent
from tests.torture.table import RESIDENT_MB, Beside
from tests.torture.wire import Target, exchange, is_wrong

WAYS = ("raw", "form", "chunks")
ANSWERED_WITHIN_S = 60.0


def send(port: int, source: str, files: Sequence[tuple[str, Callable[[], bytes]]]) -> None:
    """Each file over as many connections as there are routes, each in another way."""
    for name, make in files:
        data = make()
        requests = [sent(data, route, way) for route, way in zip(ROUTES, WAYS, strict=True)]
        print(json.dumps([name]), flush=True)
        outcomes: Counter[str] = Counter()
        start = time.monotonic()
        target = Target(port, source, start + 2 * ANSWERED_WITHIN_S)

        def one(request: bytes, target: Target = target, outcomes: Counter[str] = outcomes) -> None:
            outcomes[exchange(target, request)] += 1

        threads = [threading.Thread(target=one, args=(request,)) for request in requests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps([name, len(data), time.monotonic() - start, outcomes]), flush=True)


def told(ordeal: Ordeal, part: str, what: str) -> Iterator[str | Beside]:
    """A line for each file, and last how the good client fared beside all of them."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.torture.single", str(ordeal.box.port), OTHER, what]
    every: Counter[str] = Counter()
    wrong: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        with ordeal.watched() as watched:
            with ordeal.served() as served:
                for _ in iter(process.stdout.readline, ""):
                    with Resident(ordeal.box) as resident:
                        name, size, seconds, outcomes = json.loads(process.stdout.readline())
                    every.update(outcomes)
                    got = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
                    yield f"  {name:56} {size / 1e6:6.2f} MB {seconds:6.2f} s {resident.most:5.0f} MB  {got}"
                    wrong += [f"{name}: {outcome}" for outcome in outcomes if is_wrong(outcome)]
                    if resident.most > RESIDENT_MB:
                        wrong.append(f"{name}: {resident.most:.0f} MB were resident: {resident.whose}")
                    if not ordeal.box.lives:
                        wrong.append(f"{name}: the box ended, and was started anew")
                        ordeal.box.stop()
                        ordeal.box.start()
                    if seconds > ANSWERED_WITHIN_S:
                        wrong.append(f"{name}: answered after {seconds:.0f} s")
            found = watched(part, "", every, served())
    found.wrong += wrong
    yield found


def main(arguments: Sequence[str]) -> None:
    port, source, what = arguments
    os.nice(19)
    if what.endswith("bombs"):
        send(int(port), source, list(BOMBS.items())[:: 1 if what == "bombs" else 4])
    else:
        send(int(port), source, [(path.name, path.read_bytes) for path in sorted(Path(what).iterdir())])


if __name__ == "__main__":
    main(sys.argv[1:])
