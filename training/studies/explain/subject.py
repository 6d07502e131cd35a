"""What is explained: a fold of a cross-validation, its integer network as the box runs it and the float one behind it; or a
bundle's integer network alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.reading.maps import Maps
from device.reading.reading import Reader
from training.data import Sample, find_samples, load_pixels
from training.errors import ExplainError, RunError
from training.packing.draft import DraftFold, open_drafts
from training.recipe import Recipe
from training.run_files import WEIGHTS
from training.studies.explain.floats import FloatNetwork

LIMIT_PICTURES = 50
LIMIT_QUANTILE = 0.99  # as bundles have it (training/packing/assembly.py)


@dataclass(frozen=True)
class Subject:
    """One fold or bundle. `samples`: what may be explained, of groups that a fold has never seen; `fitted`: what a fold was
    fitted on. `float_network`: None for a bundle, and where the recipe fine-tunes for whole numbers, since the run's float
    network isn't the one behind the integers then. `limit`: the end of the fixed scale of its maps, in logit units, of a
    fold from some pictures that it was fitted on; `weights`: the hash of its networks and of what makes their logits."""

    name: str
    recipe: Recipe
    data: Path
    reader: Reader
    samples: list[Sample]
    fitted: list[Sample]
    float_network: FloatNetwork | None
    limit: float
    weights: str

    @property
    def floats(self) -> FloatNetwork:
        """The float network, of a fold that has one."""
        assert self.float_network
        return self.float_network

    def maps(self, pixels: NDArray[np.uint8]) -> Maps:
        """The box's maps of a picture uint8 [h, w, 3]."""
        return self.reader.head.maps(self.reader.network.run(pixels)["features"], pixels)


@dataclass(frozen=True)
class Trained:
    """A bundle, to be explained on pictures that it may have been trained on."""

    recipe: Recipe
    data: Path
    reader: Reader

    @property
    def name(self) -> str:
        return self.reader.bundle.name


def folds_with_floats(recipe: Recipe, data: Path, crossval: Path) -> list[DraftFold]:
    """The finished folds of a cross-validation. Raises `RunError` where there is none, `ExplainError` for a recipe whose
    integer networks have other weights than their runs."""
    if recipe.quantization.rescue_epochs:
        raise ExplainError(
            f"{recipe.id} fine-tunes for whole numbers when it is packed (quantization.rescue_epochs), so no float network "
            "stands beside the integer one: set it to 0"
        )
    return open_drafts(recipe, data, crossval)


def load_subject(of: DraftFold | Trained) -> Subject:
    """A fold, or a bundle, with its networks ready. Raises `RunError` for a bundle of another recipe."""
    return _of_bundle(of) if isinstance(of, Trained) else _of_fold(of)


def _of_bundle(of: Trained) -> Subject:
    bundle, labels = of.reader.bundle, tuple(label.id for label in of.recipe.labels)
    if bundle.labels != labels:
        raise RunError(
            f"{bundle.name} has the classes {', '.join(bundle.labels)}, the recipe {of.recipe.id} {', '.join(labels)}: "
            "name the recipe that it was made by"
        )
    samples = find_samples(of.recipe, of.data)
    return Subject(
        of.name, of.recipe, of.data, of.reader, samples, [], None, bundle.manifest.explanation.limit, bundle.sha256
    )


def _of_fold(fold: DraftFold) -> Subject:
    chosen = fold.fitted[:: max(1, len(fold.fitted) // LIMIT_PICTURES)][:LIMIT_PICTURES]
    head, network = fold.reader.head, fold.reader.network
    pictures = load_pixels(fold.data, chosen, fold.recipe.data)
    evidence = np.concatenate([np.abs(head.maps(network.run(p)["features"], p).values).ravel() for p in pictures])
    content = (fold.folder / WEIGHTS).read_bytes() + fold.bundle.sha256.encode()
    alone = fold.recipe.quantization.rescue_epochs > 0
    return Subject(
        fold.name,
        fold.recipe,
        fold.data,
        fold.reader,
        fold.unseen,
        fold.fitted,
        None if alone else FloatNetwork(fold.run.model, fold.recipe.network.counts),
        float(np.nanquantile(evidence, LIMIT_QUANTILE)),
        hashlib.sha256(content).hexdigest(),
    )
