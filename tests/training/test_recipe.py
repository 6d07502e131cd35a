"""Recipes are checked before anything is trained."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from tests.support.shipped import ROOT
from training.errors import RecipeError
from training.recipe import RECIPES, SCHEMA_FILE, Recipe, load_recipe, recipe_schema
from training.setting_words import settings_of

RESULTS = (ROOT / "docs/researchers/results.md").read_text(encoding="utf-8")
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
        ("batch = 8", "batch = 8\ncopies = 65", "fit.copies"),
        ("batch = 8", "batch = 8\nplace = 'corner'", "fit.place"),
        ("batch = 8", "batch = 8\ncopies = 2\npatience = 1", "fit.patience 0"),
        ("[fit]", "[network]\nfrozen_blocks = 0\n[fit]\ncopies = 2", "network.frozen_blocks"),
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


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("epochs = 50", "epoch = 24", "unknown setting fit.epoch; there are epochs, batch, square_px"),
        ("epochs = 50", "", "fit.epochs is missing"),
        ("epochs = 50", "epochs = 2.5", "fit.epochs = 2.5 must be a whole number in 0…10000"),
        ("epochs = 50", "epochs = 50\nlearning_rate = nan", "fit.learning_rate = nan must be a number in 0…1"),
        ("square_px = [288]", "square_px = [288, 4]", "fit.square_px[1] = 4 must be a whole number in 32…2048"),
        (
            "square_px = [288]",
            "square_px = 288",
            "fit.square_px must be a list of whole numbers in 32…2048, at least 1",
        ),
        ("refit_head = true", "refit_head = 1", "fit.refit_head = 1 must be true or false"),
        ('unit = "picture"', 'unit = "slide"', "gate.unit = 'slide' must be one of patient, picture"),
        ('version = "2.4.0"', 'version = "two"', "version = 'two' must be three numbers, such as 1.0.0"),
        ("concern = [", "concern = [3, ", "answer.concern[0] = 3 must be a text"),
        ('options = { block = "10" }', "options = 10", "data.options must be a table of texts or numbers"),
        ("[fit]", "[[fit]]", "fit must be a table with epochs"),
        ('fr = "Tissu normal"', 'de = "Gewebe"', "unknown setting labels[0].name.de; there are en, fr"),
    ],
)
def test_a_refusal_names_the_setting_and_what_it_may_be(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in BACH
    file = tmp_path / "mine.toml"
    file.write_text(BACH.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    assert str(caught.value).startswith(says)


def test_every_setting_says_what_it_means() -> None:
    settings = list(settings_of(Recipe))
    assert len({setting.path for setting in settings}) == len(settings) > 50
    for setting in settings:
        assert setting.meaning, setting.path
        assert setting.allowed, setting.path


def test_what_is_left_out_has_its_default() -> None:
    recipe = load_recipe("bach")
    defaults = {setting.path: setting.default for setting in settings_of(Recipe)}
    assert recipe.network.name == defaults["network.name"]
    assert recipe.augmentation.scale == defaults["augmentation.scale"]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_opens_with_its_command_its_time_and_the_figure_to_expect(path: Path) -> None:
    """The figure is that of docs/researchers/results.md; a recipe that waits for a machine says that it wasn't measured."""
    opening = " ".join(line.lstrip("# ") for line in path.read_text(encoding="utf-8").split("\nid = ")[0].splitlines())
    rows = [line for line in RESULTS.splitlines() if line.startswith(f"| [{path.stem}, ")]
    assert f"loupe-train crossval {path.stem} " in opening
    assert "Time: " in opening
    if not rows:  # `loupe-train results runs/RECIPE-crossval --keep` writes one
        assert "Not measured yet" in opening
        return
    pictures, balanced_accuracy = (cell.strip() for cell in rows[0].split("|")[2:4])
    assert f"balanced accuracy {balanced_accuracy}, of {pictures.split()[0]} " in opening


def test_the_schema_is_what_the_records_say() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == recipe_schema(), "python -m training.recipe writes it anew"


def test_an_editor_finds_by_the_schema_what_loading_refuses() -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for path in RECIPES.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("#:schema ../recipe.schema.json\n")
        jsonschema.validate(tomllib.loads(text), schema)
    for old, new in (
        ("epochs = 50", "epochs = -1"),
        ("epochs = 50", "epoch = 50"),
        ('"picture"', '"slide"'),
        ('id = "bach"', 'id = "My model"'),
        ('options = { block = "10" }', "options = { block = [10] }"),
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(BACH.replace(old, new, 1)), schema)


def test_an_option_may_be_written_as_a_number(tmp_path: Path) -> None:
    """As `options = { um_per_px = 0.2 }`, which is how anybody would write it."""
    (tmp_path / "my.toml").write_text(BACH.replace('block = "10"', "block = 10"), encoding="utf-8")
    assert load_recipe(str(tmp_path / "my.toml")) == load_recipe("bach")


def test_an_unknown_recipe_lists_the_shipped_ones() -> None:
    with pytest.raises(RecipeError, match="bach"):
        load_recipe("none")
