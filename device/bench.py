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
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from device.bundle import NETWORK, Bundle
from device.reading import Reader
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


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def run_bench(settings: Settings, n: int) -> str:
    """The table that `loupe bench` prints."""
    before = resident_mb()
    bundle = Bundle.open(settings.bundle, settings.keys)
    reader = Reader(bundle, settings.limits)
    golden = bundle.manifest["golden"][0]
    as_shipped = bundle.members[golden["picture"]]
    field = Pillow.open(BytesIO(as_shipped)).convert("RGB").resize(MICROSCOPE_SIZE, Pillow.Resampling.BICUBIC)
    buffer = BytesIO()
    field.save(buffer, "JPEG", quality=90)
    photo = buffer.getvalue()
    pixels = reader.read(photo).image.pixels
    timings = [
        _time("invoke", n, lambda: reader.network.run(pixels)),
        _time("pipeline, 2048×1536 JPEG", n, lambda: reader.read(photo)),
    ]
    parts = [reader.read(photo).timings_ms for _ in range(n)]
    mine = resident_mb()
    port = free_port()
    command = [sys.executable, "-m", "device.cli", "serve", "--port", str(port)]
    for name in ("bundle", "keys", "samples"):
        command += [f"--{name}", str(getattr(settings, name))]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_until_ready(port)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)

            def post() -> None:
                connection.request("POST", "/api/v1/readings", photo, {"Content-Type": "image/jpeg"})
                connection.getresponse().read()

            timings.append(_time("HTTP, 2048×1536 JPEG", n, post))
            served = {"gunicorn parent": resident_mb(server.pid)}
            served |= {f"worker ({settings.threads} readers)": resident_mb(pid) for pid in _children(server.pid)}
            connection.close()
        finally:
            server.terminate()
    lines = [
        f"{bundle.manifest['id']} {bundle.manifest['version']} on {reader.network.runtime.name} "
        f"{reader.network.runtime.version}, input {pixels.shape[1]}×{pixels.shape[0]}, "
        f"network {bundle.manifest['members'][NETWORK]['size'] / 1e6:.1f} MB, {os.cpu_count()} cores, one thread a reading",
        "",
        f"{'':28}{'n':>5}{'p50 ms':>9}{'p95 ms':>9}{'least':>9}",
        *(f"{t.name:28}{t.n:5}{t.p50_ms:9.1f}{t.p95_ms:9.1f}{t.least_ms:9.1f}" for t in timings),
        "",
        "of the pipeline (p50 ms): "
        + ", ".join(f"{part} {np.median([p[part] for p in parts]):.2f}" for part in parts[0] if part != "total"),
        f"resident memory: this process {before:.0f} MB before, {mine:.0f} MB with one reader; "
        + ", ".join(f"{name} {mb:.0f} MB" for name, mb in served.items()),
    ]
    return "\n".join(lines)


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
