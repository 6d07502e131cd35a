"""A fold's draft bundle: the box's code reads with it, no box does, and every study opens it the same way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as Pillow

from device.base.errors import UnknownSigner
from device.reading.bundle import Bundle
from device.reading.golden import verify_golden
from tests.support.shipped import KEYS
from training.data import CALIBRATION, TEST, TRAINING, Sample, Split
from training.drawn.phantoms import draw
from training.errors import RunError
from training.fitting.fit import fit, float_logits
from training.packing.draft import open_draft, open_drafts, write_draft
from training.recipe import Recipe, load_recipe
from training.run_files import DRAFT, FOLDS
from training.studies.quantization_report import report_run

BASE = load_recipe("breakhis")
RECIPE: Recipe = replace(
    BASE,
    data=replace(BASE.data, area_px=64 * 64, brought_to="area"),
    network=replace(BASE.network, name="conv3", weights="none", frozen_blocks=0),
    fit=replace(BASE.fit, epochs=1, batch=4, square_px=(64,)),
)


@pytest.fixture(scope="module")
def crossval(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of drawn fields, and that of a cross-validation of which one fold of two is finished."""
    data, out = tmp_path_factory.mktemp("drawn"), tmp_path_factory.mktemp("crossval")
    samples = []
    for number in range(16):
        Pillow.fromarray(draw(("normal", "invasive")[number % 2], number, 64, 64).pixels).save(data / f"{number}.png")
        samples.append(Sample(f"{number}.png", number % 2, f"p{number // 4}"))
    run = fit(RECIPE, data, out / "0", Split({TRAINING: samples[:12], CALIBRATION: [], TEST: samples[12:]}), verbose=0)
    (out / FOLDS).write_text(json.dumps({"0": run.split.sha256, "1": "not begun"}))
    write_draft(run)
    return data, out


def test_the_box_s_code_reads_with_a_draft_and_no_box_trusts_it(crossval: tuple[Path, Path]) -> None:
    data, out = crossval
    with pytest.raises(UnknownSigner):
        Bundle.open(out / "0" / DRAFT, KEYS)
    (fold,) = open_drafts(RECIPE, data, out)
    assert verify_golden(fold.reader) == 1
    assert "nothing was measured" in fold.bundle.card
    assert {sample.group for sample in fold.unseen} == {"p3"}
    reading = fold.reader.read((data / fold.unseen[0].file).read_bytes())
    # The float network behind it says the same, up to what all classes share and what 8 bits lose.
    gap = reading.maps.logits - float_logits(fold.run, [reading.image.pixels])[0]
    assert np.ptp(gap) < 0.2


def test_a_draft_that_is_written_again_reads_alike(crossval: tuple[Path, Path]) -> None:
    data, out = crossval
    first = open_draft(RECIPE, data, out / "0")
    picture = (data / first.unseen[0].file).read_bytes()
    write_draft(first.run)
    again = open_draft(RECIPE, data, out / "0")
    assert first.bundle.sha256 != again.bundle.sha256, "another throw-away key"
    before, after = first.reader.read(picture), again.reader.read(picture)
    assert np.array_equal(before.maps.values, after.maps.values)
    assert before.verdict.answers == after.verdict.answers


def test_the_layers_of_a_draft_s_network_can_be_looked_at(crossval: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = crossval
    assert "layers, 12 pictures" in report_run(open_draft(RECIPE, data, out / "0").run, tmp_path)


def test_a_fold_of_an_earlier_program_or_another_recipe_is_told(crossval: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = crossval
    with pytest.raises(RunError, match="no cross-validation: run `loupe-train crossval`"):
        open_drafts(RECIPE, data, tmp_path)
    with pytest.raises(RunError, match="no finished fold"):
        open_draft(RECIPE, data, out / "1")
    with pytest.raises(RunError, match="is a fold of breakhis"):
        open_draft(replace(RECIPE, id="another"), data, out / "0")
    (tmp_path / FOLDS).write_bytes((out / FOLDS).read_bytes())
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "run.json").write_bytes((out / "0" / "run.json").read_bytes())
    with pytest.raises(RunError, match=r"earlier program.*what is fitted is not fitted anew"):
        open_drafts(RECIPE, data, tmp_path)
    (tmp_path / "0" / DRAFT).write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"can't be opened \(.*remove it"):
        open_drafts(RECIPE, data, tmp_path)
