"""What a head on a network's features knows of fields, however it is trained and whatever it looks at: probes, by folds.

Pooling sets, a second scale and another pooling of places are cheap to try where the network stays as it is: a probe is a
regression on features that are computed once. Each trial is fitted on the same folds of a pooled set
(`training/data/adapters/pooled.py`), and judged on three kinds of pictures that it wasn't fitted on:

- fields of BACH's left-out blocks: four classes;
- fields of BreakHis' left-out patients: does carcinoma (in situ or invasive) rank above benign tumours;
- tiles of PCam, lymph nodes of other laboratories, 96 px at about 0.97 µm/px, read as 64 px: the mean of the folds' probes.

Differences are paired: the same pictures, the same draws of blocks or patients.

Weighted places keep the map's sum exact: a logit is Σ weight · class map with weights that sum to 1. Here they are equal on
the quarter of places where a first head, on plain means, sees most evidence for the classes of concern, and 0 elsewhere.
The second head is fitted on features that are weighted so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from msgspec import structs
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from training import networks
from training.data import Sample, labels_of, load_pixels, make_folds, possible_of
from training.data.files import list_files
from training.data.pictures import counted
from training.data.sample import SET
from training.evaluation import resampling
from training.evaluation.resampling import Floats, interval, patient_weights
from training.evaluation.words import markdown_table, with_interval
from training.fitting.fit import fit_partial
from training.recipe import Recipe

FINE_UM_PER_PX = 0.56
JUDGE_PX = 64
JUDGE_LABELS = ("normal", "tumour")
TOP_SHARE = 0.25
BACH, BREAKHIS = "bach", "breakhis"
EVERYWHERE, TOP = "mean", "top quarter"


@dataclass(frozen=True)
class Trial:
    """`train`: on which sets; `scales`: 1, or 2 with the finer one; `places`: which make a logit."""

    name: str
    train: tuple[str, ...] = (BACH,)
    fine: bool = False
    places: str = EVERYWHERE


TRIALS = (
    Trial("BACH alone"),
    Trial("BACH and BreakHis", (BACH, BREAKHIS)),
    Trial("BACH, top quarter of places", places=TOP),
    Trial("BACH, two scales", fine=True),
)


@dataclass(frozen=True)
class Features:
    """Of each picture its places' features [places, channels] at the recipe's scale, and their means at the finer one [n,
    channels]; NaN of pictures that weren't read at it."""

    places: list[NDArray[np.float16]]
    fine: NDArray[np.float32]


def _places(model: keras.Model, pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float16]]:
    """Features of each picture's places, [places, channels]."""
    forward = tf.function(lambda x: model(x, training=False)["features"], reduce_retracing=True)
    channels = model.output["features"].shape[-1]
    return [
        forward(networks.scale_pixels(picture[None])).numpy().reshape(-1, channels).astype(np.float16)
        for picture in counted(pictures, "features")
    ]


def features_of(model: keras.Model, recipe: Recipe, data: Path, samples: Sequence[Sample], *, fine: bool) -> Features:
    """A network's features of samples; with `fine`, of BACH's at the finer scale too."""
    places = _places(model, load_pixels(data, samples, recipe.data))
    means = np.full((len(samples), model.output["features"].shape[-1]), np.nan, np.float32)
    area_px = round(recipe.data.area_px * (recipe.data.um_per_px / FINE_UM_PER_PX) ** 2)
    finer = structs.replace(recipe.data, um_per_px=FINE_UM_PER_PX, area_px=area_px)
    for index, sample in enumerate(samples):
        if fine and sample.extra[SET] == BACH:
            means[index] = _places(model, load_pixels(data, [sample], finer))[0].astype(np.float32).mean(0)
    return Features(places, means)


def judge_features(model: keras.Model, recipe: Recipe, folder: Path) -> tuple[Features, NDArray[np.bool_]]:
    """Features of the far judge's tiles, and which of them show a tumour."""
    files = [file for file in list_files(folder).pictures if file.split("/")[0] in JUDGE_LABELS]
    tiles = [Sample(file, JUDGE_LABELS.index(file.split("/")[0]), file) for file in files]
    small = structs.replace(recipe.data, brought_to="area", area_px=JUDGE_PX**2)
    places = _places(model, load_pixels(folder, tiles, small))
    return Features(places, np.full((len(tiles), 1), np.nan, np.float32)), labels_of(tiles) == 1


def _top(probe: Pipeline, places: NDArray[np.float16], concern: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mean features of the quarter of places with most evidence for classes of concern."""
    class_map = probe.decision_function(places.astype(np.float32))
    evidence = class_map[:, concern].max(1) - class_map[:, ~concern].max(1)
    best = np.argsort(-evidence, kind="stable")[: ceil(TOP_SHARE * len(evidence))]
    return np.asarray(places[best].astype(np.float32).mean(0))


@dataclass(frozen=True)
class Reader:
    """A trial's probe: probabilities [n, classes] of features."""

    trial: Trial
    probe: Pipeline
    first: Pipeline | None
    concern: NDArray[np.bool_]

    def rows(self, features: Features, which: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.first is not None:
            return np.stack([_top(self.first, features.places[i], self.concern) for i in which])
        means = np.stack([features.places[i].astype(np.float32).mean(0) for i in which])
        return np.concatenate([means, features.fine[which]], 1) if self.trial.fine else means

    def probabilities(self, features: Features, which: NDArray[np.int64]) -> Floats:
        """NaN where a picture wasn't read at the trial's scales."""
        rows = self.rows(features, which)
        known = np.isfinite(rows).all(1)
        p = np.full((len(which), len(self.concern)), np.nan)
        if known.any():
            p[known] = self.probe.predict_proba(rows[known])
        return p


def fit_trial(
    trial: Trial, features: Features, possible: NDArray[np.float32], seen: NDArray[np.int64], concern: NDArray[np.bool_]
) -> Reader:
    """Fit a trial's probe on the pictures with indexes `seen`."""
    ones = np.ones(len(seen))
    means = np.stack([features.places[i].astype(np.float32).mean(0) for i in seen])
    if trial.fine:
        means = np.concatenate([means, features.fine[seen]], 1)
    probe = fit_partial(means, possible[seen], ones)
    if trial.places == EVERYWHERE:
        return Reader(trial, probe, None, concern)
    top = np.stack([_top(probe, features.places[i], concern) for i in seen])
    return Reader(trial, fit_partial(top, possible[seen], ones), probe, concern)


@dataclass(frozen=True)
class Judged:
    """What the trials said: probabilities [n, classes] of the samples by trial, each by the probe of the fold that left it
    out, and of the far judge's tiles the mean over folds; NaN where a trial can't read a picture."""

    samples: list[Sample]
    unseen: dict[str, Floats]
    tumour: NDArray[np.bool_]
    far: dict[str, Floats]
    concern: NDArray[np.bool_]


def judge(
    recipe: Recipe, data: Path, far: Path, samples: Sequence[Sample], models: Mapping[str, keras.Model], *, fine: bool
) -> Judged:
    """Run the trials on the folds that have a network: `models` by the fold's name; the same network may stand for all."""
    folds = [fold for fold in make_folds(samples, recipe.split) if fold.name in models]
    concern = np.array([label.id in recipe.answer.concern for label in recipe.labels])
    trials = [trial for trial in TRIALS if fine or not trial.fine]
    possible = possible_of(samples, len(recipe.labels))
    number = {(sample.file, sample.box): index for index, sample in enumerate(samples)}
    unseen = {trial.name: np.full((len(samples), len(concern)), np.nan) for trial in trials}
    sums: dict[str, list[Floats]] = {trial.name: [] for trial in trials}
    known: dict[int, tuple[Features, Features]] = {}
    tumour = np.zeros(0, bool)
    for fold in folds:
        model = models[fold.name]
        if id(model) not in known:
            tiles, tumour = judge_features(model, recipe, far)
            known = {id(model): (features_of(model, recipe, data, samples, fine=fine), tiles)}
        features, tiles = known[id(model)]
        for trial in trials:
            seen = np.array([number[s.file, s.box] for s in fold.rest if s.extra[SET] in trial.train])
            tested = np.array([number[s.file, s.box] for s in fold.test])
            reader = fit_trial(trial, features, possible, seen, concern)
            unseen[trial.name][tested] = reader.probabilities(features, tested)
            if not trial.fine:
                sums[trial.name].append(reader.probabilities(tiles, np.arange(len(tumour))))
    tested_ones = np.isfinite(unseen[TRIALS[0].name]).all(1)
    return Judged(
        [sample for sample, tested in zip(samples, tested_ones, strict=True) if tested],
        {name: p[tested_ones] for name, p in unseen.items()},
        tumour,
        {name: np.mean(each, axis=0) for name, each in sums.items() if each},
        concern,
    )


def _series(judged: Judged, name: str, labels: Sequence[str]) -> dict[str, Floats]:
    """Each figure of a trial over the draws of blocks, of patients, and of tiles; left out where it read none."""
    series: dict[str, Floats] = {}
    p, of = judged.unseen[name], np.array([sample.extra[SET] for sample in judged.samples])
    groups = np.unique([sample.group for sample in judged.samples], return_inverse=True)[1]
    truth = labels_of(judged.samples)
    for set_name in (BACH, BREAKHIS):
        rows = (of == set_name) & np.isfinite(p).all(1)
        if not rows.any():
            continue
        group = np.unique(groups[rows], return_inverse=True)[1]
        weights = patient_weights(int(group.max()) + 1)
        if set_name == BACH:
            counts = resampling.confusion(weights, group, truth[rows], p[rows].argmax(1), len(labels))
            with np.errstate(invalid="ignore", divide="ignore"):
                recall = np.einsum("dkk->dk", counts) / counts.sum(2)
            series["balanced_accuracy"] = recall.mean(1)
            series |= {f"sensitivity.{label}": recall[:, k] for k, label in enumerate(labels)}
        else:
            score = p[rows][:, judged.concern].sum(1)
            series["auroc.breakhis"] = resampling.auroc(weights, group, score, truth[rows] < 0)
    if name in judged.far:
        score, n = judged.far[name][:, judged.concern].sum(1), len(judged.tumour)
        series["auroc.far"] = resampling.auroc(patient_weights(n), np.arange(n), score, judged.tumour)
    return series


def report(recipe: Recipe, judged: Judged, words: str) -> str:
    """A Markdown table: a row a trial, its figures with 95 % intervals, and what each gains on the first."""
    labels = [label.id for label in recipe.labels]
    names = ["balanced_accuracy", *(f"sensitivity.{label}" for label in labels), "auroc.breakhis", "auroc.far"]
    all_series = {name: _series(judged, name, labels) for name in judged.unseen}
    first = next(iter(all_series.values()))
    rows = []
    for trial, series in all_series.items():
        rows.append([trial, *(with_interval(n, interval(series[n])) if n in series else "–" for n in names)])
        if series is not first:
            gains = (
                with_interval(n, interval(series[n] - first[n]), signed=True) if n in series and n in first else "–"
                for n in names
            )
            rows.append(["… more than the first", *gains])
    of_bach = [sample for sample in judged.samples if sample.extra[SET] == BACH]
    of_breakhis = [sample for sample in judged.samples if sample.extra[SET] == BREAKHIS]
    benign = {sample.group for sample in of_breakhis if sample.label >= 0}
    head = ["trial", "BACH, balanced accuracy", *labels, "BreakHis, AUROC", "PCam, AUROC"]
    return "\n".join(
        [
            f"{words} BACH: {len(of_bach)} fields of {len({s.group for s in of_bach})} blocks. "
            f"BreakHis: {len(of_breakhis)} fields of {len({s.group for s in of_breakhis})} patients, "
            f"{len(benign)} of them with benign tumours. PCam: {len(judged.tumour)} tiles.",
            "",
            markdown_table(head, rows),
        ]
    )
