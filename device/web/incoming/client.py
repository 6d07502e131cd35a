"""Who sent a request, and whether they are still connected: nobody needs the answer to a connection that is closed.

The door puts it into `environ["loupe.client"]` (`device/web/door/client.py`). Another server doesn't: then every client
counts as connected.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from device.web.door.client import Client

CLIENT = "loupe.client"


def client_of(environ: Mapping[str, object]) -> Client | None:
    """What the door says of the client of a WSGI request; None under another server."""
    client = environ.get(CLIENT)
    return client if isinstance(client, Client) else None


def is_gone(environ: Mapping[str, object]) -> bool:
    """Whether the client of a WSGI request has closed its connection, or was sent away."""
    client = client_of(environ)
    return client is not None and client.gone


def address(environ: Mapping[str, object]) -> str:
    """The address for which a request counts, where addresses take turns."""
    client = client_of(environ)
    return machine_address(str(environ.get("REMOTE_ADDR", ""))) if client is None else client.address


def mark_served(environ: Mapping[str, object]) -> None:
    """The request's picture is being read now: the door won't send its client away to make room for others."""
    client = client_of(environ)
    if client is not None:
        client.served = True


def machine_address(host: str) -> str:
    """The address that takes turns: without the name of the link, and IPv4 where it comes as IPv6. It is a whole
    address, not its IPv6 network: on a clinic's link all machines share one network."""
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else str(parsed)
