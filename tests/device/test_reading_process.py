"""Pictures are read in a process of their own: as anywhere else, and without it taking the service along when it dies."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from device.base.errors import ImageError, ImageTooSmall, ReadersLost, ReadingStopped, UnknownModel
from device.bench import children, microscope_photo, served
from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.settings import Settings
from device.web.desks.desk import Desk, Office, PictureToRead, desks_here
from device.web.desks.reading_process import ReadingProcess
from tests.support.reading_json import values_of
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

SOON_S = 20.0


def wait_until(true: Callable[[], Any]) -> None:
    until = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def process(bundle: Bundle) -> ReadingProcess:
    return ReadingProcess(Office([bundle], Limits(), copies=2), desks=2)


@pytest.fixture
def desk(process: ReadingProcess) -> Desk:
    return process.desks[0]


@pytest.fixture(scope="module")
def field(bundle: Bundle) -> bytes:
    return bundle.members[bundle.manifest.golden[0].picture]


@pytest.fixture(scope="module")
def section(bundle: Bundle) -> PictureToRead:
    """One that takes seconds to read."""
    model_um_per_px = bundle.manifest.preprocessing.um_per_px
    return PictureToRead(microscope_photo(bundle), None, model_um_per_px * 3, "en")


def kill_reader(keeper: int) -> None:
    """The process that reads, which a keeper keeps."""
    (reader,) = children(keeper)
    os.kill(reader, signal.SIGKILL)


def test_a_picture_is_read_as_it_is_here(desk: Desk, bundle: Bundle, field: bytes) -> None:
    (here,), apart = desks_here(Office([bundle], Limits(), copies=1), 1), desk
    for language in ("en", "fr"):
        asked = PictureToRead(field, None, None, language)
        one, other = here.read(asked, never), apart.read(asked, never)
        documents = [values_of(answered.document) for answered in (one, other)]
        for document in documents:
            document.pop("timings_ms")
            document["routing"][0].pop("ms")
        assert documents[0] == documents[1]
        assert other.noted == one.noted
    assert apart.preview(field, never) == here.preview(field, never)
    apart.test()


def test_what_a_picture_is_refused_for_arrives_with_its_facts(desk: Desk, field: bytes) -> None:
    with pytest.raises(UnknownModel) as unknown:
        desk.read(PictureToRead(field, "another", None, "en"), never)
    assert unknown.value.facts == {"model": "another", "models": "bach"}
    tiny = b"BM" + (58).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    tiny += b"\1\0\0\0\1\0\0\0\1\0\x18\0" + bytes(24) + bytes(4)
    with pytest.raises(ImageTooSmall):
        desk.read(PictureToRead(tiny, None, None, "en"), never)
    assert desk.read(PictureToRead(field, None, None, "en"), never).document.schema


def test_a_picture_that_is_refused_is_forgotten(desk: Desk) -> None:
    """Without waiting for Python's collector of garbage."""
    asked = PictureToRead(b"BM" + bytes(1_000_000), None, None, "en")
    known = sys.getrefcount(asked.data)
    gc.disable()
    try:
        with suppress(ImageError):
            desk.read(asked, never)
        known_now = sys.getrefcount(asked.data)
    finally:
        gc.enable()
    assert known_now == known


def test_a_reading_that_nobody_waits_for_is_given_up(desk: Desk, section: PictureToRead, field: bytes) -> None:
    begun = time.monotonic()
    with pytest.raises(ReadingStopped):
        desk.read(section, lambda: time.monotonic() > begun + 0.3)
    assert desk.read(PictureToRead(field, None, None, "en"), never).document.schema


def test_a_reader_that_dies_costs_its_reading_alone(
    process: ReadingProcess, section: PictureToRead, field: bytes
) -> None:
    ends: list[BaseException] = []

    def read() -> None:
        try:
            process.desks[0].read(section, never)
        except ReadersLost as error:
            ends.append(error)

    process.desks[1].test()
    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.2)
    kill_reader(process.keeper)
    thread.join(SOON_S)
    assert len(ends) == 1
    for desk in process.desks:
        assert desk.read(PictureToRead(field, None, None, "en"), never).document.schema


def test_the_service_goes_on_whichever_of_its_processes_is_killed(field: bytes) -> None:
    """And none outlives the one that made it."""
    with served(Settings(BUNDLE, KEYS, SAMPLES)) as (server, port):

        def reads() -> bool:
            connection = HTTPConnection("127.0.0.1", port, timeout=SOON_S)
            try:
                connection.request("POST", "/api/v1/readings", field)
                answer = connection.getresponse()
                assert answer.status == 200 or answer.headers["Retry-After"]
                return answer.status == 200
            except (OSError, HTTPException):  # between two workers
                return False
            finally:
                connection.close()

        (worker,) = children(server.pid)
        wait_until(reads)
        (keeper,) = children(worker)
        kill_reader(keeper)
        wait_until(reads)
        assert children(server.pid) == [worker]
        (reader,) = children(keeper)
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: reads() and worker not in children(server.pid))
        (worker,) = children(server.pid)
        (keeper,) = children(worker)
        os.kill(worker, signal.SIGKILL)
        wait_until(reads)
        assert not any(Path(f"/proc/{process}/fd/0").exists() for process in (keeper, reader))
