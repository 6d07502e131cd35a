"""Data sets and splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SHARED_DATA

from training.data import CALIBRATION, TEST, TRAINING, Split, find_samples, split_samples
from training.errors import DataError, SplitError
from training.recipe import load_recipe

RECIPE = load_recipe("bach")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder laid out like BACH, its files empty: listing and splitting don't open them."""
    for label, prefix in (("normal", "n"), ("benign", "b"), ("insitu", "is"), ("invasive", "iv")):
        (tmp_path / label).mkdir()
        for number in range(0, 100, 3):
            (tmp_path / label / f"{prefix}{number:03}.jpg").touch()
    return tmp_path


def test_blocks_of_consecutive_numbers_stay_on_one_side(folder: Path) -> None:
    split = split_samples(find_samples(RECIPE, folder), RECIPE.split)
    groups = {part: {sample.group for sample in samples} for part, samples in split.parts.items()}
    assert groups[TEST] == {80, 90}
    assert groups[CALIBRATION] == {20}
    assert groups[TRAINING] == {0, 10, 30, 40, 50, 60, 70}
    for part in split.parts.values():
        assert {sample.label for sample in part} == {0, 1, 2, 3}


def test_a_split_read_back_has_the_same_hash(folder: Path) -> None:
    split = split_samples(find_samples(RECIPE, folder), RECIPE.split)
    assert Split.from_json(split.to_json()).sha256 == split.sha256
    (folder / "normal" / "n000.jpg").unlink()
    assert split_samples(find_samples(RECIPE, folder), RECIPE.split).sha256 != split.sha256


def test_splits_that_leave_a_part_empty_or_overlap_are_refused(folder: Path) -> None:
    samples = find_samples(RECIPE, folder)
    for rule in (
        replace(RECIPE.split, test=(500,)),
        replace(RECIPE.split, test=(20,)),
        replace(RECIPE.split, test=(0, 10, *range(30, 100, 10))),
    ):
        with pytest.raises(SplitError):
            split_samples(samples, rule)


def test_a_folder_without_a_class_is_named(folder: Path) -> None:
    for file in (folder / "insitu").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="insitu"):
        find_samples(RECIPE, folder)


@pytest.mark.shared_data
def test_the_real_set_has_what_the_recipe_says() -> None:
    split = split_samples(find_samples(RECIPE, SHARED_DATA / "bach"), RECIPE.split)
    assert {part: len(samples) for part, samples in split.parts.items()} == {TRAINING: 200, CALIBRATION: 40, TEST: 80}
