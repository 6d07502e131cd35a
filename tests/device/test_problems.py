"""What the service answers when it can't do what was asked: words with a next step, for programs and people."""

from __future__ import annotations

import gc
import re
import tracemalloc
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from werkzeug.exceptions import default_exceptions
from werkzeug.test import TestResponse

from device.base.errors import Fact
from device.base.texts import LANGUAGES
from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from device.web.problems import http_words
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
SECRET = "the inside of the program"


@pytest.fixture(scope="module")
def app(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The app, with views that fail."""
    store = tmp_path_factory.mktemp("problems") / "store.sqlite"
    app = create_app(Settings(BUNDLE, KEYS, SAMPLES, store, max_upload_mb=1, threads=1), bundle)

    def fail() -> str:
        raise ZeroDivisionError(SECRET)

    def refuse(status: int) -> str:
        abort(status, description=SECRET)

    for prefix in ("", "/api/v1"):
        app.add_url_rule(f"{prefix}/fail", f"fail{prefix}".replace("/", "_"), fail)
        app.add_url_rule(f"{prefix}/refuse/<int:status>", f"refuse{prefix}".replace("/", "_"), refuse)
    return app


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


def told(response: TestResponse) -> dict[str, str]:
    assert response.mimetype == "application/problem+json"
    problem: dict[str, Any] = response.get_json()
    assert problem["status"] == response.status_code
    assert problem["title"] and problem["detail"] and problem["next_step"]  # noqa: PT018
    assert SECRET not in response.text
    return problem


@pytest.mark.parametrize("status", sorted(default_exceptions))
def test_every_status_has_words_in_both_languages(status: int, client: FlaskClient) -> None:
    english, french = (told(client.get(f"/api/v1/refuse/{status}?lang={language}")) for language in LANGUAGES)
    assert english["code"] == french["code"] == ("body_too_large" if status == 413 else f"http_{status}")
    for part in ("title", "detail", "next_step"):
        assert english[part] != french[part]
        assert "{" not in english[part] + french[part]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_browser_gets_a_page_with_the_same_words(language: str, client: FlaskClient) -> None:
    program, person = client.get(f"/nowhere?lang={language}"), client.get(f"/nowhere?lang={language}", headers=BROWSER)
    assert person.status_code == 404
    assert person.mimetype == "text/html"
    assert "default-src 'none'" in person.headers["Content-Security-Policy"]
    text = unescape(person.text)
    assert f'<html lang="{language}">' in text
    for part in ("title", "detail", "next_step", "code"):
        assert told(program)[part] in text


@pytest.mark.parametrize("path", ["/fail", "/model-card?model=nobody", "/samples/none.jpg", "/static/none.js"])
def test_every_kind_of_problem_outside_the_api_is_a_page_for_a_browser(path: str, client: FlaskClient) -> None:
    response = client.get(path, headers=BROWSER)
    assert response.status_code in (404, 500)
    assert response.mimetype == "text/html"
    assert 'class="problem"' in response.text
    assert SECRET not in response.text


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere", "/api/v1/fail", "/api/v1/units/99999", "/api/v1/model?model=nobody"]
)
def test_the_api_answers_browsers_too_with_json(path: str, client: FlaskClient) -> None:
    told(client.get(path, headers=BROWSER))


@pytest.mark.parametrize("accepted", [None, "*/*", "application/json", "image/avif,image/webp,*/*;q=0.8", "nonsense"])
def test_whoever_does_not_ask_for_html_gets_json(accepted: str | None, client: FlaskClient) -> None:
    told(client.get("/nowhere", headers={"Accept": accepted} if accepted else {}))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v1/readings", {"POST", "OPTIONS"}),
        ("POST", "/api/v1/model", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/healthz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_method_that_is_not_taken_is_told_with_those_that_are(
    method: str, path: str, allowed: set[str], client: FlaskClient
) -> None:
    response = client.open(path, method=method)
    assert set(re.split(r",\s*", response.headers["Allow"])) == allowed
    problem = told(response)
    assert problem["code"] == "http_405"
    assert method in problem["detail"]
    page = client.open("/", method="DELETE", headers=BROWSER)
    assert (page.status_code, page.mimetype) == (405, "text/html")
    assert "GET" in page.headers["Allow"]


def test_a_fault_in_the_program_does_not_show_itself(client: FlaskClient) -> None:
    response = client.get("/api/v1/fail")
    assert (response.status_code, told(response)["code"]) == (500, "http_500")
    assert "ZeroDivision" not in response.text


def test_what_is_too_large_as_a_whole_or_as_a_form_is_told_apart(client: FlaskClient) -> None:
    large = client.post("/api/v1/readings", data=bytes(1_100_000))
    assert (large.status_code, told(large)["code"]) == (413, "upload_too_large")
    fields = client.post("/api/v1/readings", data={f"field{k}": "x" for k in range(1100)} | {"image": (b"",)[0]},
                         content_type="multipart/form-data")  # fmt: skip
    assert (fields.status_code, told(fields)["code"]) == (413, "http_413")
    assert "field" in told(fields)["next_step"]


def test_a_long_text_in_a_form_is_no_file_that_is_too_large(client: FlaskClient) -> None:
    response = client.post("/api/v1/readings", data={"image": "x" * 700_000}, content_type="multipart/form-data")
    assert (response.status_code, told(response)["code"]) == (400, "no_image")


def test_a_part_beyond_the_end_of_a_file_is_refused_with_its_length(client: FlaskClient) -> None:
    response = client.get("/static/logo.svg", headers={"Range": "bytes=9999999-"})
    assert told(response)["code"] == "http_416"
    assert response.headers["Content-Range"].startswith("bytes */")


def test_a_name_that_the_box_does_not_answer_to_is_a_page_for_a_browser(client: FlaskClient) -> None:
    response = client.get("/", headers={**BROWSER, "Host": "evil.example.com"})
    assert (response.status_code, response.mimetype) == (421, "text/html")
    assert "unknown_host" in response.text


def test_doubled_slashes_lead_to_the_address_that_is_meant(client: FlaskClient) -> None:
    assert client.get("//healthz").status_code == 308


def test_each_word_of_http_can_be_said() -> None:
    facts: dict[str, Fact] = {"status": 499, "method": "PUT", "allowed": "GET"}
    for language in LANGUAGES:
        for status in (400, 404, 405, 413, 416, 418, 499, 500, 502):
            assert http_words(status, facts, language)["next_step"]


def test_a_refused_picture_is_gone_with_its_answer(client: FlaskClient) -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x0f\xff\xff\0\x0f\xff\xff\x08\x02\0\0\0"
    picture = header + bytes(900_000)
    client.post("/api/v1/readings", data=picture)
    gc.collect()
    gc.disable()  # what only its search for rings would find is still there
    tracemalloc.start()
    try:
        for _ in range(5):
            assert client.post("/api/v1/readings", data=picture).status_code == 422
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < 1_500_000  # the client keeps the last


def test_a_slash_too_many_is_an_address_that_there_is_not(client: FlaskClient) -> None:
    assert told(client.get("/api/v1//model"))["code"] == "http_404"
