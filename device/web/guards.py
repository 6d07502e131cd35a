"""Who may ask: what is seen of a request, in this order, before a view answers it.

1. Its address is short enough (`device/web/incoming/head.py`).
2. Its `Host` is a name that the box answers to. Against DNS rebinding: `device/base/hosts.py`.
3. No other site's page sent it. The box has no log-in, so a page holds no token that the box could ask for; it looks at
   what only a browser writes. `Sec-Fetch-Site` decides where it is sent: with https and on localhost. Elsewhere
   `Origin` must be the address that was asked. A program sends neither. Sources: OWASP, "Cross-Site Request Forgery
   Prevention Cheat Sheet" (Fetch Metadata, standard headers); W3C, "Fetch Metadata Request Headers"; F. Valsorda,
   "Cross-Site Request Forgery" (2025), whose order of checks is that of Datasette's `csrf.py` and Go's
   `CrossOriginProtection` too.
4. Its body is no larger than its address needs (`device/web/incoming/body_limits.py`).
5. What takes something from everyone comes with the technician's code (`device/web/technician.py`).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, request

from device.base.errors import OtherOrigin, UnknownHost, echoed
from device.base.hosts import may_answer
from device.web.box import the_box
from device.web.incoming.body_limits import limit_of, too_large
from device.web.incoming.client import CLIENT, address
from device.web.incoming.head import refuse_long_addresses
from device.web.technician import HEADER, NEEDED

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_PAGES = ("same-origin", "none")  # none: a person asked, by the address bar or a bookmark
DEFAULT_PORTS = {"http": 80, "https": 443}


def add_guards(app: Flask) -> None:
    """Let no request through to the views that one of the guards refuses."""
    for guard in (refuse_long_addresses, _refuse_unknown_hosts, _refuse_other_origins, _refuse_large_bodies,
                  _refuse_others_than_the_technician):  # fmt: skip
        app.before_request(guard)


def _refuse_unknown_hosts() -> None:
    """Raises `UnknownHost`."""
    settings = the_box().settings
    if not may_answer(request.host, {settings.host, *settings.names}):
        # Werkzeug's `host` is empty where the header can't be a host's name.
        raise UnknownHost(host=echoed(request.headers.get("Host", "")))


def _refuse_other_origins() -> None:
    """Raises `OtherOrigin` where a browser says that another site's page has it send this."""
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if not _is_from_own_page(site, origin, request.host):
        raise OtherOrigin(origin=echoed(site if origin is None else origin))


def _is_from_own_page(site: str | None, origin: str | None, host: str) -> bool:
    """Whether the box's own page sent it, or a program, by the headers `Sec-Fetch-Site`, `Origin` and `Host`."""
    if site is not None:
        return site in OWN_PAGES
    return origin is None or is_own_origin(origin, host)


def is_own_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` has host and port of the `Host` that was asked. Both schemes of the web count: behind a proxy
    that ends TLS, a page has https where the box has http."""
    try:
        page = urlsplit(origin)
        box = urlsplit(f"{page.scheme}://{host}")
        default = DEFAULT_PORTS[page.scheme]
        is_bare = origin.lower() == f"{page.scheme}://{page.netloc.lower()}" and "@" not in page.netloc
        same_host = bool(page.hostname) and page.hostname == box.hostname
        return is_bare and same_host and (page.port or default) == (box.port or default)
    except (KeyError, ValueError):
        return False


def _refuse_large_bodies() -> None:
    """Raises `UploadTooLarge`, `BodyTooLarge`; a body whose length isn't told is cut off where it is read. The door
    does so itself before anything is read; Werkzeug, to do it again, would copy what was sent."""
    settings = the_box().settings
    limit = limit_of(request.method, request.path, settings)
    if CLIENT not in request.environ:
        request.max_content_length = limit
    if request.routing_exception is None and (request.content_length or 0) > limit:
        raise too_large(request.method, request.path, settings)


def _refuse_others_than_the_technician() -> None:
    """Raises `TechnicianCodeNeeded` and its like."""
    if request.url_rule and (request.method, request.url_rule.rule) in NEEDED:
        the_box().technician.check(request.headers.get(HEADER), address(request.environ))
