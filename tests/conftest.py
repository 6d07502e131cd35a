"""What several tests share: the shipped bundle, phantoms, a running service, the real images where they are."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from device.bench import free_port
from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.reading import Reader

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "models"
BUNDLE, KEYS, SAMPLES = MODELS / "bach.loupe", MODELS / "keys", MODELS / "samples"
SHARED_DATA = ROOT.parent / "shared" / "data"
SIGNER = "loupe-project"  # whose key signs the shipped bundles
READY_TIMEOUT_S = 120


def png(picture: Pillow.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real images where they are missing."""
    if not SHARED_DATA.is_dir():
        for item in items:
            if item.get_closest_marker("shared_data"):
                item.add_marker(pytest.mark.skip(reason="needs the real images in ../shared/data"))


def answering(bundle: Bundle, concern: Sequence[str], **changed: Any) -> Bundle:
    """The bundle with classes of concern and, thresholds that leave the top class alone, unless `changed`."""
    manifest = bundle.manifest
    each = {"threshold": 1.0, "level": 0.65, "n": 8, "pictures": 80, "inside": 75}
    rules = {
        "concern": list(concern),
        "confidence": 0.9,
        "unit": "block",
        "classes": dict.fromkeys(bundle.labels, each),
        "size": 1.0,
        "concern_outside": {"pictures": 160, "outside": 4},
        "record": [],
        **changed,
    }
    return replace(bundle, manifest={**manifest, "answer": rules})


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The default bundle, opened."""
    return Bundle.open(BUNDLE, KEYS)


@pytest.fixture(scope="session")
def reader(bundle: Bundle) -> Reader:
    """A reader of the default bundle."""
    return Reader(bundle, Limits())


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


@pytest.fixture(scope="session")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a running service that all tests share."""
    with serving(tmp_path_factory.mktemp("service") / "log") as url:
        yield url


def _ready(address: str, port: int) -> bool:
    try:
        connection = http.client.HTTPConnection(address, port, timeout=10)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
