"""The page of a box with several models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.support.chromium import choose_sample, wait_for_state, wait_until
from tests.support.serving import serving
from tests.support.shipped import MODELS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A box with all models that ship."""
    with serving(tmp_path_factory.mktemp("several") / "log", MODELS) as url:
        yield url


@pytest.fixture
def page(chromium: WebDriver, box: str) -> WebDriver:
    chromium.get(f"{box}/?lang=en")
    offered = "#model option:nth-of-type(3)"
    wait_until(chromium, lambda page: page.find_elements(By.CSS_SELECTOR, offered), "no models are offered")
    chromium.execute_script("document.getElementById('advanced').open = true")
    return chromium


def test_the_page_says_which_model_read_and_one_may_choose_another(page: WebDriver):
    choose_sample(page, "texture-normal")
    said = page.find_element(By.ID, "verdict-models").text
    assert said.startswith("Read with “Breast tissue in H&E fields, four classes”")
    Select(page.find_element(By.ID, "model")).select_by_value("busi")
    wait_until(page, lambda page: page.find_element(By.ID, "verdict-kicker").text == "REFUSED", "busi did not read it")
    wait_for_state(page, "done")
    assert not page.find_element(By.ID, "verdict-models").is_displayed()
    assert "busi" in str(page.find_element(By.ID, "details").get_property("textContent"))


def test_the_choice_stays_when_the_language_is_changed(page: WebDriver):
    Select(page.find_element(By.ID, "model")).select_by_value("idc")
    choose_sample(page, "texture-normal")
    page.find_element(By.ID, "other-language").click()
    french = "html[lang=fr] body[data-state=done]"
    wait_until(page, lambda page: page.find_elements(By.CSS_SELECTOR, french), "no reading in French")
    wait_until(page, lambda page: page.find_elements(By.CSS_SELECTOR, "#model option:nth-of-type(3)"), "no models")
    assert Select(page.find_element(By.ID, "model")).first_selected_option.get_attribute("value") == "idc"
    assert "(idc)" in str(page.find_element(By.ID, "details").get_property("textContent"))


def test_what_no_model_knows_is_refused_by_all(page: WebDriver):
    choose_sample(page, "foreign-landscape")
    assert page.find_element(By.ID, "verdict-kicker").text == "REFUSED"
    assert page.find_element(By.ID, "verdict-title").text == "No model of this box can read the picture"
    assert "Findings in breast ultrasound" in page.find_element(By.ID, "verdict-detail").text
    assert not page.find_element(By.ID, "verdict-models").is_displayed()
