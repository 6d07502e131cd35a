"""Packing: a run becomes a bundle that the box opens, within the budget, with figures whose origin it names."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs, to_builtins
from PIL import Image as Pillow

from device.reading.image import Limits
from device.reading.manifest import PartsRule
from device.reading.reading import Reader
from tests.support.shipped import SAMPLES
from training.data import CALIBRATION, TEST, TRAINING, Sample, Split
from training.distributed.crossval import put_together
from training.drawn.phantoms import draw
from training.errors import QuantizationBudgetExceeded, RunError
from training.evaluation.table import read_table, save_table
from training.fitting.fit import Run, fit, float_logits, settings_sha256
from training.packing.amend import amend
from training.packing.draft import open_draft, write_draft
from training.packing.pack import command_of, pack
from training.recipe import Recipe, load_recipe
from training.run_files import FACTS, PARTS, READINGS

BASE = load_recipe("breakhis")
RECIPE: Recipe = structs.replace(
    BASE,
    version="1.0.0",
    data=structs.replace(BASE.data, area_px=96 * 96, brought_to="area"),
    network=structs.replace(BASE.network, name="lite0-shallow", frozen_blocks=16),
    fit=structs.replace(BASE.fit, epochs=0, batch=4, square_px=(96,)),
)
LABELS = [label.id for label in RECIPE.labels]
KEY = Ed25519PrivateKey.generate()
PARTS_RULE = PartsRule(
    statistic="leading_region", limit=1.5, alpha=0.05, confidence=0.9, n=28, unit="picture", pictures=14, cautions=1
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A probe of drawn fields of two kinds, by seven patients; the last two calibrate and test."""
    folder = tmp_path_factory.mktemp("drawn")
    samples = []
    for number in range(28):
        label = number % 2
        Pillow.fromarray(draw(("normal", "invasive")[label], number, 96, 96).pixels).save(folder / f"{number}.png")
        samples.append(Sample(f"{number}.png", label, f"p{number // 4}"))
    split = Split({TRAINING: samples[:20], CALIBRATION: samples[20:24], TEST: samples[24:]})
    return fit(RECIPE, folder, tmp_path_factory.mktemp("run"), split, verbose=0)


def drafted(run: Run) -> Reader:
    """The reader of the draft that a fold of a cross-validation leaves."""
    write_draft(run)
    return open_draft(run.recipe, run.data, run.folder).reader


def test_a_run_becomes_a_bundle_that_the_box_reads_with(run: Run, tmp_path: Path) -> None:
    bundle = pack(run, tmp_path / "drawn.loupe", KEY, SAMPLES)
    metrics, features = bundle.manifest.metrics, bundle.manifest.network.outputs["features"]
    assert metrics["n"] == 4
    assert "only tested on" in metrics["scheme"]
    assert metrics["scheme"][1:] in bundle.card
    assert bundle.manifest.calibration.n == 4
    assert (features.channels, features.stride) == (240, 8)
    reading = Reader(bundle, Limits()).read((run.data / "0.png").read_bytes())
    assert reading.maps.values.shape == (12, 12, 2)
    assert np.array_equal(reading.maps.values.mean((0, 1)), reading.maps.logits)
    assert not list(tmp_path.glob("*.part"))


def test_a_model_that_counts_tissue_alone_says_so_and_leaves_glass_out_as_in_training(run: Run, tmp_path: Path) -> None:
    recipe = structs.replace(run.recipe, network=structs.replace(run.recipe.network, counts="tissue"))
    counting = replace(run, recipe=recipe)
    bundle = pack(counting, tmp_path / "drawn.loupe", KEY, SAMPLES)
    assert bundle.manifest.head.counts == "tissue"
    assert "mean\nwhere there is tissue is the logit" in bundle.card
    pixels = draw("invasive", 1, 96, 96).pixels
    pixels[:64] = 245
    buffer = BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    reader = Reader(bundle, Limits())
    maps = reader.read(buffer.getvalue()).maps
    assert not maps.counted[:8].any()
    assert maps.counted[8:].all()
    assert np.ptp(maps.logits - float_logits(counting, [pixels])[0]) < 0.1
    # What a box verifies before it serves has glass in it.
    assert any(not reader.read(bundle.members[golden.picture]).maps.counted.all() for golden in bundle.manifest.golden)


def test_the_command_of_a_bundle_says_the_epochs_where_they_are_not_the_recipes(run: Run, tmp_path: Path) -> None:
    assert command_of(run, None) == "loupe-train fit breakhis && loupe-train pack breakhis"
    four = replace(run, recipe=structs.replace(RECIPE, fit=structs.replace(RECIPE.fit, epochs=4)))
    assert command_of(four, None) == "loupe-train fit breakhis --epochs 0 && loupe-train pack breakhis"
    for epochs, said in ((4, ""), (1, " --epochs 1")):
        (tmp_path / "0").mkdir(exist_ok=True)
        (tmp_path / "0" / FACTS).write_text(json.dumps({"epochs": epochs}), encoding="utf-8")
        assert command_of(four, tmp_path) == (
            f"loupe-train crossval breakhis{said} && loupe-train fit breakhis --everything --epochs 0 && "
            "loupe-train pack breakhis --crossval runs/breakhis-crossval"
        )


def test_a_run_on_everything_takes_its_figures_from_a_cross_validation(run: Run, tmp_path: Path) -> None:
    everything = [sample for part in run.split.parts.values() for sample in part]
    whole = replace(run, split=Split({TRAINING: everything, CALIBRATION: [], TEST: []}))
    with pytest.raises(RunError, match="--crossval"):
        pack(whole, tmp_path / "x.loupe", KEY, SAMPLES)
    with pytest.raises(RunError, match="loupe-train crossval"):
        pack(whole, tmp_path / "x.loupe", KEY, SAMPLES, tmp_path)
    reader = drafted(run)
    tables = [
        read_table(reader, run.data, everything[part], LABELS, fold=name)
        for name, part in (("0", slice(0, 14)), ("1", slice(14, 28)))
    ]
    import pandas as pd

    save_table(pd.concat(tables), tmp_path / READINGS)
    with pytest.raises(RunError, match="no folds"):
        pack(whole, tmp_path / "x.loupe", KEY, SAMPLES, tmp_path)
    leave_facts(run, tmp_path / "0")
    bundle = pack(whole, tmp_path / "x.loupe", KEY, SAMPLES, tmp_path)
    assert bundle.manifest.metrics["n"] == bundle.manifest.calibration.n == 28
    assert "each patient is tested once" in bundle.manifest.metrics["scheme"]
    assert bundle.manifest.provenance.split["rule"].startswith("trained on everything")
    assert (tmp_path / "x.md").read_text() == bundle.card


def test_offsets_shift_the_head_so_that_maps_still_add_up_to_what_is_said(run: Run, tmp_path: Path) -> None:
    shifting = replace(
        run, recipe=structs.replace(RECIPE, calibration=structs.replace(RECIPE.calibration, offsets=True))
    )
    bundle = pack(shifting, tmp_path / "drawn.loupe", KEY, SAMPLES)
    offsets = bundle.manifest.calibration.offsets
    picture = (run.data / "0.png").read_bytes()
    before, after = drafted(run).read(picture), Reader(bundle, Limits()).read(picture)
    step = 2.0**bundle.manifest.head.scale_log2
    assert after.maps.logits - before.maps.logits == pytest.approx(
        [offsets[label] for label in LABELS], abs=step + 1e-4
    )
    assert np.array_equal(after.maps.values.mean((0, 1)), after.maps.logits)
    assert "classes shifted by" in bundle.card


def test_a_bundle_over_the_budget_is_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the head's classes swapped, the integer network agrees with the float one on nothing."""
    import training.packing.assembly
    from training.quantization.convert import integer_head

    real = integer_head

    def swapped(*arguments: Any) -> object:
        head = real(*arguments)
        return replace(head, weights=head.weights[:, ::-1].copy(), bias=head.bias[::-1].copy())

    monkeypatch.setattr(training.packing.assembly, "integer_head", swapped)
    with pytest.raises(QuantizationBudgetExceeded, match="rescue_epochs"):
        pack(run, tmp_path / "x.loupe", KEY, SAMPLES)
    assert not list(tmp_path.iterdir())


def leave_facts(run: Run, fold: Path, **other: Any) -> None:
    """A fold's folder says that it was fitted as the run was, or otherwise."""
    fold.mkdir(exist_ok=True)
    (fold / FACTS).write_text(json.dumps(run.facts | other), encoding="utf-8")


@pytest.fixture
def cross_validated(run: Run, tmp_path: Path) -> Path:
    """The folder of a cross-validation of two folds, both read by the run's network."""
    everything = [sample for part in run.split.parts.values() for sample in part]
    reader = drafted(run)
    for name, part in (("0", slice(0, 14)), ("1", slice(14, 28))):
        table = read_table(reader, run.data, everything[part], LABELS, fold=name)
        save_table(table, tmp_path / "crossval" / name / READINGS)
        leave_facts(run, tmp_path / "crossval" / name)
    put_together(RECIPE, tmp_path / "crossval", ["0", "1"])
    return tmp_path / "crossval"


def test_figures_of_folds_that_were_fitted_otherwise_go_into_no_bundle(
    run: Run, cross_validated: Path, tmp_path: Path
) -> None:
    everything = [sample for part in run.split.parts.values() for sample in part]
    whole = replace(run, split=Split({TRAINING: everything, CALIBRATION: [], TEST: []}))
    leave_facts(run, cross_validated / "1", epochs=3, settings_sha256=settings_sha256(RECIPE, 3))
    with pytest.raises(RunError, match="other settings or epochs"):
        pack(whole, tmp_path / "x.loupe", KEY, SAMPLES, cross_validated)
    assert not (tmp_path / "x.loupe").exists()


def test_a_bundle_gets_new_figures_and_promises_around_the_same_network(
    run: Run, cross_validated: Path, tmp_path: Path
) -> None:
    everything = [sample for part in run.split.parts.values() for sample in part]
    whole = replace(run, split=Split({TRAINING: everything, CALIBRATION: [], TEST: []}))
    before = pack(whole, tmp_path / "before.loupe", KEY, SAMPLES, cross_validated)
    later = structs.replace(RECIPE, version="1.1.0", answer=structs.replace(RECIPE.answer, level=0.8))
    (cross_validated / PARTS).write_text(json.dumps({"rule": to_builtins(PARTS_RULE)}))
    after = amend(before, later, everything, tmp_path / "after.loupe", KEY, cross_validated)
    assert after.manifest.version == "1.1.0"
    assert after.manifest.golden == before.manifest.golden
    assert after.manifest.members["network.tflite"] == before.manifest.members["network.tflite"]
    assert after.manifest.provenance.commit == before.manifest.provenance.commit
    amended = after.manifest.provenance.amended
    assert amended
    assert amended.from_version == "1.0.0"
    assert after.manifest.parts == PARTS_RULE
    assert "are those of version 1.0.0" in after.card
    picture = (run.data / "0.png").read_bytes()
    first, second = (Reader(bundle, Limits()).read(picture) for bundle in (before, after))
    assert np.array_equal(first.maps.values, second.maps.values)


def test_a_bundle_of_other_data_or_of_the_same_version_is_not_amended(
    run: Run, cross_validated: Path, tmp_path: Path
) -> None:
    everything = [sample for part in run.split.parts.values() for sample in part]
    whole = replace(run, split=Split({TRAINING: everything, CALIBRATION: [], TEST: []}))
    before = pack(whole, tmp_path / "before.loupe", KEY, SAMPLES, cross_validated)
    later, out = structs.replace(RECIPE, version="1.1.0"), tmp_path / "after.loupe"
    with pytest.raises(RunError, match="raise `version`"):
        amend(before, RECIPE, everything, out, KEY, cross_validated)
    with pytest.raises(RunError, match="the split"):
        amend(before, later, everything[1:], out, KEY, cross_validated)
    with pytest.raises(RunError, match="other settings"):
        amend(
            before,
            structs.replace(later, fit=structs.replace(RECIPE.fit, seed=5)),
            everything,
            out,
            KEY,
            cross_validated,
        )
    assert not out.exists()
