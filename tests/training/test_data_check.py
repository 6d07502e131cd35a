"""`loupe-train data check` and `data split`: the facts are right, and told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from training.cli import main
from training.data import Sample, Split
from training.data.check import check, confounding, cramers_v
from training.data.sample import POSSIBLE, UNKNOWN

RECIPE = """
id = "own"
version = "1.0.0"
title = { en = "Own", fr = "Le nôtre" }
modality = "histology"
labels = [{ id = "ill", name = { en = "Ill", fr = "Malade" } }, { id = "well", name = { en = "Well", fr = "Sain" } }]
[data]
adapter = "folder"
name = "own"
source = "here"
terms = "ours"
um_per_px = 1.0
area_px = 9216
[answer]
concern = []

[fit]
epochs = 1
batch = 2
square_px = [96]
"""


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    PIL.Image.fromarray(noise).resize((96, 96)).save(path)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two classes of twelve pictures, six patients; in the first four each has one class only."""
    folder = tmp_path / "own"
    lines = ["file,group"]
    for number in range(24):
        label = "ill" if number % 2 else "well"
        draw(folder / label / f"{number}.png", number)
        lines.append(f"{label}/{number}.png,p{number % 4 if number < 16 else 4 + number // 20}")
    (folder / "groups.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_check_tells_counts_copies_and_unreadable_files(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "groups.csv").unlink()
    with PIL.Image.open(own / "ill/1.png") as picture:
        picture.save(own / "well/again.jpg", quality=60)
    (own / "well/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    out, groups = tmp_path / "out", tmp_path / "groups.csv"
    assert main(["data", "check", str(own), "--out", str(out), "--groups", str(groups)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"pictures\s*│\s*12 │\s*14", told)
    facts = json.loads((out / "check.json").read_text())
    assert facts["classes"]["well"] == {"pictures": 14, "groups": 14}
    assert list(facts["unreadable"]) == ["well/broken.png"]
    (copy,) = facts["copies"]
    assert (copy["first"], copy["second"]) == ("ill/1.png", "well/again.jpg")
    assert not copy["same_group"]
    assert not copy["same_class"]
    page = (out / "check.html").read_text()
    assert "well/again.jpg" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)  # self-contained
    # The groups that it wrote are those in which the copy is with what it copies.
    groups.rename(own / "groups.csv")
    assert main(["data", "check", str(own), "--out", str(out)]) == 0
    (copy,) = json.loads((out / "check.json").read_text())["copies"]
    assert copy["same_group"]


def test_split_writes_a_file_that_reads_back_and_refuses_leaks(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tmp_path / "own.toml", tmp_path / "split.json"
    recipe.write_text(RECIPE)
    arguments = ["data", "split", str(recipe), "--data", str(own), "--out", str(out)]
    assert main(arguments) == 0
    split = Split.load(out)
    assert sum(len(samples) for samples in split.parts.values()) == 24
    assert split.sha256 in capsys.readouterr().out
    out.unlink()
    (own / "groups.csv").unlink()
    for number in range(1, 24, 2):  # all ill pictures are one picture
        draw(own / "ill" / f"{number}.png", 1)
    assert main(arguments) == 1
    assert "are identical" in capsys.readouterr().err
    assert not out.exists()


def test_arguments_that_make_no_sense_are_named(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, named in (
        (["--adapter", "kaggle"], "kaggle"),
        (["--option", "um_per_px"], "NAME=VALUE"),
        (["--option", "scale=2"], "scale"),
    ):
        assert main(["data", "check", str(own), *arguments]) == 1
        assert named in capsys.readouterr().err


def test_pictures_that_may_be_of_several_classes_are_told_and_stand_in_no_table(tmp_path: Path) -> None:
    for seed, file in enumerate(("0/a.png", "1/b.png", "0/c.png")):
        draw(tmp_path / file, seed)
    samples = [
        Sample("0/a.png", 0, "a"),
        Sample("1/b.png", 1, "b"),
        Sample("0/c.png", UNKNOWN, "c", extra={POSSIBLE: "0|1"}),
    ]
    checked = check(tmp_path, "folder", ("ill", "well"), samples, [])
    assert checked.files == 3
    assert checked.groups == ["a", "b"]
    assert checked.table.tolist() == [[1, 0], [0, 1]]
    assert checked.notes == ["Labels that leave several classes open: 1. Their pictures are in no table of classes"]


def test_confounding_of_class_with_patient() -> None:
    groups = ["a", "b", "c", "d"]
    apart = confounding(np.array([[50, 0], [50, 0], [0, 50], [0, 50]]), groups)
    assert (apart.pure_groups, apart.by_group, apart.by_majority, apart.mixed) == (1, 1, 0.5, [])
    assert apart.cramers_v == pytest.approx(1, abs=0.01)
    assert "strongly" in apart.words()[0]
    mixed = confounding(np.array([[25, 25]] * 4), groups)
    assert (mixed.pure_groups, mixed.by_group, mixed.cramers_v, mixed.mixed) == (0, 0.5, 0, groups)
    alone = confounding(np.array([[1, 0], [0, 1], [1, 0], [0, 1]]), groups)
    assert alone.cramers_v is None
    assert "a group of its own" in alone.words()[0]


def test_many_small_groups_do_not_look_linked_by_chance() -> None:
    table = np.random.default_rng(1).multinomial(4, [0.5, 0.5], 300)
    uncorrected = np.sqrt(sum((row - 2) ** 2 / 2 for row in table.ravel()) / table.sum())
    assert uncorrected > 0.4
    assert cramers_v(table) < 0.15
