"""The box under attack: a real `loupe serve` with a store of its own, in a memory cgroup as small as a 1 GB board leaves.

Cgroups need root. Where none can be made, the box runs without a limit, and `limit` says so.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.shipped import MODELS, ROOT

LIMIT_BYTES = 750 << 20
START_S = 120.0
CGROUP_V1, CGROUP_V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
TICKS = os.sysconf("SC_CLK_TCK")


class Memory:
    """A memory cgroup without swap, of version 1 or 2."""

    def __init__(self) -> None:
        self._v1 = (CGROUP_V1 / "memory.limit_in_bytes").exists()
        self.path = (CGROUP_V1 if self._v1 else CGROUP_V2) / f"loupe-torture-{os.getpid()}"
        self.limit = self._make()

    def _make(self) -> str:
        """What limits the box, in words."""
        try:
            self.path.mkdir(exist_ok=True)
            if self._v1:
                self._write("memory.limit_in_bytes", LIMIT_BYTES)
                self._write("memory.memsw.limit_in_bytes", LIMIT_BYTES)
            else:
                self._write("memory.max", LIMIT_BYTES)
                self._write("memory.swap.max", 0)
        except OSError as error:
            with contextlib.suppress(OSError):
                self.path.rmdir()
            return f"nothing: no memory cgroup could be made ({error.strerror})"
        return f"a memory cgroup of {LIMIT_BYTES >> 20} MiB without swap"

    @property
    def works(self) -> bool:
        return self.path.is_dir()

    def _write(self, name: str, value: int) -> None:
        (self.path / name).write_text(str(value))

    def kills(self) -> int:
        """How often the kernel killed a process here for want of memory."""
        if not self.works:
            return 0
        told = (self.path / ("memory.oom_control" if self._v1 else "memory.events")).read_text().split()
        return int(told[told.index("oom_kill") + 1])

    def close(self) -> None:
        for _ in range(20):
            with contextlib.suppress(OSError):
                self.path.rmdir()
            if not self.works:
                return
            time.sleep(0.1)


class Box:
    """A `loupe serve` that can be started anew on the same port and store."""

    def __init__(self, folder: Path, memory: Memory, flags: Sequence[str] = (), store: Path | None = None) -> None:
        self.folder, self.memory, self.flags = folder, memory, tuple(flags)
        self.store = store or folder / "loupe.sqlite"
        self.log = folder / "log"
        self.port = port_of_its_own()
        self.prefix: tuple[str, ...] = ()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises `RuntimeError` where it doesn't answer in time."""
        command = [*self.prefix, sys.executable, "-m", "device.cli", "serve", "--bundle", str(MODELS / "bach.loupe")]
        command += ["--keys", str(MODELS / "keys"), "--samples", str(MODELS / "samples")]
        command += ["--store", str(self.store), "--port", str(self.port), *self.flags]
        if self.memory.works:
            command = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.memory.path), *command]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        end = time.monotonic() + START_S
        while self.ask("/readyz")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"the box didn't start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer; status 0 where there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error).encode()
        finally:
            connection.close()

    def asked(self, path: str) -> Any:
        """The JSON of an answer that must come."""
        status, body = self.ask(path)
        assert status == 200, (path, status, body[:200])
        return json.loads(body)

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def worker(self) -> int | None:
        """The process that gunicorn's parent started last."""
        found = children(self.pid)
        return found[-1] if found else None

    def processes(self) -> list[int]:
        """The box's processes, also those whose parent died."""
        if self.memory.works:
            return [int(pid) for pid in (self.memory.path / "cgroup.procs").read_text().split()]
        return tree(self.pid)

    def resident_mb(self) -> float:
        """Proportional set size of all processes: what is shared among them counts once."""
        return sum(pss_mb(pid) for pid in self.processes())

    def cpu_s(self) -> float:
        return sum(cpu_s(pid) for pid in self.processes())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; whatever is left of it is killed."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        end = time.monotonic() + 10
        while self.memory.works and self.processes() and time.monotonic() < end:
            for pid in self.processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def port_of_its_own() -> int:
    """A port that no client's connection is given, or a box that is started anew could find its own taken."""
    least = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(least - 10_000, least), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


@contextlib.contextmanager
def running(folder: Path, memory: Memory, flags: Sequence[str] = ()) -> Iterator[Box]:
    folder.mkdir(parents=True, exist_ok=True)
    box = Box(folder, memory, flags)
    try:
        box.start()
        yield box
    finally:
        box.stop()


# --- /proc -------------------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def tree(pid: int) -> list[int]:
    return [pid, *(each for child in children(pid) for each in tree(child))]


def pss_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def title(pid: int) -> str:
    """What a process calls itself."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"


def cpu_s(pid: int) -> float:
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / TICKS
    except OSError:
        return 0.0
