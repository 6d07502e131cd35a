"""The answers that say no, as OpenAPI describes them.

Every error says which facts it has, so each code has a schema of its own; an answer with a status that several codes
share is one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import get_type_hints

import msgspec
from werkzeug.routing import Rule

from device.base.errors import (
    BodyTooLarge,
    Busy,
    JsonInvalid,
    JsonTooDeep,
    LoupeError,
    OtherOrigin,
    TechnicianCodeLater,
    TechnicianCodeNeeded,
    TechnicianCodeUnset,
    TechnicianCodeWrong,
    UnknownHost,
    UnknownModel,
    UploadTooLarge,
)
from device.base.texts import DEFAULT_LANGUAGE, words
from device.web.guards import SAFE_METHODS
from device.web.openapi.operations import PICTURE, REF, Json, Operation
from device.web.problems import PROBLEM, RETRY_FACT, Problem, http_words, problem_type
from device.web.technician import NEEDED

# What the box answers in terms of HTTP alone, whatever is asked (`device/web/door`, Werkzeug).
OF_ANY_REQUEST = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
)
PHRASES = {499: "Client Closed Request"}  # nginx's; Python has none for it


@dataclass(frozen=True)
class Cause:
    """Why a request is refused: code and status, the facts that the words mention, and whether it passes by itself."""

    code: str
    status: int
    facts: Mapping[str, Json]
    passes: bool

    @property
    def schema_name(self) -> str:
        return f"{Problem.__name__}.{self.code}"

    @property
    def schema(self) -> Json:
        """The schema of its problem, with its title in English."""
        errors = words(DEFAULT_LANGUAGE)["errors"]
        title = (errors[self.code] if self.code in errors else http_words(self.status, {}, DEFAULT_LANGUAGE))["title"]
        facts = {
            "type": "object",
            "properties": dict(self.facts),
            "required": list(self.facts),
            "additionalProperties": False,
        }
        own = {
            "type": {"const": problem_type(self.code)},
            "status": {"const": self.status},
            "code": {"const": self.code},
            "facts": facts,
        }
        return {"description": title, "allOf": [{"$ref": REF.format(name=Problem.__name__)}, {"properties": own}]}


def causes_of(rule: Rule, method: str, operation: Operation) -> list[Cause]:
    """All that can be wrong with a request to a route: for the view, for the guards and for the door. By code."""
    causes = [*map(_named, _errors_of(rule, method, operation)), *map(_plain, _statuses_of(rule, operation))]
    return sorted(causes, key=lambda cause: cause.code)


def responses_of(causes: Iterable[Cause]) -> Iterator[tuple[str, Json]]:
    """The answers that say no, by status."""
    by_status: dict[int, list[Cause]] = {}
    for cause in causes:
        by_status.setdefault(cause.status, []).append(cause)
    for status, those in sorted(by_status.items()):
        codes = ", ".join(f"`{cause.code}`" for cause in those)
        response: Json = {
            "description": f"{PHRASES.get(status) or HTTPStatus(status).phrase}: {codes}",
            "content": {PROBLEM: {"schema": _one_of(those)}},
        }
        if any(cause.passes for cause in those):
            after = {"description": "When to ask again, in seconds.", "schema": {"type": "integer", "minimum": 1}}
            response["headers"] = {"Retry-After": after}
        yield str(status), response


def _one_of(causes: Iterable[Cause]) -> Json:
    references = {cause.code: REF.format(name=cause.schema_name) for cause in causes}
    if len(references) == 1:
        return {"$ref": next(iter(references.values()))}
    return {
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "code", "mapping": references},
    }


def _named(error: type[LoupeError]) -> Cause:
    hints = get_type_hints(error)
    names = [field.name for field in fields(error)]  # type: ignore[arg-type]
    facts = {name: msgspec.json.schema(hints[name]) for name in names}
    return Cause(error.code, error.status, facts, passes=RETRY_FACT in names)


def _plain(status: HTTPStatus) -> Cause:
    return Cause(f"http_{status.value}", status.value, {"status": {"const": status.value}}, passes=False)


def _errors_of(rule: Rule, method: str, operation: Operation) -> set[type[LoupeError]]:
    errors: set[type[LoupeError]] = {UnknownHost, Busy, *_below(operation.errors)}
    errors.add(UploadTooLarge if operation.body == PICTURE else BodyTooLarge)
    if method not in SAFE_METHODS:
        errors.add(OtherOrigin)
    if isinstance(operation.body, type):
        errors |= {JsonInvalid, JsonTooDeep}
    if operation.query is not None and "model" in get_type_hints(operation.query):
        errors.add(UnknownModel)
    if (method, rule.rule) in NEEDED:
        errors |= {TechnicianCodeLater, TechnicianCodeNeeded, TechnicianCodeUnset, TechnicianCodeWrong}
    return errors


def _below(errors: Iterable[type[LoupeError]]) -> Iterator[type[LoupeError]]:
    """Errors that are raised: of a base class all that are below it."""
    for error in errors:
        if "code" in vars(error):
            yield error
        yield from _below(error.__subclasses__())


def _statuses_of(rule: Rule, operation: Operation) -> set[HTTPStatus]:
    """The statuses that have no error of their own."""
    statuses = set(OF_ANY_REQUEST)
    if operation.body == PICTURE:
        statuses.add(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)  # a form of too many parts
    if rule.arguments:
        statuses.add(HTTPStatus.NOT_FOUND)
    return statuses
