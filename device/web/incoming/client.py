"""Who sent a request, and whether they are still connected: nobody needs the answer to a connection that is closed.

The door puts it into `environ["loupe.client"]` (`device/web/door/client.py`). Another server doesn't: then every client
counts as connected.
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
    """The address for which a request counts, where addresses take turns."""
    return str(environ[CLIENT].address) if CLIENT in environ else machine_address(str(environ.get("REMOTE_ADDR", "")))


def mark_served(environ: Mapping[str, Any]) -> None:
    """The request's picture is being read now: the door won't send its client away to make room for others."""
    if CLIENT in environ:
        environ[CLIENT].served = True


def machine_address(host: str) -> str:
    """The address that takes turns: without the name of the link, and IPv4 where it comes as IPv6. It is a whole
    address, not its IPv6 network: on a clinic's link all machines share one network."""
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else str(parsed)
