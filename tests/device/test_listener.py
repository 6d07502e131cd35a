"""Where the service listens: addresses as people write them, and what can't be had told before anything is verified."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from device.base.errors import SettingInvalid
from device.bench import free_port
from device.cli import main
from device.settings import Settings
from device.web import server
from device.web.door.listener import bind, is_handed_over
from tests.support.serving import serving
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

IPV6_ADDRESSES = Path("/proc/net/if_inet6")
HAS_IPV6 = IPV6_ADDRESSES.is_file() and f"{1:032}" in IPV6_ADDRESSES.read_text()
needs_ipv6 = pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")


@needs_ipv6
@pytest.mark.parametrize("host", ["::", "::1", "[::1]"])
def test_ipv6_is_served_with_and_without_brackets(host: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", host=host) as url:
        assert urlopen(f"{url}/healthz").status == 200
        if host == "::":
            assert urlopen(f"{url}/healthz".replace("[::1]", "127.0.0.1")).status == 200


IPV4_HOSTS, IPV6_HOSTS = ("127.0.0.1", "localhost", "0.0.0.0"), ("::1", "[::1]", "::", "::ffff:127.0.0.1")


@pytest.mark.parametrize("host", [*IPV4_HOSTS, *(IPV6_HOSTS * HAS_IPV6)])
def test_addresses_of_this_machine_are_bound(host: str) -> None:
    with bind(host, free_port()) as bound:
        assert bound.getsockname()[1] > 0


UNUSABLE = [
    "192.0.2.1",  # for documentation: no machine's
    "2001:db8::1",
    "[2001:db8::1]",
    "[::1",
    "::1]",
    "127.0.0.1:8000",
    "http://127.0.0.1",
    "no such name",
    "nowhere.invalid",
    "999.1.1.1",
    "a" * 70,
    "a..b",
    "é" * 300,
]  # fmt: skip


@pytest.mark.parametrize("host", UNUSABLE)
def test_an_address_that_cannot_be_had_is_named_with_its_port(host: str) -> None:
    with pytest.raises(SettingInvalid) as raised:
        bind(host, 8123)
    assert raised.value.setting == "host, port"
    assert raised.value.value.startswith(f"{host}, port 8123 (")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_serve_tells_of_a_port_in_use_before_it_verifies(
    language: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "create_app", lambda *_: pytest.fail("verified first"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--language", language]) == 1
    printed = capsys.readouterr().err
    assert "[setting_invalid]" in printed
    assert re.search(rf"127\.0\.0\.1, port {port} \(.+\)", printed)
    assert "Traceback" not in printed


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999999999"])
def test_a_port_out_of_range_is_named(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", port]) == 1
    assert "[setting_invalid]" in capsys.readouterr().err


def test_of_two_that_start_at_once_the_later_one_says_why_it_cannot_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["loupe"])
    port = free_port()
    with bind("127.0.0.1", port) as first:

        def verified_meanwhile(*_: object) -> object:
            first.listen()
            return object()

        monkeypatch.setattr(server, "create_app", verified_meanwhile)
        with pytest.raises(SettingInvalid) as raised:
            server.serve(Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "store.sqlite", port=port))
    assert raised.value.setting == "host, port"


def test_a_socket_of_systemd_is_known_by_the_process_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_handed_over()
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    assert not is_handed_over()
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    assert is_handed_over()
