"""What each route of the API takes and answers, in the terms of OpenAPI: said beside the view by `operation`, gathered
by `document.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from device.base.errors import (
    BundleChanged,
    GoldenMismatch,
    LoupeError,
    ModelUnusable,
    ReadersLost,
    RuntimeMissing,
    SelfTestFailed,
)

Json = dict[str, Any]  # of JSON Schema and OpenAPI, whose keys are not ours
REF = "#/components/schemas/{name}"
PICTURE = "picture"  # a body: a picture file, as a form's field or alone
FILE = "file"  # a body: any other file
JSON, JPEG, OCTETS = "application/json", "image/jpeg", "application/octet-stream"
Errors = tuple[type[LoupeError], ...]
READERS_FAIL: Errors = (BundleChanged, GoldenMismatch, ModelUnusable, ReadersLost, RuntimeMissing, SelfTestFailed)


@dataclass(frozen=True)
class Operation:
    """`query`: a record of the query's parameters. `body`: a record that is sent as JSON, `PICTURE`, `FILE`, or None.
    `answer`: a record, or the media type of what isn't JSON. `errors`: those of its own, beside what any request may meet;
    a base class stands for all errors below it."""

    summary: str
    query: type | None
    body: type | str | None
    answer: type | str
    errors: Errors


View = TypeVar("View", bound=Callable[..., object])
_OPERATIONS: dict[Callable[..., object], Operation] = {}


def operation(
    summary: str,
    *,
    answer: type | str,
    query: type | None = None,
    body: type | str | None = None,
    errors: Errors = (),
) -> Callable[[View], View]:
    """A decorator of a view, to be written below its route."""

    def describe(view: View) -> View:
        _OPERATIONS[view] = Operation(summary, query, body, answer, errors)
        return view

    return describe


def operation_of(view: Callable[..., object]) -> Operation | None:
    """What was said of a view; None where it isn't one of the API's."""
    return _OPERATIONS.get(view)
