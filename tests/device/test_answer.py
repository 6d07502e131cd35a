"""The answer names every class that can't be ruled out, says what is promised, and how often it was right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec import to_builtins
from PIL import Image as Pillow

from device.base.errors import SchemaMismatch
from device.cli import main
from device.documents.answer import answer
from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.manifest import manifest_of
from device.reading.reading import Reader
from tests.support.manifests import answering
from tests.support.pictures import png
from tests.support.reading_json import reading_json, values_of
from tests.support.shipped import SAMPLES, UM_PER_PX

CONCERN = ["insitu", "invasive"]
SUM = {"en": "Carcinoma (in situ or invasive)", "fr": "Carcinome (in situ ou infiltrant)"}
LOW = {"threshold": 0.05, "level": 0.65, "n": 8, "pictures": 80, "inside": 75}
UNDECIDED = "Undecided: normal tissue, benign lesion, carcinoma in situ or invasive carcinoma"


def said(bundle: Bundle, p: list[float], language: str = "en", **changed: Any) -> dict[str, Any]:
    """The answer for probabilities of normal, benign, in situ and invasive, thresholds 0.05 unless `changed`."""
    rules = {"classes": dict.fromkeys(bundle.labels, LOW), "sum": SUM} | changed
    return values_of(answer(answering(bundle, CONCERN, **rules).manifest, np.array(p), language))


def test_a_carcinoma_that_is_nearly_as_likely_as_the_top_class_is_in_the_headline(bundle: Bundle) -> None:
    """A field of carcinoma in situ that was headlined "Benign lesion (56 %)"."""
    found = said(bundle, [0.02, 0.56, 0.40, 0.02])
    assert found["labels"] == ["benign", "insitu"]
    assert found["headline"] == "Benign lesion or carcinoma in situ"
    assert (found["single"], found["concern"]) == (False, True)
    assert found["advice"] == "Carcinoma in situ can’t be ruled out. Have it read by a pathologist."
    french = said(bundle, [0.02, 0.56, 0.40, 0.02], "fr")
    assert french["headline"] == "Lésion bénigne ou carcinome in situ"
    assert (
        french["advice"]
        == "Carcinome in situ\N{NO-BREAK SPACE}: impossible à écarter. Faites lire l’image par un pathologiste."
    )


def test_carcinomas_are_added_up(bundle: Bundle) -> None:
    """41 % against 37 %: which carcinoma is open, that there is one is likely."""
    found = said(bundle, [0.03, 0.41, 0.19, 0.37])
    assert found["concern_sum"] == {"name": SUM["en"], "probability": pytest.approx(0.56), "likelihood": "possible"}
    rules = answering(bundle, CONCERN).manifest
    assert answer(rules, np.array([0.03, 0.41, 0.19, 0.37]), "en").concern_sum is None


@pytest.mark.parametrize(
    ("p", "headline", "advice"),
    [
        ([0.97, 0.01, 0.01, 0.01], "Normal tissue", "Only this class is left. Have it confirmed by a pathologist."),
        ([0.01, 0.01, 0.01, 0.97], "Invasive carcinoma", "Have it read by a pathologist without delay."),
        (
            [0.5, 0.48, 0.01, 0.01],
            "Normal tissue or benign lesion",
            "More than one class is possible. Have it read by a pathologist.",
        ),
        (
            [0.4, 0.3, 0.15, 0.15],
            UNDECIDED,
            "Carcinoma in situ or invasive carcinoma can’t be ruled out. Have it read by a pathologist.",
        ),
    ],
)
def test_headline_and_advice_follow_the_set(bundle: Bundle, p: list[float], headline: str, advice: str) -> None:
    found = said(bundle, p)
    assert (found["headline"], found["advice"]) == (headline, advice)
    assert found["single"] == (len(found["labels"]) == 1)


def test_the_top_class_is_in_the_set_even_below_its_threshold(bundle: Bundle) -> None:
    found = said(bundle, [0.4, 0.3, 0.15, 0.15], classes=dict.fromkeys(bundle.labels, LOW | {"threshold": 0.9}))
    assert found["labels"] == ["normal"]


def test_the_promise_is_that_of_the_class_about_which_least_is_promised(bundle: Bundle) -> None:
    classes = dict.fromkeys(bundle.labels, LOW | {"level": 0.8, "n": 20}) | {"insitu": LOW}
    found = said(bundle, [0.97, 0.01, 0.01, 0.01], classes=classes)["promise"]
    assert {key: found[key] for key in ("level", "confidence", "n", "unit")} == {
        "level": 0.65, "confidence": 0.9, "n": 8, "unit": "block",
    }  # fmt: skip
    assert found["words"] == (
        "With 90% confidence, at least 65% of the pictures of each class get an answer that includes their class (from 8 "
        "blocks of pictures of that class). Measured on unseen pictures: 300 of 320."
    )


@pytest.mark.parametrize(
    ("counts", "right", "words"),
    [
        ([4, 64, 5, 1], 64, "Of 74 unseen pictures that were read like this, 64 were right."),
        ([0, 7, 1, 0], 7, "Only 8 unseen pictures were read like this: too few to say how often it is right."),
        ([0, 1, 0, 0], 1, "Only one unseen picture was read like this: too few to say how often it is right."),
        (None, 0, "No unseen picture was read like this: it isn’t known how often it is right."),
    ],
)
def test_how_often_the_same_answer_was_right(bundle: Bundle, counts: list[int] | None, right: int, words: str) -> None:
    record = [{"labels": ["benign"], "counts": counts}] if counts else []
    found = said(bundle, [0.01, 0.97, 0.01, 0.01], record=record)["record"]
    assert found == {"right": right, "of": sum(counts or []), "words": words}


def test_how_often_an_answer_of_several_classes_was_right_and_what_they_were(bundle: Bundle) -> None:
    record = [{"labels": ["benign", "insitu"], "counts": [2, 30, 10, 0]}]
    found = said(bundle, [0.01, 0.5, 0.48, 0.01], record=record)["record"]
    assert found["words"] == (
        "Of 42 unseen pictures that got this same answer, 40 were one of these. By class: normal tissue 2, "
        "benign lesion 30, carcinoma in situ 10."
    )


def test_a_bundle_from_before_answers_is_refused_by_its_version(bundle: Bundle) -> None:
    older = {key: value for key, value in to_builtins(bundle.manifest).items() if key != "answer"}
    with pytest.raises(SchemaMismatch, match="schema_version is 2, not 3"):
        manifest_of({**older, "schema_version": 2}, "x")
    with pytest.raises(SchemaMismatch, match="answer"):
        manifest_of(older, "x")


def test_a_section_has_its_own_headline_and_is_never_cleared(bundle: Bundle) -> None:
    reader = Reader(answering(bundle, CONCERN), Limits())
    tile = Pillow.open(SAMPLES / "texture-normal.jpg").convert("RGB")
    picture = Pillow.new("RGB", (2 * tile.width, tile.height))
    for x in (0, tile.width):
        picture.paste(tile, (x, 0))
    document = reading_json(reader, reader.read(png(picture), 1.68), "en")
    assert document["section"] is not None
    assert document["answer"]["headline"] == document["section"]["headline"]
    assert document["answer"]["labels"] == list(bundle.labels)
    assert document["answer"]["promise"] is None


def test_a_refused_picture_has_no_answer(reader: Reader) -> None:
    document = reading_json(reader, reader.read((SAMPLES / "foreign-landscape.jpg").read_bytes()), "en")
    assert document["answer"] is None


def test_rules_about_other_classes_are_refused(bundle: Bundle) -> None:
    answering(bundle, CONCERN)
    for changed in (
        {"record": [{"labels": ["malignant"], "counts": [1, 2, 3, 4]}]},
        {"classes": {"normal": LOW}},
        {"record": [{"labels": ["normal"], "counts": [1, 2]}]},
    ):
        with pytest.raises(SchemaMismatch, match="other classes"):
            answering(bundle, CONCERN, **changed)


def test_the_command_line_names_the_set(capsys: pytest.CaptureFixture[str]) -> None:
    sample = SAMPLES / "texture-normal.jpg"
    assert main(["read", str(sample), "--um-per-px", str(UM_PER_PX), "--model", "bach", "--language", "en"]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert "[bach" in first
    assert second.startswith("  → ")
