"""Stride 16 against 32 on a cross-validation: accuracy, cost, where the maps point, and how far a cell sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from device.reading.manifest import NETWORK
from device.reading.runtime import Network
from training.data import load_pixels
from training.data.sample import spread
from training.drawn.phantoms import KINDS
from training.packing.assembly import box_head, representative
from training.quantization.convert import convert, integer_head
from training.recipe import Recipe
from training.studies.explain.floats import FloatNetwork, Floats
from training.studies.explain.measure import PHANTOM_SEEDS
from training.studies.explain.places import place
from training.studies.explain.scores import curves, gini, rank_correlation
from training.studies.explain.strides import COARSE, FINE, Sight, at_stride_16, registered, sight, time_ms
from training.studies.explain.subject import Subject, folds_with_floats, load_subject
from training.studies.explain.targets import known_places, phantoms

CURVED = 4  # pictures a fold for curves and sight
REPRESENTATIVE = 60
EVERY = 1_000_000


@dataclass(frozen=True)
class StrideTrial:
    """`readings`: a row for each unseen picture and stride; `places` and `curves` likewise for targets and some pictures;
    `sights` by stride and fold; `float_ms` and `integer_ms`, medians of a forward pass by stride; `integer`: of one fold,
    the integer networks' accuracies and the fine one's rank correlation with its float maps."""

    readings: pd.DataFrame
    places: pd.DataFrame
    curves: pd.DataFrame
    sights: dict[int, list[Sight]]
    float_ms: dict[int, float]
    integer_ms: dict[int, float]
    integer: dict[str, Any]


def try_strides(recipe: Recipe, data: Path, crossval: Path, tell: Callable[[str], None] = print) -> StrideTrial:
    """Both strides on each fold's unseen pictures, with the float networks; in integers on the first fold."""
    folds = folds_with_floats(recipe, data, crossval)
    labels = [label.id for label in recipe.labels]
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in ("readings", "places", "curves")}
    sights: dict[int, list[Sight]] = {COARSE: [], FINE: []}
    float_ms, integer_ms, integer = dict[int, float](), dict[int, float](), dict[str, Any]()
    for number, fold in enumerate(folds):
        subject, name = load_subject(fold), fold.name
        networks = {
            COARSE: subject.floats,
            FINE: FloatNetwork(at_stride_16(subject.floats.model), recipe.network.counts),
        }
        pictures = load_pixels(data, subject.samples, recipe.data)
        for stride, network in networks.items():
            for sample, pixels in zip(subject.samples, pictures, strict=True):
                logits = network.logits([pixels])[0]
                picture = {"fold": name, "file": sample.file, "group": sample.group, "label": sample.label}
                logit_columns = {f"logit_{label}": float(value) for label, value in zip(labels, logits, strict=True)}
                tables["readings"].append(
                    {**picture, "stride": stride, "predicted": int(logits.argmax()), **logit_columns}
                )
        targets = list(known_places(subject, EVERY))
        if set(labels) == set(KINDS):
            targets += phantoms(labels, range(number, PHANTOM_SEEDS, len(folds)))
        for target in targets:
            for stride, network in networks.items():
                values = _drawn(network.class_map(target.pixels)[..., target.label], stride)
                if placed := place(values, target.mask, target.known):
                    place_facts = {"fold": name, "set": target.set, "name": target.name, "group": target.group}
                    tables["places"].append({**place_facts, "label": target.label, "stride": stride, **asdict(placed)})
        chosen = {id(sample) for sample in spread(subject.samples, CURVED)}
        some = [(s, p) for s, p in zip(subject.samples, pictures, strict=True) if id(s) in chosen]
        for stride, network in networks.items():
            sights[stride].append(sight(network, [pixels for _, pixels in some], stride))
            for sample, pixels in some:
                label = int(subject.floats.logits([pixels])[0].argmax())
                values = _drawn(network.class_map(pixels)[..., label], stride)
                rng = np.random.default_rng(1)
                curve = curves(subject.floats, pixels, values, label, rng)  # one judge for both
                picture = {"fold": name, "file": sample.file, "group": sample.group, "stride": stride}
                areas = {"insertion": curve.insertion_area, "deletion": curve.deletion_area}
                tables["curves"].append({**picture, **areas, "gini": gini(values)})
        if number == 0:
            float_ms = {stride: time_ms(partial(n.logits, pictures[:1])) for stride, n in networks.items()}
            integer_ms, integer = _integers(subject, networks[FINE], pictures)
        tell(f"fold {name}: both strides read")
    return StrideTrial(
        **{name: pd.DataFrame(rows) for name, rows in tables.items()},
        sights=sights,
        float_ms=float_ms,
        integer_ms=integer_ms,
        integer=integer,
    )


def _drawn(values: Floats, stride: int) -> Floats:
    return registered(values) if stride == FINE else values


def _integers(
    subject: Subject, fine: FloatNetwork, pictures: list[NDArray[np.uint8]]
) -> tuple[dict[int, float], dict[str, Any]]:
    recipe = subject.recipe
    fitted = spread(subject.fitted, REPRESENTATIVE)
    shown = representative(load_pixels(subject.data, fitted, recipe.data))
    truth = [sample.label for sample in subject.samples]
    with TemporaryDirectory() as folder:
        file = Path(folder) / NETWORK
        file.write_bytes(convert(fine.model, shown))
        network = Network(file)
        integers = integer_head(fine.model, network.outputs["features"].scale)
        head = box_head(integers, network, recipe.network.counts)
        correlations, right = [], []
        for pixels, label in zip(pictures, truth, strict=True):
            maps = head.maps(network.run(pixels)["features"], pixels)
            predicted = int(maps.logits.argmax())
            right.append(predicted == label)
            real = fine.class_map(pixels)[maps.counted]
            correlations.append(rank_correlation(maps.values[maps.counted][:, predicted], real[:, predicted]))
        times = {
            COARSE: time_ms(lambda: subject.reader.network.run(pictures[0])),
            FINE: time_ms(lambda: network.run(pictures[0])),
        }
    coarse = [int(subject.maps(pixels).logits.argmax()) == label for pixels, label in zip(pictures, truth, strict=True)]
    return times, {
        "fold": subject.name,
        "n": len(pictures),
        "accuracy": {COARSE: float(np.mean(coarse)), FINE: float(np.mean(right))},
        "spearman": float(np.nanmean(correlations)),
    }
