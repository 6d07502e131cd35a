"""The benchmark of a recipe from end to end: what was read, what scored best on validation, and how that did on test.

The rule was fixed before any test figure was seen: **the winner has the greatest mean AUROC over the validation sets, each
set counting alike; candidates within 0.001 of it are ties, and the cheapest of them wins.** The gate that ships and the
references that no box could run (ODIN, the autoencoder) stand beside and don't compete.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from training.data.pictures import counted
from training.evaluation.resampling import interval
from training.evaluation.words import recipe_facts
from training.packing.draft import open_drafts
from training.recipe import Recipe
from training.stamp import CACHE, source
from training.studies.ood.cases import ACQUISITION, CASES, CLASS, TEST, VALIDATION
from training.studies.ood.collect import (
    BESIDE_FLOAT,
    CELL_PX,
    DEPTHS,
    FIT,
    PROPER_SET,
    Collected,
    Subject,
    collect,
    load_float,
    load_head,
    load_numbers,
)
from training.studies.ood.detectors import AUTOENCODER, GATE, LOGITS, ROWS, LastLayer
from training.studies.ood.figures import DRAWS, Resampling, by_cell, by_picture, intervals, resampling
from training.studies.ood.score import (
    CELLS_MEAN,
    LEFT_OUT,
    MEANS,
    SPREADS,
    Candidate,
    FoldScores,
    Scored,
    fit_rows,
    score_fold,
)
from training.studies.ood.sets import fitting_corruptions, foreign_sets

SCHEMA = "loupe-ood/1"
RULE = (
    "greatest mean AUROC over the validation sets, each counting alike; of candidates within 0.001 of it the cheapest"
)
TIE = 0.001
SCORES = "scores.pickle"


@dataclass(frozen=True)
class SetFacts:
    """A set as the report names it."""

    name: str
    case: str
    side: str
    n: int


def _fold_scores(subject: Subject, taught: Sequence[str], classes: Sequence[str]) -> FoldScores:
    """A fold's scores, kept beside its numbers until those or the detectors change."""
    numbers = {"numbers": hashlib.sha256((subject.cache / CACHE).read_bytes()).hexdigest()}
    made_from = source("`loupe-train ood`", ("training.studies.ood.score",), numbers).sha256
    file = subject.cache / SCORES
    if file.is_file():
        with file.open("rb") as opened:
            kept_from, scores = pickle.load(opened)  # noqa: S301 — written below, in our own run's folder
        if kept_from == made_from:
            return scores  # type: ignore[no-any-return]
    scores = score_fold(subject.fold.name, load_numbers(subject), LastLayer(*load_head(subject)), taught, classes)
    with file.open("wb") as opened:
        pickle.dump((made_from, scores), opened)
    return scores


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 5) if len(values) and np.isfinite(values).all() else None


Draws = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class _Results:
    """What was scored, fold by fold, on which sets."""

    folds: Sequence[FoldScores]
    facts: Sequence[SetFacts]

    def on(self, candidate: Candidate, name: str) -> list[Scored]:
        return [fold.table[candidate][name] for fold in self.folds if name in fold.table[candidate]]

    def pictures(self, candidate: Candidate, drawn: Resampling | None = None) -> Draws:
        """Figures [1 + draws, 3] by set."""
        by_set = {fact.name: self.on(candidate, fact.name) for fact in self.facts}
        return {name: by_picture(scored, drawn) for name, scored in by_set.items() if scored}

    def tiles(self, candidate: Candidate, drawn: Resampling | None = None) -> Draws:
        """The same of single cells."""
        by_set = {fact.name: self.on(candidate, fact.name) for fact in self.facts}
        cells = {name: by_cell(scored, drawn) for name, scored in by_set.items() if scored}
        return {name: values for name, values in cells.items() if values is not None}

    def means(self, figures: Draws) -> dict[str, Any]:
        """AUROC and FPR averaged over the sets of each side and each of its cases, with intervals where there are draws."""
        by_side: dict[str, Any] = {}
        for side in (VALIDATION, TEST):
            # A class left out is measured of few detectors, so it stands by itself and in no other mean.
            whole = [fact for fact in self.facts if fact.side == side and fact.case != CLASS]
            names = [fact.name for fact in whole if fact.name in figures]
            together = np.mean([figures[name] for name in names], 0) if names else np.full((1, 3), np.nan)
            worst = min(names, key=lambda name: figures[name][0, 0], default=None)
            cases = {}
            for case in CASES:
                inside = [
                    figures[f.name] for f in self.facts if f.side == side and f.case == case and f.name in figures
                ]
                cases[case] = interval(np.mean(inside, 0)[:, 0]) if inside else None
            by_side[side] = {
                "auroc": interval(together[:, 0]),
                "fpr95": interval(together[:, 2]),
                "worst": worst and {"set": worst, "auroc": round(float(figures[worst][0, 0]), 5)},
                "by_case": cases,
            }
        return by_side


def _milliseconds(folds: Sequence[FoldScores], proper: Sequence[Collected]) -> dict[Candidate, float | None]:
    """Median over folds; what the gate and the autoencoder took was measured when they read."""
    times: dict[Candidate, float | None] = {}
    for candidate in folds[0].table:
        if candidate.detector == GATE:
            times[candidate] = _median([value for each in proper for value in each.gate_ms])
        elif candidate.detector == AUTOENCODER:
            times[candidate] = _median([value for each in proper for value in each.ssim_ms])
        else:
            times[candidate] = _median([fold.milliseconds[candidate] for fold in folds])
    return times


def _median(values: Sequence[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return round(float(np.median(known)), 3) if known else None


def choose(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The winner by `RULE` of rows with `validation`, `detector` and `ms`."""
    competing = [row for row in rows if row["detector"] not in (GATE, AUTOENCODER)]
    best = max(row[VALIDATION]["auroc"]["value"] for row in competing)
    return min((row for row in competing if row[VALIDATION]["auroc"]["value"] >= best - TIE), key=lambda row: row["ms"])


def _plain_auroc(foreign: NDArray[np.floating], proper: NDArray[np.floating]) -> float:
    return float(roc_auc_score([1] * len(foreign) + [0] * len(proper), np.concatenate([foreign, proper])))


def _float_beside(subject: Subject, facts: Sequence[SetFacts]) -> dict[str, Any]:
    """Detectors on the float network's outputs against the same on the integer one's, and ODIN: one fold, the first
    pictures of each set."""
    floats, odin_scores = load_float(subject)
    integers = load_numbers(subject)

    def few(numbers: Collected) -> Collected:
        return numbers.take(np.arange(len(numbers)) < BESIDE_FLOAT)

    sets = [fact for fact in facts if fact.name in floats]
    candidates = [Candidate(name, "logits", MEANS) for name in LOGITS]
    candidates += [Candidate(name, depth, level) for name in ROWS for depth in DEPTHS for level in (MEANS, SPREADS)]
    rows = []
    for candidate in candidates:
        by_network = {}
        for kind, numbers in (("integer", integers), ("float", floats)):
            take, score = fit_rows(candidate, numbers[FIT])
            scores = {name: score(take(few(numbers[name]))) for name in (PROPER_SET, *(fact.name for fact in sets))}
            by_network[kind] = {fact.name: _plain_auroc(scores[fact.name], scores[PROPER_SET]) for fact in sets}
        gaps = [abs(by_network["integer"][fact.name] - by_network["float"][fact.name]) for fact in sets]
        rows.append(
            {"detector": candidate.detector, "depth": candidate.depth, "level": candidate.level}
            | {kind: _mean(list(aurocs.values())) for kind, aurocs in by_network.items()}
            | {"largest_gap": round(max(gaps), 5)}
        )
    odin = {fact.name: _plain_auroc(odin_scores[fact.name], odin_scores[PROPER_SET]) for fact in sets}
    return {
        "fold": subject.fold.name,
        "pictures_a_set": BESIDE_FLOAT,
        "rows": rows,
        "odin": {side: _mean([odin[fact.name] for fact in sets if fact.side == side]) for side in (VALIDATION, TEST)},
    }


def _named(candidate: Candidate) -> dict[str, Any]:
    return {"detector": candidate.detector, "depth": candidate.depth, "level": candidate.level}


def _candidate(row: Mapping[str, Any]) -> Candidate:
    return Candidate(row["detector"], row["depth"], row["level"])


def _best_of_each(rows: Sequence[dict[str, Any]], besides: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of sorted rows the first of each detector, without the one that is shown already."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["detector"], row)
    return [row for row in first.values() if row is not besides]


def benchmark(recipe: Recipe, data: Path, foreign: Path, crossval: Path, out: Path) -> dict[str, Any]:
    """Read, score and measure; the report's document, JSON-able. Raises `DataError` and `RunError`."""
    started = perf_counter()
    sets, corruptions = foreign_sets(recipe, data, foreign), fitting_corruptions(recipe, data)
    subjects = [Subject(fold, out / fold.name) for fold in open_drafts(recipe, data, crossval)]
    for number, subject in enumerate(subjects):
        collect(subject, sets, corruptions, with_float=number == 0)
    classes = [label.id for label in recipe.labels]
    taught = [each.name for each in sets if each.side == VALIDATION]
    taught += [kind for kind, corruption in corruptions.items() if corruption.side == VALIDATION]
    scores = [_fold_scores(subject, taught, classes) for subject in subjects]
    proper = [Collected.load(subject.cache / f"{PROPER_SET}.npz") for subject in subjects]

    facts = [SetFacts(each.name, each.case, each.side, len(each.names)) for each in sets]
    for kind, corruption in corruptions.items():
        n = sum(len(next(iter(fold.table.values()))[kind].foreign) for fold in scores)
        facts.append(SetFacts(kind, ACQUISITION, corruption.side, n))
    for name in sorted({name for by_name in scores[0].table.values() for name in by_name if name.startswith(LEFT_OUT)}):
        label = classes.index(name.removeprefix(LEFT_OUT))
        facts.append(SetFacts(name, CLASS, TEST, sum(int((numbers.label == label).sum()) for numbers in proper)))

    results, times = _Results(scores, facts), _milliseconds(scores, proper)
    candidates = {candidate: results.pictures(candidate) for candidate in counted(list(scores[0].table), "figures")}
    rows = [
        {**_named(candidate), **results.means(figures), "ms": times[candidate]}
        for candidate, figures in candidates.items()
    ]
    rows.sort(key=lambda row: -row[VALIDATION]["auroc"]["value"])
    winner = choose(rows)
    drawn = resampling((table for fold in scores for table in fold.table.values()), DRAWS)
    shown = []
    for row in counted([winner, *_best_of_each(rows, winner)], "intervals"):
        figures = results.pictures(_candidate(row), drawn)
        by_set = {name: intervals(values) for name, values in figures.items()}
        shown.append({**row, **results.means(figures), "sets": by_set})
    cells = []
    for candidate in counted([each for each in candidates if each.level == CELLS_MEAN], "tiles"):
        figures = results.tiles(candidate)
        named = _named(candidate) | {"level": "tiles", "ms": times[candidate]}
        cells.append(
            {**named, **results.means(figures), "sets": {n: round(float(v[0, 0]), 5) for n, v in figures.items()}}
        )
    cells.sort(key=lambda row: -row[VALIDATION]["auroc"]["value"])
    network_ms = float(np.median(np.concatenate([numbers.network_ms for numbers in proper])))
    return {
        "schema": SCHEMA,
        "created": date.today().isoformat(),
        "recipe": recipe_facts(recipe),
        "data": {"name": recipe.data.name, "source": recipe.data.source},
        "folds": [subject.fold.name for subject in subjects],
        "proper": sum(len(numbers) for numbers in proper),
        "groups": len({str(unit) for numbers in proper for unit in numbers.unit}),
        "cell_px": CELL_PX,
        "draws": DRAWS,
        "rule": RULE,
        "sets": [asdict(fact) for fact in facts],
        "winner": _named(_candidate(winner)),
        "shown": shown,
        "tiles": _best_of_each(cells, {}),
        "all": rows,
        "refused": _refused(subjects),
        "network_ms": round(network_ms, 2),
        "float": _float_beside(subjects[0], facts),
        "minutes": round((perf_counter() - started) / 60, 1),
    }


def _refused(subjects: Sequence[Subject]) -> dict[str, float]:
    """The share of each set that the shipping gate's code refuses, proper pictures among them."""
    seen: dict[str, list[NDArray[np.bool_]]] = {}
    for subject in subjects:
        for file in sorted(subject.cache.glob("*.npz")):
            with np.load(file) as arrays:
                if "refused" in arrays:
                    seen.setdefault(file.stem, []).append(arrays["refused"])
    return {name: round(float(np.concatenate(refusals).mean()), 4) for name, refusals in seen.items()}
