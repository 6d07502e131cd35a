"""The help that the box serves: what docs/clinic and docs/technicians say, with nothing from elsewhere."""

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
from tools.help_pages import ADDRESSES, PICTURES, SOURCES, TEMPLATES, files, headings, pictures_in

each_language = pytest.mark.parametrize("language", LANGUAGES)
each_page = pytest.mark.parametrize("page", SOURCES)


@pytest.fixture(scope="module")
def client(bundle: Bundle) -> FlaskClient:
    return create_app(Settings(samples=SAMPLES), bundle).test_client()


def source_of(page: str, language: str) -> str:
    """The Markdown of a page; the English one where there is none in the language."""
    return SOURCES[page].get(language, SOURCES[page]["en"]).read_text(encoding="utf-8")


def help_in(client: FlaskClient, page: str, language: str) -> str:
    return client.get(f"{ADDRESSES[SOURCES[page]['en']]}?lang={language}").text


def test_the_help_is_written_from_the_documentation_as_it_is_now() -> None:
    stale = [str(file.relative_to(ROOT)) for file, content in files().items() if file.read_bytes() != content]
    assert stale == [], "run `make help-pages`"
    assert {*TEMPLATES.iterdir(), *PICTURES.iterdir()} == files().keys()


def test_the_clinics_page_is_there_in_each_language_with_the_same_sections() -> None:
    assert set(SOURCES["clinic"]) == set(LANGUAGES)
    levels = [[level for level, _, _ in headings(source_of("clinic", language))] for language in LANGUAGES]
    assert levels.count(levels[0]) == len(levels)


@each_page
@each_language
def test_the_box_serves_it_whole(client: FlaskClient, page: str, language: str) -> None:
    text, source = help_in(client, page, language), source_of(page, language)
    assert f'<html lang="{language}">' in text
    assert all(heading in text for _, _, heading in headings(source))
    pictures = re.findall(r'src="(/static/help/[^"]+)"', text)
    assert len(pictures) == len(pictures_in(source))
    assert all(client.get(picture).status_code == 200 for picture in pictures)


@each_page
@each_language
def test_a_page_in_another_language_than_the_readers_says_so(client: FlaskClient, page: str, language: str) -> None:
    text, there = help_in(client, page, language), language in SOURCES[page]
    assert f'<div lang="{language if there else "en"}">' in text
    assert (words(language)["page"]["help_english"] in html.unescape(text)) is not there


@each_language
def test_it_names_what_the_page_shows_as_the_page_does(client: FlaskClient, language: str) -> None:
    page_words = words(language)["page"]
    shown = ["choose", "cancel", "again", "next_step", "read_again", "verdict_accepted", "verdict_caution"]
    shown += ["verdict_refused", "question_numbers", "map_where", "map_hold", "map_opacity", "map_cells", "map_colour"]
    shown += ["section_heading", "unit_unnamed", "footer_units", "footer_health", "print", "save_picture"]
    text = html.unescape(help_in(client, "clinic", language)).replace("’", "'").lower()
    assert [key for key in shown if page_words[key].replace("’", "'").lower() not in text] == []


@each_page
@each_language
def test_all_its_links_lead_somewhere_on_the_box(client: FlaskClient, page: str, language: str) -> None:
    text = help_in(client, page, language)
    for target in re.findall(r'(?:href|src)="([^"]+)"', text):
        address, _, section = html.unescape(target).partition("#")
        answer = client.get(address) if address else None
        assert answer is None or answer.status_code == 200, target
        assert not section or f' id="{section}"' in (answer.text if answer else text), target


@each_language
@pytest.mark.parametrize("address", ["/", "/nowhere"])
def test_pages_lead_to_its_sections(client: FlaskClient, address: str, language: str) -> None:
    page = client.get(f"{address}?lang={language}", headers={"Accept": "text/html"}).text
    assert f'href="/help?lang={language}"' in page
    sections = re.findall(rf'href="/help\?lang={language}#([^"]+)"', page)
    assert sections
    text = help_in(client, "clinic", language)
    assert all(f' id="{section}"' in text for section in sections)
