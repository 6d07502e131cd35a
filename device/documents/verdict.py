"""The words of a verdict: why a picture is refused and what to do, what to be careful about, what each question asks.

Words follow what the model reads (its modality) and what is known of the picture: a refused mammogram hears nothing of
stain or objective. Which words there are stands in `device/base/texts`; the verdict itself is the gate's
(`device/reading/gate.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log
from typing import Annotated

from device.base.texts import fill, percent, words
from device.documents.records import Record, about
from device.reading.gate import CAUTION_BELOW_P, HISTOLOGY, IMMUNOSTAIN, Verdict
from device.reading.sections import Section

WRONG_MAGNIFICATION = "wrong_magnification"
TOO_SMALL, SCALED, SOFT = "too_small", "scaled", "soft"
ANY = "any"
PARTS = ("title", "detail", "next_step")


class Refusal(Record, frozen=True):
    """Why a picture is refused, and what to do."""

    code: Annotated[str, about("Why, for programs.")]
    variant: Annotated[str | None, about("Which words of the reason; null where it has none of its own.")]
    title: Annotated[str, about("Why, in a few words.")]
    detail: Annotated[str, about("What is wrong with the picture.")]
    next_step: Annotated[str, about("What to do.")]
    model: Annotated[
        str | None, about("Whose refusal it is; null where several models refused the picture as foreign.")
    ]


class GateQuestion(Record, frozen=True):
    """One question of the gate, with its figures."""

    question: Annotated[str, about("The question, for programs: `picture`, `scale`, `made` or `shows`.")]
    title: Annotated[str, about("The question in a few words.")]
    help: Annotated[str, about("What is compared.")]
    passed: Annotated[bool, about("The picture passed.")]
    p_value: Annotated[
        float | None,
        about("Share of the calibration pictures that were at least as strange; null where there is none."),
    ]
    score: Annotated[float, about("How strange the picture is.")]
    threshold: Annotated[float, about("The greatest score that passes.")]


class ForeignMap(Record, frozen=True):
    """How foreign each place of the picture looks."""

    rows: Annotated[int, about("Rows of the map.")]
    columns: Annotated[int, about("Columns of the map.")]
    foreign: Annotated[float, about("Share of cells above 1.")]
    values: Annotated[list[float], about("Row by row: each place's distance over the threshold; above 1 is foreign.")]


class GateVerdict(Record, frozen=True):
    """Whether a reading may be given of the picture."""

    accepted: Annotated[bool, about("The picture is read.")]
    caution: Annotated[bool, about("Accepted, but unusual or foreign in a part.")]
    caution_words: Annotated[str | None, about("What is unusual in this picture; null where nothing is.")]
    reason: Annotated[Refusal | None, about("Why the picture is refused; null where it is accepted.")]
    magnification: Annotated[
        float | None,
        about("How many times too large (2.0) or small (0.5) structures appear; null where it isn't the reason."),
    ]
    where: Annotated[ForeignMap | None, about("Where the picture looks foreign; null where the gate doesn't say.")]
    questions: Annotated[list[GateQuestion], about("The gate's questions with their figures.")]


# One text for all modalities, or one for each and one for `any`.
ModalityText = str | Mapping[str, str]


def for_modality(text: ModalityText, modality: str) -> str:
    """The text for a modality."""
    return text if isinstance(text, str) else text[modality]


def reason_words(code: str, variant: str | None, modality: str, language: str) -> dict[str, str]:
    """The `title`, `detail` and `next_step` of a refusal: those of its variant where it has any of its own, in the language
    of a modality (`any` where that is not known)."""
    reasons: Mapping[str, Mapping[str, ModalityText]] = words(language)["reasons"]
    parts = reasons.get(f"{code}_{variant}", reasons[code])
    return {part: for_modality(parts[part], modality) for part in PARTS}


def refusal(
    verdict: Verdict, um_per_px: float | None, modality: str, model: str | None, language: str
) -> Refusal | None:
    """Code, variant and words of a refusal by a model, None where accepted.

    Of tissue whose magnification is wrong, the words say the ratio where it can be told, and what the size of a pixel can
    do: neither was measured for other pictures. Too few pixels, once their size is given, means that they are too large.
    """
    if verdict.reason is None:
        return None
    variant = SCALED if verdict.reason == TOO_SMALL and um_per_px else verdict.variant
    reason = reason_words(verdict.reason, variant, modality, language)
    if verdict.reason == WRONG_MAGNIFICATION:
        texts = words(language)["magnification"]
        if verdict.magnification is not None and modality == HISTOLOGY:
            reason["detail"] += " " + magnification_words(verdict.magnification, language)
        scale = texts["check_scale" if um_per_px else "give_scale"]
        if modality == HISTOLOGY:
            # At a known scale the objective is no cause, and at an unknown one the scale comes first.
            reason["next_step"] = f"{texts['focus']} {scale}" if variant == SOFT else scale
        elif um_per_px:
            reason["next_step"] += f" {scale}"
    return Refusal(code=verdict.reason, variant=variant, **reason, model=model)


def magnification_words(ratio: float, language: str) -> str:
    """How large structures appear, by the nearest of the ratios that have words."""
    texts = words(language)["magnification"]
    nearest = min(texts["sizes"], key=lambda size: abs(log(float(size) / ratio)))
    return fill(texts["sentence"], {"size": texts["sizes"][nearest]}, language)


def no_model_words(verdict: Verdict, titles: Iterable[str], modality: str, language: str) -> dict[str, str]:
    """The `title`, `detail` and `next_step` for a picture that several models refuse as foreign: first what the box reads,
    by the models' titles. `verdict` is the nearest model's, `modality` what the picture's colours leave."""
    texts = words(language)["no_model"]
    listed = texts["between"].join(titles)
    if verdict.variant == IMMUNOSTAIN:
        reason = reason_words(str(verdict.reason), verdict.variant, modality, language)
        return {**reason, "detail": f"{fill(texts['reads'], {'titles': listed}, language)} {reason['detail']}"}
    return {
        "title": texts["title"],
        "detail": fill(texts["detail"], {"titles": listed}, language),
        "next_step": for_modality(texts["next_step"], modality),
    }


def caution_words(verdict: Verdict, section: Section | None, language: str) -> str | None:
    """What there is to be careful about in an accepted picture, None where there is nothing."""
    if not verdict.accepted:
        return None
    texts = words(language)["caution"]
    rare = [a.question for a in verdict.answers if a.p_value is not None and a.p_value < CAUTION_BELOW_P]
    aspects = f" {texts['and']} ".join(texts["aspects"][question] for question in rare)
    sentences = []
    if rare:
        sentences.append(
            fill(texts["field_rare" if section is None else "section_rare"], {"aspects": aspects}, language)
        )
    if section is not None and section.caution:
        sentences.append(fill(texts["section_foreign"], {"share": percent(section.foreign_share, language)}, language))
    if section is None and verdict.partly_foreign:
        sentences.append(texts["field_part" if rare else "field_part_alone"])
    return " ".join(sentences) or None


def questions(verdict: Verdict, modality: str, language: str) -> list[GateQuestion]:
    """The gate's questions with their answers and figures, in words of the model's modality."""
    titles, helps = words(language)["questions"], words(language)["questions_help"]
    return [
        GateQuestion(
            question=answer.question,
            title=titles[answer.question],
            help=for_modality(helps[answer.question], modality),
            passed=answer.passed,
            p_value=answer.p_value,
            score=answer.score,
            threshold=answer.threshold,
        )
        for answer in verdict.answers
    ]
