"""A page of another site, in the browser that shows the box, has it do nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.support.chromium import wait_until

pytestmark = pytest.mark.browser


@contextmanager
def other_site(page: str) -> Iterator[str]:
    """Address of a page on another port of this machine: another origin, though the same site."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def browser(chromium: WebDriver) -> Iterator[WebDriver]:
    yield chromium
    chromium.get_log("browser")  # the console's complaints are the other site's


@pytest.mark.parametrize("policy", ["origin", "no-referrer"])
def test_its_form_is_refused(browser: WebDriver, live_service: str, policy: str) -> None:
    form = (
        f'<!doctype html><meta name="referrer" content="{policy}"><form method="post" enctype="multipart/form-data" '
        f'action="{live_service}/api/v1/readings?lang=en"><button>Win a prize</button></form>'
    )
    with other_site(form) as address:
        browser.get(address)
        browser.find_element(By.TAG_NAME, "button").click()
        wait_until(browser, lambda driver: "urn:loupe:error:" in driver.page_source, "the box didn't answer")
    assert "other_origin" in browser.page_source


def test_its_script_learns_nothing_and_the_boxs_own_can_write(browser: WebDriver, live_service: str) -> None:
    ask = """
        const [address, options, done] = arguments;
        fetch(address, options).then((answer) => answer.text()).then(done, (error) => done(error.name));
    """
    name = {"method": "PUT", "headers": {"Content-Type": "application/json"}, "body": '{"text": "spots"}'}
    with other_site("<!doctype html><title>elsewhere</title>") as address:
        browser.get(address)
        assert browser.execute_async_script(ask, f"{live_service}/api/v1/health", {}) == "TypeError"
        assert browser.execute_async_script(ask, f"{live_service}/api/v1/units/1/name", name) == "TypeError"
    browser.get(f"{live_service}/health")
    assert "spots" not in browser.execute_async_script(ask, f"{live_service}/api/v1/units/1", {})
    assert "spots" in browser.execute_async_script(ask, f"{live_service}/api/v1/units/1/name", name)
    taken_back = browser.execute_async_script(ask, f"{live_service}/api/v1/units/1/name", {"method": "DELETE"})
    assert "spots" not in taken_back
