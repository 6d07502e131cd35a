"""Recipes are checked before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import RecipeError
from training.recipe import RANGES, RECIPES, load_recipe

BACH = (RECIPES / "bach.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    assert load_recipe(path.stem).id == path.stem


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("epochs = 70", "epoch = 24", "fit.epoch"),
        ("epochs = 70", "", "fit.epochs"),
        ("epochs = 70", "epochs = 'many'", "fit.epochs"),
        ("epochs = 70", "epochs = -1", "fit.epochs"),
        ("dropout = 0.3", "dropout = 1.5", "fit.dropout"),
        ("block = 10", "block = 0", "split.block"),
        ("calibration = [20]", "calibration = 20", "split.calibration"),
        ("alpha = 0.025", "alpha = 0", "gate.alpha"),
        ("stain = 0.25", "stain = true", "augmentation.stain"),
        ('adapter = "bach"', "adapter = 3", "data.adapter"),
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
    for path in RANGES:
        part, name = path.split(".")
        assert hasattr(getattr(recipe, part), name)


def test_an_unknown_recipe_lists_the_shipped_ones() -> None:
    with pytest.raises(RecipeError, match="bach"):
        load_recipe("none")
