"""A drawn clinic is commissioned in a real browser: from an instrument that somebody types to a reading that says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.support.chromium import as_phone, click, text, upload, visible, wait_for_state, wait_until
from tests.support.drawn_clinic import UM_PER_PX, write_clinic
from tests.support.serving import CODE, serving, with_code

pytestmark = pytest.mark.browser
PATIENTS = 22  # of whom none refused is what the promise of 10 % takes
MICROSCOPE = {"name": "Zeiss 20", "um_per_px": UM_PER_PX}


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its pictures as files; those of the last patient are kept back."""
    folder = tmp_path_factory.mktemp("clinic")
    write_clinic(folder, PATIENTS + 1)
    return folder


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A new box with a technician's code."""
    folder = tmp_path_factory.mktemp("commissioned")
    with serving(folder / "log", flags=with_code(folder)) as url:
        yield url


@pytest.fixture
def page(chromium: WebDriver, box: str) -> Iterator[WebDriver]:
    """The page in English. Afterwards the console is clean: nothing was blocked, nothing was missing."""
    chromium.get_log("browser")
    chromium.get(f"{box}/commissioning?lang=en")
    wait_for_state(chromium, "ready")
    yield chromium
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    complaints = [entry for entry in chromium.get_log("browser") if "/api/v1/" not in entry["message"]]
    assert complaints == []


def ask(box: str, method: str, path: str, sent: object = None) -> dict[str, object]:
    data = None if sent is None else json.dumps(sent).encode()
    headers = {"Content-Type": "application/json", "X-Loupe-Code": CODE}
    return dict(json.load(urlopen(Request(box + path, data, headers, method=method))))


def give(page: WebDriver, field: str, files: list[Path]) -> None:
    """Give a picker files, and wait until the box has read them."""
    picker = page.find_element(By.ID, field)
    page.execute_script("arguments[0].value = ''", picker)  # as a click on it does
    picker.send_keys("\n".join(map(str, files)))
    wait_for_state(page, "ready")
    assert not visible(page, "trouble"), text(page, "trouble")


def of_patient(clinic: Path, patient: int) -> list[Path]:
    return sorted((clinic / "pictures" / f"{patient:02}").iterdir())


def type_code(page: WebDriver) -> None:
    is_asked = "return document.getElementById('code-dialog').open && document.activeElement.id === 'code-field'"
    wait_until(page, lambda page: page.execute_script(is_asked), "no question for the code")
    page.switch_to.active_element.send_keys(CODE, Keys.ENTER)


def begun(page: WebDriver) -> None:
    wait_until(page, lambda page: visible(page, "job"), "no commissioning has begun")
    wait_for_state(page, "ready")


def test_a_clinic_is_commissioned_from_the_start_to_a_reading_that_says_so(
    page: WebDriver, box: str, clinic: Path
) -> None:
    assert "Not commissioned here" in text(page, "states")
    assert "No microscope is set up" in text(page, "instrument-none")
    assert page.find_element(By.ID, "begin-button").get_attribute("disabled")
    instrument = add_instrument(box)

    page.get(f"{box}/commissioning?lang=en")
    wait_for_state(page, "ready")
    click(page, "#begin-button")
    type_code(page)
    begun(page)
    assert page.find_element(By.ID, "patient").get_attribute("value") == "1"
    for patient in range(1, PATIENTS + 1):
        give(page, "own-files", of_patient(clinic, patient))
        click(page, "#next-patient")
    assert text(page, "pictures-words") == f"Pictures that can be judged: {2 * PATIENTS} (at least 50 wanted)"
    assert text(page, "patients-words") == f"Patients: {PATIENTS} (at least 22 wanted)"
    for kind, folder in (("glass", "glass"), ("other_stain", "immunostain"), ("photograph", "photograph")):
        Select(page.find_element(By.ID, "kind")).select_by_value(kind)
        give(page, "foreign-files", sorted((clinic / "foreign" / folder).iterdir()))

    page.refresh()  # the job is still there, the code isn't
    wait_for_state(page, "ready")
    assert text(page, "patients-words") == f"Patients: {PATIENTS} (at least 22 wanted)"
    assert page.find_element(By.ID, "patient").get_attribute("value") == str(PATIENTS + 1)
    click(page, "#report-button")
    type_code(page)
    wait_until(page, lambda page: visible(page, "report"), "no report")
    wait_for_state(page, "ready")
    report = text(page, "report")
    assert f"{2 * PATIENTS} of {2 * PATIENTS}" in report, "refused before"
    assert "at most 10" in report
    assert "accuracy here unknown" in report
    as_phone(page, 360)
    assert page.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    click(page, "#sign")
    wait_until(page, lambda page: "accuracy here unknown" in text(page, "states"), "the profile isn't in use")
    wait_for_state(page, "ready")
    assert "in use" in page.find_element(By.CSS_SELECTOR, '[data-profile="bach-1"]').text

    def site_after(file: Path) -> str:
        page.get(f"{box}/?lang=en")
        upload(page, file)
        return str(page.find_element(By.ID, "site-state").get_attribute("data-site"))

    new = of_patient(clinic, PATIENTS + 1)[0]
    assert site_after(new) == "commissioned"
    assert page.find_element(By.ID, "result").get_attribute("data-verdict") in ("accepted", "caution")
    assert "Commissioned, accuracy here unknown" in text(page, "site-state")
    assert site_after(next((clinic / "foreign" / "immunostain").iterdir())) == "commissioned"
    assert page.find_element(By.ID, "result").get_attribute("data-verdict") == "refused"

    ask(box, "PUT", f"/api/v1/instruments/{instrument}", {**MICROSCOPE, "um_per_px": 1.1})
    address = f"{box}/api/v1/readings?lang=en&instrument={instrument}"
    reading = json.load(urlopen(Request(address, new.read_bytes(), {"Content-Type": "image/jpeg"})))
    assert (reading["site"]["state"], reading["verdict"]["accepted"]) == ("revoked", False)
    page.get(f"{box}/health?lang=en")
    assert "Revoked since" in page.find_element(By.CSS_SELECTOR, ".sites").text


def add_instrument(box: str) -> str:
    """A microscope, its size of a pixel typed; its id."""
    ask(box, "POST", "/api/v1/instruments", MICROSCOPE)
    listed = json.load(urlopen(f"{box}/api/v1/instruments"))["instruments"]
    return str(listed[0]["id"])


def test_a_picture_is_diagnosed_taken_back_and_all_of_it_discarded_in_french(
    page: WebDriver, box: str, clinic: Path, tmp_path: Path
) -> None:
    page.get(f"{box}/commissioning?lang=fr")
    wait_for_state(page, "ready")
    click(page, "#begin-button")
    type_code(page)
    begun(page)
    Select(page.find_element(By.ID, "diagnosis")).select_by_value("benign")
    give(page, "own-files", of_patient(clinic, 1))
    assert text(page, "labelled-words").endswith("2 (il en faut au moins 40)")
    first = page.find_element(By.CSS_SELECTOR, '[data-picture="1"] select')
    Select(first).select_by_value("")
    wait_until(
        page, lambda page: text(page, "labelled-words").endswith("1 (il en faut au moins 40)"), "the diagnosis stays"
    )
    wait_for_state(page, "ready")
    click(page, '[data-picture="2"] .button')
    wait_until(page, lambda page: not page.find_elements(By.CSS_SELECTOR, '[data-picture="2"]'), "the picture stays")
    wait_for_state(page, "ready")
    notes = [tmp_path / "first.txt", tmp_path / "second.txt"]
    for path in notes:
        path.write_text("no picture")
    page.find_element(By.ID, "own-files").send_keys("\n".join(map(str, notes)))
    wait_until(page, lambda page: "1 autre" in text(page, "trouble"), "two pictures with one trouble aren't told once")
    wait_for_state(page, "ready")
    assert "first.txt et 1 autre image" in text(page, "trouble")
    assert "second.txt" not in text(page, "trouble")
    floor = page.find_element(By.ID, "floor")
    asked_for = str(floor.get_attribute("value"))
    floor.clear()
    floor.send_keys("abc")
    click(page, "#report-button")
    assert "un nombre de 0 à 100" in str(floor.get_attribute("validationMessage"))
    floor.clear()
    floor.send_keys(asked_for)
    click(page, "#report-button")
    wait_until(page, lambda page: visible(page, "problem"), "a report of one picture")
    assert page.find_element(By.ID, "problem").get_attribute("data-code") == "too_few_pictures"
    wait_for_state(page, "ready")
    click(page, "#discard")
    click(page, "#question-no")
    assert visible(page, "job")
    click(page, "#discard")
    click(page, "#question-yes")
    wait_until(page, lambda page: not visible(page, "job"), "it isn't discarded")
    wait_for_state(page, "ready")
    assert json.load(urlopen(f"{box}/api/v1/commissioning"))["under_way"] is None


def test_a_job_that_the_box_has_forgotten_is_told(page: WebDriver, box: str) -> None:
    page.execute_script("sessionStorage.setItem('loupe-commissioning', 'of-another-day')")
    page.get(f"{box}/commissioning?lang=en")
    wait_until(page, lambda page: visible(page, "problem"), "no word of it")
    assert "no longer there" in text(page, "problem")
    assert visible(page, "begin")
    page.get(f"{box}/commissioning?lang=en")
    wait_for_state(page, "ready")
    assert not visible(page, "problem")
