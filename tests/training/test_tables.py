"""The field's own tables on drawn miniatures: patients left out, passes counted, published figures beside."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from training.cli import main
from training.commands.studies.table import NAMES
from training.data import CALIBRATION, TEST, TRAINING, Split, find_samples, make_folds
from training.drawn.phantoms import draw
from training.evaluation.table import load_table
from training.networks import NETWORKS
from training.run_files import HISTORY, READINGS, SPLIT
from training.stamp import stale
from training.studies.tables.cells import split_of
from training.studies.tables.measure import Extent, measure
from training.studies.tables.page import markdown, write
from training.studies.tables.plans import BREAKHIS_NETWORKS, IDC_CONV, MAMMOGRAM_NETWORKS, PLANS, Plan, recipe_of

PATIENTS, TILES = 3, 50


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IDC tiles of three patients, fifty of either class each: as many as a patient needs to be tested."""
    folder = tmp_path_factory.mktemp("idc")
    for patient in range(100, 100 + PATIENTS):
        for label, kind in ((0, "normal"), (1, "invasive")):
            field = draw(kind, patient, 500, 250).pixels
            (folder / f"{patient}/{label}").mkdir(parents=True)
            for tile in range(TILES):
                left, top = tile % 10 * 50, tile // 10 * 50
                name = f"{patient}/{label}/{patient}_idx5_x{left}_y{top + 250 * label}_class{label}.png"
                PIL.Image.fromarray(field[top : top + 50, left : left + 50]).save(folder / name)
    return folder


def test_the_command_goes_on_where_its_minutes_ended(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"table idc-conv --data {tiles} --out {tmp_path} --epochs 2 --pictures 20 --folds 100".split()
    assert main([*given, "--minutes", "0.001"]) == 0
    said = capsys.readouterr().out
    assert "1 of 2 networks wait for the next call" in said
    assert "fold 100, conv3: 1 of 2 passes over 20 pictures" in said
    assert "2 of 2 fits aren't through" in said
    assert "| **3-conv** | random | 1 of 2 over 20 |" in said
    assert main([*given, "--minutes", "10"]) == 0
    said = capsys.readouterr().out
    assert "aren't through" not in said
    assert "| **3-conv** | random | 2 of 2 over 20 | 20 of 1 |" in said
    assert "| **5-conv** | random | 2 of 2 over 20 | 20 of 1 |" in said
    assert "| published: 3-conv baseline, patches split at random |" in said
    assert "| 75 % |" in said
    assert (tmp_path / "table.md").read_text(encoding="utf-8").strip() in said
    assert stale(tmp_path / "table.md") == []
    for name in ("conv3", "conv5"):
        curves = (tmp_path / f"curves-{name}.svg").read_text(encoding="utf-8")
        assert curves.startswith("<svg xmlns=")
        assert "held out, loss" in curves
        # The first pass of the cell that was stopped isn't made again.
        rows = list(csv.DictReader((tmp_path / name / "100" / HISTORY).open(encoding="utf-8")))
        assert [row["epoch"] for row in rows] == ["0", "1"]
        assert all(row["val_loss"] for row in rows)
    before = (tmp_path / "conv5/100" / READINGS).stat().st_mtime_ns
    assert main([*given, "--minutes", "0"]) == 0
    assert (tmp_path / "conv5/100" / READINGS).stat().st_mtime_ns == before  # nothing is done twice
    # Both networks were fitted, watched and tested on the same pictures, of patients that are on one side alone.
    first, second = (Split.load(tmp_path / name / "100" / SPLIT) for name in ("conv3", "conv5"))
    assert first.sha256 == second.sha256
    sides = [{sample.group for sample in first.parts[part]} for part in (TRAINING, CALIBRATION, TEST)]
    assert sides == [{"102"}, {"101"}, {"100"}]
    table = load_table(tmp_path / "conv3/100" / READINGS)
    assert len(table) == 20
    assert table[["logit_idc", "float_logit_idc", "p_idc", "latency_ms"]].notna().all(axis=None)


def test_a_table_without_minutes_says_that_nothing_was_fitted(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"table idc-conv --data {tiles} --out {tmp_path} --minutes 0".split()) == 0
    assert "No network was fitted yet" in capsys.readouterr().out


def test_imbalance_handling_is_off_and_on_for_one_network(tmp_path: Path) -> None:
    folder = tmp_path / "breakhis"
    for patient in range(6):
        kind, subtype, drawn = ("B", "A", "benign") if patient % 2 else ("M", "DC", "invasive")
        for number in range(1 + 3 * (kind == "M")):
            file = folder / f"SOB_{kind}_{subtype}-14-{patient}AB-100-{number:03}.png"
            file.parent.mkdir(exist_ok=True)
            PIL.Image.fromarray(draw(drawn, 10 * patient + number, 240, 160).pixels).save(file)
    small = {**BREAKHIS_NETWORKS.settings, "data.area_px": 4096, "fit.square_px": [64], "fit.batch": 4}
    light = tuple(
        replace(entry, network="conv3", weights="none", settings={**entry.settings, "network.frozen_blocks": 0})
        for entry in BREAKHIS_NETWORKS.entries[:2]
    )
    plan = replace(BREAKHIS_NETWORKS, entries=light, settings=small)
    found = measure(plan, folder, tmp_path / "out", Extent(10, 1, folds=("0",)), {}, lambda _: None)
    off, on = found.rows
    assert [row.recipe.fit.balance for row in found.rows] == ["none", "sampling"]
    assert off.cells[0].fitted == on.cells[0].fitted
    assert off.figures["n"] == on.figures["n"] == off.cells[0].tested
    page = markdown(found)
    assert "| **Lite0, imbalance handling off** | random | 1 of 1 over" in page
    assert "| Sensitivity, benign | Specificity, benign |" in page
    assert "| 1.5 s an image | – |" in page
    times = [(cell.float_ms, cell.int8_ms) for row in found.rows for cell in row.cells]
    assert all(floats > 0 and integers for floats, integers in times)
    table, curves = write(found, tmp_path / "out")
    assert table.is_file()
    assert len(curves) == 2


def test_mammogram_windows_are_told_apart_by_auroc(tmp_path: Path) -> None:
    folder, lines = tmp_path / "mini_mias", []
    folder.mkdir()
    for pair in range(3):
        for film in (2 * pair + 1, 2 * pair + 2):
            rng = np.random.default_rng(film)
            pixels = np.full((1024, 1024), 90, np.uint8) + rng.integers(0, 20, (1024, 1024), np.uint8)
            lesion = film % 2
            if lesion:  # of each woman elsewhere, so that no two films are alike
                left, top = 100 + 300 * pair, 700 - 250 * pair
                pixels[top : top + 200, left : left + 200] += 100
            PIL.Image.fromarray(pixels).save(folder / f"mdb{film:03}.png")
            lines.append(
                f"mdb{film:03} G CIRC M {left + 100} {1024 - top - 100} 100" if lesion else f"mdb{film:03} D NORM "
            )
    (folder / "Info.txt").write_text("\n".join(lines) + "\n")
    plan = replace(MAMMOGRAM_NETWORKS, entries=MAMMOGRAM_NETWORKS.entries[:1])
    found = measure(plan, folder, tmp_path / "out", Extent(10, 1, pictures=8, folds=("0",)), {}, lambda _: None)
    (row,) = found.rows
    assert row.recipe.network.name == "alexnet"
    assert row.figures["macro_auroc"]["value"] is not None
    page = markdown(found)
    assert "about 8 pictures were taken" in page
    assert "| 0.8632 to 0.8929 |" in page


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_every_row_is_a_recipe_of_a_network_that_can_be_built(plan: Plan) -> None:
    assert tuple(PLANS) == NAMES
    for entry in plan.entries:
        recipe = recipe_of(plan, entry, {})
        assert recipe.network.name in NETWORKS
        assert recipe.fit.patience == 0  # nothing is chosen by what is watched
        local = recipe_of(plan, entry, {entry.network: Path("w.h5")})
        assert local.network.weights == "w.h5"


def test_a_watched_fold_is_neither_fitted_on_nor_tested(tiles: Path) -> None:
    recipe = recipe_of(IDC_CONV, IDC_CONV.entries[0], {})
    folds = make_folds(find_samples(recipe, tiles), recipe.split)
    split = split_of(IDC_CONV, folds, 2, 0)
    assert [{s.group for s in split.parts[part]} for part in (TRAINING, CALIBRATION, TEST)] == [
        {"101"},
        {"100"},
        {"102"},
    ]
    assert len(split.parts[TEST]) == 2 * TILES


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("table idc", "'idc' is not one of 'idc-conv', 'breakhis-networks', 'mammogram-networks'"),
        ("table idc-conv --epochs 0", "'--epochs': 0 is not in the range 1<=x<=10000."),
        ("table idc-conv --minutes -1", "'--minutes': -1.0 is not in the range 0<=x<=100000."),
        ("table idc-conv --pictures -1", "'--pictures': -1 is not in the range x>=0."),
        ("table idc-conv --weights vgg16=w.h5", "the networks of this table are conv3, conv5"),
        ("table idc-conv --weights conv5=gone.h5", "there is no file gone.h5"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(given: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given.split()) == 2
    assert says in " ".join(capsys.readouterr().err.replace("│", " ").split())
