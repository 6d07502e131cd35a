"""Recipes are checked before anything is trained."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import pytest

from training.errors import RecipeError
from training.recipe import CHOICES, DEFAULTS, RANGES, RECIPES, load_recipe

BACH = (RECIPES / "bach.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    assert load_recipe(path.stem).id == path.stem


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("epochs = 50", "epoch = 24", "fit.epoch"),
        ("epochs = 50", "", "fit.epochs"),
        ("epochs = 50", "epochs = 'many'", "fit.epochs"),
        ("epochs = 50", "epochs = -1", "fit.epochs"),
        ("batch = 8", "batch = 8\ndropout = 1.5", "fit.dropout"),
        ("batch = 8", "batch = 8\nbalance = 'fair'", "fit.balance"),
        ("square_px = [288]", "square_px = 288", "fit.square_px"),
        ("square_px = [288]", "square_px = [288, 4]", "fit.square_px"),
        ("square_px = [288]", "square_px = []", "fit.square_px"),
        ("[fit]", "[split]\nscheme = 'random'\n[fit]", "split.scheme"),
        ("[fit]", "[split]\nfolds = 1\n[fit]", "split.folds"),
        ('unit = "picture"', "alpha = 0", "gate.alpha"),
        ('unit = "picture"', "unit = 'slide'", "gate.unit"),
        ("[fit]", "[network]\nfrozen_blocks = 17\n[fit]", "network.frozen_blocks"),
        ("[fit]", "[augmentation]\nstain = true\n[fit]", "augmentation.stain"),
        ("[fit]", "[augmentation]\nupright = 1\n[fit]", "augmentation.upright"),
        ("[fit]", "[quantization]\nmin_agreement = 2\n[fit]", "quantization.min_agreement"),
        ('options = { block = "10" }', "options = { block = [10] }", "data.options"),
        ('adapter = "bach"', "adapter = 3", "data.adapter"),
        ('concern = ["insitu", "invasive"]', 'concern = "invasive"', "answer.concern must be a list"),
        ('concern = ["insitu", "invasive"]', 'concern = ["malignant"]', "answer.concern names malignant"),
        ('fr = "Tissu normal"', 'de = "Gewebe"', "labels[0].name"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in BACH
    file = tmp_path / "mine.toml"
    file.write_text(BACH.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    assert named in str(caught.value)


def test_ranges_name_settings_that_exist() -> None:
    recipe = load_recipe("bach")
    for path in (*RANGES, *CHOICES):
        attrgetter(path)(recipe)


def test_what_is_left_out_has_its_default() -> None:
    recipe = load_recipe("bach")
    assert recipe.network.name == DEFAULTS["network."]["name"]
    assert recipe.augmentation.scale == DEFAULTS["augmentation."]["scale"]


def test_an_option_may_be_written_as_a_number(tmp_path: Path) -> None:
    """As `options = { um_per_px = 0.2 }`, which is how anybody would write it."""
    (tmp_path / "my.toml").write_text(BACH.replace('block = "10"', "block = 10"), encoding="utf-8")
    assert load_recipe(str(tmp_path / "my.toml")) == load_recipe("bach")


def test_an_unknown_recipe_lists_the_shipped_ones() -> None:
    with pytest.raises(RecipeError, match="bach"):
        load_recipe("none")
