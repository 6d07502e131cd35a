"""The model card as a page: what a bundle's manifest says of its model, in the reader's language, with n and intervals.

The card within the bundle is Markdown, in English, for whoever holds the file; this is the same for whoever reads with it.
What the manifest says in words of its own (data, how figures were measured) stays in English.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from device.base.texts import fill, joined, percent, words
from device.documents.answer import answer_promise
from device.documents.records import Record
from device.reading.manifest import AnswerRecord, Manifest

FIGURES = ("balanced_accuracy", "accuracy", "macro_auroc", "ece", "refused", "accuracy_of_accepted")
CLASS_FIGURES = ("sensitivity", "specificity", "auroc")
SHARES = ("balanced_accuracy", "accuracy", "refused", "accuracy_of_accepted", "sensitivity", "specificity")
NOTHING = "–"


Texts = Mapping[str, Any]  # the words of a card in a language


class CardText(Record, frozen=True):
    """A paragraph; `english`: in the manifest's own words."""

    text: str
    english: bool = False


class CardList(Record, frozen=True):
    items: list[str]


class CardTable(Record, frozen=True):
    head: list[str]
    rows: list[list[str]]


CardPart = CardText | CardList | CardTable


class CardSection(Record, frozen=True):
    heading: str
    parts: list[CardPart]


class Card(Record, frozen=True):
    """What a manifest says of its model."""

    title: str
    id: str
    version: str
    sections: list[CardSection]


def card(manifest: Manifest, language: str) -> Card:
    """The card of a model."""
    texts = words(language)["card"]
    names = manifest.label_names(language)
    limits: list[CardPart] = [CardList([text.format(classes=len(names)) for text in texts["limits"].values()])]
    return Card(
        title=manifest.title.text(language),
        id=manifest.id,
        version=manifest.version,
        sections=[
            CardSection(texts["what_heading"], _what(manifest, names, texts, language)),
            CardSection(texts["answers_heading"], _answers(manifest, names, texts, language)),
            CardSection(texts["figures_heading"], _figures(manifest.metrics, names, texts, language)),
            CardSection(texts["gate_heading"], _gate(manifest, texts, language)),
            CardSection(texts["limits_heading"], limits),
            CardSection(texts["made_heading"], _made(manifest, texts)),
        ],
    )


def _number(value: float, language: str, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "fr" else text


def _value(name: str, value: float, language: str) -> str:
    """A figure as people write it: a share in per cent, anything else with three digits."""
    if name not in SHARES:
        return _number(value, language, 3)
    return _number(100 * value, language, 1) + ("\N{NO-BREAK SPACE}%" if language == "fr" else "%")


def _interval(name: str, figure: Mapping[str, Any] | None, texts: Texts, language: str) -> str:
    """`83.4% (74.4% to 91.9%)`; a dash where there is no figure."""
    if not figure or figure["value"] is None:
        return NOTHING
    shown = _value(name, figure["value"], language)
    if figure["low"] is None:
        return shown
    low, high = (_value(name, figure[end], language) for end in ("low", "high"))
    return str(texts["interval"]).format(value=shown, low=low, high=high)


def _what(manifest: Manifest, names: Mapping[str, str], texts: Texts, language: str) -> list[CardPart]:
    data, split = manifest.provenance.data, manifest.provenance.split
    reads = str(texts["what"]).format(
        classes=joined(list(names.values()), language),
        modality=texts["modalities"][manifest.modality],
        um_per_px=_number(manifest.preprocessing.um_per_px, language, 2),
    )
    return [
        CardText(reads),
        CardText(f"{data.name}. {data.source}. {data.terms}.", english=True),
        CardText(str(texts["split"]).format(sha256=split["sha256"][:16])),
    ]


def _answers(manifest: Manifest, names: Mapping[str, str], texts: Texts, language: str) -> list[CardPart]:
    """What answers promise and were like."""
    rules = manifest.answer
    concern = ", ".join(names[label] for label in rules.concern) or texts["none"]
    outside = rules.concern_outside
    summed = str(texts["answers"]).format(
        size=_number(rules.size, language, 2),
        concern=concern,
        outside=outside.outside,
        pictures=outside.pictures,
    )
    units = words(language)["answer"]["units"][rules.unit]
    classes = [
        [
            names[label],
            str(texts["at_least"]).format(level=percent(one.level, language)),
            fill(units, {"n": one.n}, language),
            str(texts["of"]).format(some=one.inside, all=one.pictures),
            _number(one.threshold, language, 4),
        ]
        for label, one in rules.classes.items()
    ]
    record = [
        [
            _named(row.labels, names, language),
            str(texts["of"]).format(some=_right(row, names), all=sum(row.counts)),
            *map(str, row.counts),
        ]
        for row in rules.record
    ]
    return [
        CardText(answer_promise(rules, language).words),
        CardText(summed),
        CardTable(list(texts["class_promise_head"].values()), classes),
        CardText(texts["record"]),
        CardTable([*texts["record_head"].values(), *names.values()], record),
    ]


def _named(labels: Sequence[str], names: Mapping[str, str], language: str) -> str:
    """The classes of an answer, with a capital: as its headline has them."""
    classes = joined([names[label] for label in labels], language)
    return classes[:1].upper() + classes[1:]


def _right(row: AnswerRecord, names: Mapping[str, str]) -> int:
    return sum(count for label, count in zip(names, row.counts, strict=True) if label in row.labels)


def _figures(metrics: Mapping[str, Any], names: Mapping[str, str], texts: Texts, language: str) -> list[CardPart]:
    """The figures that the manifest has: a bundle may have others, or none but how many pictures were read."""
    parts: list[CardPart] = [CardText(f"{metrics['scheme']}.", english=True)]
    counted = "counted_groups" if "patients" in metrics else "counted"
    parts.append(CardText(str(texts[counted]).format(n=metrics["n"], groups=metrics.get("patients"))))
    rows = [
        [texts["figures"][name], _interval(name, metrics[name], texts, language)] for name in FIGURES if name in metrics
    ]
    if rows:
        parts.append(CardTable(list(texts["figures_head"].values()), rows))
    if classes := metrics.get("classes"):
        rows = [
            [
                names[label],
                str(figures["n"]),
                *(_interval(name, figures.get(name), texts, language) for name in CLASS_FIGURES),
            ]
            for label, figures in classes.items()
        ]
        head = [*texts["classes_head"].values(), *(texts["figures"][name] for name in CLASS_FIGURES)]
        parts.append(CardTable(head, rows))
    if confusion := metrics.get("confusion"):
        rows = [[name, *map(str, row)] for name, row in zip(names.values(), confusion, strict=True)]
        parts += [CardText(texts["confusion"]), CardTable(["", *names.values()], rows)]
    return parts


def _gate(manifest: Manifest, texts: Texts, language: str) -> list[CardPart]:
    promised, calibration = manifest.gate.promise, manifest.calibration
    return [
        CardText(
            str(texts["gate"]).format(
                alpha=percent(promised.alpha, language, 1),
                confidence=percent(promised.confidence, language),
                units=fill(words(language)["answer"]["units"][promised.unit], {"n": promised.n}, language),
            )
        ),
        CardText(
            str(texts["calibration"]).format(
                temperature=_number(calibration.temperature, language, 2),
                n=calibration.n,
                ece=_number(calibration.ece, language, 3),
            )
        ),
    ]


def _made(manifest: Manifest, texts: Texts) -> list[CardPart]:
    provenance = manifest.provenance
    made = {"command": provenance.command, "commit": provenance.commit, "created": provenance.created}
    libraries = ", ".join(f"{name} {version}" for name, version in provenance.libraries.items())
    parts: list[CardPart] = [CardText(str(texts["made"]).format(**made)), CardText(libraries)]
    if amended := provenance.amended:
        facts = {"command": amended.command, "commit": amended.commit, "created": amended.created}
        parts.append(CardText(str(texts["amended"]).format(version=amended.from_version, **facts)))
    return parts


def cards(manifests: Sequence[Manifest], language: str) -> list[Card]:
    """The cards of several models, in their order."""
    return [card(manifest, language) for manifest in manifests]
