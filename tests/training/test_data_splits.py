"""Splits keep groups together, are the same when read back, and are refused when a picture stands on two sides."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from msgspec import structs

from tests.support.shipped import SHARED_DATA
from training.data import (
    CALIBRATION,
    TEST,
    TRAINING,
    Fold,
    Sample,
    Split,
    check_leaks,
    find_samples,
    list_samples,
    make_folds,
    split_samples,
)
from training.data.leaks import fingerprints, join_same, same_pictures
from training.errors import LeakError, SplitError
from training.recipe import SplitRule, load_recipe

RULE = SplitRule(scheme="folds", folds=5, min_each=1, seed=1, test_fold=0, calibration_fold=1)


def samples_of(groups: int, classes: int = 2, each: int = 4) -> list[Sample]:
    """`each` pictures of every class in every group."""
    return [
        Sample(f"{group}/{label}/{number}.png", label, f"p{group}", 0.5, (0, 0, 50, 50), {"x": 1.0, "kind": "A"})
        for group in range(groups)
        for label in range(classes)
        for number in range(each)
    ]


# --- folds and splits --------------------------------------------------------------------------------------------------


def test_each_group_is_tested_once_and_classes_keep_their_share() -> None:
    samples = samples_of(20)
    folds = make_folds(samples, RULE)
    assert Counter(sample for fold in folds for sample in fold.test) == Counter(samples)
    for fold in folds:
        assert not {s.group for s in fold.test} & {s.group for s in fold.rest}
        assert len(fold.test) + len(fold.rest) == len(samples)
        assert Counter(s.label for s in fold.test) == {0: 16, 1: 16}
    assert make_folds(samples, RULE) == folds
    assert make_folds(samples, structs.replace(RULE, seed=2)) != folds


def test_one_group_out_tests_groups_with_enough_of_every_class() -> None:
    samples = [*samples_of(2, each=3), *(Sample(f"q/{n}.png", n % 2, "q") for n in range(4)), Sample("r.png", 1, "r")]
    rule = structs.replace(RULE, scheme="leave-one-group-out", min_each=3)
    folds = make_folds(samples, rule)
    assert [fold.name for fold in folds] == ["p0", "p1"]
    assert {sample.group for sample in folds[0].rest} == {"p1", "q", "r"}
    assert [fold.name for fold in make_folds(samples, structs.replace(rule, min_each=2))] == ["p0", "p1", "q"]
    with pytest.raises(SplitError, match="min_each"):
        make_folds(samples, structs.replace(rule, min_each=4))


def test_a_split_tests_and_calibrates_on_two_folds() -> None:
    samples = samples_of(20)
    folds = make_folds(samples, RULE)
    split = split_samples(samples, RULE)
    assert split.parts[TEST] == folds[0].test
    assert split.parts[CALIBRATION] == folds[1].test
    assert split.counts() == "training 96, calibration 32, test 32"


@pytest.mark.parametrize(
    ("change", "groups", "named"),
    [
        ({"folds": 30}, 20, "20 groups can't fill 30 folds"),
        ({"test_fold": 5}, 20, "split.test_fold = 5"),
        ({"test_fold": 1}, 20, "can't both test and calibrate"),
        ({"folds": 2}, 2, "leaves no picture of class number"),
    ],
)
def test_splits_that_cannot_be_are_refused(change: dict[str, Any], groups: int, named: str) -> None:
    with pytest.raises(SplitError, match=named):
        split_samples(samples_of(groups), structs.replace(RULE, **change))


def test_a_fold_that_leaves_a_class_untrained_is_refused() -> None:
    samples = [*(Sample(f"{n}.png", 0, f"p{n}") for n in range(6)), Sample("rare.png", 1, "p6")]
    with pytest.raises(SplitError, match="class number 1"):
        make_folds(samples, RULE)


def test_a_split_read_back_is_the_same(tmp_path: Path) -> None:
    split = split_samples(samples_of(10), RULE)
    split.save(tmp_path / "split.json")
    again = Split.load(tmp_path / "split.json")
    assert again == split
    assert again.sha256 == split.sha256


def test_the_hash_covers_side_label_group_and_window() -> None:
    sample = samples_of(1)[0]
    changed = (
        {TEST: [sample]},
        {TRAINING: [replace(sample, label=1)]},
        {TRAINING: [replace(sample, group="p9")]},
        {TRAINING: [replace(sample, box=None)]},
        {TRAINING: [replace(sample, extra={"x": 2.0})]},
    )
    assert len({Split({TRAINING: [sample]}).sha256, *(Split(parts).sha256 for parts in changed)}) == 6


def test_a_split_that_was_changed_or_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    split_samples(samples_of(10), RULE).save(file)
    table = json.loads(file.read_text())
    table["parts"][TRAINING].append(table["parts"][TEST].pop())
    for text in (json.dumps(table), '{"parts": []}', "[]", "no split"):
        file.write_text(text)
        with pytest.raises(SplitError, match=r"split\.json"):
            Split.load(file)
    with pytest.raises(SplitError, match=r"absent\.json"):
        Split.load(tmp_path / "absent.json")


# --- leaks -------------------------------------------------------------------------------------------------------------


def picture(seed: int) -> PIL.Image.Image:
    """Structure at all scales, as tissue has it; unlike every other seed's."""
    noise = np.random.default_rng(seed)
    layers = [
        np.asarray(
            PIL.Image.fromarray(noise.integers(0, 256, (side, side, 3), np.uint8)).resize((160, 120)), np.float32
        )
        for side in (4, 12, 40)
    ]
    return PIL.Image.fromarray(np.mean(layers, axis=0).astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten different pictures, and a blank one."""
    for seed in range(10):
        picture(seed).save(tmp_path / f"{seed}.png")
    PIL.Image.new("RGB", (160, 120), (250, 248, 251)).save(tmp_path / "blank.png")
    return tmp_path


def sides(*files: str) -> dict[str, list[Sample]]:
    """Some pictures trained on, the given ones tested; each a group of its own."""
    return {
        TRAINING: [Sample(f"{n}.png", 0, f"{n}.png") for n in range(8)] + [Sample("blank.png", 0, "blank.png")],
        TEST: [Sample(file, 0, file) for file in files],
    }


def test_different_pictures_pass(folder: Path) -> None:
    check_leaks(sides("8.png", "9.png"), folder)


def test_copies_are_refused_with_the_culprits_named(folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "3.png").read_bytes())
    picture(5).save(folder / "again.jpg", quality=50)
    picture(6).resize((80, 60)).save(folder / "half.png")
    with pytest.raises(LeakError) as refusal:
        check_leaks(sides("copy.png", "again.jpg", "half.png", "9.png"), folder)
    lines = str(refusal.value).splitlines()[1:-1]
    assert len(lines) == 3
    assert lines[0] == "- 3.png (training) and copy.png (test) are identical"
    assert {tuple(line.split()[1::3][:2]) for line in lines[1:]} == {("5.png", "again.jpg"), ("6.png", "half.png")}
    assert all("near-identical" in line for line in lines[1:])


def test_a_group_or_file_on_two_sides_is_refused(folder: Path) -> None:
    both = sides("9.png")
    both[TEST].append(Sample("8.png", 0, "3.png"))
    with pytest.raises(LeakError, match=r"group 3\.png is in test and in training"):
        check_leaks(both, folder)
    with pytest.raises(LeakError, match=r"3\.png is in test and in training"):
        check_leaks(sides("3.png"), folder)


def test_blank_pictures_accuse_nobody(folder: Path) -> None:
    grain = np.random.default_rng(0).normal(250, 1, (120, 160, 3)).astype(np.uint8)
    PIL.Image.fromarray(grain).save(folder / "paper.png")
    check_leaks(sides("paper.png"), folder)


def test_unreadable_files_are_told_and_compared_by_their_bytes(folder: Path) -> None:
    for name in ("broken.png", "broken2.png"):
        (folder / name).write_bytes((folder / "1.png").read_bytes()[:200])
    prints = fingerprints(folder, ["broken.png", "broken2.png", "1.png"])
    assert [known.problem and known.problem.code for known in prints] == ["image_truncated", "image_truncated", None]
    assert [(pair.first, pair.second, pair.distance) for pair in same_pictures(prints)] == [(0, 1, None)]


def test_all_folds_are_checked_at_once(folder: Path) -> None:
    picture(0).save(folder / "again.jpg", quality=60)
    samples = [Sample(f"{n}.png", n % 2, str(n)) for n in range(10)]
    check_leaks(make_folds(samples, RULE), folder)
    samples.append(Sample("again.jpg", 0, "again"))
    apart = [Fold(sample.group, [sample], [other for other in samples if other != sample]) for sample in samples]
    for leaking in (apart, apart[:1]):  # both tested, or one of them and the other always trained on
        with pytest.raises(LeakError, match=r"0\.png \(.*again\.jpg"):
            check_leaks(leaking, folder)
    check_leaks(apart[4:6], folder)  # both always trained on
    joined = join_same(folder, samples)
    assert joined[-1].group == joined[0].group
    check_leaks(make_folds(joined, RULE), folder)


def test_joining_is_transitive_and_keeps_groups_together(folder: Path) -> None:
    picture(0).save(folder / "first.jpg", quality=60)
    picture(1).save(folder / "second.jpg", quality=60)
    samples = [
        Sample("0.png", 0, "a"),
        Sample("first.jpg", 0, "b"),
        Sample("1.png", 1, "b"),
        Sample("second.jpg", 1, "c"),
    ]
    assert {sample.group for sample in join_same(folder, samples)} == {"a"}
    assert [sample.group for sample in join_same(folder, [*samples, Sample("9.png", 0, "d")])][-1] == "d"


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["bach", "breakhis"])
def test_real_folds_accuse_nobody(name: str) -> None:
    recipe = load_recipe(name)
    check_leaks(make_folds(find_samples(recipe, SHARED_DATA / name), recipe.split), SHARED_DATA / name)


@pytest.mark.shared_data
def test_mammograms_of_different_women_are_not_near_identical() -> None:
    folder = SHARED_DATA / "mini_mias"
    assert not same_pictures(fingerprints(folder, sorted(path.name for path in folder.glob("*.jpg"))))


@pytest.mark.shared_data
def test_the_copies_in_busi_are_found() -> None:
    folder = SHARED_DATA / "busi"
    apart = list_samples("busi", folder, ["normal", "benign", "malignant"], {"copies": "keep"})
    with pytest.raises(LeakError, match=r"benign_\(433\).* and .*malignant_\(145\).* are identical"):
        check_leaks(make_folds(apart, RULE), folder)
    check_leaks(make_folds(find_samples(load_recipe("busi"), folder), RULE), folder)
