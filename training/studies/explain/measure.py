"""The measurements behind the report, fold by fold: each picture is explained by networks that never saw its group."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.data import Sample, adapter_module, adapter_named, load_pixels
from training.data.sample import spread
from training.drawn.phantoms import KINDS
from training.packing.draft import DraftFold
from training.recipe import Recipe
from training.stamp import source
from training.studies.explain.cache import Cache, Row
from training.studies.explain.cascade import cascade
from training.studies.explain.floats import Floats
from training.studies.explain.methods import (
    GRAD_CAM_EARLIER,
    HIRES_CAM_EARLIER,
    METHODS,
    OURS,
    RANDOM,
    SCORE_CAM,
    Explanation,
    chance,
    class_map,
    gradient_cams,
    score_cams,
)
from training.studies.explain.places import place
from training.studies.explain.scores import curves, drop, gini, rank_correlation, stretched
from training.studies.explain.sections import find_films, find_sections
from training.studies.explain.subject import Subject, Trained, load_subject
from training.studies.explain.targets import LESIONS, Target, known_places, phantoms

PHANTOM_SEEDS = 10
CASCADED = 4  # pictures a fold


@dataclass(frozen=True)
class Extent:
    """How much is measured, over all folds: pictures for faithfulness; of them, and of known places, how many
    by Score-CAM; windows with a known place."""

    pictures: int
    score_cam: int
    windows: int


@dataclass(frozen=True)
class Measured:
    """Tables with a row for each picture and method: `faithfulness` (with its curves), `places`, `cascade`; a row for each
    picture: `agreement`; for each section or film: `whole`. All but `places` and `whole` are empty where the integer
    network has no float one beside it. `pooled`: by fold, rank correlation of integer with float maps over the cells of all
    its pictures; `limits`: by fold, the end of the fixed scale. `seen`: a bundle was
    explained, on pictures that it may have been trained on."""

    folds: tuple[str, ...]
    faithfulness: pd.DataFrame
    agreement: pd.DataFrame
    places: pd.DataFrame
    cascade: pd.DataFrame
    whole: pd.DataFrame
    earlier_stride: int | None
    channels: int
    limits: dict[str, float]
    pooled: dict[str, float]
    gallery: tuple[Shown, ...]
    seen: bool = False


@dataclass(frozen=True)
class Shown:
    """A phantom with its maps, for the report's figure: `limit` ends our map's scale."""

    kind: str
    pixels: NDArray[np.uint8]
    lesion: NDArray[np.bool_]
    maps: dict[str, Floats]
    limit: float


class Explainer:
    """All methods on one picture and class, each made when it is first asked for."""

    def __init__(self, subject: Subject, pixels: NDArray[np.uint8], label: int, cache: Cache) -> None:
        self._subject, self._pixels, self._label, self._cache = subject, pixels, label, cache
        self._found: dict[str, Explanation] = {}

    def rng(self, use: str) -> np.random.Generator:
        """Chance, the same for the same picture, class and use."""
        seeded_by = self._pixels.tobytes() + f"{self._label} {use}".encode()
        return np.random.default_rng([*hashlib.sha256(seeded_by).digest()[:8]])

    def methods(self, *, score_cam: bool) -> list[str]:
        """Names of those that this network allows."""
        if self._subject.float_network is None:
            return [OURS, RANDOM]
        left_out = {*(() if score_cam else (SCORE_CAM,))}
        if self._subject.floats.earlier is None:
            left_out |= {GRAD_CAM_EARLIER, HIRES_CAM_EARLIER}
        return [name for name in METHODS if name not in left_out]

    def explain(self, method: str) -> Explanation:
        if method not in self._found:
            self._make(method)
        return self._found[method]

    def _make(self, method: str) -> None:
        subject, pixels, label = self._subject, self._pixels, self._label
        if method == OURS:
            self._found[OURS] = class_map(subject, pixels, label)
        elif method == SCORE_CAM:
            arrays = self._cache.arrays((SCORE_CAM, subject.weights, pixels), self._score_cams)
            values = arrays["values"][..., label]
            self._found[SCORE_CAM] = Explanation(SCORE_CAM, values, float(values.mean()), float(arrays["cpu_ms"]))
        elif method == RANDOM:
            self._found[RANDOM] = chance(self.explain(OURS).values.shape, self.rng(RANDOM))
        else:
            self._found |= {cam.method: cam for cam in gradient_cams(subject.floats, pixels, label)}

    def _score_cams(self) -> dict[str, NDArray[Any]]:
        values, cpu_ms = score_cams(self._subject.floats, self._pixels)
        return {"values": values, "cpu_ms": np.array(cpu_ms)}


def _faithfulness(
    subject: Subject, sample: Sample, pixels: NDArray[np.uint8], cache: Cache, *, score_cam: bool
) -> list[Row]:
    maps = subject.maps(pixels)
    label, places = int(maps.logits.argmax()), int(np.count_nonzero(maps.counted))
    explainer = Explainer(subject, pixels, label, cache)

    def judged(method: str) -> Row:
        explanation = explainer.explain(method)
        if method == OURS:
            gap = abs(math.fsum(explanation.values.ravel()) / places - float(maps.logits[label]))
            shown = np.clip(explanation.values / subject.limit, 0, 1)
        else:
            gap = abs(explanation.total - float(subject.floats.logits([pixels])[0, label]))
            shown = stretched(explanation.values)
        curve = curves(subject.floats, pixels, explanation.values, label, explainer.rng(f"ties of {method}"))
        lost, rose = drop(subject.floats, pixels, shown, label)
        return {
            "insertion": curve.insertion_area,
            "deletion": curve.deletion_area,
            "drop": lost,
            "increase": rose,
            "gini": gini(explanation.values),
            "gap": gap,
            "cpu_ms": explanation.cpu_ms,
            "insertion_curve": curve.insertion.round(4).tolist(),
            "deletion_curve": curve.deletion.round(4).tolist(),
        }

    picture = {"fold": subject.name, "file": sample.file, "group": sample.group, "predicted": label}
    return [
        {
            **picture,
            "method": method,
            **cache.row(("figures", subject.weights, pixels, label, method), partial(judged, method)),
        }
        for method in explainer.methods(score_cam=score_cam)
    ]


def _explain(
    subject: Subject,
    samples: Sequence[Sample],
    pictures: Sequence[NDArray[np.uint8]],
    cache: Cache,
    count: int,
    tables: dict[str, list[Row]],
) -> float:
    """Put faithfulness and agreement of some pictures into the tables, `count` of them by Score-CAM too; the rank
    correlation over all cells."""
    scored = {id(sample) for sample in spread(samples, count)} if count else set()
    cells: list[Floats] = []
    for sample, pixels in zip(samples, pictures, strict=True):
        tables["faithfulness"] += _faithfulness(subject, sample, pixels, cache, score_cam=id(sample) in scored)
        row, pairs = _agreement(subject, sample, pixels)
        tables["agreement"].append(row)
        cells.append(pairs)
    return rank_correlation(*np.concatenate(cells, 1))


def _agreement(subject: Subject, sample: Sample, pixels: NDArray[np.uint8]) -> tuple[Row, Floats]:
    """The integer maps against the float ones, and whether they are exact; and both maps' values of the predicted class
    [2, cells]."""
    maps, real = subject.maps(pixels), subject.floats.class_map(pixels)
    label, classes = int(maps.logits.argmax()), maps.values.shape[-1]
    counted = maps.counted
    integer_map, float_map = maps.values[counted], real[counted]
    over_places = [math.fsum(integer_map[:, k]) / len(integer_map) for k in range(classes)]
    row = {
        "fold": subject.name,
        "file": sample.file,
        "group": sample.group,
        "spearman": rank_correlation(integer_map[:, label], float_map[:, label]),
        "spearman_all": float(np.mean([rank_correlation(integer_map[:, k], float_map[:, k]) for k in range(classes)])),
        "distance": float(np.abs(integer_map - float_map).mean()),
        "gap": float(np.abs(np.array(over_places) - maps.logits).max()),
    }
    return row, np.stack([integer_map[:, label], float_map[:, label]])


def _places(subject: Subject, targets: Iterable[Target], cache: Cache, count: int) -> list[Row]:
    """Each target by every method; the first `count` by Score-CAM too."""
    rows = []
    for number, target in enumerate(targets):
        explainer = Explainer(subject, target.pixels, target.label, cache)

        def judged(method: str, target: Target = target, explainer: Explainer = explainer) -> Row:
            placed = place(explainer.explain(method).values, target.mask, target.known)
            return asdict(placed) if placed else {}

        target_facts = {
            "fold": subject.name,
            "set": target.set,
            "name": target.name,
            "group": target.group,
            "label": target.label,
        }
        for method in explainer.methods(score_cam=number < count):
            source = ("places", subject.weights, target.pixels, target.mask, target.known, target.label, method)
            if placed := cache.row(source, partial(judged, method)):
                rows.append({**target_facts, "method": method, **placed})
    return rows


def _whole(subject: Subject, cache: Cache) -> list[Row]:
    """Whole sections and films."""
    rows: list[Row] = cache.row(("whole", subject.weights), lambda: {"rows": _judge_whole(subject)})["rows"]
    return rows


def _judge_whole(subject: Subject) -> list[Row]:
    adapter = adapter_named(subject.recipe.data.adapter)
    if adapter.tiles:
        return [
            {
                "fold": subject.name,
                "group": section.patient,
                "tiles": section.tiles,
                "auroc_tile": section.auroc_tile,
                "auroc_amid_neighbours": section.auroc_amid_neighbours,
                **asdict(section.cells),
                "evidence": section.evidence.round(3).tolist(),
                "labels": section.labels.tolist(),
                "auroc_by_um": {str(um): value for um, value in section.auroc_by_um.items()},
            }
            for section in find_sections(subject, adapter.tiles)
        ]
    if adapter.films:
        return [
            {"fold": subject.name, "file": sample.file, "group": sample.group, **asdict(placed)}
            for sample, placed in find_films(subject, adapter.films)
        ]
    return []


def _share(total: int, folds: int) -> int:
    return -(-total // folds)


def measure(
    recipe: Recipe,
    data: Path,
    folds: Sequence[DraftFold | Trained],
    extent: Extent,
    folder: Path,
    tell: Callable[[str], None] = print,
) -> Measured:
    """Everything but the comparison of strides. What is measured stays in `folder` for the next time."""
    labels = [label.id for label in recipe.labels]
    made_by = (__name__, adapter_module(recipe))
    cache = Cache(folder, source(f"`loupe-train faithful {recipe.id}`", made_by, recipe=recipe.id))
    tables: dict[str, list[Row]] = {name: [] for name in ("faithfulness", "agreement", "places", "cascade", "whole")}
    earlier_stride, channels, limits = None, 0, dict[str, float]()
    gallery: list[Shown] = []
    pooled: dict[str, float] = {}
    for number, fold in enumerate(folds):
        subject, name = load_subject(fold), fold.name
        limits[name] = subject.limit
        count = _share(extent.score_cam, len(folds))
        if floats := subject.float_network:
            channels, earlier_stride = floats.channels, floats.strides[floats.earlier] if floats.earlier else None
            samples = spread(subject.samples, _share(extent.pictures, len(folds)))
            pictures = load_pixels(data, samples, recipe.data)
            pooled[name] = _explain(subject, samples, pictures, cache, count, tables)
            tell(f"fold {name}: {len(samples)} pictures explained")
            tables["cascade"] += _cascade(subject, samples, pictures, cache)
        targets = known_places(subject, _share(extent.windows, len(folds)))
        tables["places"] += _places(subject, targets, cache, count)
        if set(labels) == set(KINDS):
            tables["places"] += _places(subject, phantoms(labels, range(number, PHANTOM_SEEDS, len(folds))), cache, 0)
            if not gallery:
                gallery = _gallery(subject, labels, cache, score_cam=bool(count))
        tables["whole"] += _whole(subject, cache)
        tell(f"fold {name}: done")
    return Measured(
        tuple(fold.name for fold in folds),
        **{name: pd.DataFrame(rows) for name, rows in tables.items()},
        earlier_stride=earlier_stride,
        channels=channels,
        limits=limits,
        pooled=pooled,
        gallery=tuple(gallery),
        seen=any(isinstance(fold, Trained) for fold in folds),
    )


def _gallery(subject: Subject, labels: Sequence[str], cache: Cache, *, score_cam: bool) -> list[Shown]:
    shown = []
    for target in phantoms(labels, [0]):
        if target.set == LESIONS:
            explainer = Explainer(subject, target.pixels, target.label, cache)
            maps = {method: explainer.explain(method).values for method in explainer.methods(score_cam=score_cam)}
            shown.append(Shown(labels[target.label], target.pixels, target.mask, maps, subject.limit))
    return shown


def _cascade(
    subject: Subject, samples: Sequence[Sample], pictures: Sequence[NDArray[np.uint8]], cache: Cache
) -> list[Row]:
    positions = {id(sample): position for position, sample in enumerate(samples)}
    chosen = [positions[id(sample)] for sample in spread(samples, CASCADED)]
    shown = [pictures[position] for position in chosen]
    predicted = [int(subject.maps(pixels).logits.argmax()) for pixels in shown]
    model, counts = subject.floats.model, subject.recipe.network.counts
    stages = cache.row(
        ("cascade", subject.weights, *shown),
        lambda: {"stages": [asdict(stage) for stage in cascade(model, counts, shown, predicted)]},
    )["stages"]
    return [{"fold": subject.name, "group": samples[chosen[stage["picture"]]].group, **stage} for stage in stages]
