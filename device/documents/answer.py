"""The answer to a picture: the classes that can't be ruled out, in words, with what the bundle promises of them.

A class is left out only where its probability lies below a threshold that pictures of that very class seldom fall below
(`training/evaluation/sets.py` finds it), so that few pictures of any class, a carcinoma's included, get an answer without
it. The most probable class is always in. The mean over a section rules nothing out: its headline says shares and regions
(`device/documents/regions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from device.base.texts import fill, joined, likelihood, percent, words
from device.documents.records import Record, about
from device.reading.manifest import AnswerRules, Manifest
from device.reading.prediction_sets import prediction_sets

FEW_PICTURES = 10  # with the same answer: too few to say how often it is right
Names = Mapping[str, str]


class ConcernSum(Record, frozen=True):
    """The probability of all classes of concern together."""

    name: Annotated[str, about("What these classes have in common.")]
    probability: Annotated[float, about("Sum of their probabilities, 0 to 1.")]
    likelihood: Annotated[str, about("The probability in words.")]


class AnswerPromise(Record, frozen=True):
    """How seldom answers leave the true class out."""

    level: Annotated[
        float, about("At least this share of pictures of each class get an answer with their class in it.")
    ]
    confidence: Annotated[float, about("How sure that is, 0 to 1.")]
    n: Annotated[int, about("On how many patients, blocks or pictures of the class with the least it was found.")]
    unit: Annotated[str, about("What is counted: `patient`, `block` or `picture`.")]
    words: Annotated[str, about("The same in words.")]


class AnswerHistory(Record, frozen=True):
    """How this very answer fared."""

    right: Annotated[int, about("Unseen pictures that got this answer and were of a class in it.")]
    of: Annotated[int, about("Unseen pictures that got this answer.")]
    words: Annotated[str, about("The same in words, by class.")]


class PictureAnswer(Record, frozen=True):
    """What people read first: the classes that can't be ruled out."""

    labels: Annotated[list[str], about("These classes, in the model's order; never none.")]
    single: Annotated[bool, about("Only one class is left.")]
    concern: Annotated[bool, about("A class of concern is among them.")]
    headline: Annotated[str, about("The classes by their names, or a section's headline.")]
    advice: Annotated[str, about("Who reads the picture now, and why.")]
    concern_sum: Annotated[
        ConcernSum | None, about("All classes of concern together; null where they have no name in common.")
    ]
    promise: Annotated[
        AnswerPromise | None,
        about("What holds for answers; null for a section, and at a clinic with probabilities of its own."),
    ]
    record: Annotated[AnswerHistory | None, about("How this very answer fared; null where `promise` is.")]


def answer(
    manifest: Manifest, probabilities: NDArray[np.float64], language: str, section_headline: str | None = None
) -> PictureAnswer:
    """The answer to an accepted picture, from its probabilities in bundle order. A section has a headline already, and no
    promise."""
    names = manifest.label_names(language)
    rules = manifest.answer
    if section_headline is not None:
        return _section_answer(manifest, names, language, section_headline)
    labels = labels_left(rules, names, probabilities)
    of_concern = [label for label in labels if label in rules.concern]
    return PictureAnswer(
        labels=labels,
        single=len(labels) == 1,
        concern=bool(of_concern),
        headline=headline(labels, names, language),
        advice=_advice(manifest.modality, labels, of_concern, names, language),
        concern_sum=_concern_sum(rules, names, probabilities, language),
        promise=answer_promise(rules, language),
        record=answer_history(rules, labels, names, language),
    )


def _section_answer(manifest: Manifest, names: Names, language: str, section_headline: str) -> PictureAnswer:
    """Nothing is promised of a section, and no class is ruled out."""
    texts = words(language)["answer"]["advice"]
    return PictureAnswer(
        labels=list(names),
        single=False,
        concern=bool(manifest.answer.concern),
        headline=section_headline,
        advice=fill(texts["section"], {"reader": texts["readers"][manifest.modality]}, language),
        concern_sum=None,
        promise=None,
        record=None,
    )


def labels_left(rules: AnswerRules, names: Names, probabilities: NDArray[np.float64]) -> list[str]:
    """The prediction set of a picture, in bundle order: never empty."""
    thresholds = np.array([rules.classes[label].threshold for label in names])
    is_left = prediction_sets(probabilities[None], thresholds)[0]
    return [label for label, left in zip(names, is_left, strict=True) if left]


def headline(labels: Sequence[str], names: Names, language: str) -> str:
    """The set by its names: `Benign lesion or carcinoma in situ`; undecided where no class is left out."""
    classes = joined([names[label] for label in labels], language)
    if len(labels) == len(names):
        return fill(words(language)["answer"]["undecided"], {"classes": classes}, language)
    return classes[:1].upper() + classes[1:]


def _advice(modality: str, labels: Sequence[str], of_concern: Sequence[str], names: Names, language: str) -> str:
    """Who reads the picture now, and why."""
    texts = words(language)["answer"]["advice"]
    if of_concern:
        kind = "concern_alone" if len(labels) == 1 else "concern"
    else:
        kind = "single" if len(labels) == 1 else "several"
    classes = joined([names[label] for label in of_concern], language)
    facts = {"reader": texts["readers"][modality], "classes": classes[:1].upper() + classes[1:]}
    return fill(texts[kind], facts, language)


def _concern_sum(
    rules: AnswerRules, names: Names, probabilities: NDArray[np.float64], language: str
) -> ConcernSum | None:
    """The probability of all classes of concern together, where they have a name in common."""
    if not rules.sum:
        return None
    each = [p for label, p in zip(names, probabilities.tolist(), strict=True) if label in rules.concern]
    probability = min(1.0, sum(each))
    return ConcernSum(
        name=rules.sum.text(language), probability=probability, likelihood=likelihood(probability, language)
    )


def answer_promise(rules: AnswerRules, language: str) -> AnswerPromise:
    """What holds for each class: what does for the one about which least can be promised. And what was measured."""
    classes = list(rules.classes.values())
    least = min(classes, key=lambda each: (each.level, each.n))
    texts = words(language)["answer"]
    facts = {
        "level": percent(least.level, language),
        "confidence": percent(rules.confidence, language),
        "units": fill(texts["units"][rules.unit], {"n": least.n}, language),
        "inside": sum(each.inside for each in classes),
        "pictures": sum(each.pictures for each in classes),
    }
    return AnswerPromise(
        level=least.level,
        confidence=rules.confidence,
        n=least.n,
        unit=rules.unit,
        words=fill(texts["promise"], facts, language),
    )


def answer_history(rules: AnswerRules, labels: Sequence[str], names: Names, language: str) -> AnswerHistory:
    """How many unseen pictures got this very answer, how many of them were of a class in it, and of which classes."""
    counts = next((row.counts for row in rules.record if row.labels == tuple(labels)), (0,) * len(names))
    by_class = dict(zip(names, counts, strict=True))
    right, of = sum(by_class[label] for label in labels), sum(counts)
    if of < FEW_PICTURES:
        kind = ("none", "few_one")[of] if of < 2 else "few"
    elif len(labels) == 1:
        kind = "single"
    else:
        kind = "all" if len(labels) == len(names) else "several"
    each = ", ".join(f"{joined([names[label]], language)} {count}" for label, count in by_class.items() if count)
    text = words(language)["answer"]["record"][kind]
    return AnswerHistory(right=right, of=of, words=fill(text, {"right": right, "of": of, "each": each}, language))
