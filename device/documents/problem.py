"""What is wrong with the box beside any request: with the store, a file, or the readers."""

from __future__ import annotations

from typing import Annotated

from device.base.errors import LoupeError
from device.base.texts import error_words
from device.documents.records import Record, about


class ProblemWords(Record, frozen=True):
    """Something that is wrong."""

    code: Annotated[str, about("The error's code, for programs.")]
    title: Annotated[str, about("What is wrong, in a few words.")]
    detail: Annotated[str, about("What exactly.")]
    next_step: Annotated[str, about("What to do.")]


def problem_words(error: LoupeError, language: str) -> ProblemWords:
    """Code and words of what is wrong."""
    return ProblemWords(code=error.code, **error_words(error, language))
