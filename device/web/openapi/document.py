"""The API's description in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1).

It is made of the app's own routes, of what stands beside each view, of the records of documents, queries and bodies,
and of the named errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flask import Flask
from werkzeug.routing import Rule

from device import __version__
from device.base.json_schema import schemas_of
from device.base.texts import DEFAULT_LANGUAGE, words
from device.settings import Settings
from device.web.incoming.body_limits import limit_of
from device.web.incoming.form import FIELD
from device.web.incoming.head import MOST_DIGITS
from device.web.openapi.operations import JSON, OCTETS, PICTURE, REF, Json, Operation, operation_of
from device.web.openapi.problems import causes_of, responses_of
from device.web.problems import MACHINE_PATHS, Problem
from device.web.technician import HEADER, NEEDED

OPENAPI = "3.1.1"
TECHNICIAN = "technician"
NUMBER: Json = {"type": "integer", "minimum": 0, "maximum": 10**MOST_DIGITS - 1}
ID: Json = {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[a-z0-9][a-z0-9-]*$"}
IN_PATHS: dict[str, tuple[str, Json]] = {
    "unit": ("The number of a unit, from 0.", NUMBER),
    "rank": ("The place of a patch among those of its unit, from 0: the strongest.", NUMBER),
    "instrument": ("The id of an instrument.", ID),
    "picture": ("The number of a picture of the commissioning, from 1.", NUMBER),
    "profile": ("The id of a site profile, such as bach-3.", {"type": "string", "minLength": 1, "maxLength": 50}),
}
PLACE = re.compile(r"<(?:\w+:)?(\w+)>")  # of a number or an id in a route


def openapi_document(app: Flask, settings: Settings) -> Json:
    """The whole document of a box with these settings. Raises `LookupError` where a route of the API isn't
    described."""
    routes = [
        (rule, method, _operation_of(app, rule)) for rule in app.url_map.iter_rules() for method in methods_of(rule)
    ]
    sent = [record for _, _, operation in routes for record in (operation.body, operation.answer)]
    records = list(dict.fromkeys([Problem, *(record for record in sent if isinstance(record, type))]))
    references, schemas = schemas_of(records, REF)
    schema_of = dict(zip(records, references, strict=True))
    paths: Json = {}
    for rule, method, operation in routes:
        causes = causes_of(rule, method, operation)
        schemas |= {cause.schema_name: cause.schema for cause in causes}
        paths.setdefault(path_of(rule), {})[method.lower()] = {
            "operationId": app.view_functions[rule.endpoint].__name__,
            "tags": [rule.endpoint.partition(".")[0]],
            "summary": operation.summary,
            "parameters": [*_in_path(rule), *_in_query(operation.query)],
            **_request_body(operation.body, limit_of(method, PLACE.sub("0", rule.rule), settings), schema_of),
            "responses": {"200": _answer(operation, schema_of), **dict(responses_of(causes))},
            "security": [{TECHNICIAN: []}] if (method, rule.rule) in NEEDED else [],
        }
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Loupe",
            "version": __version__,
            "description": words(DEFAULT_LANGUAGE)["notice"],
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {TECHNICIAN: {"type": "apiKey", "in": "header", "name": HEADER}},
        },
    }


def _operation_of(app: Flask, rule: Rule) -> Operation:
    operation = operation_of(app.view_functions[rule.endpoint])
    if operation is None:
        raise LookupError(f"{rule.endpoint} is not described by `operation` (device/web/openapi/operations.py)")
    return operation


def methods_of(rule: Rule) -> list[str]:
    """The methods of a route that are described: none outside the API, and not those that Flask adds to each."""
    if not rule.rule.startswith(MACHINE_PATHS):
        return []
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def path_of(rule: Rule) -> str:
    """A route's address as OpenAPI writes it: `/api/v1/units/{unit}`."""
    return PLACE.sub(r"{\1}", rule.rule)


def _in_path(rule: Rule) -> Iterator[Json]:
    for name in PLACE.findall(rule.rule):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": IN_PATHS[name][0],
            "schema": IN_PATHS[name][1],
        }


def _in_query(record: type | None) -> Iterator[Json]:
    if record is None:
        return
    schema = schemas_of([record], REF)[1][record.__name__]
    for name, described in schema["properties"].items():
        description = described.pop("description")
        required = name in schema["required"]
        yield {"name": name, "in": "query", "required": required, "description": description, "schema": described}


def _request_body(body: type | str | None, limit: int, schema_of: Mapping[type, Json]) -> Json:
    """`limit` in bytes."""
    if body is None:
        return {}
    if isinstance(body, type):
        content: Json = {JSON: {"schema": schema_of[body]}}
    elif body == PICTURE:
        file = {"type": "string", "contentMediaType": OCTETS}
        form = {"type": "object", "properties": {FIELD: file}, "required": [FIELD]}
        content = {"multipart/form-data": {"schema": form}, OCTETS: {}}
    else:
        content = {OCTETS: {}}
    return {"requestBody": {"required": True, "description": f"At most {limit:,} bytes.", "content": content}}


def _answer(operation: Operation, schema_of: Mapping[type, Json]) -> Json:
    answer = operation.answer
    content: Json = {answer: {}} if isinstance(answer, str) else {JSON: {"schema": schema_of[answer]}}
    return {"description": operation.summary, "content": content}
