"""The benchmark of the gate: its corruptions, sets, detectors, figures, and that what it reports was fairly measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray
from PIL import Image as Pillow
from sklearn.covariance import LedoitWolf
from sklearn.metrics import average_precision_score, roc_auc_score

from device.reading.bundle import Bundle
from training.drawn.phantoms import draw
from training.packing.draft import DraftFold
from training.recipe import load_recipe
from training.stamp import CACHE
from training.studies.ood import benchmark as bench
from training.studies.ood.cases import ACQUISITION, CONTENT, TEST, UNRELATED, VALIDATION
from training.studies.ood.collect import FIT, FLOAT, HEAD, ODIN_OF, PROPER_SET, TEACH, Collected, Subject, cells, gather
from training.studies.ood.corruptions import CORRUPTIONS, corrupt
from training.studies.ood.detectors import (
    AUTOENCODER,
    CLASSIFIER,
    GATE,
    LAST_LAYER,
    LOGITS,
    ROWS,
    LastLayer,
    fit_mahalanobis,
)
from training.studies.ood.figures import by_picture, ranked, resampling
from training.studies.ood.report import write
from training.studies.ood.score import CELLS_MEAN, MEANS, Candidate, Scored, score_fold
from training.studies.ood.sets import ForeignSet, fitting_corruptions, foreign_sets

CHANNELS, CLASSES, CELLS = 8, 3, 4
RNG = np.random.default_rng(5)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_is_reproducible_and_shows(kind: str) -> None:
    field = draw("invasive", 1, 128, 96).pixels
    once, again = corrupt(kind, field, 3), corrupt(kind, field, 3)
    assert once.shape == field.shape
    assert once.dtype == np.uint8
    assert np.array_equal(once, again)
    assert np.abs(once.astype(int) - field).mean() > 2


def test_sets_stand_on_the_side_and_in_the_case_that_the_code_fixes(tmp_path: Path) -> None:
    """Folders of foreign pictures are test; drawn ones validation; the recipe's own data set is never foreign."""
    for name in ("ihc", "never_heard_of"):
        (tmp_path / "ood" / name).mkdir(parents=True)
        Pillow.fromarray(draw("normal", 1, 96, 64).pixels).save(tmp_path / "ood" / name / "1.png")
    bach = {found.name: found for found in foreign_sets(load_recipe("bach"), tmp_path / "bach", tmp_path / "ood")}
    assert (bach["ihc"].side, bach["ihc"].case) == (TEST, ACQUISITION)
    assert (bach["never_heard_of"].side, bach["never_heard_of"].case) == (TEST, UNRELATED)
    assert {found.side for name, found in bach.items() if name.startswith("drawn")} == {VALIDATION}
    busi = {found.name: found for found in foreign_sets(load_recipe("busi"), tmp_path / "busi", tmp_path / "ood")}
    assert busi["ihc"].case == UNRELATED, "another stain means nothing to a model of ultrasound"
    (tmp_path / "busi" / "normal").mkdir(parents=True)
    Pillow.fromarray(draw("normal", 1, 96, 64).pixels).save(tmp_path / "busi" / "normal" / "normal (1).png")
    assert "busi" not in {
        found.name for found in foreign_sets(load_recipe("busi"), tmp_path / "busi", tmp_path / "ood")
    }


def test_grey_pictures_get_no_corruption_of_colour_or_stain(tmp_path: Path) -> None:
    for number, label in enumerate(("normal", "benign", "malignant")):
        (tmp_path / label).mkdir()
        grey = Pillow.fromarray(draw("normal", number, 96, 96).pixels).convert("L")
        grey.save(tmp_path / label / f"{label} ({number}).png")
    found = fitting_corruptions(load_recipe("busi"), tmp_path)
    assert not {name for name in found if CORRUPTIONS[name].colour or CORRUPTIONS[name].stained}
    assert {"blur", "magnified_2x", "screen_photograph"} <= found.keys()


def test_cells_are_means_over_a_grid_even_where_it_does_not_fit() -> None:
    array = RNG.normal(size=(9, 7, 2)).astype(np.float32)
    mean, spread = cells(array, 4, 2)
    assert mean.shape == spread.shape == (8, 2)
    assert mean[0] == pytest.approx(array[:2, :4].mean((0, 1)), abs=1e-5)
    assert spread[-1] == pytest.approx(array[7:, 4:].std((0, 1)), abs=1e-5)
    assert cells(array[:2, :2], 4, 4)[0].shape == (16, 2), "a grid finer than the output shares its places"


@pytest.mark.parametrize("count", [200, 20])
def test_mahalanobis_is_that_of_a_ledoit_wolf_covariance(count: int) -> None:
    """With more rows than channels and with fewer."""
    rows = (RNG.normal(size=(count, 40)) @ RNG.normal(size=(40, 40))).astype(np.float32)
    new = RNG.normal(size=(5, 40)).astype(np.float32)
    centre, scale = rows.mean(0), rows.std(0)
    reference = LedoitWolf(assume_centered=True).fit((rows - centre) / scale)
    expected = np.sqrt(reference.mahalanobis((new - centre) / scale) / 40)
    assert fit_mahalanobis(rows, np.zeros(count, np.int64))(new) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", [*ROWS, *LAST_LAYER])
def test_a_detector_ranks_rows_from_elsewhere_above_proper_ones(name: str) -> None:
    """Proper rows: two classes in a plane, which the head tells apart; foreign ones lie between them and off the plane."""
    labels = np.repeat([0, 1], 100)
    weights = np.zeros((6, 2), np.float32)
    weights[0, 0] = weights[1, 1] = 1.0
    plane = np.array([[1, 0, 1, 1, 0.5, 0], [0, 1, 1, -1, 0, 0.5]])

    def sample() -> NDArray[np.float32]:
        inside = np.eye(2)[labels] * 6 + 0.5 * RNG.normal(size=(200, 2))
        return (inside @ plane + 0.1 * RNG.normal(size=(200, 6))).astype(np.float32)

    proper, unseen = sample(), sample()
    foreign = (np.array([3, 3]) @ plane + [0, 0, 4, -4, 4, 0] + 0.1 * RNG.normal(size=(50, 6))).astype(np.float32)
    head = LastLayer(weights, np.zeros(2, np.float32))
    score = ROWS[name](proper, labels) if name in ROWS else LAST_LAYER[name](proper, head)
    truth = [0] * len(unseen) + [1] * len(foreign)
    assert roc_auc_score(truth, np.concatenate([score(unseen), score(foreign)])) > 0.95


@pytest.mark.parametrize("name", LOGITS)
def test_a_detector_on_logits_finds_the_undecided_stranger(name: str) -> None:
    sure, unsure = np.array([[9.0, -3.0, -3.0]], np.float32), np.array([[0.4, 0.3, 0.2]], np.float32)
    assert LOGITS[name](unsure) > LOGITS[name](sure)


def test_figures_agree_with_sklearn() -> None:
    score = np.round(RNG.normal(size=300), 1)  # with ties
    foreign = RNG.random(300) < 0.3
    score[foreign] += 1
    balanced = np.where(foreign, 1 / foreign.sum(), 1 / (~foreign).sum())
    auroc, aupr, fpr = ranked(np.ones((1, 300)), score, foreign)[0]
    assert auroc == pytest.approx(roc_auc_score(foreign, score))
    assert aupr == pytest.approx(average_precision_score(foreign, score, sample_weight=balanced))
    # The lowest threshold that accepts 95 % of proper pictures.
    threshold = min(t for t in np.unique(score) if (score[~foreign] <= t).mean() >= 0.95)
    assert fpr == pytest.approx((score[foreign] <= threshold).mean())


def test_folds_whose_scores_do_not_compare_are_averaged_not_mixed() -> None:
    """The second network's scores are all higher, proper ones too: within each fold the detector is perfect."""
    scored = [
        Scored(np.array([2.0, 3.0]) + shift, np.array([0.0, 1.0]) + shift, np.array(["a", "b"]), np.array(["p", "q"]))
        for shift in (0, 10)
    ]
    drawn = resampling([{"set": one} for one in scored], 20)
    values = by_picture(scored, drawn)
    assert values.shape == (21, 3)
    assert values[0].tolist() == [1.0, 1.0, 0.0]


def _set(n: int, shift: NDArray[np.float64], label: int | None = -1, seed: int = 0) -> Collected:
    """n pictures of four cells whose every depth is noise about `shift`."""
    chance = np.random.default_rng(seed)
    pictures = []
    for number in range(n):
        cell = (chance.normal(size=(CELLS, CHANNELS)) + shift).astype(np.float32)
        double = np.concatenate([cell, cell**0], 1)
        pooled = double.mean(0)
        logits = pooled[:CLASSES]
        once = {name: np.float32(1) for name in ("gate", "network_ms", "gate_ms", "ssim_ms")}
        pictures.append(
            {
                **dict.fromkeys(("early", "middle", "features"), pooled),
                "cell_early": double,
                "cell_middle": cell,
                "cell_features": cell,
                "cell_map": cell[:, :CLASSES],
                "ssim": cell[:, 0],
                "logits": logits,
                "refused": np.bool_(number % 2),
                **once,
                "label": np.int64(number % CLASSES if label is None else label),
                "unit": np.str_(f"u{number % 6}"),
            }
        )
    return gather(pictures)


def _kept(seed: int = 0) -> dict[str, Collected]:
    sideways, upwards, nowhere = np.eye(CHANNELS)[0] * 2, np.eye(CHANNELS)[1] * 2, np.zeros(CHANNELS)
    return {
        FIT: _set(60, nowhere, None, 1 + seed),
        PROPER_SET: _set(30, nowhere, None, 2 + seed),
        TEACH: replace(_set(6, upwards, seed=3), unit=np.array(["blur"] * 6)),
        "drawn": _set(12, sideways, seed=4),
        "blur": _set(12, upwards, seed=5),
        "far": replace(_set(12, sideways, seed=6), unit=np.array([f"f{i}" for i in range(12)])),
    }


HEAD_OF = LastLayer(np.eye(CHANNELS, CLASSES, dtype=np.float32), np.zeros(CLASSES, np.float32))


def test_the_classifier_never_scores_a_set_that_it_was_taught() -> None:
    """What it learns of `drawn` shows on a test set like it, not on `drawn` itself, of whose kind it then knows nothing."""
    scores = score_fold("0", _kept(), HEAD_OF, ["drawn", "blur"], ["a", "b", "c"])
    table = scores.table[Candidate(CLASSIFIER, "early", MEANS)]
    auroc = {name: by_picture([scored])[0, 0] for name, scored in table.items()}
    assert auroc["far"] > 0.95
    assert auroc["drawn"] < 0.8
    assert all(np.isfinite(value) for value in scores.milliseconds.values())
    tiles = scores.table[Candidate("Mahalanobis", "middle", CELLS_MEAN)]["far"]
    assert tiles.cells is not None
    assert len(tiles.cells) == 12 * CELLS
    assert {"class a", "class b", "class c"} <= scores.table[Candidate("kNN", "early", MEANS)].keys()


def test_ties_go_to_the_cheapest_and_the_gate_does_not_compete() -> None:
    def row(detector: str, auroc: float, ms: float) -> dict[str, object]:
        return {"detector": detector, VALIDATION: {"auroc": {"value": auroc}}, "ms": ms}

    rows = [row(GATE, 0.999, 0.1), row("dear", 0.9805, 9.0), row("cheap", 0.98, 1.0), row("worse", 0.9, 0.1)]
    assert bench.choose(rows)["detector"] == "cheap"


def test_a_benchmark_ends_in_a_page_that_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("bach")
    recipe = structs.replace(recipe, labels=recipe.labels[:CLASSES])
    folds = [DraftFold(name, recipe, tmp_path, tmp_path, cast(Bundle, None)) for name in ("0", "1")]
    seen = []

    def collect(subject: Subject, *_: object, with_float: bool) -> None:
        kept = _kept(int(subject.fold.name) * 10)
        for name, found in kept.items():
            found.save(subject.cache / f"{name}.npz")
            if with_float and name != TEACH:
                few = found if name == FIT else found.take(np.arange(len(found)) < 12)
                few.save(subject.cache / FLOAT / f"{name}.npz")
                np.save(subject.cache / f"{ODIN_OF}{name}.npy", few.logits[:, 0])
        np.savez(subject.cache / HEAD, weights=HEAD_OF.weights, bias=HEAD_OF.bias)
        (subject.cache / CACHE).write_text("of this test")
        seen.append(subject.fold.name)

    foreign = [
        ForeignSet("drawn", UNRELATED, VALIDATION, ("d",) * 12, ()),
        ForeignSet("far", CONTENT, TEST, ("f",) * 12, ()),
    ]
    monkeypatch.setattr(bench, "collect", collect)
    monkeypatch.setattr(bench, "open_drafts", lambda *_: folds)
    monkeypatch.setattr(bench, "foreign_sets", lambda *_: foreign)
    monkeypatch.setattr(bench, "fitting_corruptions", lambda *_: {"blur": CORRUPTIONS["blur"]})
    monkeypatch.setattr(bench, "DRAWS", 20)
    document = bench.benchmark(recipe, tmp_path, tmp_path, tmp_path, tmp_path)
    assert seen == ["0", "1"]
    assert document["shown"][0][VALIDATION]["auroc"]["value"] > 0.95
    assert document["refused"]["proper"] == pytest.approx(0.5)
    assert document["winner"]["detector"] not in (GATE, AUTOENCODER)
    # What is written is what was measured: the same JSON, a table with every set, and a page without a single link.
    page = write(document, tmp_path / "report")
    assert json.loads((tmp_path / "report" / "ood.json").read_text()) == document
    table = (tmp_path / "report" / "ood.md").read_text()
    assert all(name in table for name in ("far", "drawn", "blur", "the gate that ships"))
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "src=" not in text
    assert "url(http" not in text
