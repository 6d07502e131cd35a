"""The socket on which the service listens. It is bound first of all: where it can't be, the program ends at once."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address

from device.base.errors import Phrase, SettingInvalid
from device.base.files import reason_of

# As `socket` has it: of IPv4, of IPv6, and of IPv6 in a Python that was built without it.
Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


def is_handed_over() -> bool:
    """Whether systemd has opened the socket (`systemd/loupe.socket`): then the settings `host` and `port` don't
    count."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0"


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect: to what systemd handed over, else to a socket at `host`."""
    if is_handed_over():
        return all(_is_loopback(_name_of(3 + k)) for k in range(int(os.environ["LISTEN_FDS"])))
    try:
        return _is_loopback(_resolved(host, 0)[4])
    except (OSError, ValueError):
        return False


def _is_loopback(name: object) -> bool:
    """Whether a socket's name is an address of this machine that no other reaches."""
    return isinstance(name, tuple) and ip_address(str(name[0]).partition("%")[0]).is_loopback


def _name_of(descriptor: int) -> object:
    with socket.socket(fileno=os.dup(descriptor)) as handed_over:
        return handed_over.getsockname()


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket at an address of this machine or a name of one, IPv4 before IPv6, which needs no brackets here.
    Nobody can connect until it listens. Raises `SettingInvalid` with host and port."""
    bound = None
    try:
        family, kind, protocol, _, address = _resolved(host, port)
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that a restart waits for no old connection
        bound.bind(address)
    except (OSError, ValueError) as error:  # ValueError: a name that can't be one
        if bound:
            bound.close()
        raise unusable(host, port, error) from error
    return bound


def _resolved(host: str, port: int) -> tuple[int, int, int, str, Address]:
    """What to bind: family, kind, protocol, name and address. Raises `OSError`, `ValueError`."""
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    addresses = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return min(addresses, key=lambda each: each[0] != socket.AF_INET)


def unusable(host: str, port: int, error: OSError | ValueError) -> SettingInvalid:
    """That nothing can listen there, and why."""
    return SettingInvalid(
        setting="host, port", value=f"{host}, port {port} ({reason_of(error)})", allowed=Phrase("free_address")
    )
