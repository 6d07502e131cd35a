"""The size of a pixel and the model belong to one picture; what the file states is offered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.support.chromium import (
    Sample,
    change_readings,
    choose_sample,
    click,
    give_scale,
    text,
    upload,
    visible,
    wait_for_state,
)
from tests.support.chromium import wait_until as wait
from tests.support.serving import serving
from tests.support.shipped import MODELS

pytestmark = pytest.mark.browser


def chips(page: WebDriver, where: str = "chips") -> list[str]:
    found = page.find_elements(By.CSS_SELECTOR, f"#{where} .chip > span:first-child")
    return [chip.text for chip in found if chip.is_displayed()]


def field(page: WebDriver) -> str:
    return str(page.find_element(By.ID, "um-per-px").get_attribute("value"))


def test_the_size_of_a_pixel_is_a_chip_and_taking_it_back_reads_again_without(page: WebDriver, accepted: Sample):
    give_scale(page, "1.7")
    upload(page, accepted.file)
    assert chips(page) == ["1.7 µm/px"]
    click(page, "#chips .chip")
    wait_for_state(page, "done")
    wait(page, lambda page: chips(page) == [], "the chip stays")
    assert field(page) == ""
    # What is left is what the box knows of its own sample.
    assert "1.68 µm" in str(page.find_element(By.ID, "details").get_property("textContent"))


def test_the_size_of_a_pixel_goes_with_its_picture(page: WebDriver, accepted: Sample, refused: Sample):
    give_scale(page, "1.7")
    upload(page, accepted.file)
    upload(page, refused.file)
    assert (chips(page), field(page)) == ([], "")
    give_scale(page, "1.6")  # written for the next picture, not used yet
    upload(page, accepted.file)
    assert chips(page) == ["1.6 µm/px"]


def test_a_refusal_names_the_size_that_caused_it(page: WebDriver, accepted: Sample):
    give_scale(page, "0")
    assert upload(page, accepted.file) == "failed"
    assert text(page, "problem-blame").startswith("0 µm per pixel was given for this picture")
    assert chips(page, "problem-chips") == ["0 µm/px"]
    click(page, "#problem-chips .chip")
    assert wait_for_state(page, "done") == "done"
    assert not visible(page, "blame")


def test_a_wrong_magnification_names_the_size_that_was_given(page: WebDriver, accepted: Sample):
    reason = {"code": "wrong_magnification", "variant": None, "title": "T", "detail": "D", "next_step": "N"}
    change_readings(page, {"verdict": {"accepted": False, "reason": reason}})
    upload(page, accepted.file)
    assert not visible(page, "blame")
    give_scale(page, "1.7")
    click(page, "#read-again")
    wait(page, lambda page: visible(page, "blame"), "nothing is said of the size")
    assert text(page, "blame").startswith("1.7 µm per pixel was given for this picture")


STATED: dict[str, Any] = {"value": 1.68, "source": "tiff_resolution", "words": "The file says 1.68 µm/px"}


def test_what_the_file_states_is_offered_and_used_only_when_asked(page: WebDriver, accepted: Sample):
    change_readings(page, {"image": {"stated_um_per_px": STATED}})
    upload(page, accepted.file)
    assert text(page, "stated-words") == "The file says 1.68 µm/px. Use it?"
    assert chips(page) == []
    click(page, "#stated-use")
    wait(page, lambda page: chips(page) == ["1.68 µm/px, as the file says"], "it isn't read with it")
    assert not visible(page, "stated")
    upload(page, accepted.file)
    assert chips(page) == [], "it was not asked for the next one"


def test_what_a_tiff_states_is_offered(page: WebDriver, accepted: Sample, tmp_path: Path):
    per_cm = 10_000 / 1.68
    Image.open(accepted.file).save(tmp_path / "field.tif", resolution_unit=3, x_resolution=per_cm, y_resolution=per_cm)
    upload(page, tmp_path / "field.tif")
    assert text(page, "stated-words").startswith("The file says 1.68 µm/px")
    click(page, "#stated-use")
    wait(page, lambda page: chips(page) == ["1.68 µm/px, as the file says"], "it isn't read with it")


def test_what_files_of_a_kind_state_is_used_where_that_was_asked(page: WebDriver, accepted: Sample):
    change_readings(page, {"image": {"stated_um_per_px": STATED}})
    upload(page, accepted.file)
    click(page, "#stated-always")
    click(page, "#stated-use")
    wait(page, chips, "it isn't read with it")
    upload(page, accepted.file)
    wait(page, lambda page: chips(page) == ["1.68 µm/px, as the file says"], "the next one isn't read with its own")
    click(page, "#chips .chip")
    wait(page, lambda page: visible(page, "stated"), "it can't be taken back")
    assert chips(page) == []
    click(page, "#stated-always")
    upload(page, accepted.file)
    assert visible(page, "stated"), "it is no longer asked"
    page.execute_script("sessionStorage.clear()")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A box with all models that ship."""
    with serving(tmp_path_factory.mktemp("given") / "log", MODELS) as url:
        yield url


def test_a_model_that_was_chosen_is_named_in_its_refusal_and_goes_with_the_picture(
    chromium: WebDriver, box: str, refused: Sample
):
    chromium.get(f"{box}/?lang=en")
    offered = "#model option:nth-of-type(3)"
    wait(chromium, lambda page: page.find_elements(By.CSS_SELECTOR, offered), "no models are offered")
    chromium.execute_script("document.getElementById('advanced').open = true")
    Select(chromium.find_element(By.ID, "model")).select_by_value("busi")
    choose_sample(chromium, "texture-normal")
    assert chips(chromium) == ["Model: Findings in breast ultrasound"]
    assert text(chromium, "blame").startswith("“Findings in breast ultrasound” was chosen for this picture")
    click(chromium, "#chips .chip")
    wait(
        chromium,
        lambda page: text(page, "verdict-kicker") in ("ACCEPTED", "CAUTION"),
        "the box doesn't choose by itself",
    )
    assert chips(chromium) == []
    Select(chromium.find_element(By.ID, "model")).select_by_value("busi")
    wait(chromium, chips, "busi isn't chosen")
    upload(chromium, refused.file)
    assert chips(chromium) == []


def test_an_empty_file_is_told_before_it_is_sent(page: WebDriver, tmp_path: Path):
    empty = tmp_path / "empty.tif"
    empty.touch()
    page.get_log("performance")
    assert upload(page, empty) == "failed"
    assert text(page, "chosen-name") == "empty.tif · 0 B"
    assert text(page, "problem-title") == "The file is empty"
    assert not any("/api/v1/readings" in entry["message"] for entry in page.get_log("performance"))
