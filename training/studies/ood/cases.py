"""What a foreign set shows (its case), and whether it serves to choose a detector or to report on it (its side)."""

from __future__ import annotations

UNRELATED, ACQUISITION, CONTENT, CLASS = "unrelated", "acquisition", "content", "class"
CASES = {
    UNRELATED: "unrelated pictures",
    ACQUISITION: "wrong acquisition",
    CONTENT: "unseen content",
    CLASS: "class left out",
}

VALIDATION, TEST = "validation", "test"
"""The sides: the best detector is chosen on validation sets; test sets are only reported."""
