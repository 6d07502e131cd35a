"""The page's scripts: what they share with the box is the box's own, and they pass their own tests (`tests/page`)."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from device.documents.overlay import STRENGTH_OF_OVERLAY
from device.storage.names import EXPERT_LIMIT
from tests.support.shipped import ROOT
from tools import documents_types, page_constants

TEMPLATES = ROOT / "device" / "web" / "templates"
NODE = shutil.which("node")


def test_what_the_page_shares_with_the_box_is_the_boxs_own() -> None:
    written = page_constants.SCRIPT.read_text(encoding="utf-8")
    assert written == page_constants.script(), "write static/constants.js anew: make generated"


def test_each_shared_value_is_used_by_a_script() -> None:
    scripts = "".join(
        file.read_text(encoding="utf-8")
        for file in page_constants.SCRIPT.parent.glob("*.js")
        if file != page_constants.SCRIPT
    )
    assert [name for name in page_constants.CONSTANTS if not re.search(rf"\b{name}\b", scripts)] == []


@pytest.mark.skipif(not documents_types.TOOL.exists(), reason="needs what `make setup` puts into node_modules")
def test_the_scripts_know_the_documents_of_the_box() -> None:
    written = documents_types.FILE.read_text(encoding="utf-8")
    assert written == documents_types.types(), "write tools/page_types/documents.d.ts anew: make generated"


def test_fields_of_the_page_have_the_boxs_limits() -> None:
    page, survey = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.html", "units.html"))
    assert re.findall(r'id="opacity"[^>]* value="(\d+)"', page) == [f"{100 * STRENGTH_OF_OVERLAY:.0f}"]
    assert re.findall(r'id="expert" maxlength="(\d+)"', survey) == [str(EXPERT_LIMIT)]


@pytest.mark.skipif(NODE is None, reason="needs node (Debian: nodejs)")
def test_the_scripts_pass_their_own_tests() -> None:
    files = sorted(str(file) for file in (ROOT / "tests" / "page").glob("*.test.js"))
    assert files
    tried = subprocess.run([NODE or "", "--test", *files], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert tried.returncode == 0, tried.stdout + tried.stderr
