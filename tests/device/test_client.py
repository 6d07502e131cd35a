"""Whether whoever asked is still there."""

from __future__ import annotations

import socket
import ssl

from device.client import is_gone


def test_a_connection_counts_as_gone_once_it_is_closed_and_not_while_it_is_idle_or_sends_more() -> None:
    box, client = socket.socketpair()
    with box:
        assert not is_gone({"gunicorn.socket": box})
        client.send(b"GET")
        assert not is_gone({"gunicorn.socket": box})
        assert box.recv(3) == b"GET"  # looking took nothing
        client.close()
        assert is_gone({"gunicorn.socket": box})
    assert is_gone({"gunicorn.socket": box})


def test_a_client_of_which_nothing_can_be_told_counts_as_there() -> None:
    assert not is_gone({})
    box, client = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with context.wrap_socket(box, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True) as tls:
        client.close()
        assert not is_gone({"gunicorn.socket": tls})
