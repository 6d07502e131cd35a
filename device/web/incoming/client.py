"""Who sent a request, and whether they are still there: nobody needs the answer to a connection that is closed.

The door tells (`environ["loupe.client"]`, `device/web/door/client.py`). Under another server nothing can be told: a client
counts as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

CLIENT = "loupe.client"


def is_gone(environ: Mapping[str, Any]) -> bool:
    """Whether the client of a WSGI request has closed its connection, or was sent away."""
    return CLIENT in environ and bool(environ[CLIENT].gone)


def address(environ: Mapping[str, Any]) -> str:
    """Whose turn a request is, where addresses take turns."""
    return str(environ[CLIENT].address) if CLIENT in environ else machine_address(str(environ.get("REMOTE_ADDR", "")))


def mark_served(environ: Mapping[str, Any]) -> None:
    """The request's picture is being read now: the door won't send its client away to make room for others."""
    if CLIENT in environ:
        environ[CLIENT].served = True


def machine_address(host: str) -> str:
    """The address that takes turns: as it stands, without the name of the link, and an IPv4 address that comes as IPv6 as
    what it is. An IPv6 network of 2^64 addresses is no one's own here: on a clinic's link all machines share one."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(found.ipv4_mapped or found) if isinstance(found, IPv6Address) else str(found)
