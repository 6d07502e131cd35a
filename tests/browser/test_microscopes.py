"""Microscopes in a real browser: a technician sets one up from a photographed micrometer, staff pick it, and a picture
whose scale nobody gave asks for it in one step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.chromium import (
    Sample,
    as_phone,
    click,
    give_scale,
    text,
    upload,
    visible,
    wait_for_state,
    wait_until,
)
from tests.support.drawn_micrometer import Micrometer, draw_micrometer
from tests.support.serving import CODE, serving, with_code
from tests.support.shipped import UM_PER_PX

pytestmark = pytest.mark.browser
EXPECTED = (
    "/api/v1/readings",
    "/api/v1/measurements",
    "/api/v1/instruments",
)  # answers that say no, which the page words


@pytest.fixture
def box(tmp_path: Path) -> Iterator[str]:
    """A box with a technician's code and no microscope yet."""
    with serving(tmp_path / "log", flags=with_code(tmp_path)) as url:
        yield url


@pytest.fixture
def driver(chromium: WebDriver, box: str) -> Iterator[WebDriver]:
    """The browser in a new sitting. Afterwards the console is clean."""
    chromium.get(f"{box}/instruments?lang=en")
    wait_for_state(chromium, "done")
    chromium.execute_script("sessionStorage.clear()")
    chromium.get_log("browser")
    yield chromium
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    complaints = chromium.get_log("browser")
    assert [each for each in complaints if not any(part in each["message"] for part in EXPECTED)] == []


@pytest.fixture(scope="module")
def field(accepted: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that the model accepts, of which nothing says how large its pixels are: they are `UM_PER_PX`."""
    file = tmp_path_factory.mktemp("field") / "field.png"
    Image.open(accepted.file).convert("RGB").save(file)
    return file


@pytest.fixture(scope="module")
def photo(field: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A micrometer before the camera that took `field`: its smallest marks are 25 µm apart."""
    width, height = Image.open(field).size
    file = tmp_path_factory.mktemp("photo") / "micrometer.jpg"
    scale = 1280 / width  # the camera's full size, of which the field is a reduced copy
    drawn = Micrometer(width=1280, height=round(height * scale), period_px=25 / UM_PER_PX * scale, angle=6)
    draw_micrometer(drawn).save(file, quality=90)
    return file


def type_code(driver: WebDriver) -> None:
    wait_until(driver, lambda driver: visible(driver, "code-dialog"), "no code is asked for")
    driver.find_element(By.ID, "code-field").send_keys(CODE, Keys.ENTER)


def write(driver: WebDriver, field: str, value: str) -> None:
    element = driver.find_element(By.ID, field)
    element.clear()
    element.send_keys(value)


def number_in(words: str) -> float:
    """The first number of a sentence."""
    (found,) = re.findall(r"\d+\.?\d*", words)[:1]
    return float(found)


def set_up(driver: WebDriver, name: str, um_per_px: float | str) -> None:
    """Type a microscope in; the code is asked for once a visit of the page."""
    write(driver, "name", name)
    click(driver, "label:has(input[value=typed])")
    write(driver, "um", str(um_per_px))
    click(driver, "#save")
    listed = f"return [...document.querySelectorAll('.scope h3')].some((each) => each.textContent === {name!r})"
    wait_until(driver, lambda d: d.execute_script(listed) or visible(d, "code-dialog"), "it isn't kept")
    if visible(driver, "code-dialog"):
        type_code(driver)
    wait_until(driver, lambda driver: driver.execute_script(listed), "it isn't kept")


def choice(driver: WebDriver) -> str:
    """The microscope that is chosen on the reading page."""
    script = "return document.querySelector('#microscope-choice input:checked')?.nextSibling.textContent ?? ''"
    return str(driver.execute_script(script))


def open_page(driver: WebDriver, box: str, language: str = "en") -> None:
    driver.get(f"{box}/?lang={language}")
    ready = "return document.querySelectorAll('#microscope-choice input').length > 0"
    wait_until(driver, lambda driver: driver.execute_script(ready), "no microscopes are offered")


def test_a_microscope_is_set_up_from_a_photo_and_then_chosen_already(
    driver: WebDriver, box: str, field: Path, photo: Path
):
    write(driver, "name", "Leica, 10×")
    driver.find_element(By.ID, "marks-file").send_keys(str(photo))
    wait_until(driver, lambda driver: visible(driver, "marks-found"), "no marks are shown")
    write(driver, "between", "25")
    of_full_size = UM_PER_PX * Image.open(field).width / 1280
    assert number_in(text(driver, "marks-result")) == pytest.approx(of_full_size, rel=1e-3)
    drawn = (
        "const { data } = document.getElementById(arguments[0]).getContext('2d').getImageData(0, 0, 900, 500);"
        "return data.some((red, at) => at % 4 === 0 && red === 214 && data[at + 1] === 0 && data[at + 2] === 108)"
    )
    for canvas in ("marks-close", "marks-whole"):
        assert driver.execute_script(drawn, canvas), "no line is drawn on a mark"
    click(driver, "#save")
    assert "tick it" in text(driver, "form-problem")
    click(driver, "#marks-checked")
    click(driver, "#save")
    type_code(driver)
    wait_until(driver, lambda driver: visible(driver, "done"), "it isn't kept")
    driver.get(f"{box}/instruments?lang=en")
    wait_until(driver, lambda driver: driver.find_elements(By.CLASS_NAME, "scope"), "it isn't listed")
    assert "measured with a micrometer" in driver.find_element(By.CLASS_NAME, "scope").text

    open_page(driver, box)
    assert choice(driver) == "Leica, 10×"
    assert upload(driver, field) == "done"
    assert number_in(text(driver, "scale-words")) == pytest.approx(UM_PER_PX, rel=1e-3)
    assert text(driver, "scale-words").endswith(" µm per pixel: Leica, 10×.")
    assert not visible(driver, "ask-scale")
    assert visible(driver, "prediction")


def test_staff_pick_one_and_the_sitting_remembers_it(driver: WebDriver, box: str, field: Path):
    set_up(driver, "Leica, 10×", UM_PER_PX)
    set_up(driver, "Zeiss, 4×", 4 * UM_PER_PX)
    open_page(driver, box)
    assert choice(driver) == ""
    click(driver, "#microscope-choice label:nth-of-type(1)")
    upload(driver, field)
    assert "Leica" in text(driver, "scale-words")
    open_page(driver, box, "fr")
    assert choice(driver) == "Leica, 10×"
    upload(driver, field)
    assert text(driver, "scale-words").replace("\u00a0", " ") == "Lue à 1,68 µm par pixel : Leica, 10×."
    click(driver, "#microscope-choice label:nth-of-type(2)")  # reads the same picture again
    wait_until(driver, lambda driver: "Zeiss" in text(driver, "scale-words"), "it isn't read again")
    click(driver, "#chips .chip")
    wait_until(driver, lambda driver: visible(driver, "ask-scale"), "the microscope isn't taken back")
    assert choice(driver) == "Un autre, ou inconnu"
    open_page(driver, box)
    assert choice(driver) == "Another, or unknown"


def test_a_picture_of_unknown_scale_asks_for_it_once_and_is_read_again(driver: WebDriver, box: str, field: Path):
    """Without another choice of the file: by a number, or by a microscope."""
    driver.get(f"{box}/?lang=en")
    upload(driver, field)
    assert visible(driver, "ask-scale")
    assert not visible(driver, "ask-microscopes")
    assert not visible(driver, "prediction")
    driver.find_element(By.ID, "ask-um").send_keys("half", Keys.ENTER)
    assert "0.5" in text(driver, "ask-wrong")
    write(driver, "ask-um", "1,68")
    click(driver, "#ask-form button")
    wait_until(driver, lambda driver: visible(driver, "prediction"), "no class with a scale")
    assert text(driver, "scale-words") == "Read at 1.68 µm per pixel, as it was typed."

    driver.get(f"{box}/instruments?lang=en")
    wait_for_state(driver, "done")
    set_up(driver, "Leica, 10×", UM_PER_PX)
    set_up(driver, "Zeiss, 4×", 4 * UM_PER_PX)
    open_page(driver, box)
    upload(driver, field)
    offered = driver.find_elements(By.CSS_SELECTOR, "#ask-microscope-list button")
    assert [each.text.split("\n") for each in offered] == [
        ["Leica, 10×", "1.68 µm per pixel"],
        ["Zeiss, 4×", "6.72 µm per pixel"],
    ]
    click(driver, "#ask-microscope-list button")
    wait_until(driver, lambda driver: visible(driver, "prediction"), "no class with a microscope")
    assert choice(driver) == "Leica, 10×"


def test_what_the_file_states_is_offered_in_the_same_step(driver: WebDriver, box: str, field: Path, tmp_path: Path):
    stating = tmp_path / "stating.png"
    Image.open(field).save(stating, dpi=(25_400 / UM_PER_PX, 25_400 / UM_PER_PX))
    driver.get(f"{box}/?lang=en")
    upload(driver, stating)
    assert visible(driver, "ask-scale")
    assert visible(driver, "stated")
    click(driver, "#stated-use")
    wait_until(driver, lambda driver: visible(driver, "prediction"), "no class with the file's scale")
    assert text(driver, "scale-words") == "Read at 1.68 µm per pixel, as the file states."


def test_a_microscope_that_did_not_take_the_picture_is_named_as_the_cause(driver: WebDriver, box: str, field: Path):
    set_up(driver, "Leica, 10×", UM_PER_PX)
    click(driver, ".scope button")
    for side in ("width", "height"):
        write(driver, side, "1000")
    click(driver, "#save")
    wait_until(driver, lambda driver: "1,000 × 1,000" in driver.find_element(By.CLASS_NAME, "scope").text, "no change")
    open_page(driver, box)
    assert upload(driver, field) == "failed"
    assert text(driver, "problem-title") == "The picture has another shape than the instrument’s"
    assert "“Leica, 10×” was chosen" in text(driver, "problem-blame")
    click(driver, "#problem-chips .chip")
    assert wait_for_state(driver, "done") == "done"
    give_scale(driver, str(UM_PER_PX))
    click(driver, "#read-again")
    wait_until(driver, lambda driver: visible(driver, "prediction"), "no class with a typed scale")


def test_what_cannot_be_measured_or_kept_is_told_beside_the_form(driver: WebDriver, field: Path):
    driver.find_element(By.ID, "marks-file").send_keys(str(field))
    wait_until(driver, lambda driver: "No scale was found" in text(driver, "form-problem"), "no word of it")
    driver.find_element(By.ID, "glass-file").send_keys(str(field))
    wait_until(driver, lambda driver: "empty glass" in text(driver, "form-problem"), "no word of it")
    click(driver, "label:has(input[value=file])")
    driver.find_element(By.ID, "stating-file").send_keys(str(field))
    wait_until(driver, lambda driver: "doesn’t state" in text(driver, "form-problem"), "no word of it")
    click(driver, "#save")
    assert "First say how large" in text(driver, "form-problem")
    set_up(driver, "Leica", 0.5)
    write(driver, "name", "LEICA")
    click(driver, "label:has(input[value=typed])")
    write(driver, "um", "0.5")
    click(driver, "#save")
    wait_until(driver, lambda driver: "of this name already" in text(driver, "form-problem"), "no word of it")


def test_one_is_deleted_only_after_a_question(driver: WebDriver, box: str):
    set_up(driver, "Leica", 0.5)
    delete = ".scope button:nth-of-type(2)"
    click(driver, delete)
    click(driver, "#delete-no")
    assert len(driver.find_elements(By.CLASS_NAME, "scope")) == 1
    click(driver, delete)
    click(driver, "#delete-yes")
    wait_until(driver, lambda driver: visible(driver, "empty"), "it is still there")
    driver.get(f"{box}/?lang=en")
    assert not visible(driver, "microscopes")


def test_both_pages_fit_a_phone_and_each_field_has_a_name(driver: WebDriver, box: str, field: Path, photo: Path):
    set_up(driver, "Leica DM 2000 of the second room, objective 10×, camera", UM_PER_PX)
    as_phone(driver, 360)
    wide = "return document.documentElement.scrollWidth"
    unnamed = """return [...document.querySelectorAll('main input, main button, main canvas[role]')].filter((each) =>
        each.offsetParent && !each.labels?.length && !each.textContent.trim() && !each.getAttribute('aria-label')).length"""
    driver.get(f"{box}/instruments?lang=fr")
    wait_for_state(driver, "done")
    driver.find_element(By.ID, "marks-file").send_keys(str(photo))
    wait_until(driver, lambda driver: visible(driver, "marks-found"), "no marks are shown")
    assert (driver.execute_script(wide), driver.execute_script(unnamed)) == (360, 0)
    open_page(driver, box, "fr")
    upload(driver, field)
    assert driver.execute_script(wide) == 360
    click(driver, "#chips .chip")
    wait_until(driver, lambda driver: visible(driver, "ask-scale"), "nothing is asked")
    assert (driver.execute_script(wide), driver.execute_script(unnamed)) == (360, 0)
