"""Who may ask: the box answers to its own names, and does nothing that another site's page asks for."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from device.reading.bundle import Bundle
from device.settings import HostName, Settings
from device.web.app import create_app
from device.web.guards import is_own_origin
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

WRITES = (
    ("POST", "/api/v1/readings"),
    ("POST", "/api/v1/health/reset"),
    ("PUT", "/api/v1/units/names"),
    ("DELETE", "/api/v1/units/1/name"),
)


@pytest.fixture(scope="module")
def client(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of the app, without a server."""
    store = tmp_path_factory.mktemp("guards") / "store.sqlite"
    return create_app(Settings(BUNDLE, KEYS, SAMPLES, store, max_upload_mb=2), bundle).test_client()


@pytest.fixture(scope="module")
def golden(bundle: Bundle) -> bytes:
    """An accepted golden picture's file."""
    return next(bundle.members[g.picture] for g in bundle.manifest.golden if g.expected.reason is None)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    ["http://elsewhere", "null", "", "http://localhost:8001", "http://localhost.elsewhere", "http://[", "\ud83d"],
)
def test_another_sites_page_can_send_nothing(client: FlaskClient, method: str, origin: str) -> None:
    path = {"POST": "/api/v1/readings", "PUT": "/api/v1/units/names", "DELETE": "/api/v1/units/1/name"}[method]
    header = origin.encode("utf-8", "replace").decode()
    response = client.open(path, method=method, headers={"Origin": header}, data=b"x", content_type="text/plain")
    assert (response.status_code, response.json["code"]) == (403, "other_origin")
    assert client.get("/api/v1/model", headers={"Origin": header}).status_code == 200


def test_the_boxs_own_pages_and_programs_can(client: FlaskClient, golden: bytes) -> None:
    for headers in (
        {},
        {"Origin": "http://localhost"},
        {"Origin": "http://Loupe.local:8000", "Host": "loupe.local:8000"},
    ):
        assert client.post("/api/v1/readings", data=golden, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "192.168.1.7",
        "192.168.1.7:8000",
        "[fe80::1]:8000",
        "loupe",
        "LOUPE.local",
        "loupe.lan:80",
        "loupe.home.arpa.",
        "box.example",
    ],
)
def test_the_box_answers_to_addresses_local_names_and_those_it_was_given(bundle: Bundle, host: str) -> None:
    client = create_app(Settings(BUNDLE, KEYS, SAMPLES, names=(HostName("box.example"),)), bundle).test_client()
    assert client.get("/api/v1/model", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["attacker.example", "attacker.example:80", "loupe.local.attacker.example", "192.168.1.7.attacker.example", "a b"],
)
def test_a_page_whose_name_points_at_the_box_learns_nothing(client: FlaskClient, host: str) -> None:
    for path in ("/", "/health", "/api/v1/model", "/healthz"):
        response = client.get(path, headers={"Host": host})
        assert (response.status_code, response.json["code"]) == (421, "unknown_host")
        assert response.json["facts"]["host"] == host
    sent = client.post("/api/v1/readings", headers={"Host": host, "Origin": f"http://{host}"}, data=b"x")
    assert sent.status_code == 421


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "something new"])
@pytest.mark.parametrize("origin", [None, "null", "http://localhost"])
def test_where_a_browser_says_whose_page_it_is_that_decides(
    client: FlaskClient, method: str, path: str, site: str, origin: str | None
) -> None:
    headers = {"Sec-Fetch-Site": site} | ({} if origin is None else {"Origin": origin})
    response = client.open(path, method=method, headers=headers)
    assert (response.status_code, response.json["code"]) == (403, "other_origin")
    assert response.json["facts"]["origin"] == (site if origin is None else origin)


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_boxs_own_page_can_whatever_a_proxy_made_of_the_host(client: FlaskClient, golden: bytes, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Origin": "https://loupe.local", "Host": "127.0.0.1:8000"}
    assert client.post("/api/v1/readings", data=golden, headers=headers).status_code == 200


def test_a_link_on_another_sites_page_leads_to_the_box(client: FlaskClient) -> None:
    for path in ("/", "/api/v1/model"):
        assert client.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://loupe.local", "loupe.local", True),
        ("http://loupe.local", "loupe.local:80", True),
        ("https://loupe.local", "loupe.local", True),  # a proxy ends TLS
        ("https://loupe.local", "loupe.local:443", True),
        ("http://loupe.local:8000", "LOUPE.local:8000", True),
        ("http://[fe80::1]:8000", "[fe80::1]:8000", True),
        ("http://loupe.local:8000", "loupe.local", False),
        ("https://loupe.local", "loupe.local:80", False),
        ("http://loupe.local", "loupe.local:443", False),
        ("http://loupe.local.attacker.example", "loupe.local", False),
        ("http://loupe.local@attacker.example", "attacker.example", False),
        ("http://loupe.local/", "loupe.local", False),
        ("ftp://loupe.local", "loupe.local", False),
        ("chrome-extension://loupe.local", "loupe.local", False),
        ("http://loupe.local:99999", "loupe.local", False),
        ("http://[fe80::1", "[fe80::1]", False),
        ("null", "null", False),
        ("", "", False),
        ("http://", "", False),
    ],
)
def test_an_origin_is_the_boxs_own_by_scheme_host_and_port(origin: str, host: str, own: bool) -> None:
    assert is_own_origin(origin, host) is own
