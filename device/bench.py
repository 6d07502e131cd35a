"""How fast this machine reads: the bare forward pass, the whole pipeline and a request over HTTP, in one run.

Timings of one run on one machine compare with each other, not with another machine's. HTTP is a real gunicorn on the
loopback interface, started here.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image as Pillow

from device.reading.bundle import Bundle, bundle_files
from device.reading.manifest import NETWORK
from device.reading.reading import Reader
from device.reading.routing import Router
from device.settings import Settings

START_TIMEOUT_S = 60.0
MICROSCOPE_SIZE = (2048, 1536)


@dataclass(frozen=True)
class Timing:
    """Milliseconds of `n` calls."""

    name: str
    n: int
    p50_ms: float
    p95_ms: float
    least_ms: float


def _time(name: str, n: int, call: Callable[[], object]) -> Timing:
    for _ in range(3):
        call()
    took = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        took.append((time.perf_counter() - start) * 1e3)
    return Timing(name, n, float(np.median(took)), float(np.percentile(took, 95)), min(took))


def resident_mb(pid: int | str = "self") -> float:
    """Resident memory of a process, MB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """Processes that a process made, by whichever of its threads (Linux)."""
    by_thread = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children_of_thread in by_thread for child in children_of_thread]


def microscope_photo(bundle: Bundle) -> bytes:
    """A golden picture of the bundle, as large as a microscope's camera makes them: a JPEG."""
    as_shipped = bundle.members[bundle.manifest.golden[0].picture]
    field = Pillow.open(BytesIO(as_shipped)).convert("RGB").resize(MICROSCOPE_SIZE, Pillow.Resampling.BICUBIC)
    buffer = BytesIO()
    field.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def run_bench(settings: Settings, n: int) -> str:
    """The table that `loupe bench` prints: each bundle alone, then all of them together, as the service reads."""
    memory_mb = [resident_mb()]
    bundles = [Bundle.open(path, settings.keys) for path in bundle_files(settings.bundle)]
    heads, timings, parts = [], [], []
    photo = microscope_photo(bundles[0])
    for bundle in bundles:
        model, reader = bundle.manifest.id, Reader(bundle, settings.limits)
        read = reader.read(photo)
        pixels = read.image.pixels
        heads.append(
            f"{model} {bundle.manifest.version} on {reader.network.runtime.name} {reader.network.runtime.version}, "
            f"input {pixels.shape[1]}×{pixels.shape[0]}, network {bundle.manifest.members[NETWORK].size / 1e6:.1f} MB"
        )
        timings.append(_time(f"{model}: invoke", n, partial(reader.network.run, pixels)))
        outputs = reader.network.run(pixels)
        timings.append(_time(f"{model}: gate alone", n, partial(reader.gate.judge, read.image, outputs)))
        timings.append(_time(f"{model}: pipeline", n, partial(reader.read, photo)))
        took = [reader.read(photo).timings_ms for _ in range(n)]
        medians = ", ".join(f"{part} {np.median([t[part] for t in took]):.2f}" for part in took[0] if part != "total")
        parts.append(f"of {model}'s pipeline (p50 ms): {medians}")
        memory_mb.append(resident_mb())
    if len(bundles) > 1:
        timings.append(_time("routed over all", n, partial(Router(bundles, settings.limits).read, photo)))
    with served(settings) as (server, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)

        def post() -> None:
            connection.request("POST", "/api/v1/readings", photo, {"Content-Type": "image/jpeg"})
            connection.getresponse().read()

        timings.append(_time("HTTP", n, post))
        connection.close()
        processes = {"gunicorn parent": resident_mb(server.pid)}
        (worker,) = children(server.pid)
        (keeper,) = children(worker)
        (reading,) = children(keeper)
        readers = settings.threads * len(bundles)
        processes |= {"worker": resident_mb(worker), "keeper": resident_mb(keeper)}
        processes |= {f"reading process ({readers} interpreters)": resident_mb(reading)}
    lines = [
        *heads,
        f"2048×1536 JPEG, {os.cpu_count()} cores, one thread a reading",
        "",
        f"{'':28}{'n':>5}{'p50 ms':>9}{'p95 ms':>9}{'least':>9}",
        *(f"{t.name:28}{t.n:5}{t.p50_ms:9.2f}{t.p95_ms:9.2f}{t.least_ms:9.2f}" for t in timings),
        "",
        *parts,
        f"resident memory: this process {memory_mb[0]:.0f} MB before, with a reader of each bundle in turn "
        + ", ".join(f"{mb:.0f}" for mb in memory_mb[1:])
        + " MB; "
        + ", ".join(f"{name} {mb:.0f} MB" for name, mb in processes.items()),
    ]
    return "\n".join(lines)


@contextmanager
def served(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A real `loupe serve` with these models and a store of its own: its process and its port. Its answers are whole ones,
    though nobody gives a scale: a photo has one size for each of several models."""
    port = free_port()
    command = [sys.executable, "-m", "device.cli", "serve", "--port", str(port), "--threads", str(settings.threads)]
    command.append("--assume-field")
    for name in ("bundle", "keys", "samples"):
        command += [f"--{name}", str(getattr(settings, name))]
    with TemporaryDirectory() as folder:
        command += ["--store", str(Path(folder, "loupe.sqlite"))]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
            try:
                _wait_until_ready(port)
                yield server, port
            finally:
                server.terminate()


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the service didn't get ready")
