"""Values that the page's scripts share with the box: each is defined once, in Python, where it is used.

    python -m tools.page_constants        (or `make generated`)

writes device/web/static/constants.js from them, because the box serves its scripts as they are and a browser that is a few
years old imports no JSON. A test says when the file is stale.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from device.base.errors import (
    FieldTooCoarse,
    FieldTooSmall,
    InstrumentOtherShape,
    InstrumentUnknown,
    ScaleInvalid,
    SectionTooLarge,
    TechnicianCodeNeeded,
    TechnicianCodeWrong,
)
from device.base.texts import LEAST_SHARE, MOST_SHARE, PLACE
from device.documents import overlay
from device.documents.reading_document import SCHEMA
from device.reading.gate import CAUTION_BELOW_P, REASON_OF_QUESTION, SCALE
from device.reading.sections import STEPS, WHOLE_UP_TO
from device.storage.names import NAME_LIMIT
from device.web.technician import HEADER

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "device" / "web" / "static" / "constants.js"
HEAD = """\
// Values that the page shares with the box. Written by `make generated` from tools/page_constants.py, which says where
// each is defined. Don't change them here.

"""
Value = str | float | list[int] | list[float] | list[str] | dict[str, list[int]]

# The name in the scripts -> what it is, and its value.
CONSTANTS: dict[str, tuple[str, Value]] = {
    "READING_SCHEMA": ("`schema` of a reading's document.", SCHEMA),
    "PLACE_PATTERN": ("Regular expression of a fact's place in a text.", PLACE.pattern),
    "LEAST_SHARE": ("A share below this is written as “below 1 %”.", LEAST_SHARE),
    "MOST_SHARE": ("A share above this is written as “above 99 %”.", MOST_SHARE),
    "CAUTION_BELOW_P": ("A picture with a p-value below this is read with caution.", CAUTION_BELOW_P),
    "WHOLE_UP_TO": ("A picture of so many times the model's area is still read whole.", WHOLE_UP_TO),
    "WINDOW_STEPS": ("Windows of a section that start within one window's side.", STEPS),
    "AGAINST_RGB": (
        "Weak and strong evidence against a class.",
        dict(zip(("weak", "strong"), overlay.AGAINST_RGB.tolist(), strict=True)),
    ),
    "FOR_RGB": (
        "Weak and strong evidence for a class.",
        dict(zip(("weak", "strong"), overlay.FOR_RGB.tolist(), strict=True)),
    ),
    "WEAK_OPACITY": ("Opacity of a map's colours where evidence is just not left blank.", float(overlay.OPACITY[0])),
    "STRONG_OPACITY": ("Opacity of a map's colours where evidence reaches the scale's end.", float(overlay.OPACITY[1])),
    "NEARLY_ALL": ("Where a larger share of a picture looks foreign, hatching tells nothing.", overlay.NEARLY_ALL),
    "HATCHES": ("Hatching lines along the longer side.", overlay.HATCHES),
    "HATCH_DARK_RGB": ("The wider line of a hatch.", list(overlay.DARK_RGB)),
    "HATCH_LIGHT_RGB": ("The narrower line on it.", list(overlay.LIGHT_RGB)),
    "HATCH_DARK_WIDTH": ("As a share of the gap between two lines.", overlay.DARK_WIDTH),
    "HATCH_LIGHT_WIDTH": ("As a share of the gap between two lines.", overlay.LIGHT_WIDTH),
    "OVERLAY_LONGEST_PX": ("Longer side of a saved picture.", overlay.LONGEST_PX),
    "UNIT_NAME_LIMIT": ("Characters of a unit's name.", NAME_LIMIT),
    "SCALE_ERRORS": (
        "Errors and refusals that the given size of a pixel may have caused.",
        [
            each.code
            for each in (
                ScaleInvalid,
                FieldTooSmall,
                FieldTooCoarse,
                SectionTooLarge,
                InstrumentOtherShape,
                InstrumentUnknown,
            )
        ]
        + [REASON_OF_QUESTION[SCALE]],
    ),
    "FOREIGN_REASONS": (
        "Refusals of pictures that look otherwise than those that the model knows, as they do at another scale.",
        list(REASON_OF_QUESTION.values()),
    ),
    "CODE_HEADER": ("Header with the technician's code.", HEADER),
    "CODE_ERRORS": (
        "Errors after which the technician is asked for the code.",
        [TechnicianCodeNeeded.code, TechnicianCodeWrong.code],
    ),
}


def script() -> str:
    """The text of `static/constants.js`."""
    lines = (
        f"/** {about} */\nexport const {name} = {json.dumps(value, ensure_ascii=False)};\n"
        for name, (about, value) in CONSTANTS.items()
    )
    return HEAD + "\n".join(lines)


if __name__ == "__main__":
    SCRIPT.write_text(script(), encoding="utf-8")
    print(f"wrote {os.path.relpath(SCRIPT)}")
