"""Under which names the box answers.

A page from the internet may have its own name resolve to the box's address (DNS rebinding): a browser that has internet
beside the clinic's network then takes the box for that page's own site, and lets the page read what the box answers. So
the box answers to addresses, to names that the internet doesn't have, and to those that the setting `names` lists.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

NAME_LIMIT = 253
# A label of a host name; letters beyond ASCII reach a server as xn--….
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"{LABEL}(\.{LABEL})*")
# RFC 6762 and 8375, ICANN's .internal, and what routers give out; none is delegated on the internet.
LOCAL = (
    ".local", ".localhost", ".home.arpa", ".internal", ".lan", ".home", ".localdomain", ".intranet",
    ".private", ".corp", ".test",
)  # fmt: skip


def is_host_name(text: str) -> bool:
    """Whether it is a DNS name, in lower case."""
    return len(text) <= NAME_LIMIT and NAME.fullmatch(text) is not None


def may_answer(host: str, names: Collection[str]) -> bool:
    """Whether a request to `host`, as its header has it (with or without a port), is meant for the box."""
    if len(host) > NAME_LIMIT + len(".:65535"):
        return False
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    name = name.removesuffix(".")
    try:
        ip_address(name)
    except ValueError:
        return is_host_name(name) and ("." not in name or name in names or name.endswith(LOCAL))
    return True
