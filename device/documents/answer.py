"""The answer to a picture: the classes that can't be ruled out, in words, with what the bundle promises of them.

A class is left out only where its probability lies below a threshold that pictures of that very class seldom fall below
(`training/evaluation/sets.py` finds it), so that few pictures of any class, a carcinoma's included, get an answer without
it. The most probable class is always in. The mean over a section rules nothing out: its headline says shares and regions
(`device/documents/regions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.base.texts import fill, joined, likelihood, percent, words
from device.reading.prediction_sets import prediction_sets

FEW_PICTURES = 10  # with the same answer: too few to say how often it is right
Names = Mapping[str, str]


def answer(
    manifest: Mapping[str, Any], probabilities: NDArray[np.float64], language: str, section_headline: str | None = None
) -> dict[str, Any]:
    """The part `answer` of a reading (`docs/engineers/api.md`), from its probabilities in bundle order. A section has a
    headline already, and no promise."""
    names = {label["id"]: str(label["name"][language]) for label in manifest["labels"]}
    rules = manifest["answer"]
    if section_headline is not None:
        return _section_answer(manifest, names, language, section_headline)
    labels = labels_left(rules, names, probabilities)
    of_concern = [label for label in labels if label in rules["concern"]]
    return {
        "labels": labels,
        "single": len(labels) == 1,
        "concern": bool(of_concern),
        "headline": headline(labels, names, language),
        "advice": _advice(manifest["modality"], labels, of_concern, names, language),
        "concern_sum": _concern_sum(rules, names, probabilities, language),
        "promise": promise(rules, language),
        "record": record(rules, labels, names, language),
    }


def _section_answer(manifest: Mapping[str, Any], names: Names, language: str, section_headline: str) -> dict[str, Any]:
    """Nothing is promised of a section, and no class is ruled out."""
    told = words(language)["answer"]["advice"]
    return {
        "labels": list(names),
        "single": False,
        "concern": bool(manifest["answer"]["concern"]),
        "headline": section_headline,
        "advice": fill(told["section"], {"reader": told["readers"][manifest["modality"]]}, language),
        "concern_sum": None,
        "promise": None,
        "record": None,
    }


def labels_left(rules: Mapping[str, Any], names: Names, probabilities: NDArray[np.float64]) -> list[str]:
    """The prediction set of a picture, in bundle order: never empty."""
    thresholds = np.array([rules["classes"][label]["threshold"] for label in names])
    held = prediction_sets(probabilities[None], thresholds)[0]
    return [label for label, inside in zip(names, held, strict=True) if inside]


def headline(labels: Sequence[str], names: Names, language: str) -> str:
    """The set by its names: `Benign lesion or carcinoma in situ`; said to be undecided where no class is left out."""
    told = joined([names[label] for label in labels], language)
    if len(labels) == len(names):
        return fill(words(language)["answer"]["undecided"], {"classes": told}, language)
    return told[:1].upper() + told[1:]


def _advice(modality: str, labels: Sequence[str], of_concern: Sequence[str], names: Names, language: str) -> str:
    """Who reads the picture now, and why."""
    told = words(language)["answer"]["advice"]
    if of_concern:
        kind = "concern_alone" if len(labels) == 1 else "concern"
    else:
        kind = "single" if len(labels) == 1 else "several"
    classes = joined([names[label] for label in of_concern], language)
    facts = {"reader": told["readers"][modality], "classes": classes[:1].upper() + classes[1:]}
    return fill(told[kind], facts, language)


def _concern_sum(
    rules: Mapping[str, Any], names: Names, probabilities: NDArray[np.float64], language: str
) -> dict[str, Any] | None:
    """The probability of all classes of concern together, where they have a name in common."""
    if "sum" not in rules:
        return None
    each = [p for label, p in zip(names, probabilities.tolist(), strict=True) if label in rules["concern"]]
    probability = min(1.0, sum(each))
    return {
        "name": rules["sum"][language],
        "probability": probability,
        "likelihood": likelihood(probability, language),
    }


def promise(rules: Mapping[str, Any], language: str) -> dict[str, Any]:
    """What holds for each class: what does for the one about which least can be promised. And what was measured."""
    classes = list(rules["classes"].values())
    least = min(classes, key=lambda told: (told["level"], told["n"]))
    told = words(language)["answer"]
    facts = {
        "level": percent(least["level"], language),
        "confidence": percent(rules["confidence"], language),
        "units": fill(told["units"][rules["unit"]], {"n": least["n"]}, language),
        "inside": sum(one["inside"] for one in classes),
        "pictures": sum(one["pictures"] for one in classes),
    }
    return {
        "level": least["level"],
        "confidence": rules["confidence"],
        "n": least["n"],
        "unit": rules["unit"],
        "words": fill(told["promise"], facts, language),
    }


def record(rules: Mapping[str, Any], labels: Sequence[str], names: Names, language: str) -> dict[str, Any]:
    """How many unseen pictures got this very answer, how many of them were of a class in it, and of which classes."""
    counts = next((row["counts"] for row in rules["record"] if row["labels"] == list(labels)), [0] * len(names))
    by_class = dict(zip(names, counts, strict=True))
    right, of = sum(by_class[label] for label in labels), sum(counts)
    if of < FEW_PICTURES:
        kind = ("none", "few_one")[of] if of < 2 else "few"
    elif len(labels) == 1:
        kind = "single"
    else:
        kind = "all" if len(labels) == len(names) else "several"
    each = ", ".join(f"{joined([names[label]], language)} {count}" for label, count in by_class.items() if count)
    told = words(language)["answer"]["record"][kind]
    return {"right": right, "of": of, "words": fill(told, {"right": right, "of": of, "each": each}, language)}
