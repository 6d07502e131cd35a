"""Each floor of device/ imports only those below it, training/ only how a picture is read (rules: `pyproject.toml`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.shipped import ROOT

# In a process of its own: import-linter silences the loggers of the one that it runs in.
CHECK = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """The imports of device/ and training/ in a folder, held against the rules of the `pyproject.toml` there."""
    return subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_keep_to_the_rules() -> None:
    run = checked(ROOT)
    assert run.returncode == 0, run.stdout.partition("Broken contracts")[2] or run.stdout + run.stderr
    assert "0 broken" in run.stdout


def test_an_import_of_a_higher_floor_is_named(tmp_path: Path) -> None:
    for package in ("device", "training"):
        for module in (ROOT / package).rglob("*.py"):
            copy = tmp_path / module.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, copy)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "device/reading/maps.py").open("a") as source:
        source.write("import device.documents.health\n")
    run = checked(tmp_path)
    assert run.returncode == 1, run.stderr
    assert "device.reading.maps -> device.documents.health" in run.stdout
