"""The door's own answers, in the words and the form of the app's problems (`device/web/problems.py`): to what isn't
HTTP, comes too slowly or is too much. They repeat nothing that was sent."""

from __future__ import annotations

from http import HTTPStatus

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from device.base.errors import LoupeError
from device.base.texts import DEFAULT_LANGUAGE, LANGUAGES, error_words
from device.web.door.answer import Answer
from device.web.problems import PROBLEM, RETRY_FACT, http_words, problem_bytes

LANGUAGE_CHARACTERS = 200  # of Accept-Language; browsers send a few dozen


def language_of(accept_language: str) -> str:
    """The language that a request's header asks for, else the default."""
    accepted = parse_accept_header(accept_language[:LANGUAGE_CHARACTERS], LanguageAccept)
    return accepted.best_match(LANGUAGES) or DEFAULT_LANGUAGE


def refusal(cause: LoupeError | HTTPStatus, language: str) -> Answer:
    """The answer to a request that the app never sees: a named error, or a status of HTTP."""
    headers = [
        (b"Content-Type", PROBLEM.encode()),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
    ]
    if isinstance(cause, LoupeError):
        status = cause.status
        body = problem_bytes(status, cause.code, error_words(cause, language), cause.facts)
        if RETRY_FACT in cause.facts:
            headers.append((b"Retry-After", str(cause.facts[RETRY_FACT]).encode()))
    else:
        status = cause.value
        facts: dict[str, str | int | float] = {"status": status}
        body = problem_bytes(status, f"http_{status}", http_words(status, facts, language), facts)
    return Answer(status, HTTPStatus(status).phrase.encode(), tuple(headers), body)
