"""The words of a verdict: why a picture is refused and what to do, what to be careful about, what each question asks.

Words follow what the model reads (its modality) and what is known of the picture: a refused mammogram hears nothing of
stain or objective. Which words there are stands in `device/base/texts`; the verdict itself is the gate's
(`device/reading/gate.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any

from device.base.texts import fill, percent, words
from device.reading.gate import CAUTION_BELOW_P, HISTOLOGY, IMMUNOSTAIN, Verdict
from device.reading.sections import Section

WRONG_MAGNIFICATION = "wrong_magnification"
TOO_SMALL, SCALED = "too_small", "scaled"
ANY = "any"
PARTS = ("title", "detail", "next_step")


def for_modality(text: Any, modality: str) -> str:
    """A text that is one for all modalities, or has one for each and one for `any`."""
    return str(text[modality] if isinstance(text, Mapping) else text)


def reason_words(code: str, variant: str | None, modality: str, language: str) -> dict[str, str]:
    """The `title`, `detail` and `next_step` of a refusal: those of its variant where it has any of its own, in the language
    of a modality (`any` where that is not known)."""
    reasons: Mapping[str, Mapping[str, Any]] = words(language)["reasons"]
    parts = reasons.get(f"{code}_{variant}", reasons[code])
    return {part: for_modality(parts[part], modality) for part in PARTS}


def refusal(verdict: Verdict, um_per_px: float | None, modality: str, language: str) -> dict[str, Any] | None:
    """Code, variant and words of a refusal, None where accepted. Of tissue whose magnification is wrong, the ratio is said
    where it can be told, and what the size of a pixel can do: neither was measured for other pictures. Too few pixels, once
    their size is given, means that they are too large."""
    if verdict.reason is None:
        return None
    variant = SCALED if verdict.reason == TOO_SMALL and um_per_px else verdict.variant
    reason = reason_words(verdict.reason, variant, modality, language)
    if verdict.reason == WRONG_MAGNIFICATION:
        told = words(language)["magnification"]
        if verdict.magnification is not None and modality == HISTOLOGY:
            reason["detail"] += " " + magnification_words(verdict.magnification, language)
        if um_per_px or modality == HISTOLOGY:
            reason["next_step"] += " " + told["check_scale" if um_per_px else "give_scale"]
    return {"code": verdict.reason, "variant": variant, **reason}


def magnification_words(ratio: float, language: str) -> str:
    """How large structures appear, by the nearest of the ratios that have words."""
    told = words(language)["magnification"]
    nearest = min(told["sizes"], key=lambda size: abs(log(float(size) / ratio)))
    return fill(told["sentence"], {"size": told["sizes"][nearest]}, language)


def no_model_words(verdict: Verdict, titles: Iterable[str], modality: str, language: str) -> dict[str, str]:
    """The `title`, `detail` and `next_step` for a picture that several models refuse as foreign: first what the box reads,
    by the models' titles. `verdict` is the nearest model's, `modality` what the picture's colours leave."""
    told = words(language)["no_model"]
    listed = told["between"].join(titles)
    if verdict.variant == IMMUNOSTAIN:
        reason = reason_words(str(verdict.reason), verdict.variant, modality, language)
        return {**reason, "detail": f"{fill(told['reads'], {'titles': listed}, language)} {reason['detail']}"}
    return {
        "title": told["title"],
        "detail": fill(told["detail"], {"titles": listed}, language),
        "next_step": for_modality(told["next_step"], modality),
    }


def caution_words(verdict: Verdict, section: Section | None, language: str) -> str | None:
    """What there is to be careful about in an accepted picture, None where there is nothing."""
    if not verdict.accepted:
        return None
    told = words(language)["caution"]
    rare = [a.question for a in verdict.answers if a.p_value is not None and a.p_value < CAUTION_BELOW_P]
    aspects = f" {told['and']} ".join(told["aspects"][question] for question in rare)
    sentences = []
    if rare:
        sentences.append(
            fill(told["field_rare" if section is None else "section_rare"], {"aspects": aspects}, language)
        )
    if section is not None and section.caution:
        sentences.append(fill(told["section_foreign"], {"share": percent(section.foreign_share, language)}, language))
    if section is None and verdict.partly_foreign:
        sentences.append(told["field_part" if rare else "field_part_alone"])
    return " ".join(sentences) or None


def questions(verdict: Verdict, modality: str, language: str) -> Sequence[dict[str, Any]]:
    """The gate's questions with their answers and figures, in words of the model's modality."""
    titles, helps = words(language)["questions"], words(language)["questions_help"]
    return [
        {
            "question": answer.question,
            "title": titles[answer.question],
            "help": for_modality(helps[answer.question], modality),
            "passed": answer.passed,
            "p_value": answer.p_value,
            "score": answer.score,
            "threshold": answer.threshold,
        }
        for answer in verdict.answers
    ]
