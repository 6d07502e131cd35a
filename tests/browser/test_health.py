"""The health page in a real browser, on a box with some weeks of simulated readings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from device.reading.bundle import Bundle
from device.reading.drift_test import BINS
from tests.support.chromium import as_phone, click, wait_until
from tests.support.serving import CODE, serving, with_code
from tests.support.simulated_clinic import DAYS, SITTINGS_A_DAY, fill

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def changed_box(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A box whose clinic makes its pictures differently of late."""
    folder = tmp_path_factory.mktemp("changed")
    fill(folder / "loupe.sqlite", bundle, shift=1.5)
    with serving(folder / "log") as url:
        yield url


@pytest.fixture
def page(chromium: WebDriver, changed_box: str) -> Iterator[WebDriver]:
    """The page in English. Afterwards the console is clean: nothing was blocked, nothing was missing."""
    chromium.get_log("browser")
    chromium.get(f"{changed_box}/health?lang=en")
    yield chromium
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert chromium.get_log("browser") == []


@pytest.fixture(scope="module")
def guarded_box(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same box, which has a technician's code."""
    folder = tmp_path_factory.mktemp("guarded")
    fill(folder / "loupe.sqlite", bundle, shift=1.5)
    with serving(folder / "log", flags=with_code(folder)) as url:
        yield url


def told(box: str, language: str = "en") -> dict[str, Any]:
    return dict(json.load(urlopen(f"{box}/api/v1/health?lang={language}")))


def test_the_page_says_what_changed_and_what_to_do(page: WebDriver, changed_box: str):
    (model,) = told(changed_box)["models"]
    assert model["watch"]["state"] == "changed"
    assert model["watch"]["alarm"]["question"] == "made"
    shown = page.find_element(By.CSS_SELECTOR, ".model").text
    assert model["watch"]["title"] in shown
    assert model["watch"]["next_step"] in shown
    assert model["watch"]["alarm"]["began"] in shown
    rows = page.find_elements(By.CSS_SELECTOR, ".reasons tbody tr")
    assert [int(row.find_element(By.TAG_NAME, "td").text) for row in rows] == [
        reason["count"] for reason in model["lately"]["reasons"]
    ]
    assert model["lately"]["readings"] == DAYS * SITTINGS_A_DAY
    assert "Research use only" in page.find_element(By.CSS_SELECTOR, ".notice").text


def test_each_chart_draws_its_counts_and_says_them_in_words_and_as_a_table(page: WebDriver, changed_box: str):
    (model,) = told(changed_box)["models"]
    for asked, figure in zip(model["p_values"], page.find_elements(By.CSS_SELECTOR, "figure"), strict=True):
        bars = figure.find_elements(By.CSS_SELECTOR, "rect.chart-bar")
        heights = [float(bar.get_attribute("height") or 0) for bar in bars]
        assert len(heights) == BINS
        tallest = max(heights)
        assert heights == pytest.approx([tallest * c / max(asked["counts"]) for c in asked["counts"]], abs=0.02)
        drawn = figure.find_element(By.TAG_NAME, "svg")
        named = [page.find_element(By.ID, name).text for name in str(drawn.get_attribute("aria-labelledby")).split()]
        assert named[0] == asked["title"]
        assert "within the band" in named[1]
        summary = figure.find_element(By.TAG_NAME, "summary")
        summary.send_keys(Keys.ENTER)
        cells = [cell.text for cell in figure.find_elements(By.CSS_SELECTOR, "tbody td:nth-of-type(1)")]
        assert [int(cell) for cell in cells] == asked["counts"]


def test_it_fits_a_phone_and_speaks_french(page: WebDriver, changed_box: str):
    as_phone(page, 360)
    page.get(f"{changed_box}/health?lang=fr")
    assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    shown = page.find_element(By.CSS_SELECTOR, ".model").text
    (model,) = told(changed_box, "fr")["models"]
    assert model["watch"]["next_step"].replace("\N{NO-BREAK SPACE}", " ") in shown  # as Selenium gives it
    assert "5,0 %" in shown


def test_a_watch_is_reset_only_after_a_question(page: WebDriver, changed_box: str):
    before = told(changed_box)["models"][0]["lately"]["readings"]
    click(page, "button.reset")
    dialog = page.find_element(By.TAG_NAME, "dialog")
    dialog.find_element(By.CSS_SELECTOR, ".no").click()
    assert not dialog.is_displayed()
    assert told(changed_box)["models"][0]["watch"]["state"] == "changed"
    page.find_element(By.CSS_SELECTOR, "button.reset").send_keys(Keys.ENTER)
    page.find_element(By.CSS_SELECTOR, "dialog .yes").send_keys(Keys.ENTER)
    few = '.model[data-state="few"]'
    wait_until(page, lambda page: page.find_elements(By.CSS_SELECTOR, few), "the watch was not reset")
    (model,) = told(changed_box)["models"]
    assert (model["watch"]["pictures"], model["lately"]["readings"]) == (0, before)


@pytest.mark.parametrize(("language", "title", "wrong"), [
    ("en", "The technician’s code", "This isn’t the technician’s code"),
    ("fr", "Le code du technicien", "Ce n’est pas le code du technicien"),
])  # fmt: skip
def test_a_reset_asks_for_the_technicians_code_where_the_box_has_one(
    chromium: WebDriver, guarded_box: str, language: str, title: str, wrong: str
):
    def state() -> str:
        return str(told(guarded_box)["models"][0]["watch"]["state"])

    def shown(selector: str) -> WebElement:
        wait_until(chromium, lambda page: page.find_element(By.CSS_SELECTOR, selector).is_displayed(), selector)
        return chromium.find_element(By.CSS_SELECTOR, selector)

    before = state()
    chromium.get(f"{guarded_box}/health?lang={language}")
    click(chromium, "button.reset")
    chromium.find_element(By.CSS_SELECTOR, "dialog .yes").send_keys(Keys.ENTER)
    dialog = shown("#code-dialog")
    assert (dialog.aria_role, dialog.accessible_name) == ("dialog", title)
    field = chromium.switch_to.active_element
    assert (field.get_attribute("id"), field.get_attribute("type")) == ("code-field", "password")
    field.send_keys(Keys.ESCAPE)
    assert wrong[:8] not in shown(".model dialog .problem").text
    assert state() == before

    chromium.find_element(By.CSS_SELECTOR, "dialog .yes").send_keys(Keys.ENTER)
    shown("#code-dialog")
    chromium.switch_to.active_element.send_keys("é€-another-code", Keys.ENTER)
    assert wrong in shown("#code-problem").text
    field = chromium.switch_to.active_element
    assert (field.get_attribute("value"), field.get_attribute("aria-invalid")) == ("", "true")
    field.send_keys(CODE, Keys.ENTER)
    wait_until(chromium, lambda page: page.find_elements(By.CSS_SELECTOR, '.model[data-state="few"]'), "no reset")
    for storage in ("sessionStorage", "localStorage"):
        assert CODE not in chromium.execute_script(f"return JSON.stringify({storage})")
    assert CODE not in chromium.page_source
    chromium.get_log("browser")
