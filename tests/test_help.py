"""The help that the box serves: what docs/clinic says, in each language, with nothing from elsewhere."""

from __future__ import annotations

import html
import re

import pytest
from flask.testing import FlaskClient

from device.base.texts import LANGUAGES, words
from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from tests.support.shipped import ROOT, SAMPLES
from tools.help_pages import PICTURES, SOURCES, TEMPLATES, files, headings

each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def client(bundle: Bundle) -> FlaskClient:
    return create_app(Settings(samples=SAMPLES), bundle).test_client()


def test_the_help_is_written_from_the_documentation_as_it_is_now() -> None:
    stale = [str(file.relative_to(ROOT)) for file, content in files().items() if file.read_bytes() != content]
    assert stale == [], "run `make help-pages`"
    assert {*TEMPLATES.iterdir(), *PICTURES.iterdir()} == files().keys()


def test_each_language_of_the_box_has_its_page_with_the_same_sections() -> None:
    assert set(SOURCES) == set(LANGUAGES)
    levels = [[level for level, _, _ in headings(source.read_text(encoding="utf-8"))] for source in SOURCES.values()]
    assert levels.count(levels[0]) == len(levels)


@each_language
def test_the_box_serves_it_whole(client: FlaskClient, language: str) -> None:
    page = client.get(f"/help?lang={language}").text
    assert f'<html lang="{language}">' in page
    assert all(heading in page for _, _, heading in headings(SOURCES[language].read_text(encoding="utf-8")))
    pictures = re.findall(r'src="(/static/help/[^"]+)"', page)
    assert len(pictures) == 5
    assert [client.get(picture).status_code for picture in pictures] == [200] * 5


@each_language
def test_it_names_what_the_page_shows_as_the_page_does(client: FlaskClient, language: str) -> None:
    page_words = words(language)["page"]
    shown = [
        "choose",
        "cancel",
        "again",
        "next_step",
        "read_again",
        "verdict_accepted",
        "verdict_caution",
        "verdict_refused",
        "question_numbers",
        "map_where",
        "map_hold",
        "map_opacity",
        "map_cells",
        "map_colour",
        "section_heading",
        "unit_unnamed",
        "footer_units",
        "footer_health",
        "print",
        "save_picture",
        "save_reading",
    ]
    page = html.unescape(client.get(f"/help?lang={language}").text).replace("’", "'").lower()
    assert [key for key in shown if page_words[key].replace("’", "'").lower() not in page] == []


@each_language
def test_all_its_links_lead_somewhere_on_the_box(client: FlaskClient, language: str) -> None:
    page = client.get(f"/help?lang={language}").text
    places = set(re.findall(r' id="([^"]+)"', page))
    targets = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert all(target[1:] in places for target in targets if target.startswith("#"))
    assert all(client.get(target).status_code == 200 for target in targets if not target.startswith("#"))


@each_language
@pytest.mark.parametrize("address", ["/", "/nowhere"])
def test_pages_lead_to_its_sections(client: FlaskClient, address: str, language: str) -> None:
    page = client.get(f"{address}?lang={language}", headers={"Accept": "text/html"}).text
    assert f'href="/help?lang={language}"' in page
    help_page = client.get(f"/help?lang={language}").text
    sections = re.findall(rf'href="/help\?lang={language}#([^"]+)"', page)
    assert sections
    assert all(f' id="{section}"' in help_page for section in sections)
