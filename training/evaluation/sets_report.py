"""The tables of prediction sets, as Markdown: what they are like by fold and class, and beside other choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.sets import Answered, measure_sets, other_choices
from training.evaluation.words import NOTHING, markdown_table, number, unit_column, with_interval
from training.recipe import AnswerRule


def _share(inside: int, pictures: int) -> str:
    return f"{inside} of {pictures} ({number('accuracy', inside / pictures)})" if pictures else NOTHING


def _row(sets: Mapping[str, Any], labels: Sequence[str]) -> list[str]:
    """Of some sets: coverage by class, mean size, single ones with how many were right, all classes, carcinoma outside."""
    single, concern = sets["single"], sets["concern_outside"]
    classes = (sets["classes"][label] for label in labels)
    return [
        *(_share(one["inside"], one["pictures"]) for one in classes),
        f"{sets['size']['value']:.2f}",
        f"{single['n']} ({single['right']} right)",
        str(sets["undecided"]),
        _share(concern["outside"], concern["pictures"]),
    ]


def _head(first: Sequence[str], names: Mapping[str, str]) -> list[str]:
    inside = (f"inside, {name}" for name in names.values())
    return [*first, *inside, "mean size", "one class alone", "all classes", "of concern: no such class inside"]


def promised_table(sets: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """By class: what is promised, from how many units, and what was measured."""
    rows = [
        [
            names[label],
            f"at least {number('accuracy', threshold['level'])}",
            str(threshold["n"]),
            f"{threshold['threshold']:.4f}",
            _share(sets["classes"][label]["inside"], sets["classes"][label]["pictures"]),
            with_interval("accuracy", sets["classes"][label]["coverage"]),
        ]
        for label, threshold in sets["thresholds"].items()
    ]
    head = [
        "class",
        "promised",
        unit_column(sets["unit"]).lower(),
        "left out below",
        "measured: inside",
        "95 % interval",
    ]
    return markdown_table(head, rows)


def fold_table(sets: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A row a fold, thresholds from the other folds, and all of them."""
    rows = [[fold["fold"], str(fold["n"]), *_row(fold, list(names))] for fold in sets["folds"]]
    rows.append(["all", str(sets["n"]), *_row(sets, list(names))])
    return markdown_table(_head(["fold", "n"], names), rows)


def record_table(sets: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A row for each set that occurred: how many pictures had it, and of which classes they were."""
    rows = [
        [" or ".join(names[label] for label in row["labels"]), str(sum(row["counts"])), *map(str, row["counts"])]
        for row in sets["record"]
    ]
    return markdown_table(["answer", "n", *names.values()], rows)


def choices_table(answers: Answered, rule: AnswerRule, names: Mapping[str, str]) -> str:
    """The same measurement with other ways to find thresholds; the level is that of the class with the least."""
    labels, rows = list(names), []
    for name, find in other_choices(rule).items():
        level = min(one.level for one in answers.thresholds(find))
        held = answers.cross_fitted(find)
        percent = number("accuracy", level) if level else NOTHING
        rows.append([name, percent, *_row(measure_sets(held, answers, labels, rule.concern), labels)])
    return markdown_table(_head(["thresholds", "promised level"], names), rows)


def sets_words(sets: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """All about the sets of a cross-validation, as a report and `docs/researchers/results.md` have it."""
    concern = ", ".join(names[label] for label in sets["concern"]) or "none"
    units = unit_column(sets["unit"]).lower()
    return "\n\n".join(
        (
            f"Accepted pictures: {sets['n']}, of {sets['units']} {units}. Classes of concern: {concern}. "
            f"Promised with {number('accuracy', sets['confidence'])} confidence; asked for: "
            f"{number('accuracy', sets['asked'])}. Mean size {with_interval('macro_f1', sets['size'])}.",
            promised_table(sets, names),
            fold_table(sets, names),
            record_table(sets, names),
        )
    )
