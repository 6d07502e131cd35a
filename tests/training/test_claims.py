"""What a copied recipe still claims is said by commands that fit, and refused by the one that packs."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.claims import doubts
from training.cli import main
from training.errors import RecipeError
from training.recipe import RECIPES, load_recipe

BREAKHIS = (RECIPES / "breakhis.toml").read_text(encoding="utf-8")


def copied(folder: Path, *changes: tuple[str, str]) -> str:
    """A copy of the shipped recipe `breakhis` with other words in it; its file."""
    text = BREAKHIS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "my.toml").write_text(text, encoding="utf-8")
    return str(folder / "my.toml")


OWN = (('id = "breakhis"', 'id = "my"'), ('adapter = "breakhis"', 'adapter = "folder"'))
NAMED = (("BreakHis", "Our clinic's"), ("https://web.inf.ufpr.br", "https://our.clinic"))


def test_a_copied_recipe_still_claims_another_sets_source(tmp_path: Path) -> None:
    (doubt,) = said(copied(tmp_path, *OWN))
    assert "data.name and data.source and data.terms are those of the recipe breakhis" in doubt
    assert not said(copied(tmp_path, *OWN, *NAMED))  # terms alone may be the same
    assert "id = 'breakhis'" in said(copied(tmp_path, OWN[1], *NAMED))[0]
    assert len(said(copied(tmp_path, OWN[1]))) == 2  # all at once, not one after the other
    assert "data.source is empty" in said(
        copied(tmp_path, *OWN, *NAMED, (load_recipe("breakhis").data.source.replace("web.inf.ufpr.br", "our.clinic"), ""))
    )[0]  # fmt: skip
    assert not said(copied(tmp_path, OWN[0]))  # the same pictures, read by the same adapter
    assert not said("breakhis")


def said(name: str) -> list[str]:
    return doubts(name, load_recipe(name))


def test_a_recipe_that_names_no_class_of_concern_counts_all_until_it_is_packed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = copied(tmp_path, *OWN, *NAMED, ('concern = ["malignant"]', ""))
    assert load_recipe(file).answer.concern == ("benign", "malignant")
    assert main(["pack", file, "--keys", str(tmp_path / "keys"), "--owner", "ada"]) == 1
    told = capsys.readouterr().err
    assert "answer.concern is missing" in told
    assert 'concern = ["malignant"]' in told
    assert not (tmp_path / "keys").exists()
    assert main(["data", "split", file, "--data", str(tmp_path)]) == 1
    assert "note: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('id = "breakhis"', 'id = "My model"', "id = 'My model'"),
        ('id = "malignant"', 'id = "Malignant"', r"labels\[1\]\.id = 'Malignant'"),
        ('id = "malignant"', 'id = "benign"', "benign twice"),
        ('version = "', 'version = "v', "three numbers"),
    ],
)
def test_what_a_bundle_would_refuse_is_refused_before_anything_is_fitted(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    with pytest.raises(RecipeError, match=named):
        load_recipe(copied(tmp_path, (old, new)))
