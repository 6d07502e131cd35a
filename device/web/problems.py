"""How the service says no: `application/problem+json` (RFC 9457, `docs/engineers/api.md`), or a page for a browser.

Named errors bring their words (`device/base/errors.py`). What Flask and Werkzeug raise by themselves, from an unknown
address to a fault in the code, gets those of `http` in `device/base/texts`: no message of theirs reaches anyone,
because it may describe the inside of the program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

import msgspec
from flask import Flask, Response, render_template, request
from msgspec import Meta
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from device.base.errors import Fact, LoupeError, echoed
from device.base.texts import error_words, fill, words
from device.settings import Settings
from device.web.incoming.body_limits import too_large
from device.web.incoming.query import language

PROBLEM, PAGE = "application/problem+json", "text/html"
MACHINE_PATHS = ("/api/", "/healthz", "/readyz")
RETRY_FACT = "retry_after_s"  # of errors that pass by themselves
KEPT_HEADERS = ("Allow", "Content-Range", "Retry-After")


class Problem(msgspec.Struct, frozen=True):
    """What an answer is that says no."""

    type: Annotated[str, Meta(description="A URI for the code.")]
    status: Annotated[int, Meta(description="The status of HTTP.")]
    code: Annotated[str, Meta(description="What a program matches.")]
    title: Annotated[str, Meta(description="What happened, in a few words of the reader's language.")]
    detail: Annotated[str, Meta(description="What happened, in a sentence or two.")]
    next_step: Annotated[str, Meta(description="What the reader can do.")]
    facts: Annotated[dict[str, Fact], Meta(description="The numbers and names that the words mention.")]


def add_problem_handlers(app: Flask, settings: Settings) -> None:
    """Answer named errors and those of HTTP."""

    def answer_named(error: LoupeError) -> Response:
        _let_go_of_frames(error)
        response = _answer(error.status, error.code, error_words(error, language()), error.facts, language())
        if RETRY_FACT in error.facts:
            response.headers["Retry-After"] = str(error.facts[RETRY_FACT])
        return response

    def answer_http(error: HTTPException) -> Response:
        if isinstance(error, RequestEntityTooLarge) and _exceeds_limit():
            return answer_named(too_large(request.method, request.path, settings))
        _let_go_of_frames(getattr(error, "original_exception", None))
        status = error.code or 500
        headers = dict(error.get_headers(request.environ))
        facts: dict[str, Fact] = {"status": status}
        if isinstance(error, MethodNotAllowed):
            facts |= {"method": echoed(request.method), "allowed": headers.get("Allow", "–")}
        response = _answer(status, f"http_{status}", http_words(status, facts, language()), facts, language())
        response.headers.update({name: headers[name] for name in KEPT_HEADERS if name in headers})
        return response

    app.register_error_handler(LoupeError, answer_named)
    app.register_error_handler(HTTPException, answer_http)


def _let_go_of_frames(error: BaseException | None) -> None:
    """An error that a frame of its own traceback keeps as a variable is a ring, and with it the picture that was sent
    stays until Python looks for such rings."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def http_words(status: int, facts: Mapping[str, Fact], language: str) -> dict[str, str]:
    """The `title`, `detail` and `next_step` of an HTTP status; one that has none of its own gets those of its
    hundred."""
    by_status: Mapping[str, Mapping[str, str]] = words(language)["http"]
    parts = by_status.get(str(status), by_status["5xx" if status >= 500 else "4xx"])
    return {part: fill(text, facts, language) for part, text in parts.items()}


def _exceeds_limit() -> bool:
    """Whether what was sent is too large as a whole, and not only a form of too many parts."""
    return request.content_length is None or request.content_length > (request.max_content_length or 0)


def _asks_for_page() -> bool:
    """Whether a person's browser asks, at an address where pages are."""
    accepted = request.accept_mimetypes
    return not request.path.startswith(MACHINE_PATHS) and accepted.quality(PAGE) > accepted.quality(PROBLEM)


def _answer(status: int, code: str, texts: Mapping[str, str], facts: Mapping[str, Fact], language: str) -> Response:
    if _asks_for_page():
        page = render_template("problem.html", language=language, words=words(language), code=code, problem=texts)
        return Response(page, status, mimetype=PAGE)
    return Response(problem_bytes(status, code, texts, facts), status, mimetype=PROBLEM)


def problem_type(code: str) -> str:
    """The URI by which a code is known (RFC 9457)."""
    return f"urn:loupe:error:{code}"


def problem_bytes(status: int, code: str, texts: Mapping[str, str], facts: Mapping[str, Fact]) -> bytes:
    """A problem as JSON, `texts` being its title, detail and next step."""
    problem = Problem(
        problem_type(code), status, code, texts["title"], texts["detail"], texts["next_step"], dict(facts)
    )
    # A lone surrogate that was sent has no UTF-8; with its backslash it is JSON's own escape.
    return json.dumps(msgspec.structs.asdict(problem), ensure_ascii=False).encode(errors="backslashreplace")
