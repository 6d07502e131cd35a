"""What no client can do: the box's processes are killed, its disk is full or read-only, its store's pages are damaged.

Names that the box acknowledged must be there afterwards, and readings must go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.shipped import MODELS, ROOT
from tests.torture.box import Box, Memory, running
from tests.torture.good import unseen
from tests.torture.table import Findings

KEYS = 2000  # units and experts that names are given for, again and again
PAGE_BYTES = 4096
BACK_S = 30.0


class Writer:
    """Writes names, one after the other, and keeps what was acknowledged."""

    def __init__(self, box: Box) -> None:
        self._box, self._ended, self._lock = box, threading.Event(), threading.Lock()
        self._number = 0
        self.kept: dict[tuple[int, str], set[str]] = {}  # what may stand there: more than one where no answer came
        self.acknowledged = self.unanswered = self.refused = 0
        self._thread = threading.Thread(target=self._write, daemon=True)

    def one(self) -> int:
        """Write one name; the status of the answer."""
        with self._lock:
            return self._one()

    def _one(self) -> int:
        self._number += 1
        unit, expert = self._number % KEYS % 1000, f"w{self._number % KEYS // 1000}"
        text = f"name {self._number}"
        body = json.dumps({"text": text, "expert": expert}).encode()
        status, _ = self._box.ask(f"/api/v1/units/{unit}/name", "PUT", body, **{"Content-Type": "application/json"})
        if status == 200:
            self.kept[unit, expert] = {text}
            self.acknowledged += 1
        elif status == 0:
            self.kept.setdefault((unit, expert), {""}).add(text)
            self.unanswered += 1
        else:
            self.refused += 1
        return status

    def _write(self) -> None:
        while not self._ended.is_set():
            self.one()
            self._ended.wait(0.005)

    def missing(self) -> list[str]:
        """What was acknowledged and isn't there."""
        with self._lock:
            status, body = self._box.ask("/api/v1/units/names")
            names = json.loads(body)["names"] if status == 200 else []
            found = {(each["unit"], each["expert"]): each["text"] for each in names}
            return [f"{key[0]} by {key[1]}" for key, may in self.kept.items() if found.get(key, "") not in may]

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()


def answers(box: Box) -> bool:
    end = time.monotonic() + BACK_S
    while time.monotonic() < end:
        if box.ask("/readyz")[0] == 200:
            return True
        time.sleep(0.02)
    return False


def reads(box: Box) -> bool:
    field = unseen((MODELS / "samples" / "texture-invasive.jpg").read_bytes(), time.monotonic_ns())
    return box.ask("/api/v1/readings", "POST", field)[0] == 200


def kills(folder: Path, memory: Memory, rng: random.Random, _short: bool, count: int) -> Findings:
    """A process is killed while names are written: each second time the worker, else any that it started; each tenth time
    the parent, and the box is started anew."""
    wrong: list[str] = []
    with running(folder, memory) as box:
        writer, reading, processes = Writer(box), threading.Event(), len(box.processes())

        def read() -> None:
            while not reading.wait(0.2):
                reads(box)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        with writer.writing():
            for number in range(1, count + 1):
                time.sleep(rng.uniform(0.0, 0.4))
                if number % 10 == 0:
                    os.kill(box.pid, signal.SIGKILL)
                    box.stop()
                    box.start()
                else:
                    others = [pid for pid in box.processes() if pid != box.pid]
                    victim = box.worker() if number % 2 else rng.choice(others or [None])
                    with contextlib.suppress(OSError):
                        os.kill(victim or box.pid, signal.SIGKILL)
                if not answers(box):
                    wrong.append(f"nobody answers after kill {number}")
                    break
                if number % 20 == 0 and (missing := writer.missing()):
                    wrong.append(f"after kill {number}: {len(missing)} names are gone, {missing[:3]}")
        reading.set()
        reader.join()
        missing = writer.missing()
        wrong += [f"{name} is gone" for name in missing[:5]]
        end = time.monotonic() + BACK_S
        while len(box.processes()) > processes and time.monotonic() < end:
            time.sleep(0.1)
        left = len(box.processes()) - processes
        if left > 0:
            wrong.append(f"{left} processes were left behind")
    told = f"{count} kills; {writer.acknowledged} names acknowledged, of which {len(missing)} are gone"
    return Findings([f"{told}; {writer.unanswered} without an answer"], wrong)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk of 16 megabytes, None where none can be mounted."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)], capture_output=True, check=False
    )
    try:
        yield disk if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(disk)], check=False)


SKIPPED = Findings(["skipped: no disk can be mounted here (root is needed)"], [])


def disk_full(folder: Path, memory: Memory, _rng: random.Random, _short: bool, _count: int) -> Findings:
    def fill(_box: Box, disk: Path) -> None:
        with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    return _without_disk(folder, memory, fill, lambda _box, disk: (disk / "filler").unlink())


def read_only(folder: Path, memory: Memory, _rng: random.Random, _short: bool, _count: int) -> Findings:
    def remount(how: str) -> Callable[[Box, Path], None]:
        def change(box: Box, disk: Path) -> None:
            box.stop()  # a disk isn't made read-only below open files
            _run("mount", "-o", f"remount,{how}", str(disk))
            box.start()

        return change

    return _without_disk(folder, memory, remount("ro"), remount("rw"))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _without_disk(
    folder: Path, memory: Memory, take: Callable[[Box, Path], None], give_back: Callable[[Box, Path], None]
) -> Findings:
    """The store's disk can't be written to for a while: readings go on, names are refused by name, none is lost."""
    told: list[str] = []
    wrong: list[str] = []
    with small_disk(folder) as disk:
        if disk is None:
            return SKIPPED
        box = Box(folder, memory, store=disk / "loupe.sqlite")
        try:
            box.start()
            writer = Writer(box)
            for _ in range(100):
                writer.one()
            take(box, disk)
            statuses = {writer.one() for _ in range(200)}
            read = sum(reads(box) for _ in range(5))
            problems = [each["code"] for each in box.asked("/api/v1/health")["problems"]]
            told.append(f"readings {read} of 5; names answered {sorted(statuses)}; health says {problems or 'nothing'}")
            if read < 5:
                wrong.append("readings stopped")
            if statuses & {0, 500} or max(statuses) == 200:
                wrong.append(f"names were answered {sorted(statuses)}")
            box.stop(signal.SIGKILL)
            box.start()
            if not reads(box):
                wrong.append("after a restart without the disk readings stopped")
            give_back(box, disk)
            end = time.monotonic() + BACK_S
            while writer.one() != 200 and time.monotonic() < end:
                time.sleep(0.2)
            if missing := writer.missing():
                wrong.append(f"{len(missing)} names are gone: {missing[:3]}")
            told.append(f"afterwards {len(missing)} of {writer.acknowledged} names that were acknowledged are gone")
            if "Traceback" in box.log.read_text(errors="replace"):
                wrong.append("a traceback in the journal")
        finally:
            box.stop()
    return Findings(told, wrong)


def damaged(folder: Path, memory: Memory, rng: random.Random, short: bool, _count: int) -> Findings:
    """One page of a file of the store is damaged, then the box is started: names lie in two files, so all are there."""
    wrong: list[str] = []
    lost: list[int] = []
    times = 4 if short else 25
    for number in range(times):
        with running(folder / str(number), memory) as box:
            writer = Writer(box)
            for _ in range(400 if short else 1000):
                writer.one()
            for _ in range(3):
                reads(box)
            box.stop()
            files = [path for path in sorted(box.folder.glob("loupe*")) if path.stat().st_size >= PAGE_BYTES]
            file = rng.choice(files)
            page = rng.randrange(file.stat().st_size // PAGE_BYTES)
            how = rng.choice(("zeros", "noise"))
            with file.open("r+b") as held:
                held.seek(page * PAGE_BYTES)
                held.write(bytes(PAGE_BYTES) if how == "zeros" else rng.randbytes(PAGE_BYTES))
            what = f"{file.name}, page {page} of {file.stat().st_size // PAGE_BYTES}, {how}"
            try:
                box.start()
            except RuntimeError:
                wrong.append(f"{what}: the box didn't start")
                continue
            missing = writer.missing()
            lost.append(len(missing))
            if not reads(box) or writer.one() != 200:
                wrong.append(f"{what}: readings or names stopped")
            if missing:
                wrong.append(f"{what}: {len(missing)} of {len(writer.kept)} names are gone")
    return Findings([f"{times} pages damaged; of the names, {sorted(lost)} were lost"], wrong)


def markers(_folder: Path, _memory: Memory, _rng: random.Random, _short: bool, _count: int) -> Findings:
    """The journal's own test: words planted in every place that a request has are found nowhere."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/device/test_journal.py"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = ran.stdout.strip().rpartition("\n")[2]
    wrong = [ran.stdout[-2000:]] if ran.returncode else []
    return Findings([f"tests/device/test_journal.py: {last}"], wrong)


DONE: dict[str, Callable[[Path, Memory, random.Random, bool, int], Findings]] = {
    "kills": kills,
    "disk-full": disk_full,
    "read-only": read_only,
    "damaged": damaged,
    "markers": markers,
}
PARTS = {
    "kills": "a process is killed while names are written: each second time the worker, each tenth the whole box",
    "disk-full": "the store's disk is full for a while",
    "read-only": "the store's disk is read-only for a while",
    "damaged": "one page of the store is damaged",
    "markers": "words planted in requests are found in no journal, store or file",
}


def run(part: str, folder: Path, memory: Memory, seed: int, short: bool, count: int) -> Findings:
    """One part, on a box of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return DONE[part](folder, memory, random.Random(seed), short, count)
