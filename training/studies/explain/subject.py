"""What is explained: a fold of a cross-validation, its integer network as the box runs it and the float one behind it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.reading.maps import Maps
from training.data import load_pixels
from training.errors import ExplainError
from training.packing.draft import DraftFold, open_drafts
from training.recipe import Recipe
from training.run_files import WEIGHTS
from training.studies.explain.floats import FloatNetwork

LIMIT_PICTURES = 50
LIMIT_QUANTILE = 0.99  # as bundles have it (training/packing/assembly.py)


@dataclass(frozen=True)
class Subject:
    """One fold. `float_network`: None where the recipe fine-tunes for whole numbers, so that the run's float network isn't
    the one behind the integers. `limit`: the end of the fixed scale of its maps, in logit units, from some pictures that it
    was fitted on; `weights`: the hash of both of its networks and of what makes their logits."""

    fold: DraftFold
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
        reader = self.fold.reader
        return reader.head.maps(reader.network.run(pixels)["features"], pixels)


def folds_with_floats(recipe: Recipe, data: Path, crossval: Path) -> list[DraftFold]:
    """The finished folds of a cross-validation. Raises `RunError` where there is none, `ExplainError` for a recipe whose
    integer networks have other weights than their runs."""
    if recipe.quantization.rescue_epochs:
        raise ExplainError(
            f"{recipe.id} fine-tunes for whole numbers when it is packed (quantization.rescue_epochs), so no float network "
            "stands beside the integer one: set it to 0"
        )
    return open_drafts(recipe, data, crossval)


def load_subject(fold: DraftFold) -> Subject:
    """A fold with its networks ready."""
    chosen = fold.fitted[:: max(1, len(fold.fitted) // LIMIT_PICTURES)][:LIMIT_PICTURES]
    head, network = fold.reader.head, fold.reader.network
    pictures = load_pixels(fold.data, chosen, fold.recipe.data)
    evidence = np.concatenate([np.abs(head.maps(network.run(p)["features"], p).values).ravel() for p in pictures])
    content = (fold.folder / WEIGHTS).read_bytes() + fold.bundle.sha256.encode()
    alone = fold.recipe.quantization.rescue_epochs > 0
    return Subject(
        fold,
        None if alone else FloatNetwork(fold.run.model, fold.recipe.network.counts),
        float(np.nanquantile(evidence, LIMIT_QUANTILE)),
        hashlib.sha256(content).hexdigest(),
    )
