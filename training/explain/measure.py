"""The measurements behind the report, fold by fold: each picture is explained by networks that never saw its group."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.data import Sample, load_pixels
from training.explain.cascade import cascade
from training.explain.floats import Floats
from training.explain.methods import OURS, SCORE_CAM, Explanation, chance, class_map, gradient_cams, score_cams
from training.explain.places import place
from training.explain.scores import curves, drop, gini, rank_correlation, stretched
from training.explain.sections import find_films, find_sections
from training.explain.subject import Subject, fold_names, open_fold, spread
from training.explain.targets import LESIONS, TARGETS, Target, phantoms
from training.phantoms import KINDS
from training.recipe import Recipe
from training.run_files import WEIGHTS

PHANTOM_SEEDS = 10
CASCADED = 4  # pictures a fold
GALLERY = 2
SEED = 1


@dataclass(frozen=True)
class Extent:
    """How much is measured, over all folds: pictures for faithfulness; of them, and of known places, how many
    by Score-CAM; windows with a known place."""

    pictures: int
    score_cam: int
    windows: int


@dataclass(frozen=True)
class Measured:
    """Tables with a row for each picture and method: `faithfulness`, `places`, `cascade`; a row for each picture:
    `agreement`; for each section or film: `whole`. `curves`: insertion and deletion by row of `faithfulness`."""

    folds: tuple[str, ...]
    faithfulness: pd.DataFrame
    agreement: pd.DataFrame
    places: pd.DataFrame
    cascade: pd.DataFrame
    whole: pd.DataFrame
    earlier_stride: int | None
    channels: int
    limits: dict[str, float]
    gallery: tuple[Shown, ...]


@dataclass(frozen=True)
class Shown:
    """A phantom with its maps, for the report's figure: `limit` ends our map's scale."""

    kind: str
    pixels: NDArray[np.uint8]
    lesion: NDArray[np.bool_]
    maps: dict[str, Floats]
    limit: float


class ScoreCams:
    """Score-CAMs, kept in a folder: they cost a forward pass a channel."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, subject: Subject, pixels: NDArray[np.uint8]) -> tuple[Floats, float]:
        """Maps [rows, columns, classes] and the time that they took, ms."""
        told = pixels.tobytes() + (subject.run.folder / WEIGHTS).read_bytes()
        file = self._folder / f"{hashlib.sha256(told).hexdigest()[:32]}.npz"
        if not file.is_file():
            values, took = score_cams(subject.floats, pixels)
            np.savez(file.with_suffix(".tmp.npz"), values=values, took=took)
            file.with_suffix(".tmp.npz").replace(file)
        with np.load(file) as kept:
            return kept["values"], float(kept["took"])


def explanations(
    subject: Subject, pixels: NDArray[np.uint8], label: int, rng: np.random.Generator, score_cam: ScoreCams | None
) -> list[Explanation]:
    """All methods on one picture."""
    ours = class_map(subject, pixels, label)
    found = [ours, *gradient_cams(subject.floats, pixels, label)]
    if score_cam:
        values, took = score_cam.find(subject, pixels)
        found.append(Explanation(SCORE_CAM, values[..., label], float(values[..., label].mean()), took))
    return [*found, chance(ours.values.shape, rng)]


def _faithfulness(
    subject: Subject, sample: Sample, pixels: NDArray[np.uint8], rng: np.random.Generator, score_cam: ScoreCams | None
) -> list[dict[str, Any]]:
    maps = subject.maps(pixels)
    label = int(maps.logits.argmax())
    float_logit = float(subject.floats.logits([pixels])[0, label])
    rows = []
    for found in explanations(subject, pixels, label, rng, score_cam):
        if found.method == OURS:
            gap = abs(math.fsum(found.values.ravel()) / found.values.size - float(maps.logits[label]))
            shown = np.clip(found.values / subject.limit, 0, 1)
        else:
            gap, shown = abs(found.total - float_logit), stretched(found.values)
        curve = curves(subject.floats, pixels, found.values, label, rng)
        lost, rose = drop(subject.floats, pixels, shown, label)
        rows.append(
            {
                "fold": subject.name,
                "file": sample.file,
                "group": sample.group,
                "label": sample.label,
                "predicted": label,
                "method": found.method,
                "insertion": curve.insertion_area,
                "deletion": curve.deletion_area,
                "drop": lost,
                "increase": rose,
                "gini": gini(found.values),
                "gap": gap,
                "latency_ms": found.latency_ms,
                "insertion_curve": curve.insertion.round(4).tolist(),
                "deletion_curve": curve.deletion.round(4).tolist(),
            }
        )
    return rows


def _agreement(subject: Subject, sample: Sample, pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """The integer maps against the float ones, and whether they are exact: over places, and over units."""
    maps, real = subject.maps(pixels), subject.floats.class_map(pixels)
    label, classes = int(maps.logits.argmax()), maps.values.shape[-1]
    over_places = [math.fsum(maps.values[..., k].ravel()) / maps.values[..., k].size for k in range(classes)]
    return {
        "fold": subject.name,
        "file": sample.file,
        "group": sample.group,
        "spearman": rank_correlation(maps.values[..., label], real[..., label]),
        "spearman_all": float(np.mean([rank_correlation(maps.values[..., k], real[..., k]) for k in range(classes)])),
        "distance": float(np.abs(maps.values - real).mean()),
        "gap": float(np.abs(np.array(over_places) - maps.logits).max()),
    }


def _places(
    subject: Subject, targets: Iterable[Target], rng: np.random.Generator, score_cam: ScoreCams | None, count: int
) -> list[dict[str, Any]]:
    """Each target by every method; the first `count` by Score-CAM too."""
    rows = []
    for number, target in enumerate(targets):
        chosen = score_cam if number < count else None
        for found in explanations(subject, target.pixels, target.label, rng, chosen):
            if placed := place(found.values, target.mask, target.known):
                told = {"set": target.set, "name": target.name, "group": target.group, "label": target.label}
                rows.append({"fold": subject.name, **told, "method": found.method, **asdict(placed)})
    return rows


def _whole(subject: Subject) -> list[dict[str, Any]]:
    """Whole sections and films."""
    adapter = subject.run.recipe.data.adapter
    if adapter == "idc":
        return [
            {
                "fold": subject.name,
                "group": found.patient,
                "tiles": found.tiles,
                "auroc_tile": found.auroc_tile,
                "auroc_amid_neighbours": found.auroc_amid_neighbours,
                **asdict(found.cells),
                "evidence": found.evidence.round(3).tolist(),
                "labels": found.labels.tolist(),
            }
            for found in find_sections(subject)
        ]
    if adapter == "mini_mias":
        return [
            {"fold": subject.name, "file": sample.file, "group": sample.group, **asdict(found)}
            for sample, found in find_films(subject)
        ]
    return []


def _share(total: int, folds: int) -> int:
    return -(-total // folds)


def measure(
    recipe: Recipe, data: Path, crossval: Path, extent: Extent, kept: Path, tell: Callable[[str], None] = print
) -> Measured:
    """Everything but the comparison of strides. `kept`: folder in which Score-CAMs stay for the next time."""
    names = fold_names(crossval)
    labels = [label.id for label in recipe.labels]
    score_cams_kept = ScoreCams(kept)
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("faithfulness", "agreement", "places", "cascade", "whole")
    }
    earlier_stride, channels, limits = None, 0, dict[str, float]()
    gallery: list[Shown] = []
    for number, name in enumerate(names):
        rng = np.random.default_rng((SEED, number))
        subject = open_fold(recipe, data, crossval / name)
        floats, limits[name] = subject.floats, subject.limit
        channels, earlier_stride = floats.channels, floats.strides[floats.earlier] if floats.earlier else None
        samples = spread(subject.unseen, _share(extent.pictures, len(names)))
        scored = {id(sample) for sample in spread(samples, _share(extent.score_cam, len(names)))}
        pictures = load_pixels(data, samples, recipe.data.area_px)
        for sample, pixels in zip(samples, pictures, strict=True):
            chosen = score_cams_kept if id(sample) in scored and extent.score_cam else None
            tables["faithfulness"] += _faithfulness(subject, sample, pixels, rng, chosen)
            tables["agreement"].append(_agreement(subject, sample, pixels))
        tell(f"fold {name}: {len(samples)} pictures explained")
        tables["cascade"] += _cascade(subject, samples, pictures)
        count = _share(extent.score_cam, len(names))
        if recipe.data.adapter in TARGETS:
            targets = TARGETS[recipe.data.adapter](subject, _share(extent.windows, len(names)))
            tables["places"] += _places(subject, targets, rng, score_cams_kept, count)
        if set(labels) == set(KINDS):
            drawn = phantoms(labels, range(number, PHANTOM_SEEDS, len(names)))
            tables["places"] += _places(subject, drawn, rng, None, 0)
            if len(gallery) < GALLERY:
                gallery += _gallery(subject, labels, score_cams_kept if extent.score_cam else None)
        tables["whole"] += _whole(subject)
        tell(f"fold {name}: done")
    return Measured(
        tuple(names),
        **{name: pd.DataFrame(rows) for name, rows in tables.items()},
        earlier_stride=earlier_stride,
        channels=channels,
        limits=limits,
        gallery=tuple(gallery),
    )


def _gallery(subject: Subject, labels: Sequence[str], score_cam: ScoreCams | None) -> list[Shown]:
    rng = np.random.default_rng(SEED)
    return [
        Shown(
            labels[target.label],
            target.pixels,
            target.mask,
            {e.method: e.values for e in explanations(subject, target.pixels, target.label, rng, score_cam)},
            subject.limit,
        )
        for target in phantoms(labels, [0])
        if target.set == LESIONS
    ]


def _cascade(
    subject: Subject, samples: Sequence[Sample], pictures: Sequence[NDArray[np.uint8]]
) -> list[dict[str, Any]]:
    positions = {id(sample): position for position, sample in enumerate(samples)}
    chosen = [positions[id(sample)] for sample in spread(samples, CASCADED)]
    shown = [pictures[position] for position in chosen]
    said = [int(subject.maps(pixels).logits.argmax()) for pixels in shown]
    return [
        {"fold": subject.name, "group": samples[chosen[stage.picture]].group, **asdict(stage)}
        for stage in cascade(subject.run.model, shown, said)
    ]
