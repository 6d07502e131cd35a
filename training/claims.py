"""What a recipe claims of its pictures and its model, and whether that can be so.

A recipe of one's own usually starts as a copy of a shipped one, whose name, source and terms would then stand on the card
of a model that never saw those pictures. Commands that fit and measure say what they doubt and go on; `pack` refuses.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.errors import RecipeError
from training.recipe import RECIPES, Recipe, load_recipe

WORDS = ("name", "source", "terms")


def doubts(name: str, recipe: Recipe) -> list[str]:
    """What can't be so, or isn't said, in a recipe that was loaded by its name; nothing of a shipped one."""
    path = Path(name)
    if path.suffix != ".toml" or path.resolve().parent == RECIPES.resolve():
        return []
    table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    return [*_unsaid(table, recipe), *_copied(recipe)]


def _unsaid(table: dict[str, Any], recipe: Recipe) -> Iterator[str]:
    if "concern" not in table.get("answer", {}):
        yield (
            "answer.concern is missing: say which labels are of concern, for example concern = "
            f'["{recipe.labels[-1].id}"] under [answer]; an empty list where none is'
        )
    for word in WORDS:
        if not str(getattr(recipe.data, word)).strip():
            yield f"data.{word} is empty: the card says where the pictures come from and on what terms"


def _copied(recipe: Recipe) -> Iterator[str]:
    """Claims that are those of a shipped recipe whose pictures are read by another adapter."""
    for file in sorted(RECIPES.glob("*.toml")):
        shipped = load_recipe(file.stem)
        if shipped.data.adapter == recipe.data.adapter:
            continue
        same = [word for word in WORDS if getattr(shipped.data, word) == getattr(recipe.data, word)]
        # Terms alone may well be those of two sets.
        if {"name", "source"} & set(same):
            yield (
                f"{' and '.join(f'data.{word}' for word in same)} are those of the recipe {shipped.id}, but the adapter "
                f"{recipe.data.adapter} reads other pictures: write what is true of yours. If they are of that set, add to "
                "name and source what you chose from it"
            )
        if shipped.id == recipe.id:
            yield f"id = {recipe.id!r} is that of a shipped recipe, whose run and bundle would be replaced: choose another"
        if {"name", "source"} & set(same) or shipped.id == recipe.id:
            return  # several shipped recipes are of one set


def check_claims(name: str, recipe: Recipe) -> None:
    """Raises `RecipeError` with all that is doubted: a bundle carries these claims to whoever reads its card."""
    if doubted := doubts(name, recipe):
        raise RecipeError(f"{name} claims what a bundle can't say:\n" + "\n".join(f"- {doubt}" for doubt in doubted))
