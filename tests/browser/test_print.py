"""A reading prints on one page: A4 and Letter, in both languages, whatever it says and whatever fonts the machine has."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.support.chromium import Sample, change_readings, give_scale, open_chromium, upload, visible
from tests.support.drawn_section import UM_PER_PX

pytestmark = pytest.mark.browser

PAPERS_INCHES = {"A4": (8.27, 11.69), "Letter": (8.5, 11)}
# As wide as letters come, and part of what the tests need anyway.
WIDE_FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono-Bold.ttf"
LONG_NAME = "Carcinome canalaire in situ de haut grade"


def pages(driver: WebDriver) -> dict[str, int]:
    """On how many pages the page prints, by paper."""
    counts = {}
    for paper, (width, height) in PAPERS_INCHES.items():
        options = {"preferCSSPageSize": True, "printBackground": True, "paperWidth": width, "paperHeight": height}
        printed = b64decode(driver.execute_cdp_cmd("Page.printToPDF", options)["data"])
        counts[paper] = len(re.findall(rb"/Type\s*/Page\b", printed))
    return counts


ONE_EACH = dict.fromkeys(PAPERS_INCHES, 1)


@pytest.fixture(scope="module", params=[None, WIDE_FONT], ids=["fonts of this machine", "one wide font"])
def browser(request: pytest.FixtureRequest, chromium: WebDriver) -> Iterator[WebDriver]:
    if request.param is None:
        yield chromium
        return
    with open_chromium(font=request.param) as driver:
        yield driver


@pytest.fixture(params=["en", "fr"])
def page(request: pytest.FixtureRequest, browser: WebDriver, live_service: str) -> WebDriver:
    browser.get(f"{live_service}/?lang={request.param}")
    return browser


def long_answer(sample: Sample) -> dict[str, Any]:
    """Changes that make a reading as long as it gets."""
    labels = [each["label"] for each in sample.reading["prediction"]["probabilities"]]
    names = [{**each, "name": LONG_NAME} for each in sample.reading["prediction"]["probabilities"]]
    region = {"label": labels[-1], "share": 0.22, "area_mm2": 0.413, "x": 100, "y": 100, "box": [20, 20, 300, 200]}
    region |= {"strength": 4.2, "probability": 0.97}
    sentence = "Une partie de ce champ parle pour un carcinome infiltrant, ce qui est rare dans des champs sans lui. "
    return {
        "answer": {
            "labels": labels,
            "single": False,
            "concern": True,
            "headline": f"{LONG_NAME}, lésion bénigne proliférante avec atypies ou carcinome infiltrant",
            "advice": "À faire lire par un pathologiste avant toute décision, avec les autres champs de la même coupe.",
            "concern_sum": {"name": "Carcinome (in situ ou infiltrant)", "probability": 0.83, "likelihood": "probable"},
            "promise": {"level": 0.9, "confidence": 0.9, "n": 40, "unit": "block", "words": 2 * sentence},
            "record": {"right": 64, "of": 74, "words": "Sur 74 images jamais vues et lues ainsi, 64 étaient justes."},
        },
        "parts": {
            "caution": True,
            "label": labels[-1],
            "words": 2 * sentence,
            "regions": [{**region, "rank": rank} for rank in range(1, 13)],
        },
        "prediction": {"probabilities": names},
        "verdict": {"caution": True},
        "units": [
            {**unit, "names": [{"name": "w" * 60, "experts": 3, "from": "experts"}] * 3}
            for unit in sample.reading["units"]
        ],
    }


def test_an_accepted_reading_prints_on_one_page(page: WebDriver, accepted: Sample):
    assert upload(page, accepted.file) == "done"
    assert pages(page) == ONE_EACH


def test_the_longest_reading_prints_on_one_page(page: WebDriver, accepted: Sample):
    change_readings(page, long_answer(accepted))
    assert upload(page, accepted.file) == "done"
    page.find_element(By.ID, "case-label").send_keys("W" * 60)
    assert pages(page) == ONE_EACH


def test_a_refused_reading_prints_on_one_page(page: WebDriver, refused: Sample):
    assert upload(page, refused.file) == "done"
    assert pages(page) == ONE_EACH


def test_the_longest_refusal_prints_on_one_page(page: WebDriver, refused: Sample):
    sentence = "Les structures n’ont pas la taille qu’elles ont dans les images que le modèle a apprises. "
    reason = {"code": "wrong_magnification", "title": sentence, "detail": 4 * sentence, "next_step": 6 * sentence}
    change_readings(page, {"verdict": {"reason": reason}})
    give_scale(page, "1.7")
    assert upload(page, refused.file) == "done"
    page.find_element(By.ID, "case-label").send_keys("W" * 60)
    assert visible(page, "blame")
    assert pages(page) == ONE_EACH


def test_a_section_prints_on_one_page(page: WebDriver, section: Sample):
    give_scale(page, str(UM_PER_PX))
    assert upload(page, section.file) == "done"
    assert pages(page) == ONE_EACH


def test_the_page_is_written_in_its_own_font(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    for domain in ("DOM", "CSS"):
        page.execute_cdp_cmd(f"{domain}.enable", {})
    root = page.execute_cdp_cmd("DOM.getDocument", {})["root"]["nodeId"]
    for selector in ("#verdict-title", "#probabilities", "#legend", "#questions"):
        node = page.execute_cdp_cmd("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        fonts = page.execute_cdp_cmd("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        assert all(font["isCustomFont"] for font in fonts), selector
