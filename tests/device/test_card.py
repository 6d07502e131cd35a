"""The model card as a page: every figure of the manifest that it shows has its n or its interval, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from markupsafe import escape

from device.documents.card import Card, CardTable, CardText, card
from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from tests.support.manifests import answering, changed_manifest
from tests.support.shipped import SAMPLES

CONCERN = ["insitu", "invasive"]
RECORD = [{"labels": ["benign", "insitu"], "counts": [2, 30, 10, 0]}]


def texts(model_card: Card) -> Iterator[str]:
    """Every text of a card."""
    yield model_card.title
    for section in model_card.sections:
        yield section.heading
        for part in section.parts:
            if isinstance(part, CardTable):
                yield from (cell for row in (part.head, *part.rows) for cell in row)
            else:
                yield from (part.text,) if isinstance(part, CardText) else part.items


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_card_says_what_answers_promise_with_level_units_n_and_confidence(bundle: Bundle, language: str) -> None:
    model_card = card(answering(bundle, CONCERN, record=RECORD).manifest, language)
    everything = "\n".join(texts(model_card))
    percent = "%" if language == "en" else "\N{NO-BREAK SPACE}%"
    for part in (f"65{percent}", f"90{percent}"):
        assert part in everything
    assert ("8 blocks of pictures", "8 blocs d’images")[language == "fr"] in everything
    assert ("40 of 42", "40 sur 42")[language == "fr"] in everything
    assert not any(word in everything for word in ("None", "nan", "{", "}"))


def test_figures_have_their_intervals_in_the_readers_numerals(bundle: Bundle) -> None:
    accuracy = bundle.manifest.metrics["balanced_accuracy"]
    low = 100 * accuracy["low"]
    assert any(f"({low:.1f}% to " in text for text in texts(card(bundle.manifest, "en")))
    french = f"({low:.1f}".replace(".", ",") + "\N{NO-BREAK SPACE}% à "
    assert any(french in text for text in texts(card(bundle.manifest, "fr")))


def test_a_card_of_a_bundle_with_other_figures_leaves_them_out(bundle: Bundle) -> None:
    told = "\n".join(texts(card(changed_manifest(bundle, metrics={"scheme": "somehow", "n": 7}), "en")))
    assert "somehow." in told
    assert "7 pictures." in told


def test_the_page_is_html_in_both_languages_and_markdown_for_programs_that_want_it(bundle: Bundle) -> None:
    client = create_app(Settings(samples=SAMPLES), bundle).test_client()
    english, french = (client.get(f"/model-card?lang={language}") for language in ("en", "fr"))
    assert english.mimetype == french.mimetype == "text/html"
    assert "<h1>Model cards</h1>" in english.text
    assert "<h1>Fiches des modèles</h1>" in french.text
    assert escape(bundle.manifest.title.fr) in french.text
    assert client.get("/model-card?format=md").text == bundle.card
    assert client.get("/model-card", headers={"Accept": "text/markdown"}).text == bundle.card
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert client.get("/model-card", headers={"Accept": browser}).mimetype == "text/html"
    assert client.get("/model-card", headers={"Accept": "*/*"}).mimetype == "text/html"
