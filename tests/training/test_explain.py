"""Explanations: methods are what their papers say, figures tell good maps from bad, and grids hold the same map."""

from __future__ import annotations

import json
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from msgspec import structs

from device.reading.bundle import Bundle
from device.reading.reading import Reader
from device.reading.tissue import EVERYWHERE
from tests.support.shipped import KEYS, MODELS
from training.data import LIMITS, find_samples, make_folds
from training.distributed.crossval import fold_split
from training.distributed.fold import run_fold
from training.drawn.phantoms import draw
from training.errors import ExplainError, RunError
from training.networks import build, load_weights, scale_pixels
from training.packing.draft import open_drafts
from training.recipe import Recipe, load_recipe
from training.run_files import FOLDS
from training.stamp import source
from training.studies.explain import scores
from training.studies.explain.cache import Cache
from training.studies.explain.cascade import blocks, cascade
from training.studies.explain.floats import FloatNetwork
from training.studies.explain.measure import Extent, Measured, Shown, measure
from training.studies.explain.methods import (
    GRAD_CAM,
    HIRES_CAM,
    HIRES_CAM_EARLIER,
    OURS,
    RANDOM,
    SCORE_CAM,
    gradient_cams,
    score_cams,
)
from training.studies.explain.places import place
from training.studies.explain.report import load_strides, render, save_strides, write
from training.studies.explain.scores import STEPS, curves, drop, gini, rank_correlation, stretched
from training.studies.explain.stride_trial import StrideTrial
from training.studies.explain.strides import Sight, at_stride_16, registered
from training.studies.explain.subject import Trained, folds_with_floats
from training.studies.explain.summary import compare_strides, difference, document, mean_of
from training.studies.explain.words import markdown

PICTURE = draw("invasive", 3, 128, 96).pixels
LABEL = 2


@pytest.fixture(scope="module")
def network() -> FloatNetwork:
    """A small network with random weights."""
    keras.utils.set_random_seed(1)
    return FloatNetwork(build("conv5", 3), EVERYWHERE)


def test_on_the_last_layer_hirescam_is_the_class_map_without_its_bias(network: FloatNetwork) -> None:
    found = {e.method: e for e in gradient_cams(network, PICTURE, LABEL)}
    bias = network.model.get_layer("class_map").get_weights()[1].astype(float)
    ours = network.class_map(PICTURE)[..., LABEL] - (bias - bias.mean())[LABEL]
    assert np.allclose(found[HIRES_CAM].values * ours.size, ours, atol=1e-4)
    assert np.allclose(found[GRAD_CAM].values, np.maximum(found[HIRES_CAM].values, 0), atol=1e-6)
    assert found[HIRES_CAM_EARLIER].values.shape == (6, 8)


def test_units_on_no_way_to_the_logit_have_no_gradient() -> None:
    """The middle layer of lite0-shallow lies beyond its features."""
    assert FloatNetwork(build("lite0-shallow", 2), EVERYWHERE).earlier == "early"


def test_score_cam_weighs_a_channel_by_what_its_mask_gains() -> None:
    """A network whose logit is its first channel's mean: that channel's mask must weigh most."""
    image = keras.Input((None, None, 3), name="image")
    features = keras.layers.AveragePooling2D(8)(keras.layers.ReLU()(image))
    head = keras.layers.Conv2D(2, 1, name="class_map")
    small = keras.Model(image, {"features": features, "class_map": head(features)})
    head.set_weights([np.array([[[[60.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]]), np.zeros(2)])
    pixels = np.full((32, 32, 3), 127, np.uint8)
    pixels[:16, :, 0] = 255  # red above, which the class is made of
    pixels[16:, :, 1] = 255
    values, took = score_cams(FloatNetwork(small, EVERYWHERE), pixels)
    assert values.shape == (4, 4, 2)
    assert values[:2, :, 0].mean() > 3 * values[2:, :, 0].mean()
    assert took > 0


class Stub:
    """A network to which p of a class is the share of white pixels in the left half."""

    def probabilities(self, pictures: list[np.ndarray], label: int) -> np.ndarray:  # noqa: ARG002
        return np.array([(p[:, : p.shape[1] // 2] / 255).mean() for p in pictures])


def test_curves_and_drop_tell_a_true_map_from_a_false_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.full((32, 32, 3), 255, np.uint8)
    monkeypatch.setattr(scores, "blurred", np.zeros_like)
    left = np.repeat([[1.0, 1.0, 0.0, 0.0]], 4, 0)
    rng = np.random.default_rng(1)
    true, false = (curves(Stub(), pixels, values, 0, rng) for values in (left, 1 - left))  # type: ignore[arg-type]
    # p rises over the first half and stays 1, or stays 0 and rises over the second; enlarging blurs the edge.
    assert true.insertion_area == pytest.approx(0.75, abs=0.02)
    assert false.insertion_area == pytest.approx(0.25, abs=0.02)
    assert (true.deletion_area, false.deletion_area) == pytest.approx((0.25, 0.75), abs=0.02)
    assert drop(Stub(), pixels, np.ones((4, 4)), 0) == (0, 0)  # type: ignore[arg-type]
    assert drop(Stub(), pixels, 1 - left, 0)[0] > 0.8  # type: ignore[arg-type]


def test_gini_is_0_for_even_evidence_and_near_1_for_a_single_cell() -> None:
    single = np.zeros((10, 10))
    single[3, 4] = 2
    assert gini(np.full((10, 10), 0.3)) == pytest.approx(0)
    assert gini(single) == pytest.approx(0.99)
    assert np.isnan(gini(-single))


def test_places_are_judged_alike_on_every_grid() -> None:
    mask = np.zeros((64, 96), bool)
    mask[:, :48] = True
    coarse = np.repeat([[3.0, -1.0]], 2, 0)
    fine = np.kron(coarse, np.ones((4, 6)))
    for values in (coarse, fine):
        found = place(values, mask)
        assert found is not None
        assert (found.auroc, found.pointing, found.area) == (1, 1, 0.5)
        assert found.energy > 0.7
    assert place(coarse, np.ones((64, 96), bool)) is None
    known = mask.copy()
    known[:, 48:56] = True
    found = place(coarse, mask, known)
    assert found is not None
    assert found.area == pytest.approx(6 / 7)


def test_stride_16_holds_the_map_of_stride_32() -> None:
    """The block that lost its stride began at the second place of each pair: so do the places that stay."""
    keras.utils.set_random_seed(1)
    model = build("lite0", 3)
    load_weights(model, "lite0", "imagenet")
    picture = scale_pixels(PICTURE[None])
    fine, coarse = (np.asarray(m(picture, training=False)["class_map"])[0] for m in (at_stride_16(model), model))
    assert fine.shape == (2 * coarse.shape[0], 2 * coarse.shape[1], 3)
    assert np.allclose(fine[1::2, 1::2], coarse, atol=1e-4)


def test_a_map_of_stride_16_is_moved_to_where_its_places_look() -> None:
    values = np.zeros((4, 4))
    values[1, 1] = 1  # the first place of stride 32, whose cell is rows and columns 0 and 1
    assert np.array_equal(registered(values) > 0, np.kron([[1, 0], [0, 0]], np.ones((2, 2))) > 0)


def test_only_a_network_with_a_last_stride_can_lose_it() -> None:
    with pytest.raises(ExplainError, match="lite0"):
        at_stride_16(build("lite0-shallow", 2))


def test_randomising_the_network_changes_the_map_and_leaves_the_network(network: FloatNetwork) -> None:
    before = network.class_map(PICTURE)
    stages = cascade(network.model, EVERYWHERE, [PICTURE], [LABEL])
    names = [name for name, _ in blocks(network.model)]
    assert names == ["class_map", "dense", "conv5", "conv4", "conv3", "conv2", "conv1"]
    assert list(dict.fromkeys(stage.block for stage in stages)) == names
    ours = [stage.signed for stage in stages if stage.method == OURS]
    assert all(value < 0.9 for value in ours)
    assert np.array_equal(network.class_map(PICTURE), before)


def test_rank_correlation_sees_ranks_alone() -> None:
    values = np.random.default_rng(1).normal(size=(3, 4))
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert np.isnan(rank_correlation(values, np.zeros((3, 4))))
    assert stretched(values).max() == 1
    assert not stretched(-np.abs(values)).any()


def test_differences_are_paired_and_their_interval_resamples_groups() -> None:
    table = pd.DataFrame(
        {
            "file": ["a", "b", "c", "a", "b", "c"],
            "group": ["1", "1", "2"] * 2,
            "method": ["x"] * 3 + ["y"] * 3,
            "insertion": [0.5, 0.7, 0.9, 0.4, 0.6, 0.8],
        }
    )
    found = difference(table, "method", "x", "y", ("file",), "insertion")
    assert (found["value"], found["low"], found["high"]) == pytest.approx((0.1, 0.1, 0.1))
    assert mean_of(table.iloc[:0], "insertion")["value"] is None


def test_a_folder_without_folds_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="loupe-train crossval"):
        folds_with_floats(load_recipe("bach"), tmp_path, tmp_path)


def test_the_command_takes_what_the_page_says() -> None:
    from training.commands.studies.faithful import command

    taken = command.make_context("faithful", ["bach", "--pictures", "8", "--score-cam", "0", "--strides"]).params
    assert [taken[name] for name in ("pictures", "score_cam", "windows", "strides")] == [8, 0, 100, True]


def measured() -> Measured:
    """Two pictures of two groups and what five methods made of them, numbers made up."""
    rng = np.random.default_rng(1)
    methods = (OURS, GRAD_CAM, HIRES_CAM, SCORE_CAM, RANDOM)
    pictures = [{"fold": "0", "file": f"{n}", "group": f"g{n}"} for n in range(2)]
    curve = np.linspace(0, 1, STEPS + 1).tolist()
    figures = {
        "insertion": 0.6,
        "deletion": 0.4,
        "drop": 0.1,
        "increase": 1.0,
        "gini": 0.5,
        "gap": 0.0,
        "cpu_ms": 9.0,
    }
    both = {"insertion_curve": curve, "deletion_curve": curve[::-1]}
    placed = {"set": "windows", "name": "a", "label": 1, "auroc": 0.9, "pointing": 1.0, "energy": 0.7, "area": 0.2}
    known = {"auroc": 0.7, "pointing": 1.0, "energy": 0.3, "area": 0.2}
    section = {"tiles": 4, "auroc_tile": 0.9, "auroc_amid_neighbours": 0.95, **known}
    grids = {"evidence": rng.normal(size=(2, 2)).tolist(), "labels": [[0, 1], [1, -1]], "auroc_by_um": {"200": 0.9}}
    stage = {"picture": 0, "signed": 0.1, "absolute": 0.1}
    return Measured(
        folds=("0",),
        faithfulness=pd.DataFrame([{**p, "method": m, **figures, **both} for p in pictures for m in methods]),
        agreement=pd.DataFrame(
            [{**p, "spearman": 0.99, "spearman_all": 0.98, "distance": 0.1, "gap": 0.0} for p in pictures]
        ),
        places=pd.DataFrame([{**p, "method": m, **placed} for p in pictures for m in methods]),
        cascade=pd.DataFrame(
            [
                {"fold": "0", "group": "g0", "method": m, "block": b, **stage}
                for m in (OURS, GRAD_CAM)
                for b in ("head", "stem")
            ]
        ),
        whole=pd.DataFrame([{"fold": "0", "group": f"p{n}", **section, **grids} for n in range(2)]),
        earlier_stride=16,
        channels=1280,
        limits={"0": 4.0},
        pooled={"0": 0.99},
        gallery=(Shown("invasive", PICTURE, np.ones(PICTURE.shape[:2], bool), {OURS: rng.normal(size=(3, 4))}, 4.0),),
    )


def trial() -> StrideTrial:
    rows = [
        {"fold": "0", "file": f"{n}", "group": f"g{n}", "label": n, "predicted": n, "stride": stride}
        for n in range(2)
        for stride in (16, 32)
    ]
    placed = {"set": "mosaics", "name": "a", "auroc": 0.8, "pointing": 1.0, "energy": 0.5, "area": 0.25}
    return StrideTrial(
        readings=pd.DataFrame(rows),
        places=pd.DataFrame([{**row, **placed} for row in rows]),
        curves=pd.DataFrame([{**row, "insertion": 0.6, "deletion": 0.4, "gini": 0.5} for row in rows]),
        sights={16: [Sight(0, 0, 50)], 32: [Sight(0, 0, 50)]},
        float_ms={16: 40.0, 32: 20.0},
        integer_ms={16: 20.0, 32: 10.0},
        integer={"fold": "0", "n": 2, "accuracy": {16: 1.0, 32: 1.0}, "spearman": 0.99},
    )


def test_the_report_says_what_was_measured_and_fetches_nothing(tmp_path: Path) -> None:
    recipe = load_recipe("bach")
    save_strides(compare_strides(trial(), 2), tmp_path)
    found = document(recipe, measured(), load_strides(tmp_path))
    page = write(found, tmp_path, measured().gallery).read_text(encoding="utf-8")
    assert "0 (exact)" in page
    assert "Class map (the box&#39;s own)" in page or "Class map (the box's own)" in page
    assert "× 2.00" in page
    assert not re.findall(r'<script|<link|(?:src|href)="http', page)
    tables = (tmp_path / "faithful.md").read_text(encoding="utf-8")
    assert "| Score-CAM | 0.600 (0.600 to 0.600) |" in tables
    assert "insertion +0.000" in tables


def test_what_was_measured_is_not_measured_again_unless_the_code_changed(tmp_path: Path) -> None:
    made_from = source("`loupe-train faithful`", ("training.studies.explain.places",))
    pixels = np.zeros((2, 2, 3), np.uint8)
    cache = Cache(tmp_path, made_from)
    first = cache.row(("figure", pixels, 1), lambda: {"value": 1.5})
    again = cache.row(("figure", pixels, 1), lambda: pytest.fail("measured again"))
    assert first == again == {"value": 1.5}
    assert cache.row(("figure", pixels, 2), lambda: {"value": 2.5}) == {"value": 2.5}
    arrays = cache.arrays(("map", pixels), lambda: {"values": np.ones(3)})
    assert np.array_equal(arrays["values"], Cache(tmp_path, made_from).arrays(("map", pixels), dict)["values"])
    changed = structs.replace(made_from, code=made_from.code | {"training.studies.explain.places": "other"})
    assert Cache(tmp_path, changed).row(("figure", pixels, 1), lambda: {"value": 3.5}) == {"value": 3.5}


@pytest.fixture(scope="module")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fold of a miniature of `busi`, fine-tuned for whole numbers: bright discs, with masks, are lesions."""
    folder = tmp_path_factory.mktemp("lesions")
    rows, columns = np.mgrid[:64, :64]
    for number in range(8):
        for label, radius in (("normal", 0), ("benign", 8), ("malignant", 16)):
            rng = np.random.default_rng(100 * radius + number)
            disc = (rows - rng.integers(20, 44)) ** 2 + (columns - rng.integers(20, 44)) ** 2 < radius**2
            pixels = (rng.integers(0, 120, (64, 64)) + 120 * disc).astype(np.uint8)
            for file, drawn in (
                (f"busi/{label}/{number}.png", pixels),
                (f"busi_masks/{label}/{number}_mask.png", disc),
            ):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(drawn).save(folder / file)
    recipe, data, fold = miniature_busi(), folder / "busi", folder / "crossval/0"
    split = fold_split(make_folds(find_samples(recipe, data), recipe.split)[0])
    run_fold(recipe, data, fold, "0", split, None)
    (folder / "crossval" / FOLDS).write_text(json.dumps({"0": split.sha256}))
    return folder


def miniature_busi() -> Recipe:
    recipe = load_recipe("busi")
    return structs.replace(
        recipe,
        data=structs.replace(recipe.data, area_px=4096, options={"copies": "keep"}),
        split=structs.replace(recipe.split, folds=2),
        network=structs.replace(recipe.network, name="conv3", weights="none", frozen_blocks=0),
        fit=structs.replace(recipe.fit, epochs=1, batch=4, square_px=(64,)),
        quantization=structs.replace(recipe.quantization, rescue_epochs=1),
    )


def test_an_integer_network_without_a_float_one_is_judged_by_known_places_alone(lesions: Path, tmp_path: Path) -> None:
    recipe = miniature_busi()
    folds = open_drafts(recipe, lesions / "busi", lesions / "crossval")
    found = measure(recipe, lesions / "busi", folds, Extent(8, 4, 100), tmp_path / "kept", lambda _: None)
    assert found.faithfulness.empty
    assert set(found.places["method"]) == {OURS, RANDOM}
    # Each unseen picture with a lesion once, in its class's set; those without have no place.
    ours = found.places[found.places["method"] == OURS]
    unseen = [s.file for s in make_folds(find_samples(recipe, lesions / "busi"), recipe.split)[0].test if s.label]
    assert sorted(ours["name"]) == sorted(unseen)
    assert {(row.set, row.label) for row in ours.itertuples()} == {
        ("lesions with a mask, benign", 1),
        ("lesions with a mask, malignant", 2),
    }
    # On the grid of 8 px a disc of 8 px is about three cells of 64, one of 16 px about thirteen.
    areas = ours.groupby("label")["area"].mean()
    assert areas[1] == pytest.approx(np.pi / 64, abs=0.03)
    assert areas[2] == pytest.approx(4 * np.pi / 64, abs=0.05)
    report = document(recipe, found, None)
    assert (report["n"], report["faithfulness"], report["cascade"]) == (len(ours), None, None)
    page = write(report, tmp_path).read_text(encoding="utf-8")
    assert "no float network stands beside the integer one" in page
    assert "Does the network behave as the map says?" not in page
    assert "| Random map |" in (tmp_path / "faithful.md").read_text(encoding="utf-8")


def test_a_bundle_is_judged_on_pictures_that_it_may_know_and_the_report_says_so(lesions: Path, tmp_path: Path) -> None:
    recipe = load_recipe("busi")
    recipe = structs.replace(recipe, data=structs.replace(recipe.data, options={"copies": "keep"}))
    reader = Reader(Bundle.open(MODELS / "busi.loupe", KEYS), LIMITS)
    trained = Trained(recipe, lesions / "busi", reader)
    found = measure(recipe, lesions / "busi", [trained], Extent(8, 4, 100), tmp_path / "kept", lambda _: None)
    assert len(found.places[found.places["method"] == OURS]) == 16  # every picture with a lesion
    report = document(recipe, found, None)
    assert (report["folds"], report["faithfulness"]) == (["busi.loupe"], None)
    tables = markdown(report)
    assert "16 pictures of 16 groups **that the bundle may have been trained on**" in tables
    assert "A bundle has no float network beside the integer one" in tables
    page = render(report)
    assert "explained by busi.loupe, which <b>may have been trained on them</b>" in page
    other = Trained(load_recipe("bach"), lesions / "busi", reader)
    with pytest.raises(RunError, match=r"busi\.loupe has the classes normal, benign, malignant"):
        measure(recipe, lesions / "busi", [other], Extent(8, 4, 100), tmp_path / "kept", lambda _: None)


def test_strides_need_a_float_network(lesions: Path) -> None:
    with pytest.raises(ExplainError, match="rescue_epochs"):
        folds_with_floats(miniature_busi(), lesions / "busi", lesions / "crossval")
