"""Nothing that was sent is kept or logged: a word is planted in every place that a request has, and looked for."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import PngImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from device.bench import free_port
from tests.support.drawn_dicom import dicom
from tests.support.drawn_files import png_chunk
from tests.support.shipped import BUNDLE, KEYS, ROOT, SAMPLES

PLANTED = "XqzPlanted"
CARRIED = (PLANTED.lower().encode(), PLANTED.lower().encode("utf-16-le"), PLANTED.lower().encode("utf-16-be"))
READY_S = 60
ODD_S = 0.3  # what is no request may get no answer

# The service as it is, but for this: each request is told to everything that could pass it on, with logging as talkative as
# it can be, and some requests fail with what was sent in their message.
TELLTALE = """
import ctypes, logging, os, sqlite3, sys, threading, traceback, warnings
from flask import request
import device.cli, device.reading.routing, device.web.server
from device.base.log import LOG

class Ended:
    def __init__(self, sent): self.sent = sent
    def __del__(self): raise ValueError(self.sent)

def end(sent): raise ValueError(sent)

def tell():
    sent = f"{request.method} {request.url} {request.headers} {dict(request.environ)}"
    for name in (None, "gunicorn.error", "gunicorn.access", "asyncio", "PIL", "werkzeug", "flask.app", "h11", sent[:80]):
        log = logging.getLogger(name)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.CRITICAL):
            log.setLevel(logging.DEBUG)
            log.log(level, sent)
            log.log(level, "%s", sent, stack_info=True)
    warnings.warn(sent)
    print(sent)
    print(sent, file=sys.stderr)
    print(sent, file=request.environ["wsgi.errors"])
    os.write(1, sent.encode(errors="replace"))
    os.write(2, sent.encode(errors="replace"))
    ctypes.CDLL(None).perror(sent.encode(errors="replace"))
    thread = threading.Thread(target=end, args=(sent,), name=sent)
    thread.start(); thread.join()
    Ended(sent)
    try:
        end(sent)
    except ValueError:
        traceback.print_exc()
        LOG.exception("a try failed")
    broken = request.headers.get("X-Break")
    if broken == "app": raise RuntimeError(sent) from OSError(2, sent, sent)
    if broken == "group": raise ExceptionGroup(sent, [ValueError(sent)])
    if broken == "store": raise sqlite3.OperationalError(sent)
    if broken == "crash": ctypes.string_at(0)

made, read = device.web.server.create_app, device.reading.routing.Router.read

def create_app(settings):
    app = made(settings)
    app.wsgi_app = app.wsgi_app.app  # so that all of a head gets in
    app.before_request_funcs.setdefault(None, []).insert(0, tell)
    return app

def read_or_fail(router, data, *others, **named):
    if data.endswith(b"BREAK"): raise ValueError(data)
    if data.endswith(b"CRASH"): ctypes.string_at(0)
    return read(router, data, *others, **named)

device.web.server.create_app, device.reading.routing.Router.read = create_app, read_or_fail
sys.exit(device.cli.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Service:
    port: int
    folder: Path  # all that it could write lies in it

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def answer(self, sent: bytes, patience_s: float = 20) -> bytes:
        """What comes back for these bytes until then."""
        received = b""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        with connection, suppress(ConnectionError, TimeoutError):
            connection.sendall(sent)
            connection.settimeout(patience_s)
            while not _whole(received) and (more := connection.recv(65536)):
                received += more
        return received


def _whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(found and length and len(body) >= int(length[1]))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("telltale")
    for name in ("tmp", "home", "store"):
        (folder / name).mkdir()
    port = free_port()
    command = [sys.executable, "-W", "always", "-X", "dev", "-c", TELLTALE, "serve", "--port", str(port)]
    command += ["--bundle", str(BUNDLE), "--keys", str(KEYS), "--samples", str(SAMPLES)]
    command += ["--store", str(folder / "store" / "loupe.sqlite"), "--threads", "1"]
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    ours, theirs = socket.socketpair()  # systemd's journal is a socket too
    with theirs:
        served = subprocess.Popen(
            command, stdout=theirs.fileno(), stderr=theirs.fileno(), cwd=folder / "home", env=environment
        )
    written = threading.Thread(target=_write_down, args=(ours, folder / "log"))
    written.start()
    running = Service(port, folder)
    try:
        _wait_until_ready(running)
        yield running
    finally:
        served.terminate()
        served.wait(30)
        written.join(30)


def _write_down(source: socket.socket, log: Path) -> None:
    with source, log.open("wb", buffering=0) as file:
        while received := source.recv(65536):
            file.write(received)


def _wait_until_ready(service: Service) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            if service.answer(request("GET", "/readyz", {})).startswith(b"HTTP/1.1 200"):
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the service isn't ready: {service.log}")


# --- what is sent ----------------------------------------------------------------------------------------------------

CARRYING = (
    *("User-Agent", "Cookie", "Referer", "Accept", "Accept-Language", "Accept-Encoding", "Authorization", "Forwarded"),
    *("From", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "Via", "X-Forwarded-For", "X-Forwarded-Host"),
    *("X-Patient", "X-Loupe-Code", "X-HTTP-Method-Override", f"X-{PLANTED}"),
)
EVERYWHERE = dict.fromkeys(CARRYING, f"{PLANTED}/1 {PLANTED}=1; q=0.5")
BAD_START = "POST /api/v1/readings HTTP/1.1\r\nHost: localhost\r\n"


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"", host: str = "localhost") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def form(data: bytes, field: str = "image") -> tuple[dict[str, str], bytes]:
    head = (
        f'--{PLANTED}\r\nContent-Disposition: form-data; name="{field}"; filename="{PLANTED}.jpg"\r\n'
        f"X-{PLANTED}: {PLANTED}\r\nContent-Type: image/{PLANTED}\r\n\r\n"
    )
    other = f'\r\n--{PLANTED}\r\nContent-Disposition: form-data; name="{PLANTED}"\r\n\r\n{PLANTED * 9000}'
    body = head.encode() + data + other.encode() + f"\r\n--{PLANTED}--\r\n".encode()
    return {"Content-Type": f"multipart/form-data; boundary={PLANTED}; charset={PLANTED}"}, body


@cache
def pictures() -> dict[str, bytes]:
    """Files of each family with the word in all that they can carry beside the pixels."""
    picture, word = Pillow.open(SAMPLES / "phantom-benign.jpg").convert("RGB").resize((700, 525)), PLANTED.encode()
    exif = Pillow.Exif()
    for tag in (0x010E, 0x013B, 0x8298):
        exif[tag] = PLANTED
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", PLANTED)
    text.add_text(PLANTED, PLANTED * 500, zip=True)
    text.add_itxt("XML:com.adobe.xmp", PLANTED)
    tags = ImageFileDirectory_v2()
    tags[270], tags[65000], tags[700] = PLANTED, PLANTED, word

    def encode(kind: str, **options: Any) -> bytes:
        file = BytesIO()
        picture.save(file, kind, **options)
        return file.getvalue()

    carried = {"exif": exif.tobytes(), "icc_profile": word * 20}
    whole = {
        "jpeg": encode("JPEG", **carried, comment=word, xmp=word),
        "png": encode("PNG", **carried, pnginfo=text),
        "tiff": encode("TIFF", tiffinfo=tags, compression="tiff_lzw", icc_profile=word * 20),
        "webp": encode("WEBP", **carried, xmp=word),
        "bmp": encode("BMP") + word,
        "dicom": dicom(np.asarray(picture), PatientName=f"{PLANTED}^Jane", PatientID=PLANTED, StudyDescription=PLANTED),
    }
    chunk = png_chunk(b"tEXt", word)
    damaged = {
        "jpeg in pieces": whole["jpeg"][: len(whole["jpeg"]) // 2],
        "jpeg overwritten": whole["jpeg"][:4000] + word + whole["jpeg"][4200:],
        "png of a broken stream": whole["png"][:33]
        + chunk
        + png_chunk(b"IDAT", zlib.compress(word))
        + whole["png"][-12:],
        "png overwritten": whole["png"][:3000] + word + whole["png"][3040:],
        "tiff overwritten": whole["tiff"][:900] + word + whole["tiff"][950:],
        "tiff of a broken directory": whole["tiff"][: len(whole["tiff"]) - 60] + word * 6,
        "webp overwritten": whole["webp"][:60] + word + whole["webp"][90:],
        "jp2": encode("JPEG2000") + word,
        "dicom in pieces": whole["dicom"][: len(whole["dicom"]) // 2],
        "no picture": word * 1000,
        "a decoder that fails": whole["jpeg"] + word + b"BREAK",
    }
    return whole | damaged


def requests() -> Iterator[bytes]:
    """One request or more for each place."""
    files = pictures()
    for data in files.values():
        yield request("POST", f"/api/v1/readings?patient={PLANTED}&{PLANTED}=1", EVERYWHERE, data)
    for name in ("jpeg", "tiff overwritten", "no picture", "a decoder that fails"):
        yield request("POST", "/api/v1/readings", *form(files[name]))
        yield request("POST", "/api/v1/previews", *form(files[name]))
    yield request("POST", "/api/v1/readings", *form(b"x", field=PLANTED))
    yield request("POST", f"/api/v1/readings?model={PLANTED}", {}, files["jpeg"])
    yield request("POST", f"/api/v1/readings?um_per_px={PLANTED}&lang={PLANTED}", {}, files["jpeg"])
    yield request("POST", "/api/v1/readings", {"Origin": f"http://{PLANTED}"}, b"x")
    for target in (f"/{PLANTED}", f"/samples/{PLANTED}", f"/static/{PLANTED}", f"/?{PLANTED}", f"/%00{PLANTED}%ff"):
        yield request("GET", target, EVERYWHERE)
    yield request("GET", f"http://{PLANTED}/", {})
    yield request(PLANTED.upper(), "/", {})
    yield request("GET", "/", {}, host=PLANTED)
    yield request("GET", "/", {}, host=f"{PLANTED}@localhost:1")
    for broken in ("app", "group", "store"):
        for accept in ("text/html", "*/*"):
            yield request("GET", f"/?patient={PLANTED}", {**EVERYWHERE, "Accept": accept, "X-Break": broken})
    deep: Any = PLANTED
    for _ in range(50):
        deep = {PLANTED: [deep]}
    for value in (
        {PLANTED: PLANTED},
        {"text": [PLANTED], "expert": {PLANTED: 1}},
        {"model": PLANTED, "confirm": PLANTED},
        deep,
    ):
        for method, target in (
            ("PUT", "/api/v1/units/1/name"),
            ("PUT", "/api/v1/units/names"),
            ("DELETE", f"/api/v1/units/{PLANTED}/name"),
            ("POST", "/api/v1/health/reset"),
        ):
            yield request(method, target, {"Content-Type": "application/json"}, json.dumps(value).encode())
    yield request("PUT", "/api/v1/units/1/name", {"Content-Type": "application/json"}, b'{"text": ' + PLANTED.encode())


def odd_requests() -> Iterator[bytes]:
    """What is no HTTP, or is it nearly."""
    for sent in (
        f"GET /?patient={PLANTED}\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET /?patient={PLANTED} x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET /{PLANTED * 2000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET / {PLANTED}/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nX {PLANTED}: 1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nX: {PLANTED}\0\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nX: {PLANTED * 20000}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\n {PLANTED}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nHost: {PLANTED}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, {PLANTED}\r\nUpgrade: {PLANTED}\r\n\r\n",
        f"{BAD_START}Content-Length: {PLANTED}\r\n\r\n",
        f"{BAD_START}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{PLANTED}",
        f"{BAD_START}Transfer-Encoding: {PLANTED}\r\n\r\n{PLANTED}",
        f"{BAD_START}Transfer-Encoding: chunked\r\n\r\n{PLANTED * 800}\r\n",
        f"{BAD_START}Transfer-Encoding: chunked\r\n\r\n3;{PLANTED}={PLANTED}\r\nabc{PLANTED}\r\n\r\n",
        f"{BAD_START}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-{PLANTED}: {PLANTED}\r\n\r\n",
        f"{BAD_START}Transfer-Encoding: chunked\r\n\r\n0\r\n{PLANTED}\r\n\r\n",
        f"{BAD_START}Expect: {PLANTED}\r\nContent-Length: 3\r\n\r\nabc",
        f"PROXY TCP4 {PLANTED} 1.2.3.4 1 2\r\n\r\n",
        f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{PLANTED}",
        f"{PLANTED}\r\n\r\n",
    ):
        yield sent.encode()
    yield b"GET /?\xc3\xa9\xff" + PLANTED.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    hello = b"\x01\x00\x00\x60\x03\x03" + PLANTED.encode() * 9
    yield b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello


def kept(folder: Path) -> list[str]:
    """The files that hold the word, below a folder and in shared memory."""
    found = []
    for path in (*folder.rglob("*"), *Path("/dev/shm").rglob("*")):
        with suppress(OSError):  # a folder, or gone by now
            data = path.read_bytes().lower()
            found += [str(path)] if any(word in data for word in CARRIED) else []
    return found


# --- claims ----------------------------------------------------------------------------------------------------------


def test_nothing_that_was_sent_is_logged_or_kept(service: Service) -> None:
    asked = [(service.answer(sent), sent) for sent in requests()]
    statuses = Counter(told[:12] for told, _ in asked)
    assert min(statuses[b"HTTP/1.1 200"], statuses[b"HTTP/1.1 500"]) > 5, statuses
    asked += [(service.answer(sent, ODD_S), sent) for sent in odd_requests()]
    for told, sent in asked:
        head = told.partition(b"\r\n\r\n")[0].lower()
        assert b"set-cookie" not in head, sent[:200]
        assert not re.search(rb"Traceback|File \"|site-packages|\.py\b", told), (sent[:200], told[:600])
    for sent in (*odd_requests(), request("POST", f"/{PLANTED}", EVERYWHERE, PLANTED.encode() * 9000)[:-4000]):
        service.answer(sent, patience_s=0.001)
    assert kept(service.folder) == []
    assert service.log.count("a try failed") > 20  # so that the log was spoken to


def test_what_fails_is_told_by_its_type_and_by_lines_of_code(service: Service) -> None:
    broken = {"X-Break": "app"}
    assert service.answer(request("GET", "/", broken)).startswith(b"HTTP/1.1 500")
    told = service.log
    assert re.search(r"builtins\.RuntimeError\n  at .*:\d+ \w", told)
    assert "builtins.FileNotFoundError [ENOENT]" in told
    assert "a thread was ended by builtins.ValueError" in told


def test_a_decoder_that_crashes_leaves_lines_of_code_too(service: Service) -> None:
    data = pictures()["jpeg"] + b"CRASH"
    assert service.answer(request("POST", f"/api/v1/readings?{PLANTED}", EVERYWHERE, data)).startswith(b"HTTP/1.1 503")
    _wait_until_ready(service)
    service.answer(request("POST", "/api/v1/readings", EVERYWHERE, pictures()["a decoder that fails"]))
    assert service.log.count("Fatal Python error: Segmentation fault") == 1
    assert "in read_or_fail" in service.log
    assert f"the reading process ended with {-signal.SIGSEGV}" in service.log
    assert kept(service.folder) == []


def test_a_crash_leaves_lines_of_code_and_the_next_worker_is_as_silent(service: Service) -> None:
    service.answer(request("GET", f"/?patient={PLANTED}", {**EVERYWHERE, "X-Break": "crash"}))
    _wait_until_ready(service)
    service.answer(request("GET", f"/?patient={PLANTED}", {**EVERYWHERE, "X-Break": "app"}))
    assert service.log.count("Fatal Python error: Segmentation fault") == 2
    assert "was sent SIGSEGV" in service.log
    assert kept(service.folder) == []


def test_the_pictures_are_what_they_are_called() -> None:
    """So that the word reaches each decoder, and not only the sniffing of formats."""
    from device.reading.image import Limits, decode

    for name in ("jpeg", "png", "tiff", "webp", "bmp", "dicom"):
        assert PLANTED.encode() in pictures()[name]
        assert decode(pictures()[name], Limits()).pixels.size


def test_no_dump_is_made_of_the_service_and_of_what_it_forks() -> None:
    """Of the whole service it is `make box-test` that shows it."""
    code = """
import ctypes, os, resource
from device.base.dumps import forbid_dumps
forbid_dumps()
if child := os.fork():
    os.waitpid(child, 0)
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE), flush=True)  # PR_GET_DUMPABLE
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "0 (0, 0)\n" * 2
