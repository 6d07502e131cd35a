"""The socket on which the service listens: bound before anything else, so that an unusable address is told at once."""

from __future__ import annotations

import os
import socket

from device.errors import Phrase, SettingInvalid


def is_handed_over() -> bool:
    """Whether systemd has opened the socket (`systemd/loupe.socket`): then the settings `host` and `port` don't count."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0"


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket at an address of this machine or a name of one, IPv4 before IPv6, which needs no brackets here. Nobody
    can connect until it listens. Raises `SettingInvalid` with host and port."""
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bound = None
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that a restart waits for no old connection
        bound.bind(address)
    except (OSError, ValueError) as error:  # ValueError: a name that can't be one
        if bound:
            bound.close()
        raise unusable(host, port, error) from error
    return bound


def unusable(host: str, port: int, error: OSError | ValueError) -> SettingInvalid:
    """That nothing can listen there, and why."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SettingInvalid(setting="host, port", value=f"{host}, port {port} ({reason})", allowed=Phrase("free_address"))
