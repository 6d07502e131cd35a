"""Each floor of device/ imports only those below it, training/ only how a picture is read (rules: `pyproject.toml`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.support.shipped import ROOT

CHECK = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def test_imports_keep_to_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    printed = capsys.readouterr().out
    assert status == 0, printed.partition("Broken contracts")[2]
    assert "0 broken" in printed


def test_an_import_of_a_higher_floor_is_named(tmp_path: Path) -> None:
    for package in ("device", "training"):
        for module in (ROOT / package).rglob("*.py"):
            copy = tmp_path / module.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, copy)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "device/reading/maps.py").open("a") as source:
        source.write("import device.documents.health\n")
    checked = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 1, checked.stderr
    assert "device.reading.maps -> device.documents.health" in checked.stdout
