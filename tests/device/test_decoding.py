"""Files of anybody are decoded by a confined child: to the same pixels, within memory and time, and nothing gets out."""

from __future__ import annotations

import gc
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from device.base.errors import (
    Busy,
    DecodingTooLarge,
    DecodingTooSlow,
    DecodingUnavailable,
    ImageDamaged,
    LoupeError,
    ReadingStopped,
    TooManyPixels,
)
from device.reading.decoding import budget as budgets
from device.reading.decoding import confine, sandbox
from device.reading.decoding.budget import Budget, OwnMemory
from device.reading.decoding.sandbox import Sandbox
from device.reading.formats import kind_of
from device.reading.formats.cost import is_cheap
from device.reading.image import Image, Limits, decode, decode_in_process
from tests.support.drawn_files import encode, png, tiff, tissue
from tests.torture.damage import KINDS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning")

LIMITS, AREA = Limits(), 512 * 384


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A fork server for this module's tests."""
    made = Sandbox()
    yield made
    made._stop()


def in_child(box: Sandbox, data: bytes, stop: Callable[[], bool] | None = None, mb: int = 200, **wanted: Any) -> Image:
    kind = kind_of(data)
    assert kind is not None
    budget = Budget(mb * 1_000_000)
    image = None
    try:
        image = sandbox.decode(box, budget, kind.module, data, LIMITS, wanted.get("target"), stop)
        return image
    finally:
        kept = 0 if image is None else image.pixels.nbytes
        assert budget.used == kept  # everything but the pixels is given back


def seconds_worked(process: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def endless() -> bytes:
    """A TIFF whose strips all lie over each other, each of most of the file: unpacking one row of each takes minutes."""
    width, rows = 4600, 13_800
    data = zlib.compress(bytes(width)) + bytes(8_000_000)
    entries = {256: width, 257: rows, 258: 8, 259: 8, 262: 1, 277: 1, 278: 1}
    start = 8 + len(data)
    table = start + 2 + 12 * (len(entries) + 2) + 4
    tags = [(tag, 4, 1, value) for tag, value in entries.items()]
    tags += [(273, 4, rows, table), (279, 4, rows, table + 4 * rows)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags)) + bytes(4)
    places = struct.pack("<I", 8) * rows + struct.pack("<I", len(data)) * rows
    return b"II*\0" + struct.pack("<I", start) + data + directory + places


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_gives_the_pixels_and_errors_that_this_process_would(box: Sandbox, kind: str) -> None:
    for data in KINDS[kind]():
        for target in (AREA, lambda width, height: (width // 2 + 40, height // 2 + 40)):
            expected = decode_in_process(data, LIMITS, target)
            image = in_child(box, data, target=target)
            assert np.array_equal(image.pixels, expected.pixels)
            assert (image.width, image.height, image.format, image.notes, image.preview) == (
                expected.width, expected.height, expected.format, expected.notes, expected.preview,
            )  # fmt: skip
            assert image.stated_um_per_px == expected.stated_um_per_px


# --- confined --------------------------------------------------------------------------------------------------------

HARMS = {
    "open a file to read it": "open('/etc/hostname')",
    "open a file to write": "open('/tmp/loupe-harm', 'w')",
    "make a connection": "socket.socket().connect(('127.0.0.1', 9))",
    "make a socket": "socket.socket(socket.AF_UNIX)",
    "fork": "os.fork()",
    "start a program": "os.execv('/bin/true', ['true'])",
    "end its parent": "os.kill(os.getppid(), 9)",
    "lift its limits": "resource.prlimit(0, resource.RLIMIT_AS, (-1, -1))",
    "make memory executable": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "look at another process": "os.pidfd_open(os.getppid())",
    "name a file": "os.rename('/tmp/loupe-a', '/tmp/loupe-b')",
}


def closed(action: str, *, opens_files: bool) -> str:
    """What comes of an action behind the filter: "done", or the kind of error."""
    code = f"""
import mmap, os, resource, socket
from device.reading.decoding import confine
confine.close(opens_files={opens_files})
try:
    {action}
    print("done", flush=True)
except BaseException as refused:
    print(type(refused).__name__, flush=True)
os._exit(0)
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("harm", HARMS)
def test_behind_the_filter_nothing_but_computing_is_left(harm: str) -> None:
    assert closed(HARMS[harm], opens_files=False) == "PermissionError"


def test_a_library_that_opens_files_by_name_may_open_those_in_memory_and_do_nothing_else() -> None:
    in_memory = "open(f'/proc/self/fd/{os.memfd_create(str())}').read()"
    assert closed(in_memory, opens_files=True) == "done"
    for harm in set(HARMS) - {"open a file to read it"}:
        assert closed(HARMS[harm], opens_files=True) == "PermissionError", harm


def test_nor_may_it_read_other_files_where_the_kernel_has_landlock() -> None:
    alone = (
        "from device.base.process import give_up_files, prctl, SET_NO_NEW_PRIVS as N; "
        "prctl(N, 1); print(give_up_files())"
    )
    ran = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, timeout=60)
    if ran.stdout.strip() != "True":
        pytest.skip("a kernel without Landlock")
    assert closed("open('/etc/passwd')", opens_files=True) == "PermissionError"


def answer_of(program: bytes, call: int, arguments: list[int], architecture: int) -> int:
    """What a filter answers: its instructions, one after the other."""
    data = struct.pack("<iIQ6Q", call, architecture, 0, *arguments)
    at, word = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("<HBBI", program, 8 * at)
        at += 1
        match code:
            case confine.LOAD:
                (word,) = struct.unpack_from("<I", data, value)
            case confine.RETURN:
                return value
            case confine.EQUAL:
                at += if_true if word == value else if_false
            case confine.AT_LEAST:
                at += if_true if word >= value else if_false
            case confine.ANY_BIT:
                at += if_true if word & value else if_false


@pytest.mark.parametrize(
    ("machine", "architecture", "calls"),
    [
        (
            "x86_64",
            0xC000003E,
            {"read": 0, "mmap": 9, "openat": 257, "socket": 41, "execve": 59, "clone": 56, "fork": 57},
        ),
        ("aarch64", 0xC00000B7, {"read": 63, "mmap": 222, "openat": 56, "socket": 198, "execve": 221, "clone": 220}),
    ],
)
def test_the_filter_of_each_machine_allows_computing_alone(
    machine: str, architecture: int, calls: dict[str, int]
) -> None:
    program = confine.assembled(machine, opens_files=False)
    refused = confine.REFUSE | 1

    def answer(name: str, *arguments: int, architecture: int = architecture) -> int:
        return answer_of(program, calls[name], [*arguments, 0, 0, 0, 0, 0, 0][:6], architecture)

    assert answer("read") == confine.ALLOW
    assert answer("mmap", 0, 4096, 3) == confine.ALLOW
    assert answer("mmap", 0, 4096, 7) == refused
    assert answer("clone", 0x3D0F00) == confine.ALLOW  # a thread
    assert answer("clone", 0x1200011) == refused  # a process
    assert {answer(name) for name in calls if name in ("openat", "socket", "execve", "fork")} == {refused}
    assert answer("read", architecture=0x40000003) == confine.KILL


def test_on_a_machine_without_a_filter_nothing_is_decoded_in_the_open() -> None:
    with pytest.raises(DecodingUnavailable):
        confine.assembled("riscv64", opens_files=False)
    assert platform.machine() in confine.MACHINES


# --- time ------------------------------------------------------------------------------------------------------------


def children(server: int) -> set[int]:
    """Processes that the server of that id has forked."""
    of = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            of[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return {process for process, parent in of.items() if parent == server}


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_decode_ends_by_its_deadline(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    in_child(box, encode(tissue(), "TIFF"))
    assert box._server is not None
    monkeypatch.setattr(sandbox, "DEADLINE_S", 0.5)
    with pytest.raises(DecodingTooSlow):
        in_child(box, endless(), target=AREA)
    server = box._server.pid
    wait_until(lambda: len(children(server)) == 1)  # the one that waits for the next file


def test_a_decode_ends_when_nobody_waits_for_it_any_more(box: Sandbox) -> None:
    start = time.monotonic()
    with pytest.raises(ReadingStopped):
        in_child(box, endless(), target=AREA, stop=lambda: time.monotonic() > start + 0.3)
    assert time.monotonic() - start < 5


# --- the server and its children ---------------------------------------------------------------------------------------


def test_a_server_that_dies_is_started_anew() -> None:
    box = Sandbox()
    try:
        for _ in range(2):
            in_child(box, encode(tissue(), "BMP"))
            assert box._server is not None
            box._server.kill()
            box._server.wait()
        assert in_child(box, encode(tissue(), "BMP")).format == "BMP"
    finally:
        box._stop()


def test_a_child_that_dies_costs_its_file_alone(box: Sandbox) -> None:
    data = encode(tissue(), "BMP")
    in_child(box, data)
    server = box._server
    assert server is not None

    def killing() -> bool:
        for child in children(server.pid):
            with suppress(ProcessLookupError, FileNotFoundError):
                if seconds_worked(child) > 1:  # it has the file: the child that waits for the next does nothing
                    os.kill(child, signal.SIGKILL)
        return False

    with pytest.raises(ImageDamaged):
        in_child(box, endless(), target=AREA, stop=killing)
    assert in_child(box, data).format == "BMP"


def test_the_server_and_its_children_end_with_the_process_that_asked() -> None:
    code = """
import os, sys
from device.reading.image import decode, Limits
from device.reading.decoding.sandbox import this_sandbox
decode(sys.stdin.buffer.read(), Limits())
print(this_sandbox()._server.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    ran = subprocess.run([sys.executable, "-c", code], input=encode(tissue(), "BMP"), capture_output=True, timeout=60)
    server = Path("/proc") / ran.stdout.decode().strip()
    wait_until(lambda: not server.exists() or "Z (zombie)" in (server / "status").read_text())


def test_where_no_server_starts_jpeg_and_png_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_sandbox", Sandbox())
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DecodingUnavailable):
        decode(encode(tissue(), "TIFF"), LIMITS)
    for file_format in ("JPEG", "PNG"):
        assert decode(encode(tissue(), file_format), LIMITS).format == file_format


def test_nothing_is_left_open(box: Sandbox) -> None:
    data = encode(tissue(), "BMP")
    in_child(box, data)
    gc.collect()  # what other tests have left
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        in_child(box, data)
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_threads_decode_side_by_side(box: Sandbox) -> None:
    data, seen = encode(tissue(), "TIFF"), []
    threads = [threading.Thread(target=lambda: seen.append(in_child(box, data).format)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == ["TIFF"] * 6


@pytest.mark.parametrize(
    "told",
    [
        {"decoded": {}},
        {"decoded": {"width": "1"}},
        {"error": "SystemExit", "facts": {}},
        {"error": "TooManyPixels", "facts": {"width": []}},
        {"take": [-5, 0]},
        {"take": [10**15, 0]},
        {"pixels": [10**6, 10**6]},
        {"size_of": [1, 1]},
        [],
        {"decoded": {"width": 1, "height": 1, "format": "x", "notes": [], "stated_um_per_px": None, "preview": False}},
    ],
)
def test_what_an_overrun_child_says_is_not_believed(told: object) -> None:
    mine, theirs = socket.socketpair()
    mine.settimeout(0.25)
    dead = subprocess.Popen(["/bin/true"])
    child = sandbox.Child(mine, dead.pid, os.pidfd_open(dead.pid), 0)
    dead.wait()
    text = str(told).replace("'", '"').replace("None", "null").replace("False", "false").encode()
    theirs.sendall(struct.pack("<I", len(text)) + text)
    theirs.shutdown(socket.SHUT_WR)
    budget = Budget(200_000_000)
    job = sandbox._Job(child, budget, LIMITS, None, None, 1000)
    with pytest.raises(ImageDamaged):
        job.run("tiff", b"data")
    job.give_back()
    child.end()
    assert budget.used == 0


# --- memory ------------------------------------------------------------------------------------------------------------


def test_the_budget_makes_others_wait_keeps_a_part_for_fields_and_is_given_back() -> None:
    budget = Budget(100_000_000)
    budget.take(budget.most)
    with OwnMemory(budget, None).taken(10_000_000, 1_000_000):
        assert budget.used > budget.most
    done: list[None] = []
    waiting = threading.Thread(target=lambda: done.append(budget.take(50_000_000)))
    waiting.start()
    time.sleep(0.05)
    assert not done
    budget.give_back(budget.most)
    waiting.join(10)
    assert budget.used == 50_000_000


def test_who_waits_for_memory_gives_up_in_the_end_or_when_nobody_waits_for_him(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(100_000_000)
    budget.take(budget.most)
    with pytest.raises(ReadingStopped):
        budget.take(1, stop=lambda: True)
    monkeypatch.setattr(budgets, "PATIENCE_S", 0.1)
    with pytest.raises(Busy):
        budget.take(1)
    assert budget.used == budget.most


def test_pixels_are_given_back_when_nobody_has_them(box: Sandbox) -> None:
    budget = Budget(200_000_000)
    image = sandbox.decode(box, budget, "bmp", encode(tissue(), "BMP"), LIMITS, None, None)
    assert budget.used == image.pixels.nbytes
    part = image.pixels[10:20]
    del image
    gc.collect()
    assert budget.used > 0
    del part
    gc.collect()
    assert budget.used == 0


def test_a_decoder_that_takes_more_than_its_header_says_is_told_so(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(PIL.Image.new("RGB", (3000, 2000)), "BMP")
    monkeypatch.setattr(sandbox, "SPARE_ADDRESSES", 0)
    monkeypatch.setattr(
        "device.reading.decoding.sandbox.resource.prlimit", lambda *_: (0, 0)
    )  # what it asks for isn't enough
    with pytest.raises(DecodingTooLarge):
        in_child(box, data, target=AREA)


def test_a_picture_that_no_memory_would_do_for_is_refused_with_what_would(box: Sandbox) -> None:
    data = encode(PIL.Image.new("RGBA", (5000, 4000), (200, 100, 150, 128)), "WEBP", lossless=True, method=0)
    with pytest.raises(TooManyPixels) as raised:
        in_child(box, data, target=AREA, mb=100)
    limit = raised.value.facts["limit_megapixels"]
    assert isinstance(limit, float)
    assert 5 < limit < 20


# --- what is decoded where -----------------------------------------------------------------------------------------------


def test_common_jpeg_and_png_stay_and_everything_else_goes() -> None:
    jpeg, small = encode(tissue(2048, 1536), "JPEG", quality=90), encode(tissue(), "PNG")
    assert is_cheap(jpeg, AREA)
    assert is_cheap(small, None)
    assert is_cheap(jpeg, 200_000)
    assert not is_cheap(jpeg, lambda width, height: (width, height))  # a section
    assert not is_cheap(small, lambda width, height: (40 * width, 40 * height))  # much enlarged
    ramp = bytes(64 * 64 * 2)
    head = jpeg.index(b"\xff\xdb")
    flat = encode(PIL.Image.new("RGB", (3000, 2000)), "JPEG", progressive=True)
    for costly in (
        encode(tissue(), "TIFF"),
        encode(tissue(), "WEBP"),
        png(64, 64, 16, 0, ramp),
        encode(PIL.Image.new("RGB", (3000, 2000)), "PNG"),
        encode(PIL.Image.new("RGB", (7000, 5000)), "JPEG"),
        encode(PIL.Image.new("CMYK", (100, 100)), "JPEG"),
        flat,
        encode(tissue(), "JPEG", progressive=True)[:-2] + b"\xff\xda\0\x08\1\1\0\1\x3f\0" * 20 + b"\xff\xd9",
        jpeg[:head] + b"\xff\xe5\0\2" * 1000 + jpeg[head:],
        jpeg + bytes(8_000_000),
        small[:33] + (struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))) * 3000 + small[33:],
        tiff({256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 278: 64}, bytes(64 * 64)),
    ):
        assert not is_cheap(costly, AREA)
        assert not is_cheap(costly, 200_000)


@pytest.mark.parametrize("fill", [b"\xff", b"\0", b"\xff\x00", b"\xff\xd0"])
def test_long_runs_in_a_jpeg_take_no_time(fill: bytes) -> None:
    small = encode(tissue(), "JPEG")
    for at in (small.index(b"\xff\xda") + 40, small.index(b"\xff\xdb"), len(small) - 2):
        start = time.process_time()
        with suppress(LoupeError):
            decode_in_process(small[:at] + fill * (6_000_000 // len(fill)) + small[at:], LIMITS, AREA)
        assert time.process_time() - start < 3
