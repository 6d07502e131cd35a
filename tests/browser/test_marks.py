"""The picture under the map: grey, with lines at fixed levels and numbered marks that open it at full resolution."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.chromium import (
    Sample,
    as_phone,
    change_readings,
    click,
    give_scale,
    text,
    upload,
    visible,
    wait_until,
)
from tests.support.drawn_section import UM_PER_PX

pytestmark = pytest.mark.browser

LINES = "return document.querySelectorAll('#contours .line:not([d=\"\"])').length"
FOCUSED = "return document.activeElement.textContent"
# Whether the middle of the crop's canvas shows the picture's own pixels, one to one.
SAME_PIXELS = """
const [left, top] = arguments, crop = document.getElementById("closeup-crop"), picture = document.getElementById("picture");
const own = document.createElement("canvas");
[own.width, own.height] = [picture.naturalWidth, picture.naturalHeight];
own.getContext("2d").drawImage(picture, 0, 0);
const bytes = (canvas, x, y) => canvas.getContext("2d").getImageData(x, y, 40, 40).data.join();
return bytes(crop, 100, 100) === bytes(own, left + 100, top + 100);
"""


def filter_of_picture(page: WebDriver) -> str:
    return str(page.execute_script("return getComputedStyle(document.getElementById('picture')).filter"))


def opacity_of_map(page: WebDriver) -> float:
    return float(page.execute_script("return getComputedStyle(document.getElementById('overlay')).opacity"))


def places(sample: Sample) -> list[dict[str, Any]]:
    return list(sample.reading["class_map"]["places"][sample.reading["prediction"]["label"]])


def marks(page: WebDriver) -> list[Any]:
    return page.find_elements(By.CLASS_NAME, "mark")


def test_the_picture_is_grey_and_in_colour_while_a_button_is_held(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    assert filter_of_picture(page) == "grayscale(1)"
    hold = page.find_element(By.ID, "hold")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", hold)
    ActionChains(page).click_and_hold(hold).perform()
    assert (filter_of_picture(page), opacity_of_map(page)) == ("none", 0)
    ActionChains(page).release().perform()
    assert (filter_of_picture(page), opacity_of_map(page)) == ("grayscale(1)", 0.6)
    ActionChains(page).key_down(Keys.SPACE).perform()
    assert filter_of_picture(page) == "none"
    ActionChains(page).key_up(Keys.SPACE).perform()
    assert filter_of_picture(page) == "grayscale(1)"
    click(page, "#colour")
    assert (filter_of_picture(page), opacity_of_map(page)) == ("none", 0.6)


def test_strength_and_colour_are_set_anew_for_each_picture(page: WebDriver, accepted: Sample):
    for _ in range(2):
        upload(page, accepted.file)
        assert (filter_of_picture(page), opacity_of_map(page)) == ("grayscale(1)", 0.6)
        page.execute_script(
            "const slider = document.getElementById('opacity'); slider.value = 0; slider.oninput(); "
            "document.getElementById('colour').click()"
        )
        assert (filter_of_picture(page), opacity_of_map(page)) == ("none", 0)


def test_lines_lie_where_places_begin_to_speak_clearly_and_strongly(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    drawn = accepted.reading["class_map"]
    values = drawn["values"][accepted.reading["prediction"]["label"]]
    levels = [sign * share * drawn["limit"] for share in (1 / 3, 2 / 3) for sign in (1, -1)]
    # A level that some cells lie above and some below has a line; the smooth map goes no further than its cells.
    crossed = sum(min(values) < level < max(values) for level in levels)
    assert page.execute_script(LINES) == crossed > 0
    assert f"{drawn['limit'] / 3:.2f}" in text(page, "legend-levels")
    click(page, "#cells")
    assert page.execute_script(LINES) == 0, "the true cells have no smooth lines"


def test_the_strongest_places_are_marked_and_open_at_full_resolution_by_keyboard(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    listed = places(accepted)
    assert [mark.text for mark in marks(page)] == [str(place["rank"]) for place in listed]
    assert f"Row {listed[0]['row'] + 1}, column {listed[0]['column'] + 1}: " in text(page, "places-list")
    page.find_element(By.ID, "overlay").send_keys(Keys.TAB)
    assert page.execute_script(FOCUSED) == "1"
    ActionChains(page).send_keys(Keys.ENTER).perform()
    assert visible(page, "closeup")
    assert text(page, "closeup-title").startswith(f"Place 1 of {len(listed)}")
    width, height = page.execute_script(
        "const { width, height } = document.getElementById('closeup-crop'); return [width, height]"
    )
    image = accepted.reading["image"]
    left, top = (
        max(0, min(side - length, round(at - length / 2)))
        for at, length, side in ((listed[0]["x"], width, image["width"]), (listed[0]["y"], height, image["height"]))
    )
    assert page.execute_script(SAME_PIXELS, left, top)
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert text(page, "closeup-title").startswith("Place 2 of")
    ActionChains(page).send_keys(Keys.ARROW_LEFT).send_keys(Keys.ESCAPE).perform()
    assert not visible(page, "closeup")
    assert page.execute_script(FOCUSED) == "1"


def test_a_mark_can_be_tapped_on_a_phone(page: WebDriver, accepted: Sample):
    as_phone(page, 360)
    upload(page, accepted.file)
    for mark in marks(page):
        page.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
        mark.click()
        assert text(page, "closeup-title").startswith(f"Place {mark.text} ")
        assert page.execute_script("return document.getElementById('closeup').scrollWidth <= innerWidth")
        click(page, "#closeup-close")


def test_a_section_opens_on_its_class_of_concern_and_lists_its_regions(page: WebDriver, section: Sample):
    concern = section.reading["section"]["concern"]
    regions = [region for region in concern["regions"] if region["label"] == concern["label"]]
    assert regions, "the drawn section has no region of concern: draw another one"
    give_scale(page, str(UM_PER_PX))
    upload(page, section.file)
    assert page.find_element(By.CSS_SELECTOR, "#segments :checked").get_attribute("value") == concern["label"]
    assert len(marks(page)) == len(page.find_elements(By.CSS_SELECTOR, "#outlines .outline")) == min(6, len(regions))
    assert f"{regions[0]['share']:.0%} of the tissue, about " in text(page, "places-list")
    others = page.find_elements(By.CSS_SELECTOR, "#segments label:not(:has(:checked))")
    others[0].click()
    assert not page.find_elements(By.CSS_SELECTOR, "#outlines .outline")


def test_a_part_of_a_field_that_raised_caution_is_outlined_and_shown_first(page: WebDriver, accepted: Sample):
    label = accepted.reading["prediction"]["probabilities"][-1]["label"]
    assert label != accepted.reading["prediction"]["label"]
    region = {
        "label": label,
        "share": 0.22,
        "area_mm2": None,
        "rank": 1,
        "x": 300,
        "y": 200,
        "box": [256, 128, 384, 256],
    }
    region |= {"strength": 4.2, "probability": 0.97}
    change_readings(page, {"parts": {"caution": True, "label": label, "words": "A part.", "regions": [region] * 8}})
    upload(page, accepted.file)
    assert page.find_element(By.CSS_SELECTOR, "#segments :checked").get_attribute("value") == label
    assert [mark.text for mark in marks(page)] == ["1", "2", "3", "4", "5", "6"]
    assert "22% of the picture" in text(page, "places-list")
    assert text(page, "places-rest") == "2 smaller ones make up 44% of the picture."
    outline = page.find_element(By.CSS_SELECTOR, "#outlines .outline")
    image = accepted.reading["image"]
    assert float(str(outline.get_attribute("x"))) == pytest.approx(256 / image["width"])
    assert float(str(outline.get_attribute("height"))) == pytest.approx(128 / image["height"])


def test_a_unit_has_no_marks_of_a_class(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    click(page, ".unit-button")
    wait_until(page, lambda page: not marks(page), "the class's marks stay on a unit's map")
