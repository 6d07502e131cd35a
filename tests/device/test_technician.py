"""The technician's code: who has it is heard, who guesses waits, and a file that shows it is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from device.base.errors import (
    LoupeError,
    TechnicianCodeInvalid,
    TechnicianCodeLater,
    TechnicianCodeNeeded,
    TechnicianCodeUnset,
    TechnicianCodeWrong,
)
from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from device.web.door.listener import is_loopback
from device.web.technician import WRONG_BY_ADDRESS, WRONG_IN_ALL, WRONG_KEPT, Technician, read_code
from tests.support.clock import Clock
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

CODE = "correct-horse-9"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def technician(clock: Clock) -> Technician:
    return Technician(CODE, alone=True, clock=clock)


def tried(technician: Technician, code: str | None, address: str = "192.168.1.7") -> type[LoupeError] | None:
    try:
        technician.check(code, address)
    except LoupeError as error:
        return type(error)
    return None


def test_a_box_with_a_code_wants_it_from_everyone(technician: Technician) -> None:
    assert tried(technician, CODE) is None
    for code in (None, ""):
        assert tried(technician, code) is TechnicianCodeNeeded
    assert tried(technician, CODE + " ") is TechnicianCodeWrong
    assert tried(technician, CODE.upper()) is TechnicianCodeWrong
    assert tried(technician, "\xe9" * 128) is TechnicianCodeWrong


def test_a_box_without_a_code_hears_its_own_machine_alone() -> None:
    assert tried(Technician(None, alone=True), None) is None
    assert tried(Technician(None, alone=False), None) is TechnicianCodeUnset
    assert tried(Technician(None, alone=False), "anything-at-all") is TechnicianCodeUnset


def test_who_sent_five_wrong_codes_waits_for_a_minute_and_others_do_not(technician: Technician, clock: Clock) -> None:
    for _ in range(WRONG_BY_ADDRESS):
        assert tried(technician, "wrong-code") is TechnicianCodeWrong
        clock.now += 2
    with pytest.raises(TechnicianCodeLater) as caught:
        technician.check(CODE, "192.168.1.7")
    assert caught.value.retry_after_s == 50
    assert tried(technician, CODE, "192.168.1.8") is None
    assert tried(technician, None) is TechnicianCodeNeeded, "a question costs nothing"
    clock.now += caught.value.retry_after_s
    assert tried(technician, CODE) is None


def test_who_goes_on_guessing_does_not_wait_for_good(technician: Technician, clock: Clock) -> None:
    tries = [tried(technician, "wrong-code") for _ in range(1000)]
    assert tries.count(TechnicianCodeWrong) == WRONG_BY_ADDRESS
    clock.now += 60
    assert tried(technician, CODE) is None


def test_many_addresses_that_guess_have_one_try_each_and_the_technician_is_heard(
    technician: Technician, clock: Clock
) -> None:
    guesses = 0
    for k in range(3 * WRONG_KEPT):
        guesses += sum(tried(technician, "wrong-code", f"10.0.{k % 200}.7") is TechnicianCodeWrong for _ in range(2))
        clock.now += 0.001
    assert guesses <= WRONG_IN_ALL + 200
    assert tried(technician, CODE, "192.168.1.8") is None
    for k in range(2 * WRONG_KEPT):
        tried(technician, "wrong-code", f"fe80:{k:x}")
    assert len(technician._wrong) == WRONG_KEPT
    assert tried(technician, CODE, "192.168.1.8") is None


# --- the file ----------------------------------------------------------------------------------------------------------


def written(folder: Path, data: bytes, mode: int = 0o640) -> Path:
    file = folder / "code"
    file.write_bytes(data)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_code_is_the_one_line_of_its_file(tmp_path: Path, end: bytes) -> None:
    assert read_code(written(tmp_path, CODE.encode() + end)) == CODE


@pytest.mark.parametrize(
    ("data", "mode", "reason"),
    [
        (b"", 0o640, "code_length"),
        (b"short-code1", 0o640, "code_length"),
        (b"x" * 129, 0o640, "code_length"),
        (b"two lines\nof text", 0o640, "code_characters"),
        (b"with a space", 0o640, "code_characters"),
        ("gar\u00e7on-1961".encode(), 0o640, "code_characters"),
        (b"nul\0nul\0nul\0nul", 0o640, "code_characters"),
        (CODE.encode(), 0o644, "code_open"),
        (CODE.encode(), 0o642, "code_open"),
        (CODE.encode(), 0o660, "code_open"),
    ],
)
def test_a_file_without_a_code_or_that_others_can_read_is_named(
    tmp_path: Path, data: bytes, mode: int, reason: str
) -> None:
    file = written(tmp_path, data, mode)
    with pytest.raises(TechnicianCodeInvalid) as caught:
        read_code(file)
    assert (caught.value.file, caught.value.reason) == (str(file), reason)


def test_what_is_no_file_is_named_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o640)
    os.truncate(written(tmp_path, b""), 4_000_000_000)
    for path, reason in (
        (tmp_path / "pipe", "code_no_file"),
        (tmp_path / "none", "code_missing"),
        (tmp_path / "code", "code_length"),
        (tmp_path, "code_missing"),
        (Path("/dev/zero"), "code_no_file"),
    ):
        with pytest.raises(TechnicianCodeInvalid) as caught:
            read_code(path)
        assert caught.value.reason == reason


# --- the service -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("127.9.9.9", True), ("0.0.0.0", False),
     ("::", False), ("192.0.2.7", False), ("no such name", False), ("", False)],
)  # fmt: skip
def test_only_a_loopback_address_is_the_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_sockets_that_systemd_hands_over_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {3: ("127.0.0.1", 80), 4: ("::", 80, 0, 0), 5: "/run/loupe.sock"}
    monkeypatch.setattr("device.web.door.listener._name_of", names.__getitem__)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    for count, alone in ((1, True), (2, False), (3, False)):
        monkeypatch.setenv("LISTEN_FDS", str(count))
        assert is_loopback("127.0.0.1") is alone


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        BUNDLE, KEYS, SAMPLES, tmp_path / "loupe.sqlite", technician_code_file=written(tmp_path, CODE.encode())
    )


def reset(client: FlaskClient, **headers: str) -> tuple[int, str | None]:
    sent = {"X-Loupe-Code": headers["code"]} if "code" in headers else {}
    answer = client.post("/api/v1/health/reset", json={"model": "bach", "confirm": True}, headers=sent)
    return answer.status_code, (answer.json or {}).get("code")


def test_the_service_asks_for_the_code_on_loopback_too_where_it_has_one(settings: Settings, bundle: Bundle) -> None:
    client = create_app(settings, bundle).test_client()
    assert reset(client) == (403, "technician_code_needed")
    assert reset(client, code=CODE) == (200, None)
    for _ in range(WRONG_BY_ADDRESS):
        assert reset(client, code="wrong-code") == (403, "technician_code_wrong")
    assert reset(client, code=CODE) == (429, "technician_code_later")
    waiting = client.delete("/api/v1/units/1/name", headers={"X-Loupe-Code": CODE})
    assert 0 < int(waiting.headers["Retry-After"]) <= 60


def test_a_box_on_the_network_without_a_code_refuses_and_says_what_to_do(settings: Settings, bundle: Bundle) -> None:
    for host, answer in (("0.0.0.0", (403, "technician_code_unset")), ("127.0.0.1", (200, None))):
        client = create_app(structs.replace(settings, technician_code_file=None, host=host), bundle).test_client()
        assert reset(client) == answer


def test_a_code_that_cannot_be_read_stops_the_start(settings: Settings, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(TechnicianCodeInvalid):
        create_app(structs.replace(settings, technician_code_file=tmp_path / "none"), bundle)
