"""What the app knows of whoever asked."""

from __future__ import annotations

from device.web.door.client import Client
from device.web.incoming.client import address, is_gone, mark_served


def test_the_door_tells_whether_a_client_has_gone() -> None:
    client = Client("192.0.2.1")
    environ = {"loupe.client": client}
    assert not is_gone(environ)
    client.gone = True
    assert is_gone(environ)
    mark_served(environ)
    assert client.served


def test_under_another_server_a_client_counts_as_there() -> None:
    assert not is_gone({})
    mark_served({})


def test_turns_are_taken_by_address_also_of_ipv6() -> None:
    assert address({"loupe.client": Client("192.0.2.1")}) == "192.0.2.1"
    assert address({"REMOTE_ADDR": "192.0.2.7"}) == address({"REMOTE_ADDR": "::ffff:192.0.2.7"}) == "192.0.2.7"
    assert address({"REMOTE_ADDR": "fe80::1%eth0"}) == address({"REMOTE_ADDR": "FE80:0::1"}) == "fe80::1"
    assert address({"REMOTE_ADDR": "fe80::2"}) != "fe80::1"  # two machines of one clinic
    assert address({}) == ""
