"""The page's own font: the files are those that were pinned, and they hold all letters of the box's words."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.util import module_from_spec, spec_from_file_location

from tests.support.shipped import ROOT

STATIC = ROOT / "device" / "web" / "static"


def covered() -> set[int]:
    """Code points that `fonts.css` has a file for."""
    ranges = re.findall(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?", (STATIC / "fonts.css").read_text(encoding="utf-8"))
    return {point for first, last in ranges for point in range(int(first, 16), int(last or first, 16) + 1)}


def test_the_font_files_are_those_that_were_pinned():
    spec = spec_from_file_location("vendor_fonts", ROOT / "provisioning" / "vendor_fonts.py")
    assert spec is not None
    assert spec.loader is not None
    vendor_fonts = module_from_spec(spec)
    spec.loader.exec_module(vendor_fonts)
    shipped = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (STATIC / "fonts").iterdir()}
    assert shipped == vendor_fonts.FILES_SHA256


def test_each_font_file_is_used():
    used = set(re.findall(r'url\("fonts/(.+?)"\)', (STATIC / "fonts.css").read_text(encoding="utf-8")))
    assert used == {path.name for path in (STATIC / "fonts").glob("*.woff2")}


def test_the_font_has_all_letters_of_the_words_in_both_languages():
    files = [
        *(ROOT / "device" / "base" / "texts").glob("*.json"),
        *(ROOT / "device" / "storage" / "lexicons").glob("*.json"),
    ]
    written = "".join(json.dumps(json.loads(file.read_text(encoding="utf-8")), ensure_ascii=False) for file in files)
    written += "".join(file.read_text(encoding="utf-8") for file in (STATIC.parent / "templates").glob("*.html"))
    scripts = "".join(file.read_text(encoding="utf-8") for file in STATIC.glob("*.js"))
    escaped = {int(code, 16) for code in re.findall(r"\\u([0-9a-f]{4})", scripts)}
    missing = {chr(point) for point in {*map(ord, written), *escaped} - covered()}
    assert missing == set()
