"""Cases and sides of the benchmark's sets, in words that every module uses."""

from __future__ import annotations

UNRELATED, ACQUISITION, CONTENT, CLASS = "unrelated", "acquisition", "content", "class"
CASES = {
    UNRELATED: "unrelated pictures",
    ACQUISITION: "wrong acquisition",
    CONTENT: "unseen content",
    CLASS: "class left out",
}

VALIDATION, TEST = "validation", "test"
"""The detector that ships is chosen on the first; the second is only reported."""
