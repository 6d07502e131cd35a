"""What is explained: a fold of a cross-validation, its integer network as the box runs it and the float one behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from device.reading.bundle import Bundle
from device.reading.manifest import NETWORK
from device.reading.maps import Head, Maps
from device.reading.runtime import Network
from training.data import TEST, TRAINING, Sample, load_pixels
from training.errors import ExplainError
from training.fitting.fit import Run, load_run
from training.packing.container import npy
from training.quantization.convert import integer_head
from training.recipe import Recipe
from training.run_files import FOLDS, WEIGHTS
from training.studies.explain.floats import FloatNetwork

LIMIT_PICTURES = 50
LIMIT_QUANTILE = 0.99  # as bundles have it (training/packing/pack.py)


@dataclass(frozen=True)
class Subject:
    """One fold. `limit` is the end of the fixed scale of its maps, in logit units, taken from pictures it was fitted on;
    `weights` the hash of both networks and of what makes their logits."""

    name: str
    run: Run
    network: Network
    head: Head
    floats: FloatNetwork
    limit: float
    weights: str

    def maps(self, pixels: NDArray[np.uint8]) -> Maps:
        """The box's maps of a picture uint8 [h, w, 3]."""
        return self.head.maps(self.network.run(pixels)["features"], pixels)

    @property
    def unseen(self) -> list[Sample]:
        return self.run.split.parts[TEST]


def fold_names(crossval: Path) -> list[str]:
    """Raises `ExplainError` where no cross-validation lies."""
    try:
        names: list[str] = sorted(json.loads((crossval / FOLDS).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ExplainError(f"{crossval} holds no cross-validation: run `loupe-train crossval` first") from error
    found = [name for name in names if (crossval / name / NETWORK).is_file()]
    if not found:
        raise ExplainError(f"no fold in {crossval} has its {NETWORK}: run `loupe-train crossval` first")
    return found


def box_head(model: keras.Model, network: Network, counts: str) -> Head:
    """The box's head of a network that isn't packed."""
    weights = integer_head(model, network.outputs["features"].scale)
    members = {"weights": npy(weights.weights), "bias": npy(weights.bias)}
    manifest = {
        "network": {"outputs": {"features": {"zero_point": network.outputs["features"].zero_point}}},
        "head": {"weights": "weights", "bias": "bias", "scale_log2": weights.scale_log2, "counts": counts},
    }
    return Head(Bundle("draft", "", "", manifest, members, Path(NETWORK)))


def open_fold(recipe: Recipe, data: Path, folder: Path) -> Subject:
    """A fold's networks. Raises `ExplainError` for a recipe whose integer network has other weights than its run."""
    if recipe.quantization.rescue_epochs:
        raise ExplainError(
            f"{recipe.id} fine-tunes for whole numbers when it is packed (quantization.rescue_epochs), so no float network "
            "stands beside the integer one: set it to 0"
        )
    run = load_run(recipe, data, folder)
    network = Network(folder / NETWORK)
    counts = recipe.network.counts
    head = box_head(run.model, network, counts)
    fitted = run.split.parts[TRAINING]
    shown = load_pixels(data, fitted[:: max(1, len(fitted) // LIMIT_PICTURES)][:LIMIT_PICTURES], recipe.data.area_px)
    evidence = np.concatenate([np.abs(head.maps(network.run(p)["features"], p).values).ravel() for p in shown])
    limit = float(np.nanquantile(evidence, LIMIT_QUANTILE))
    told = (folder / WEIGHTS).read_bytes() + (folder / NETWORK).read_bytes() + counts.encode()
    return Subject(
        folder.name, run, network, head, FloatNetwork(run.model, counts), limit, hashlib.sha256(told).hexdigest()
    )


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """About `count` samples, the same number of each class, evenly spread over each class's."""
    labels = sorted({sample.label for sample in samples})
    chosen: list[Sample] = []
    for label in labels:
        members = [sample for sample in samples if sample.label == label]
        picks = np.unique(np.linspace(0, len(members) - 1, max(1, round(count / len(labels)))).round().astype(int))
        chosen += [members[i] for i in picks]
    return chosen
