"""Drafted recipes are ones that load, with what was measured in them; a scale that can't be its pictures' is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from msgspec.structs import replace

from tests.support.shipped import ROOT, SHARED_DATA
from training.claims import doubts
from training.cli import main
from training.data import find_samples
from training.data.scale import scale_doubt
from training.errors import DataError
from training.quiet import error_output_aside
from training.recipe import load_recipe
from training.recipe_draft import draft, label_id


def draw(folder: Path, *files: str, size: tuple[int, int] = (160, 120)) -> Path:
    for seed, file in enumerate(files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
        PIL.Image.fromarray(noise).resize(size).save(folder / file)
    return folder


@pytest.mark.parametrize("modality", ["histology", "mammography", "ultrasound"])
@pytest.mark.parametrize("um_per_px", [None, 0.5])
def test_a_draft_loads_and_says_what_was_measured(tmp_path: Path, modality: str, um_per_px: float | None) -> None:
    names = [f"{label}/{number}.png" for label in ("Carcinoma in situ", "Normal") for number in range(4)]
    folder = draw(tmp_path / "My pictures", *names, size=(1024, 768))
    file = tmp_path / "mine.toml"
    drafted = draft(folder, "mine", modality, um_per_px)
    file.write_text(drafted.text)
    recipe = load_recipe(str(file))
    assert [label.id for label in recipe.labels] == ["carcinoma-in-situ", "normal"]
    assert recipe.labels[0].name.en == "Carcinoma in situ"
    assert recipe.data.area_px == 512 * 384
    assert recipe.data.um_per_px == (1.0 if um_per_px is None else um_per_px * 2)
    assert ("NOT KNOWN" in drafted.text) == (um_per_px is None)
    assert recipe.gate.unit == "picture"
    assert recipe.augmentation.upright == (modality == "ultrasound")
    samples = find_samples(recipe, folder)
    assert len(samples) == 8
    assert (scale_doubt(recipe, folder, samples) is None) == (um_per_px is not None)
    assert [doubt.split()[0] for doubt in doubts(str(file), recipe)] == [
        "answer.concern", "data.name", "data.source", "data.terms",
    ]  # fmt: skip


def test_small_pictures_and_few_patients_make_small_recipes(tmp_path: Path) -> None:
    folder = draw(tmp_path / "d", *(f"{label}/{n}.png" for label in ("a", "b") for n in range(3)), size=(96, 96))
    (folder / "groups.csv").write_text("file,group\n" + "".join(f"{x}/{n}.png,p{n}\n" for x in "ab" for n in range(3)))
    (tmp_path / "d.toml").write_text(draft(folder, "d", "histology", 1.0).text)
    recipe = load_recipe(str(tmp_path / "d.toml"))
    assert (recipe.data.area_px, recipe.fit.square_px, recipe.split.folds) == (96 * 96, (64,), 3)
    assert recipe.gate.unit == "patient"


def test_what_cannot_be_drafted_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("2 tumour", "بطانة", ""):
        with pytest.raises(DataError, match="can't name a label"):
            label_id(name)
    with pytest.raises(DataError, match="would be one label"):
        draft(draw(tmp_path / "twice", "In situ/1.png", "in-situ/2.png"), "x", "histology", None)
    draw(tmp_path / "mine", "ill/1.png", "well/1.png")
    assert main(["recipe", "mine", "--um-per-px", "0"]) == 1
    assert main(["recipe", "mine"]) == 0
    assert main(["recipe", "mine"]) == 1
    assert "mine.toml is there already" in capsys.readouterr().err
    assert main(["recipe", "absent"]) == 1
    assert "there is no folder absent" in capsys.readouterr().err
    assert main(["data", "draw", "mine"]) == 1
    assert "not empty" in capsys.readouterr().err


def test_a_scale_that_is_not_the_pictures_is_told_where_one_fits(tmp_path: Path) -> None:
    folder = draw(tmp_path, "ill/1.png", "well/1.png", size=(700, 460))
    base = load_recipe("breakhis")
    data = replace(
        base.data, adapter="folder", options={"um_per_px": "0.2"}, um_per_px=0.29, area_px=480 * 320, brought_to="area"
    )
    labels = tuple(replace(label, id=name) for label, name in zip(base.labels, ("ill", "well"), strict=True))
    recipe = replace(base, data=data, labels=labels)
    samples = find_samples(recipe, folder)
    assert scale_doubt(recipe, folder, samples) is None  # 0.2 µm/px at 700 × 460, 0.29 at 480 × 320
    wrong = replace(recipe, data=replace(data, um_per_px=1.68))
    assert "have 0.29 µm a pixel: correct one of the two" in str(scale_doubt(wrong, folder, samples))


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "folder"), [("bach", "bach"), ("breakhis", "breakhis"), ("idc", ".")])
def test_shipped_recipes_state_the_scale_of_their_pictures(name: str, folder: str) -> None:
    recipe = load_recipe(name)
    samples = find_samples(recipe, SHARED_DATA / folder)[::10]
    assert scale_doubt(recipe, SHARED_DATA / folder, samples) is None


def test_tensorflow_starts_without_a_word() -> None:
    """And what it says where it fails isn't lost."""
    told = subprocess.run(
        [sys.executable, "-c", "from training.quiet import keep_quiet; keep_quiet(); import tensorflow, keras"],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert told.stderr == ""
    failing = (
        "import os, sys; from training.quiet import error_output_aside\n"
        "with error_output_aside():\n    os.write(2, b'the reason\\n'); sys.exit(3)\n"
    )
    told = subprocess.run([sys.executable, "-c", failing], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (told.returncode, told.stderr) == (3, "the reason\n")


def test_what_is_put_aside_comes_back_to_where_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    with error_output_aside():
        os.write(2, b"unseen")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"
