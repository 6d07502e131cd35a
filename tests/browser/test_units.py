"""The unit survey and the units of a reading in a real browser, with an atlas drawn for the test."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from device.reading.atlas import network_of
from device.reading.bundle import Bundle
from tests.support.chromium import Sample, as_phone, click, wait_for_state, wait_until
from tests.support.serving import serving, with_code
from tests.support.shipped import BUNDLE

pytestmark = pytest.mark.browser

OVERLAY = "return document.getElementById('overlay').toDataURL()"


def drawn_atlas(bundle: Bundle, units: list[int], path: Path) -> None:
    """An atlas of some units, with plain patches."""
    by_class = dict.fromkeys(bundle.labels, 0.5)
    origin: dict[str, Any] = {
        "name": "drawn for a test",
        "terms": "free",
        "synthetic": True,
        "pictures": 1,
        "groups": 1,
    }
    origin |= {"quantile": 0.995, "created": "2026-01-01", "command": "a test"}
    figures = {"importance": 0.1, "listed": 3, "active": 0.2, "threshold": 4.0, "selectivity": by_class}
    figures |= {"means": by_class, "overlap": {"nuclei": 0.1}, "inside": {"nuclei": 0.7}}
    index = {
        "schema": "loupe-atlas/1",
        "notice": {"en": "Drawn for a test.", "fr": "Dessiné pour un essai."},
        "bundle": {"id": "bach", "version": "1.0.0", "sha256": bundle.sha256, "network": network_of(bundle)},
        "labels": list(bundle.labels),
        "figures": {
            "data": origin,
            "units": 1280,
            "constant": 0,
            "dead": 0,
            "covered": 0.5,
            "within": 0,
            "selective": [],
        },
        "patches": origin,
        "concepts": {"nuclei": {"en": "nuclei", "fr": "noyaux"}},
        "units": {
            str(unit): {
                **figures,
                "patches": [
                    {"file": f"{unit}-{rank}.jpg", "label": bundle.labels[0], "activation": 5} for rank in (0, 1)
                ],
            }
            for unit in units
        },
    }
    picture = io.BytesIO()
    Image.new("RGB", (96, 96), (200, 120, 160)).save(picture, "JPEG")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("atlas.json", json.dumps(index))
        for unit in units:
            for rank in (0, 1):
                archive.writestr(f"{unit}-{rank}.jpg", picture.getvalue())


@pytest.fixture(scope="module")
def shown(accepted: Sample) -> list[int]:
    """The units that the accepted sample's reading lists."""
    return [unit["unit"] for unit in accepted.reading["units"]]


@pytest.fixture(scope="module")
def box(bundle: Bundle, shown: list[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A box with an atlas beside its bundle and a store of its own."""
    folder = tmp_path_factory.mktemp("units")
    shutil.copy(BUNDLE, folder / "bach.loupe")
    drawn_atlas(bundle, shown, folder / "bach.atlas")
    with serving(folder / "log", folder / "bach.loupe") as url:
        yield url


@pytest.fixture
def survey(chromium: WebDriver, box: str) -> Iterator[WebDriver]:
    """The survey page in English. Afterwards the console is clean: nothing was blocked, nothing was missing."""
    chromium.get_log("browser")
    chromium.get(f"{box}/units?lang=en")
    chromium.execute_script("sessionStorage.clear()")
    wait_for_state(chromium, "done")
    yield chromium
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    complaints = [entry for entry in chromium.get_log("browser") if "/name" not in entry["message"]]
    assert complaints == []


def as_expert(page: WebDriver, initials: str) -> None:
    page.execute_script(
        "const field = document.getElementById('expert'); field.value = arguments[0]; field.oninput()", initials
    )


def card(page: WebDriver, unit: int) -> Any:
    return page.find_element(By.ID, f"unit-{unit}")


def save(page: WebDriver, unit: int, *, term: str | None = None, text: str = "") -> None:
    choice = Select(card(page, unit).find_element(By.TAG_NAME, "select"))
    choice.select_by_value(term or "own")
    if term is None:
        card(page, unit).find_element(By.TAG_NAME, "input").send_keys(text)
    click(page, f"#unit-{unit} [type=submit]")


def names(page: WebDriver, unit: int, expected: str) -> None:
    # In one step: a card is made anew when its name changes.
    script = f"return document.querySelector('#unit-{unit} .unit-names')?.innerText"
    wait_until(page, lambda page: page.execute_script(script) == expected, f"unit {unit} isn't shown as {expected!r}")


def test_experts_name_a_unit_and_a_reading_says_so(survey: WebDriver, box: str, accepted: Sample, shown: list[int]):
    best = max(accepted.reading["units"], key=lambda unit: unit["contribution"])["unit"]
    names(survey, best, "not named yet")
    as_expert(survey, "AB")
    save(survey, best, term="necrosis")
    names(survey, best, "“necrosis” (1 expert)")
    as_expert(survey, "CD")
    save(survey, best, text="Nécrose")
    names(survey, best, "“necrosis” (2 experts)")

    survey.get(f"{box}/?lang=en")
    survey.find_element(By.ID, "picker").send_keys(str(accepted.file))
    wait_for_state(survey, "done", "failed")
    assert f"unit {best}, which 2 experts call “necrosis”" in survey.find_element(By.ID, "units-lead").text
    listed = survey.find_elements(By.CLASS_NAME, "unit-button")
    assert [button.text.splitlines()[0] for button in listed] == [f"Unit {unit}" for unit in shown]
    assert sum("not named yet" in button.text for button in listed) == len(shown) - 1
    assert len(survey.find_elements(By.CSS_SELECTOR, ".unit-patches img")) == 2 * len(shown)

    survey.get(f"{box}/units?lang=en")
    wait_for_state(survey, "done")
    for expert, left in (("AB", "“necrosis” (1 expert)"), ("CD", "not named yet")):
        as_expert(survey, expert)
        click(survey, f"#unit-{best} .row button:not([type=submit])")
        names(survey, best, left)


def test_a_units_own_map_is_drawn_on_the_finer_fixed_scale_and_goes_again(
    survey: WebDriver, box: str, accepted: Sample
):
    survey.get(f"{box}/?lang=en")
    survey.find_element(By.ID, "picker").send_keys(str(accepted.file))
    wait_for_state(survey, "done", "failed")
    of_class = survey.execute_script(OVERLAY)
    button = survey.find_element(By.CLASS_NAME, "unit-button")
    click(survey, ".unit-button")
    assert button.get_attribute("aria-pressed") == "true"
    assert survey.execute_script(OVERLAY) != of_class
    unit, rest = accepted.reading["units"][0], accepted.reading["units_rest"]
    speaking = sum(abs(value) >= rest["blank_below"] for value in unit["values"])
    summary = survey.find_element(By.ID, "map-summary").text
    assert f"{len(unit['values']) - speaking} say little" in summary
    assert f"by unit {unit['unit']} alone" in summary
    assert "8 times finer" in survey.find_element(By.ID, "map-mean").text
    click(survey, ".unit-button")
    assert button.get_attribute("aria-pressed") == "false"
    assert survey.execute_script(OVERLAY) == of_class
    click(survey, ".unit-button")
    click(survey, "#segments label:has(input)")
    assert button.get_attribute("aria-pressed") == "false"


def test_a_name_that_cannot_be_kept_is_told_in_its_card(survey: WebDriver, shown: list[int]):
    save(survey, shown[1], text="12")
    wait_until(survey, lambda page: card(page, shown[1]).find_elements(By.CLASS_NAME, "failed"), "no word of it")
    assert "1 to 60 printable characters" in card(survey, shown[1]).find_element(By.CLASS_NAME, "failed").text
    names(survey, shown[1], "not named yet")


def test_the_survey_is_filtered_sorted_and_speaks_french(survey: WebDriver, box: str, shown: list[int], bundle: Bundle):
    def order() -> list[str]:
        return [str(each.get_attribute("id")) for each in survey.find_elements(By.CLASS_NAME, "unit-card")]

    assert order() == [f"unit-{unit}" for unit in shown]
    label = bundle.labels[-1]
    weights = {unit["unit"]: unit["weights"][label] for unit in json.load(urlopen(f"{box}/api/v1/units"))["units"]}
    Select(survey.find_element(By.ID, "sort")).select_by_value(f"weight:{label}")
    assert order() == [f"unit-{unit}" for unit in sorted(shown, key=lambda unit: -weights[unit])]
    Select(survey.find_element(By.ID, "filter")).select_by_value("named")
    assert order() == []
    click(survey, "#other-language")
    wait_for_state(survey, "done")
    assert survey.find_element(By.ID, "atlas-notice").text == "Dessiné pour un essai."
    assert "correlation" not in survey.find_element(By.TAG_NAME, "main").text


def test_names_from_another_box_are_imported(survey: WebDriver, box: str, shown: list[int], tmp_path: Path):
    document = json.load(urlopen(f"{box}/api/v1/units/names"))
    row = {"unit": shown[2], "expert": "EF", "term": "fat", "text": None, "at": "2026-01-01T00:00:00.000Z"}
    file = tmp_path / "names.json"
    file.write_text(json.dumps({**document, "names": [row]}))
    survey.find_element(By.ID, "names-file").send_keys(str(file))
    names(survey, shown[2], "“fat” (1 expert)")
    urlopen(Request(f"{box}/api/v1/units/{shown[2]}/name?expert=EF", method="DELETE"))
    file.write_text("{}")
    survey.find_element(By.ID, "names-file").send_keys(str(file))
    wait_until(
        survey, lambda page: "isn’t an export" in page.find_element(By.ID, "problems").text, "no word of a wrong file"
    )


def test_names_are_taken_back_and_imported_with_the_technicians_code_typed_once(
    chromium: WebDriver, bundle: Bundle, shown: list[int], tmp_path: Path
):
    shutil.copy(BUNDLE, tmp_path / "bach.loupe")
    drawn_atlas(bundle, shown, tmp_path / "bach.atlas")
    with serving(tmp_path / "log", tmp_path / "bach.loupe", flags=with_code(tmp_path)) as box:
        chromium.get(f"{box}/units?lang=en")
        wait_for_state(chromium, "done")
        as_expert(chromium, "AB")
        save(chromium, shown[0], term="necrosis")
        names(chromium, shown[0], "“necrosis” (1 expert)")
        as_phone(chromium, 360)
        back = f"#unit-{shown[0]} .row button:not([type=submit])"
        click(chromium, back)
        is_asked = "return document.getElementById('code-dialog').open && document.activeElement.id === 'code-field'"
        wait_until(chromium, lambda page: page.execute_script(is_asked), "no question for the code")
        assert chromium.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
        click(chromium, "#code-cancel")
        wait_until(chromium, lambda page: card(page, shown[0]).find_elements(By.CLASS_NAME, "failed"), "no word of it")
        assert "needs the technician’s code" in card(chromium, shown[0]).find_element(By.CLASS_NAME, "failed").text
        click(chromium, back)
        wait_until(chromium, lambda page: page.execute_script(is_asked), "no question for the code")
        chromium.switch_to.active_element.send_keys("correct-horse-9", Keys.ENTER)
        names(chromium, shown[0], "not named yet")

        document = json.load(urlopen(f"{box}/api/v1/units/names"))
        row = {"unit": shown[2], "expert": "EF", "term": "fat", "text": None, "at": "2026-01-01T00:00:00.000Z"}
        (tmp_path / "names.json").write_text(json.dumps({**document, "names": [row]}))
        chromium.find_element(By.ID, "names-file").send_keys(str(tmp_path / "names.json"))
        names(chromium, shown[2], "“fat” (1 expert)")
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        chromium.get_log("browser")


def test_of_many_names_the_survey_shows_three_and_how_many_more(survey: WebDriver, box: str, shown: list[int]):
    def give(expert: str, text: str) -> None:
        data = json.dumps({"text": text, "expert": expert}).encode()
        url = f"{box}/api/v1/units/{shown[3]}/name"
        urlopen(Request(url, data, {"Content-Type": "application/json"}, method="PUT"))

    for k in range(5):
        give(f"X{k}", f"pattern {chr(ord('a') + k)}")
    survey.get(f"{box}/units?lang=en")
    wait_for_state(survey, "done")
    lines = card(survey, shown[3]).find_element(By.CLASS_NAME, "unit-names").text.splitlines()
    assert [line.split(" (")[0] for line in lines] == ["“pattern a”", "“pattern b”", "“pattern c”", "2 more names"]


def test_the_survey_fits_a_phone(survey: WebDriver):
    as_phone(survey, 360)
    assert survey.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
