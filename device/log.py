"""What the box writes to its log: standard error, which systemd keeps in the journal. Nothing in it is about a picture."""

from __future__ import annotations

import logging

from device.errors import LoupeError
from device.texts import DEFAULT_LANGUAGE, error_words

LOG = logging.getLogger("loupe")  # without handlers of its own it writes warnings to standard error as they are


def error_line(error: LoupeError, language: str, before_step: str = " ") -> str:
    """An error as the command line and the log tell it: what, why, and the next step."""
    told = error_words(error, language)
    return f"{told['title']}. {told['detail']}{before_step}→ {told['next_step']} [{error.code}]"


def warn(problem: LoupeError) -> None:
    """Log what is wrong beside the product, and doesn't stop it."""
    LOG.warning("%s", error_line(problem, DEFAULT_LANGUAGE))
