"""Cases and sides of the benchmark's sets, in words that every module uses."""

from __future__ import annotations

UNRELATED, ACQUISITION, CONTENT = "unrelated", "acquisition", "content"
CASES = {
    UNRELATED: "unrelated pictures",
    ACQUISITION: "wrong acquisition",
    CONTENT: "unseen content",
}

VALIDATION, TEST = "validation", "test"
"""The detector that ships is chosen on the first; the second is only reported."""
