"""Figures of a bundle, read by the very code that runs on the box, with the float network beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from device.reading import Reader, Reading
from training.calibrate import expected_calibration_error
from training.data import PICTURES, TEST, Sample, find_samples, labels_of, split_samples
from training.recipe import Recipe


def read_samples(reader: Reader, folder: Path, samples: Sequence[Sample]) -> list[Reading]:
    """Each sample's file read as the box reads an upload."""
    return [reader.read((folder / sample.file).read_bytes()) for sample in track(samples, "read", transient=True)]


def accuracy_figures(
    logits: NDArray[np.float64], probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, float]:
    """Accuracy, balanced accuracy and ECE; ties in logits go to the first class, as on the box."""
    right = logits.argmax(1) == labels
    return {
        "accuracy": round(float(right.mean()), 4),
        "balanced_accuracy": round(float(np.mean([right[labels == k].mean() for k in np.unique(labels)])), 4),
        "ece": round(expected_calibration_error(probabilities, labels), 4),
    }


def classification_metrics(
    readings: Sequence[Reading], samples: Sequence[Sample], float_logits: NDArray[np.float64]
) -> dict[str, Any]:
    """Held-out figures: the integer network on every picture and on accepted ones, the float network, their agreement."""
    labels = labels_of(samples)
    logits = np.stack([reading.maps.logits for reading in readings])
    probabilities = np.stack([reading.probabilities for reading in readings])
    accepted = np.array([reading.verdict.accepted for reading in readings])
    right = logits.argmax(1) == labels
    confusion = np.zeros((logits.shape[1],) * 2, int)
    np.add.at(confusion, (labels, logits.argmax(1)), 1)
    figures: dict[str, Any] = {"n": len(samples), **accuracy_figures(logits, probabilities, labels)}
    figures["float_accuracy"] = round(float((float_logits.argmax(1) == labels).mean()), 4)
    figures["agreement_with_float"] = round(float((float_logits.argmax(1) == logits.argmax(1)).mean()), 4)
    figures["refused"] = int((~accepted).sum())
    figures["accuracy_of_accepted"] = round(float(right[accepted].mean()), 4) if accepted.any() else None
    figures["confusion"] = confusion.tolist()
    return figures


def evaluate(reader: Reader, recipe: Recipe, data: Path) -> str:
    """A bundle's figures on its recipe's test part, measured again: what the card said beside what is found now."""
    samples = split_samples(find_samples(recipe, data), recipe.split).parts[TEST]
    readings = read_samples(reader, data, samples)
    labels = labels_of(samples)
    found = accuracy_figures(
        np.stack([reading.maps.logits for reading in readings]),
        np.stack([reading.probabilities for reading in readings]),
        labels,
    )
    said = reader.bundle.manifest["metrics"][TEST]
    lines = [f"{recipe.id}, test part, n = {len(samples)}", "", "| | card | now |", "|---|---|---|"]
    lines += [f"| {name} | {said[name]} | {value} |" for name, value in found.items()]
    return "\n".join([*lines, f"| float_accuracy | {said['float_accuracy']} | – |"])


@dataclass(frozen=True)
class Refusals:
    """How many of a set's pictures the gate refused, and why."""

    name: str
    n: int
    reasons: dict[str, int]
    caution: int

    @property
    def rate(self) -> float:
        return sum(self.reasons.values()) / self.n


def refusals(reader: Reader, name: str, pictures: Sequence[bytes]) -> Refusals:
    """Read pictures (files' bytes) and count the gate's verdicts."""
    reasons: dict[str, int] = {}
    caution = 0
    for data in track(pictures, name, transient=True):
        verdict = reader.read(data).verdict
        caution += verdict.caution
        if verdict.reason:
            reasons[verdict.reason] = reasons.get(verdict.reason, 0) + 1
    return Refusals(name, len(pictures), reasons, caution)


def folder_pictures(folder: Path) -> list[bytes]:
    """The bytes of each picture file under a folder, by name."""
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURES]
