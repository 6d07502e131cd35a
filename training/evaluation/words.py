"""What figures are called and how they are written, the same in every report, card and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from device.reading.manifest import Unit
from training.data import adapter_named
from training.recipe import Recipe


@dataclass(frozen=True)
class Figure:
    """A figure's title, and whether it is a share of pictures (written in per cent)."""

    title: str
    percent: bool


FIGURES: dict[str, Figure] = {
    "accuracy": Figure("Accuracy", True),
    "balanced_accuracy": Figure("Balanced accuracy", True),
    "macro_auroc": Figure("AUROC, mean of classes", False),
    "macro_f1": Figure("F1, mean of classes", False),
    "ece": Figure("Expected calibration error", False),
    "brier": Figure("Brier score", False),
    "log_loss": Figure("Log loss", False),
    "aurc": Figure("Area under risk–coverage", False),
    "refused": Figure("Refused by the gate", True),
    "accuracy_of_accepted": Figure("Accuracy of what was accepted", True),
    "agreement": Figure("Same class as the float network", True),
    "minus_float": Figure("Balanced accuracy, integer − float", True),
    "sensitivity": Figure("Sensitivity", True),
    "specificity": Figure("Specificity", True),
    "f1": Figure("F1", False),
    "auroc": Figure("AUROC", False),
    "float_balanced_accuracy": Figure("Balanced accuracy, float network", True),
}
HEADLINE = ("balanced_accuracy", "accuracy", "macro_auroc", "ece")
NOTHING = "–"


def title(name: str) -> str:
    """`sensitivity.benign` → `Sensitivity, benign`."""
    figure, _, label = name.partition(".")
    return FIGURES[figure].title + (f", {label}" if label else "")


def number(name: str, value: float | None, *, signed: bool = False) -> str:
    """A figure's value as people write it: `86.2 %` or `0.941`; a difference (`signed`): `+1.3 points` or `+0.012`."""
    if value is None:
        return NOTHING
    percent = FIGURES[name.partition(".")[0]].percent
    rounded = round(100 * value, 1) if percent else round(value, 3)
    rounded += 0.0  # −0 is 0
    text = f"{rounded:{'+' if signed else ''}.{1 if percent else 3}f}".replace("-", "−")
    return text + ((" points" if signed else " %") if percent else "")


def limits(name: str, figure: Mapping[str, float | None], *, signed: bool = False) -> str:
    """The interval alone: `80.1 to 91.0 %`; empty where there is none."""
    if figure["low"] is None:
        return ""
    low, high = (number(name, figure[end], signed=signed) for end in ("low", "high"))
    return f"{low.split(' ')[0]} to {high}"


def with_interval(name: str, figure: Mapping[str, float | None], *, signed: bool = False) -> str:
    """`86.2 % (80.1 to 91.0 %)`."""
    interval = limits(name, figure, signed=signed)
    return number(name, figure["value"], signed=signed) + (f" ({interval})" if interval else "")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def right_of(row: Mapping[str, Any], label: str) -> str:
    """A patient's pictures of a class: how many of them are right, `7 of 9`."""
    n = row["classes"][label]
    return f"{row['right'][label]} of {n}" if n else NOTHING


def mean_and_deviation(name: str, folds: Mapping[str, Any] | None) -> str:
    """`86.2 % ± 1.3 %` over folds."""
    over_folds = folds and folds.get(name)
    return f"{number(name, over_folds['mean'])} ± {number(name, over_folds['sd'])}" if over_folds else NOTHING


def unit_of(recipe: Recipe, table: pd.DataFrame) -> Unit:
    """What a split keeps together in this data set: `patient`, `block` (of consecutive numbers) or `picture`."""
    alone = table["group"].nunique() == len(table)
    return adapter_named(recipe.data.adapter).group or ("picture" if alone else "patient")


def unit_column(unit: str) -> str:
    """Heading of a column that counts units beside one that counts pictures."""
    return "Groups" if unit == "picture" else f"{unit.capitalize()}s"


def scheme_words(recipe: Recipe, unit: str, *, crossval: bool) -> str:
    """How pictures were split, for people: of a cross-validation, or of the one split with a test part."""
    rule = recipe.split
    if crossval and rule.scheme == "leave-one-group-out":
        return (
            f"leave one {unit} out: one fold for each {unit} with at least {rule.min_each} pictures of every class, each "
            f"tested by a network that was fitted on all other {unit}s"
        )
    if crossval:
        return (
            f"{rule.folds} folds of whole {unit}s, stratified by class (seed {rule.seed}); each {unit} is tested once, "
            f"by a network that was not fitted on it"
        )
    return (
        f"one split of whole {unit}s: a part to train on, a part to calibrate, and this part, which is only tested on"
    )


def recipe_facts(recipe: Recipe) -> dict[str, str]:
    """The recipe at the head of a report's JSON."""
    return {
        "id": recipe.id,
        "version": recipe.version,
        "title": recipe.title.en,
        "network": recipe.network.name,
    }
