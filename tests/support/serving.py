"""A real `loupe serve` on a free port."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from device.bench import free_port
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

READY_TIMEOUT_S = 120
CODE = "correct-horse-9"  # a technician's


def with_code(folder: Path) -> list[str]:
    """The flags of a service whose technician's code is `CODE`, which a file in the folder holds."""
    file = folder / "code"
    file.write_text(CODE)
    file.chmod(0o600)
    return ["--technician-code-file", str(file)]


@contextmanager
def serving(
    log: Path, bundle: Path = BUNDLE, keys: Path = KEYS, host: str = "127.0.0.1", flags: Sequence[str] = ()
) -> Iterator[str]:
    """Base URL of a real `loupe serve`; all that it prints goes to `log`, what it keeps to a store beside that."""
    port, address = free_port(), "::1" if ":" in host else "127.0.0.1"
    command = [
        sys.executable,
        "-m",
        "device.cli",
        "serve",
        "--host",
        host,
        "--port",
        str(port),
        "--bundle",
        str(bundle),
    ]
    command += ["--keys", str(keys), "--samples", str(SAMPLES), "--store", str(log.with_name("loupe.sqlite")), *flags]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as server:
        try:
            deadline = time.monotonic() + READY_TIMEOUT_S
            while not _ready(address, port):
                if server.poll() is not None or time.monotonic() > deadline:
                    server.kill()
                    raise RuntimeError(f"the service didn't start: {log.read_text()}")
                time.sleep(0.1)
            yield f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
        finally:
            server.terminate()


def _ready(address: str, port: int) -> bool:
    try:
        connection = http.client.HTTPConnection(address, port, timeout=10)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
