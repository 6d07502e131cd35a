"""What is saved and printed says on its own what it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.support.chromium import (
    Sample,
    change_readings,
    choose_sample,
    click,
    text,
    upload,
    wait_for_state,
    wait_until,
)

pytestmark = pytest.mark.browser

# The text of the file that a button saves, or for a picture the words that are written and the pixel in the middle of the
# mapped cell: the download itself is the browser's.
SAVED_JSON = """
const done = arguments[0], { createObjectURL } = URL;
URL.createObjectURL = (blob) => { URL.createObjectURL = createObjectURL; blob.text().then(done); return "#"; };
document.getElementById("save-reading").click();
"""
SAVED_PICTURE = """
const [x, y, done] = arguments, { fillText } = CanvasRenderingContext2D.prototype, written = [];
CanvasRenderingContext2D.prototype.fillText = function (words, ...where) {
  written.push(words);
  fillText.call(this, words, ...where);
};
const { toBlob } = HTMLCanvasElement.prototype;
HTMLCanvasElement.prototype.toBlob = function () {
  HTMLCanvasElement.prototype.toBlob = toBlob;
  CanvasRenderingContext2D.prototype.fillText = fillText;
  const at = [Math.round(x * this.width), Math.round(y * this.width)];
  done({ words: written.join(" "), pixel: [...this.getContext("2d").getImageData(...at, 1, 1).data] });
};
document.getElementById("save-picture").click();
"""
ANSWER: dict[str, Any] = {
    "labels": ["benign", "insitu"],
    "single": False,
    "concern": True,
    "headline": "Benign lesion or carcinoma in situ",
    "advice": "Have it read by a pathologist.",
    "concern_sum": None,
    "promise": {"level": 0.9, "confidence": 0.9, "n": 40, "unit": "block", "words": "In nine of ten."},
    "record": None,
}


def saved_json(page: WebDriver) -> dict[str, Any]:
    return dict(json.loads(page.execute_async_script(SAVED_JSON)))


def saved_picture(page: WebDriver, x: float = 0.5, y: float = 0.5) -> dict[str, Any]:
    """Its words and the pixel at (x, y), in parts of its width."""
    return dict(page.execute_async_script(SAVED_PICTURE, x, y))


def test_the_saved_picture_carries_all_that_the_reading_says(page: WebDriver, accepted: Sample):
    part: dict[str, Any] = {
        "caution": True,
        "label": "invasive",
        "words": "A part speaks for invasive carcinoma.",
        "regions": [],
    }
    change_readings(page, {"answer": ANSWER, "parts": part, "verdict": {"caution": True}})
    choose_sample(page, accepted.id)
    page.find_element(By.ID, "case-label").send_keys("H 12/345 B")
    words = saved_picture(page)["words"]
    model = accepted.reading["model"]
    caution = page.find_element(By.ID, "verdict-detail").text
    expected = ["Case: H 12/345 B", "Caution: ", caution, "Not ruled out: Benign lesion; Carcinoma in situ"]
    expected += [ANSWER["headline"], ANSWER["advice"], part["words"], accepted.reading["notice"]]
    expected += [model["title"], f"version {model['version']}", model["sha256"]]
    assert [said for said in expected if str(said) not in words] == []
    for each in accepted.reading["prediction"]["probabilities"]:
        assert f"{each['name']}: {each['likelihood']}" in words
    assert "by this device’s clock; the box’s clock agrees" in words
    assert "made by a computer, not a patient" in words


def test_a_saved_map_can_be_seen_though_the_slider_is_at_nothing(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    drawn, image = accepted.reading["class_map"], accepted.reading["image"]
    values = drawn["values"][accepted.reading["prediction"]["label"]]
    strongest = max(range(len(values)), key=values.__getitem__)
    # Beside the mark in the middle of the cell.
    row, column = divmod(strongest, drawn["columns"])
    x = (column + 0.05) / drawn["columns"]
    y = (row + 0.05) / drawn["rows"] * image["height"] / image["width"]
    page.execute_script("const slider = document.getElementById('opacity'); slider.value = 0; slider.oninput()")
    saved = saved_picture(page, x, y)
    red, _, blue, _ = saved["pixel"]
    assert red > blue + 10, "the picture is grey, so colour is the map's"
    assert "drawn at 40%" in saved["words"]


def test_the_saved_reading_carries_label_date_and_the_clocks_trust(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    assert saved_json(page)["saved"]["case_label"] is None
    page.find_element(By.ID, "case-label").send_keys("K7")
    document = saved_json(page)
    saved = document["saved"]
    assert document["notice"] == accepted.reading["notice"]
    assert document["model"] == accepted.reading["model"]
    assert (saved["case_label"], saved["clocks_agree"], saved["synthetic_sample"]) == ("K7", True, False)
    now = datetime.now(UTC)
    assert abs(datetime.fromisoformat(saved["at"]) - now) < timedelta(minutes=2)
    assert abs(datetime.fromisoformat(saved["box_at"]) - now) < timedelta(minutes=2)


def test_clocks_that_differ_are_told_in_the_report(page: WebDriver, accepted: Sample):
    page.execute_script(
        "XMLHttpRequest.prototype.getResponseHeader = () => 'Fri, 02 Jan 1970 03:04:05 GMT'",
    )
    upload(page, accepted.file)
    assert saved_json(page)["saved"]["clocks_agree"] is False
    details = str(page.find_element(By.ID, "details-list").get_attribute("textContent"))
    assert "The box’s clock says January 2, 1970" in details
    assert "one of them is wrong" in details


def test_the_case_label_is_printed_never_sent_and_goes_with_the_picture(
    page: WebDriver, accepted: Sample, refused: Sample
):
    upload(page, accepted.file)
    page.find_element(By.ID, "case-label").send_keys("Smith 1961")
    page.get_log("performance")
    click(page, "#other-language")
    wait_until(page, lambda page: page.find_elements(By.CSS_SELECTOR, "html[lang=fr]"), "still English")
    wait_for_state(page, "done")
    sent = "".join(entry["message"] for entry in page.get_log("performance") if "requestWillBeSent" in entry["message"])
    assert "Smith" not in sent
    assert page.find_element(By.ID, "case-label").get_attribute("value") == "Smith 1961"
    assert page.find_element(By.ID, "print-case").get_attribute("textContent") == "Cas\u00a0: Smith 1961"
    upload(page, refused.file)
    assert page.find_element(By.ID, "case-label").get_attribute("value") == ""
    assert text(page, "print-case") == ""
