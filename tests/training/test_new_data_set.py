"""The walk-through of docs/researchers/datasets.md, followed: a new data set is one module and one recipe, nothing else.

Modules and recipe are taken from the page and put beside a copy of `training/`, whose own commands then read drawn
miniatures: one whose names say what a picture shows, and one with a table.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.shipped import ROOT
from training.drawn.phantoms import draw

PAGE = (ROOT / "docs/researchers/datasets.md").read_text(encoding="utf-8")
WALK = PAGE.split("## Add a data set")[1].split("\n## ")[0]
MODULE, TABLE_MODULE = re.findall(r"```python\n(.*?)```", WALK, re.DOTALL)
RECIPE = re.search(r"```toml\n(.*?)```", WALK, re.DOTALL)
COMMANDS = re.findall(r"^    \.venv/bin/loupe-train (.*)$", WALK, re.MULTILINE)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `training/` with the page's module and recipe in it, and a drawn set of eight patients."""
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copytree(ROOT / "training", folder / "training", ignore=shutil.ignore_patterns("__pycache__"))
    assert RECIPE
    (folder / "training/data/adapters/rivers.py").write_text(MODULE, encoding="utf-8")
    (folder / "training/data/adapters/lakes.py").write_text(TABLE_MODULE, encoding="utf-8")
    (folder / "training/recipes/rivers.toml").write_text(RECIPE[1], encoding="utf-8")
    for number in range(32):
        kind, label = (("benign", "benign"), ("invasive", "malignant"))[number % 2]
        file = folder / f"set/P{number // 4:02}/{label}-{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(kind, number, 192, 144).pixels).save(file)
    shutil.copy(file, file.with_name("overview.png"))
    draw_lakes(folder / "lakes")
    return folder


def draw_lakes(folder: Path) -> None:
    """Two patients in nested folders, and a table as Excel saves it, with lines that no sample can come of."""
    rows = [("file", "patient", "finding"), ("2023/absent.png", "P1", "Carcinoma")]
    for number in range(8):
        kind, finding = (("benign", "Fibroadenoma"), ("invasive", "Carcinoma"))[number % 2]
        file = folder / f"202{number % 3}/tray/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(kind, number, 192, 144).pixels).save(file)
        rows.append((file.relative_to(folder).as_posix(), f"P{number // 4}", "Unclear" if number == 7 else finding))
    rows.append(rows[-2])
    shutil.copy(file, folder / "overview.png")
    with (folder / "findings.csv").open("w", encoding="utf-8-sig", newline="") as table:
        csv.writer(table, delimiter=";").writerows(rows)


def run(workshop: Path, command: str) -> str:
    """What a command of the page prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "training.cli", *command.replace("DIR", "set").split()],
        cwd=workshop,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(workshop), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_steps_of_the_page_are_these() -> None:
    assert COMMANDS == [
        "data check DIR --adapter rivers", "data check DIR --recipe rivers", "data split rivers --data DIR",
        "crossval rivers --data DIR --epochs 0 --out runs/look",
        "crossval rivers --data DIR",
        "evaluate rivers --readings runs/rivers-crossval/readings.parquet",
        "fit rivers --data DIR --everything",
        "pack rivers --data DIR --crossval runs/rivers-crossval --bundle runs/rivers.loupe "
        "--key ../try.pem --keys runs/keys",
        "results runs/rivers-crossval --keep",
    ]  # fmt: skip


def test_a_set_is_read_by_its_module_alone(workshop: Path) -> None:
    printed = run(workshop, COMMANDS[0])
    assert "its name is not PATIENT/CLASS-NUMBER.png" in printed
    report = json.loads((workshop / "runs/check-set/check.json").read_text(encoding="utf-8"))
    assert report["adapter"] == "rivers"


def test_its_recipe_says_nothing_that_cannot_be_so_and_splits_by_patient(workshop: Path) -> None:
    assert "rivers: data." not in run(workshop, COMMANDS[1])  # no doubt about scale, name or terms
    (note,) = (line for line in run(workshop, COMMANDS[2]).splitlines() if line.startswith("note: "))
    assert "overview.png is left out" in note
    split = json.loads((workshop / "split.json").read_text(encoding="utf-8"))
    groups = {part: {sample["group"] for sample in samples} for part, samples in split["parts"].items()}
    assert set.union(*groups.values()) == {f"P{number:02}" for number in range(8)}
    assert sum(map(len, groups.values())) == 8


def test_a_set_with_a_table_is_read_by_its_module_alone(workshop: Path) -> None:
    run(workshop, "data check lakes --adapter lakes")
    report = json.loads((workshop / "runs/check-lakes/check.json").read_text(encoding="utf-8"))
    assert report["groups"] == {"P0": {"benign": 2, "malignant": 2}, "P1": {"benign": 2, "malignant": 1}}
    twice, unclear, unlisted = report["notes"]
    assert "2 files are left out, the first 2023/absent.png: findings.csv names it, but it isn't there" in twice
    assert "2021/tray/7.png is left out: its finding in findings.csv is no class" in unclear
    assert "1 other picture left out, the first overview.png" in unlisted
