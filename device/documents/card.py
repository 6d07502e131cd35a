"""The model card as a page: what a bundle's manifest says of its model, in the reader's language, with n and intervals.

The card within the bundle is Markdown, in English, for whoever holds the file; this is the same for whoever reads with it.
What the manifest says in words of its own (data, how figures were measured) stays in English.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from device.base.texts import fill, joined, percent, words
from device.documents.answer import promise
from device.reading.manifest import AnswerRecord, Manifest

FIGURES = ("balanced_accuracy", "accuracy", "macro_auroc", "ece", "refused", "accuracy_of_accepted")
CLASS_FIGURES = ("sensitivity", "specificity", "auroc")
SHARES = ("balanced_accuracy", "accuracy", "refused", "accuracy_of_accepted", "sensitivity", "specificity")
NOTHING = "–"


def card(manifest: Manifest, language: str) -> dict[str, Any]:
    """`title`, `id`, `version` and `sections`, each with a `heading` and its `parts`: `text` (in English where `english`),
    `items` or a `table` of `head` and `rows`."""
    told = words(language)["card"]
    names = manifest.label_names(language)
    sections = [
        (told["what_heading"], _what(manifest, names, told, language)),
        (told["answers_heading"], _answers(manifest, names, told, language)),
        (told["figures_heading"], _figures(manifest.metrics, names, told, language)),
        (told["gate_heading"], _gate(manifest, told, language)),
        (told["limits_heading"], [{"items": [text.format(classes=len(names)) for text in told["limits"].values()]}]),
        (told["made_heading"], _made(manifest, told)),
    ]
    return {
        "title": manifest.title.text(language),
        "id": manifest.id,
        "version": manifest.version,
        "sections": [{"heading": heading, "parts": parts} for heading, parts in sections],
    }


def _number(value: float, language: str, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "fr" else text


def _value(name: str, value: float, language: str) -> str:
    """A figure as people write it: a share in per cent, anything else with three digits."""
    if name not in SHARES:
        return _number(value, language, 3)
    return _number(100 * value, language, 1) + ("\N{NO-BREAK SPACE}%" if language == "fr" else "%")


def _interval(name: str, figure: Mapping[str, Any] | None, told: Mapping[str, Any], language: str) -> str:
    """`83.4% (74.4% to 91.9%)`; a dash where there is no figure."""
    if not figure or figure["value"] is None:
        return NOTHING
    shown = _value(name, figure["value"], language)
    if figure["low"] is None:
        return shown
    low, high = (_value(name, figure[end], language) for end in ("low", "high"))
    return str(told["interval"]).format(value=shown, low=low, high=high)


def _what(manifest: Manifest, names: Mapping[str, str], told: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    data, split = manifest.provenance.data, manifest.provenance.split
    reads = str(told["what"]).format(
        classes=joined(list(names.values()), language),
        modality=told["modalities"][manifest.modality],
        um_per_px=_number(manifest.preprocessing.um_per_px, language, 2),
    )
    return [
        {"text": reads},
        {"text": f"{data.name}. {data.source}. {data.terms}.", "english": True},
        {"text": str(told["split"]).format(sha256=split["sha256"][:16])},
    ]


def _answers(
    manifest: Manifest, names: Mapping[str, str], told: Mapping[str, Any], language: str
) -> list[dict[str, Any]]:
    """What answers promise and were like."""
    rules = manifest.answer
    concern = ", ".join(names[label] for label in rules.concern) or told["none"]
    outside = rules.concern_outside
    summed = str(told["answers"]).format(
        size=_number(rules.size, language, 2),
        concern=concern,
        outside=outside.outside,
        pictures=outside.pictures,
    )
    units = words(language)["answer"]["units"][rules.unit]
    classes = [
        [
            names[label],
            str(told["at_least"]).format(level=percent(one.level, language)),
            fill(units, {"n": one.n}, language),
            str(told["of"]).format(some=one.inside, all=one.pictures),
            _number(one.threshold, language, 4),
        ]
        for label, one in rules.classes.items()
    ]
    record = [
        [
            _named(row.labels, names, language),
            str(told["of"]).format(some=_right(row, names), all=sum(row.counts)),
            *map(str, row.counts),
        ]
        for row in rules.record
    ]
    return [
        {"text": promise(rules, language).words},
        {"text": summed},
        {"table": {"head": list(told["class_promise_head"].values()), "rows": classes}},
        {"text": told["record"]},
        {"table": {"head": [*told["record_head"].values(), *names.values()], "rows": record}},
    ]


def _named(labels: Sequence[str], names: Mapping[str, str], language: str) -> str:
    """The classes of an answer, with a capital: as its headline has them."""
    told = joined([names[label] for label in labels], language)
    return told[:1].upper() + told[1:]


def _right(row: AnswerRecord, names: Mapping[str, str]) -> int:
    return sum(count for label, count in zip(names, row.counts, strict=True) if label in row.labels)


def _figures(
    metrics: Mapping[str, Any], names: Mapping[str, str], told: Mapping[str, Any], language: str
) -> list[dict[str, Any]]:
    """The figures that the manifest has: a bundle may have others, or none but how many pictures were read."""
    parts: list[dict[str, Any]] = [{"text": f"{metrics['scheme']}.", "english": True}]
    counted = "counted_groups" if "patients" in metrics else "counted"
    parts.append({"text": str(told[counted]).format(n=metrics["n"], groups=metrics.get("patients"))})
    rows = [
        [told["figures"][name], _interval(name, metrics[name], told, language)] for name in FIGURES if name in metrics
    ]
    if rows:
        parts.append({"table": {"head": list(told["figures_head"].values()), "rows": rows}})
    if classes := metrics.get("classes"):
        rows = [
            [
                names[label],
                str(found["n"]),
                *(_interval(name, found.get(name), told, language) for name in CLASS_FIGURES),
            ]
            for label, found in classes.items()
        ]
        head = [*told["classes_head"].values(), *(told["figures"][name] for name in CLASS_FIGURES)]
        parts.append({"table": {"head": head, "rows": rows}})
    if confusion := metrics.get("confusion"):
        rows = [[name, *map(str, row)] for name, row in zip(names.values(), confusion, strict=True)]
        parts += [{"text": told["confusion"]}, {"table": {"head": ["", *names.values()], "rows": rows}}]
    return parts


def _gate(manifest: Manifest, told: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    promised, calibration = manifest.gate.promise, manifest.calibration
    return [
        {
            "text": str(told["gate"]).format(
                alpha=percent(promised.alpha, language, 1),
                confidence=percent(promised.confidence, language),
                units=fill(words(language)["answer"]["units"][promised.unit], {"n": promised.n}, language),
            )
        },
        {
            "text": str(told["calibration"]).format(
                temperature=_number(calibration.temperature, language, 2),
                n=calibration.n,
                ece=_number(calibration.ece, language, 3),
            )
        },
    ]


def _made(manifest: Manifest, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    provenance = manifest.provenance
    made = {"command": provenance.command, "commit": provenance.commit, "created": provenance.created}
    libraries = ", ".join(f"{name} {version}" for name, version in provenance.libraries.items())
    parts: list[dict[str, Any]] = [{"text": str(told["made"]).format(**made)}, {"text": libraries}]
    if amended := provenance.amended:
        facts = {"command": amended.command, "commit": amended.commit, "created": amended.created}
        parts.append({"text": str(told["amended"]).format(version=amended.from_version, **facts)})
    return parts


def cards(manifests: Sequence[Manifest], language: str) -> list[dict[str, Any]]:
    """The cards of several models, in their order."""
    return [card(manifest, language) for manifest in manifests]
