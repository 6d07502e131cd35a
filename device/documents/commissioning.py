"""The report of a commissioning: what was found at a clinic, and what to do next, in words of a language."""

from __future__ import annotations

from typing import Annotated

from device.base.texts import fill, joined, number, percent, words
from device.documents.records import Record, about
from device.documents.site import SiteMeasured, site_measured
from device.reading.bundle import Bundle
from device.reading.site.commission import Report
from device.reading.site.measure import MeasuredAuroc, SiteMeasure

INDENT = "  "
ENOUGH_FOREIGN = 5  # pictures of glass, and of other material: with fewer a share refused says little
GLASS = "glass"


class SitePromiseWords(Record, frozen=True):
    """The promise that the clinic's pictures allow."""

    share: Annotated[float, about("The largest share of this clinic's pictures that is refused.")]
    confidence: Annotated[float, about("With what confidence.")]
    patients: Annotated[int, about("From how many patients.")]
    patients_needed: Annotated[int, about("How many patients without a refusal the promise that is aimed at needs.")]
    words: Annotated[str, about("The same in words.")]


class ForeignKind(Record, frozen=True):
    """Foreign material of one kind."""

    kind: Annotated[str, about("The kind, for programs.")]
    name: Annotated[str, about("Its name for people.")]
    n: Annotated[int, about("Pictures of it.")]
    refused_before: Annotated[int, about("How many the model's own gate refuses.")]
    refused_after: Annotated[int, about("How many are refused now.")]


class CommissioningReport(Record, frozen=True):
    """What a commissioning found."""

    pictures: Annotated[int, about("Pictures of the clinic that could be judged.")]
    patients: Annotated[int, about("Patients that they are of.")]
    unjudgeable: Annotated[int, about("Pictures left out, as they can't be judged anywhere.")]
    refused_before: Annotated[int, about("How many of the pictures the model's own gate refuses.")]
    refused_after: Annotated[int, about("How many are refused now, each by a gate that hadn't seen the patient.")]
    promise: Annotated[SitePromiseWords, about("The promise that the clinic's pictures allow.")]
    foreign: Annotated[list[ForeignKind], about("Foreign material, by kind.")]
    measured: Annotated[SiteMeasured | None, about("What was measured on pictures with a diagnosis; null without any.")]
    floor: Annotated[float, about("The least accuracy that the clinic asks for.")]
    withheld: Annotated[bool, about("No class is given, as accuracy may be lower.")]
    lines: Annotated[list[str], about("What was found, in words.")]
    advice: Annotated[list[str], about("What to do next, in words.")]


def report_document(report: Report, bundle: Bundle, language: str, *, flat: bool = False) -> CommissioningReport:
    """The report in a language. `flat`: the pictures weren't in folders of patients."""
    texts = words(language)["commissioning"]
    promise = report.promise
    foreign = [
        ForeignKind(
            kind=each.kind,
            name=texts["kinds"].get(each.kind, each.kind),
            n=each.n,
            refused_before=each.before,
            refused_after=each.after,
        )
        for each in report.foreign
    ]
    promised = SitePromiseWords(
        share=promise.alpha,
        confidence=promise.confidence,
        patients=promise.n,
        patients_needed=report.patients_needed,
        words=_promise_words(report, language),
    )
    return CommissioningReport(
        pictures=report.pictures,
        patients=report.patients,
        unjudgeable=report.unjudgeable,
        refused_before=report.refused_before,
        refused_after=promise.refused,
        promise=promised,
        foreign=foreign,
        measured=None if report.measured is None else site_measured(report.measured),
        floor=report.floor,
        withheld=report.withheld,
        lines=_lines(report, foreign, bundle, language),
        advice=_advice(report, foreign, language, flat=flat, has_glass=bundle.manifest.needs_scale),
    )


def report_in_words(document: CommissioningReport, language: str) -> str:
    """The report as a terminal shows it."""
    heading = words(language)["commissioning"]["advice_heading"]
    return "\n".join([*document.lines, "", heading, *(f"{INDENT}- {each}" for each in document.advice)])


def _promise_words(report: Report, language: str) -> str:
    facts = {
        "confidence": percent(report.promise.confidence, language),
        "share": percent(report.promise.alpha, language, digits=1),
        "patients": report.promise.n,
    }
    return fill(words(language)["commissioning"]["promise"], facts, language)


def _lines(report: Report, foreign: list[ForeignKind], bundle: Bundle, language: str) -> list[str]:
    texts, manifest = words(language)["commissioning"], bundle.manifest
    facts = {"pictures": report.pictures, "patients": report.patients, "unjudgeable": report.unjudgeable}
    named = {"model": manifest.id, "version": manifest.version}
    refused = {"before": report.refused_before, "of": report.pictures, "after": report.promise.refused}
    lines = [fill(texts["heading"], facts | named, language)]
    if report.unjudgeable:
        lines.append(fill(texts["unjudgeable"], facts, language))
    lines += [fill(texts["refused"], refused, language), _promise_words(report, language)]
    if foreign:
        lines.append(texts["foreign_heading"])
        for kind in foreign:
            counts = {"kind": kind.name, "of": kind.n, "before": kind.refused_before, "after": kind.refused_after}
            lines.append(fill(texts["foreign"], counts, language))
    else:
        lines.append(texts["foreign_none"])
    if report.measured is None:
        return [*lines, texts["unmeasured"]]
    return [*lines, *_measured_lines(report.measured, bundle, language)]


def _measured_lines(measured: SiteMeasure, bundle: Bundle, language: str) -> list[str]:
    texts, accuracy, coverage = words(language)["commissioning"], measured.accuracy, measured.coverage
    shares = {
        "right": accuracy.count,
        "of": accuracy.of,
        "patients": measured.patients,
        "low": percent(accuracy.low, language),
        "high": percent(accuracy.high, language),
    }
    lines = [fill(texts["measured"], shares, language)]
    if measured.auroc is not None:
        lines.append(_auroc_words(measured.auroc, bundle, language))
    covered = {
        "inside": coverage.count,
        "of": coverage.of,
        "low": percent(coverage.low, language),
        "high": percent(coverage.high, language),
    }
    lines.append(fill(texts["coverage"], covered, language))
    found = measured.recalibration
    losses = {"before": measured.loss_as_it_came, "after": measured.loss_recalibrated}
    adjusted = {"slope": found.slope, "offset": found.offset} if found else {}
    facts = {name: number(round(value, 3), language) for name, value in {**losses, **adjusted}.items()}
    return [*lines, fill(texts["recalibrated" if found else "not_recalibrated"], facts, language)]


def _auroc_words(auroc: MeasuredAuroc, bundle: Bundle, language: str) -> str:
    names, concern = bundle.manifest.label_names(language), bundle.manifest.answer.concern
    facts = {
        "classes": joined([names[each] for each in concern], language),
        "value": number(round(auroc.value, 3), language),
    }
    texts = words(language)["commissioning"]
    if auroc.low is None or auroc.high is None:
        return fill(texts["auroc_alone"], facts, language)
    ends = {"low": number(round(auroc.low, 3), language), "high": number(round(auroc.high, 3), language)}
    return fill(texts["auroc"], facts | ends, language)


def _advice(report: Report, foreign: list[ForeignKind], language: str, *, flat: bool, has_glass: bool) -> list[str]:
    """What is missing, the most important first. `has_glass`: the model reads slides, so that empty glass may be sent."""
    texts, promise, measured = words(language)["commissioning"]["advice"], report.promise, report.measured
    accepted = [each.name for each in foreign if each.refused_after < each.n]
    glass = sum(each.n for each in foreign if each.kind == GLASS)
    others = sum(each.n for each in foreign) - glass
    facts = {
        "alpha": percent(report.aimed_at, language),
        "missing": max(0, report.patients_needed - promise.n),
        "needed": report.patients_needed,
        "kinds": ", ".join(accepted),
        "of_other_size": report.of_other_size,
        "own": report.pictures,
        "glass": glass,
        "others": others,
        "enough": ENOUGH_FOREIGN,
        "floor": percent(report.floor, language),
        "pictures": 0 if measured is None else measured.accuracy.of,
        "patients": 0 if measured is None else measured.patients,
    }
    wanted = {
        "size": 2 * report.of_other_size > report.pictures,
        "withheld": report.withheld,
        "flat": flat,
        "patients": promise.n < report.patients_needed,
        "refusals": promise.alpha > report.aimed_at and promise.n >= report.patients_needed,
        "strangers": not foreign,
        "foreign": bool(accepted),
        "few_strangers": bool(foreign) and others < ENOUGH_FOREIGN,
        "few_glass": has_glass and glass < ENOUGH_FOREIGN,
        "labels": measured is None,
        "more_labels": measured is not None and not measured.enough,
    }
    advice = [fill(texts[name], facts, language) for name, is_wanted in wanted.items() if is_wanted]
    return advice or [texts["done"]]
