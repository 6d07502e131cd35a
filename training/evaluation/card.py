"""The model card, generated from a bundle's manifest and never written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device.reading.manifest import AnswerRules, CalibrationFacts, GatePromise, Manifest, PartsRule, Provenance
from device.reading.tissue import TISSUE
from training.evaluation.words import (
    limits,
    markdown_table,
    mean_and_deviation,
    number,
    title,
    unit_column,
    with_interval,
)

NOTICE = (
    "**Research use only.** Supports a trained reader and never replaces one. Not a medical device; no figure below "
    "was measured in clinical use."
)
FIGURES = (
    "balanced_accuracy", "accuracy", "macro_auroc", "macro_f1", "ece", "brier", "refused", "accuracy_of_accepted",
)  # fmt: skip
FEW = 10  # groups
OF_NEW = {"patient": "new patients' pictures", "block": "pictures of new blocks", "picture": "new pictures"}
CLASS_FIGURES = ("sensitivity", "specificity", "f1", "auroc")


def _figures(metrics: Mapping[str, Any]) -> str:
    rows = [[title(name), number(name, metrics[name]["value"]), limits(name, metrics[name])] for name in FIGURES]
    if metrics["float"]:
        figure = metrics["float"]["balanced_accuracy"]
        rows.append([title("float_balanced_accuracy"), number("accuracy", figure["value"]), limits("accuracy", figure)])
        for name in ("minus_float", "agreement"):
            figure, signed = metrics["float"][name], name == "minus_float"
            rows.append(
                [title(name), number(name, figure["value"], signed=signed), limits(name, figure, signed=signed)]
            )
    head = ["integer network, read by the box's code", "", "95 % interval"]
    if not (folds := metrics["folds"]):
        return markdown_table(head, rows)
    over = ("balanced_accuracy", "accuracy", "macro_auroc")
    figure = "; ".join(f"{title(name).lower()} {mean_and_deviation(name, folds)}" for name in over if folds[name])
    return f"{markdown_table(head, rows)}\n\nMean ± standard deviation of the {folds['n']} folds: {figure}."


def _classes(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    head = ["class", "pictures", *(title(name) for name in CLASS_FIGURES)]
    rows = [
        [names[label], str(figures["n"]), *(with_interval(name, figures[name]) for name in CLASS_FIGURES)]
        for label, figures in metrics["classes"].items()
    ]
    return markdown_table(head, rows)


def _confusion(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    rows = [
        [name, *(str(count) for count in row)] for name, row in zip(names.values(), metrics["confusion"], strict=True)
    ]
    return markdown_table(["", *names.values()], rows)


def _parts(split: Mapping[str, Any]) -> str:
    counts = [f"{split[part]} {words}" for part, words in (
        ("training", "trained on"), ("calibration", "for calibration"), ("test", "only tested on"),
    ) if split.get(part)]  # fmt: skip
    return f" Pictures: {', '.join(counts)}." if counts else ""


def _counted(metrics: Mapping[str, Any]) -> str:
    groups = "groups (patients; blocks or pictures where those aren't known)"
    sentences = f"{metrics['n']} pictures of {metrics['patients']} {groups}."
    if metrics["patients"] == metrics["n"]:
        sentences = f"{metrics['n']} pictures, each taken for a patient of its own: intervals may be too narrow."
    if metrics["patients"] < FEW:
        sentences += " With so few groups an interval is rough, and rather too narrow."
    unreadable = sum(metrics["unreadable"].values())
    return sentences + (f" {unreadable} more could not be read." if unreadable else "")


def _calibrated(calibration: CalibrationFacts) -> str:
    offsets = ", ".join(f"{label} {offset:+.2f}" for label, offset in (calibration.offsets or {}).items())
    shifted = f"; classes shifted by {offsets} (in the head's bias)" if offsets else ""
    return f"Temperature {calibration.temperature:.2f}{shifted}"


def _promised(promise: GatePromise, metrics: Mapping[str, Any]) -> str:
    units = {"patient": "patients", "picture": "pictures, each taken for a patient of its own as the set names none"}
    scores = {
        "unseen": "scored by networks and gates that had seen neither",
        "cross-fitted": "scored by gates that were fitted without them, on the network that ships",
    }
    alpha, measured = number("refused", promise.alpha), number("refused", metrics["refused"]["value"])
    return (
        f"Refuses at most {alpha} of proper pictures, with {promise.confidence:.0%} confidence\n"
        f"(n = {promise.n} {units[promise.unit]}; {scores[promise.scores]}).\n"
        "It holds for pictures of new patients, made and chosen like those under Data. In the measurement above\n"
        f"{measured} were refused, by gates fitted on fewer pictures."
    )


def _answers(answer: AnswerRules, names: Mapping[str, str]) -> str:
    """What the box's answers promise and were like, by class, and how often each answer was right."""
    concern = ", ".join(names[label] for label in answer.concern) or "none"
    outside, confidence = answer.concern_outside, f"{answer.confidence:.0%}"
    classes = markdown_table(
        ["class", "promised", unit_column(answer.unit).lower(), "measured: in the answer", "left out below"],
        [
            [
                names[label],
                f"at least {number('accuracy', promised.level)}",
                str(promised.n),
                f"{promised.inside} of {promised.pictures}",
                f"{promised.threshold:.3f}",
            ]
            for label, promised in answer.classes.items()
        ],
    )
    record = markdown_table(
        ["answer", "unseen pictures", "of a class in it", *names.values()],
        [
            [
                " or ".join(names[label] for label in row.labels),
                str(sum(row.counts)),
                str(sum(n for label, n in zip(names, row.counts, strict=True) if label in row.labels)),
                *map(str, row.counts),
            ]
            for row in answer.record
        ],
    )
    return (
        f"An answer names each class that can't be ruled out: {answer.size:.2f} classes on average. Classes of concern: "
        f"{concern}. With\n{confidence} confidence, at least the promised share of {OF_NEW[answer.unit]} of a "
        "class get an answer with that class in it.\nMeasured on accepted pictures that neither network nor thresholds had "
        f"seen. Of {outside.pictures} pictures of a class of concern,\n{outside.outside} got an answer without any."
        f"\n\n{classes}\n\n{record}"
    )


def _made_by(provenance: Provenance) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in provenance.libraries.items())
    made = f"`{provenance.command}` at commit `{provenance.commit}`, {provenance.created};\n{libraries}."
    if not (amended := provenance.amended):
        return made
    return (
        f"Network, head and the gate's arrays are those of version {amended.from_version}: {made}\n\nCalibration, figures "
        f"and promises: `{amended.command}`,\nfolds fitted at commit `{amended.commit}`, {amended.created}."
    )


def _part_of_a_field(rule: PartsRule | None) -> str:
    """What the caution about a part of a field promises, where the bundle has one."""
    if rule is None:
        return "This model gives no caution about a part of a field."
    return (
        "A field whose answer names no class of concern gets a caution where a connected part of it speaks for one.\n"
        f"At most {number('refused', rule.alpha)} of {OF_NEW[rule.unit]} without such a class get it, with "
        f"{rule.confidence:.0%} confidence\n(n = {rule.n} {rule.unit}s). Of {rule.pictures} unseen ones "
        f"{rule.cautions} did, with limits from the other folds."
    )


def write_card(manifest: Manifest) -> str:
    """Markdown, from a manifest whose `metrics` are `training.evaluation.metrics.summary` with the `scheme` in words."""
    metrics, provenance = manifest.metrics, manifest.provenance
    data, split, gate = provenance.data, provenance.split, manifest.gate
    calibration = manifest.calibration
    names = manifest.label_names("en")
    places = "where there is tissue" if manifest.head.counts == TISSUE else "over the picture"
    return f"""# {manifest.title.en}: {manifest.id} {manifest.version}

{NOTICE}

## What it is
Reads one picture at about {manifest.preprocessing.um_per_px:g} µm/px as one of {len(names)} classes:
{", ".join(names.values())} ({manifest.modality}, {manifest.task}). All-integer; the class map's mean
{places} is the logit.

## Data
{data.name}. Source: {data.source}. Terms: {data.terms}.
Split: {split["rule"]}.{_parts(split)} Split's SHA-256: `{split["sha256"][:16]}`.

## Measured
{metrics["scheme"][:1].upper()}{metrics["scheme"][1:]}.
{_counted(metrics)} Intervals: 95 %, whole groups resampled {metrics["interval"]["draws"]} times.
Refused pictures count unless a line says otherwise.

{_figures(metrics)}

{_classes(metrics, names)}

Rows are the true class, columns the predicted one.

{_confusion(metrics, names)}

## Answers
{_answers(manifest.answer, names)}

{_part_of_a_field(manifest.parts or None)}

## Gate
{_promised(gate.promise, metrics)}
{_calibrated(calibration)}, from
{calibration.n} pictures that the network wasn't trained on.

## Limits of use
- Only for pictures of the kind named under Data, prepared the same way. Another modality, organ, stain, device or scale is
  for the gate to refuse; it may miss some.
- Figures are of the data named above and no other: expect less from another laboratory, device or population.
- Shares of classes in the data are not those of a clinic; probabilities follow the data's shares.
- Says nothing of findings that are none of its {len(names)} classes, nor of what lies outside the picture.
- The class map shows where the network's evidence lies, not where a lesion lies.

## Made by
{_made_by(provenance)}
"""
