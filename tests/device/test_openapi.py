"""The API's description is whole and true: schemathesis asks the real service for what it promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from PIL import Image as Pillow
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from device.web.openapi.document import methods_of, openapi_document, path_of
from device.web.technician import HEADER
from device.web.views import add_views
from tests.support.drawn_section import UM_PER_PX, draw_section
from tests.support.pictures import png
from tests.support.serving import serving
from tests.support.shipped import BUNDLE, KEYS, MODELS, SAMPLES

Case = schemathesis.Case[Any]
CODE = "correct-horse-9"
BLACK = png(Pillow.new("RGB", (300, 300)))
CHECKS = [
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
EXAMPLES, PATIENCE_S = 10, 60
asked_for_a_while = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def app(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The app, without a server."""
    store = tmp_path_factory.mktemp("openapi") / "store.sqlite"
    return create_app(Settings(BUNDLE, KEYS, SAMPLES, store), bundle)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@contextmanager
def serving_with_code(folder: Path, models: Path) -> Iterator[str]:
    """Base URL of a running service that has a technician's code."""
    code = folder / "code"
    code.write_text(CODE)
    code.chmod(0o600)
    with serving(folder / "log", models, flags=("--technician-code-file", str(code))) as url:
        yield url


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """For anyone: who sends wrong codes has to wait, whatever is sent then."""
    with serving_with_code(tmp_path_factory.mktemp("anyone"), MODELS) as url:
        yield url


@pytest.fixture(scope="module")
def technicians_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """For who knows the code."""
    with serving_with_code(tmp_path_factory.mktemp("technician"), BUNDLE) as url:
        yield url


def document() -> dict[str, Any]:
    """The description of a box with the settings that it has unless somebody changes them."""
    app = Flask(__name__)
    add_views(app)
    return openapi_document(app, Settings())


def described(*, codes: bool) -> schemathesis.BaseSchema:
    """What schemathesis makes requests of: with made-up codes where the technician's is needed, or without any."""
    api = schemathesis.openapi.from_dict(document())
    api.config.generation.with_security_parameters = codes
    # Not TRACE: to a method that no address of its takes, the door says 501 rather than 405 (RFC 9110, 15.6.2).
    api.config.phases.coverage.unexpected_methods = {"get", "post", "put", "patch", "delete"}
    return api


api = described(codes=True)
technicians_api = described(codes=False).include(lambda context: bool(context.operation.definition.raw["security"]))


def call(case: Case, service: str) -> schemathesis.Response:
    """The answer to a request, which is as described."""
    return case.call_and_validate(base_url=service, checks=CHECKS, timeout=PATIENCE_S)


def ask(case: Case, service: str) -> set[int]:
    """The statuses of the answers, which are as described: to the case, and to the same without a model's name, for a name
    that is made up is refused before anything else is looked at."""
    statuses = {call(case, service).status_code}
    if case.query.pop("model", None) is not None:
        statuses.add(call(case, service).status_code)
    return statuses


@api.parametrize()
@asked_for_a_while
def test_anyone_gets_only_answers_that_are_described(case: Case, service: str) -> None:
    ask(case, service)


@technicians_api.parametrize()
@asked_for_a_while
def test_the_technician_gets_only_answers_that_are_described(case: Case, technicians_service: str) -> None:
    case.headers[HEADER] = CODE
    assert 403 not in ask(case, technicians_service)


@pytest.mark.parametrize("query", [{"lang": "en"}, {"lang": "fr", "model": "bach"}], ids=str)
def test_readings_of_real_pictures_are_as_they_are_described(service: str, query: dict[str, Any]) -> None:
    operation = api["/api/v1/readings"]["POST"]
    accepted = []
    for data in (BLACK, *(path.read_bytes() for path in sorted(SAMPLES.glob("*.jpg")))):
        answer = call(operation.Case(query=query, body=data, media_type="application/octet-stream"), service)
        accepted.append(answer.json()["verdict"]["accepted"])
    assert {True, False} == set(accepted)


def test_the_reading_of_a_section_is_as_it_is_described(service: str, tmp_path: Path) -> None:
    file = tmp_path / "section.png"
    draw_section(sorted(SAMPLES.glob("texture-*.jpg")), SAMPLES / "foreign-landscape.jpg", file)
    operation, query = api["/api/v1/readings"]["POST"], {"um_per_px": UM_PER_PX, "model": "bach"}
    case = operation.Case(query=query, body=file.read_bytes(), media_type="application/octet-stream")
    assert call(case, service).json()["section"]["read"] > 1


def test_a_preview_is_as_it_is_described(service: str) -> None:
    case = api["/api/v1/previews"]["POST"].Case(body=BLACK, media_type="application/octet-stream")
    assert call(case, service).headers["content-type"] == ["image/jpeg"]


def test_names_are_as_they_are_described_on_their_way_to_another_box(technicians_service: str) -> None:
    unit, names = api["/api/v1/units/{unit}/name"], api["/api/v1/units/names"]
    given: dict[str, Any] = {"text": "pale swirls", "expert": "AB"}
    named = unit["PUT"].Case(path_parameters={"unit": 6}, body=given, media_type="application/json")
    assert call(named, technicians_service).json()["names"][0]["experts"] == 1
    export = call(names["GET"].Case(), technicians_service).json()
    removal = names["DELETE"].Case(headers={HEADER: CODE})
    assert call(removal, technicians_service).json()["removed"] > 0
    imported = names["PUT"].Case(body=export, headers={HEADER: CODE}, media_type="application/json")
    assert call(imported, technicians_service).json() == {"imported": len(export["names"])}
    assert call(api["/api/v1/units"]["GET"].Case(), technicians_service).json()["units"]


def test_every_route_of_the_api_is_described_and_no_other(app: Flask, client: FlaskClient) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(("/api/", "/healthz", "/readyz"))]
    served = {(m, path_of(rule)) for rule in rules for m in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    paths = client.get("/api/v1/openapi.json").get_json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == served
    assert all(methods_of(rule) for rule in rules)


def test_a_route_that_nobody_described_is_found(bundle: Bundle, tmp_path: Path) -> None:
    box = Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "store.sqlite")
    app = create_app(box, bundle)
    app.add_url_rule("/api/v1/new", view_func=lambda: "", endpoint="new")
    with pytest.raises(LookupError, match="new is not described"):
        openapi_document(app, box)


def test_the_document_keeps_the_rules_of_openapi(client: FlaskClient) -> None:
    answer = client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    document: dict[str, Any] = answer.get_json()
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()
    assert client.get("/api/v1/openapi.json").data == answer.data


def test_patterns_and_descriptions_are_those_of_any_program_and_any_python(client: FlaskClient) -> None:
    """In JavaScript's expressions `\\Z` is the letter Z: a valid name would fit no pattern that ends so."""
    text = client.get("/api/v1/openapi.json").text
    assert '"pattern":"^' in text.replace(" ", "")
    assert r"\\Z" not in text
    assert r"\n " not in text


def test_all_that_the_document_refers_to_is_in_it(client: FlaskClient) -> None:
    text = client.get("/api/v1/openapi.json").text
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert referred == set(json.loads(text)["components"]["schemas"])


def test_each_error_is_described_with_its_own_code_status_and_facts(client: FlaskClient) -> None:
    described: dict[str, Any] = client.get("/api/v1/openapi.json").get_json()
    refusals = described["paths"]["/api/v1/readings"]["post"]["responses"]
    assert "`too_many_pixels`" in refusals["422"]["description"]
    assert refusals["503"]["headers"]["Retry-After"]["schema"] == {"type": "integer", "minimum": 1}
    too_many = described["components"]["schemas"]["Problem.too_many_pixels"]["allOf"][1]["properties"]
    assert (too_many["status"]["const"], too_many["type"]["const"]) == (422, "urn:loupe:error:too_many_pixels")
    assert too_many["facts"]["required"] == ["width", "height", "limit_megapixels"]
    assert too_many["facts"]["properties"]["width"] == {"type": "integer"}
