"""A picture that the browser can't show comes from the box, so that map and picture are the same pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.support.chromium import Sample, click, text, upload, visible

pytestmark = pytest.mark.browser

SIZE = (
    "const { naturalWidth, naturalHeight } = document.getElementById('picture'); return [naturalWidth, naturalHeight]"
)
# Mean red, green and blue of a quarter of the picture that is shown.
QUARTER = """
const [x, y] = arguments, canvas = document.createElement("canvas"), context = canvas.getContext("2d");
const picture = document.getElementById("picture"), { naturalWidth: width, naturalHeight: height } = picture;
Object.assign(canvas, { width: 1, height: 1 });
context.imageSmoothingQuality = "high";
context.drawImage(picture, x * width / 2, y * height / 2, width / 2, height / 2, 0, 0, 1, 1);
return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
"""


@pytest.fixture
def marked(accepted: Sample) -> Image.Image:
    """A field with a black corner at the top left, so that it can't be turned unnoticed."""
    picture = Image.open(accepted.file).convert("RGB")
    picture.paste((0, 0, 0), (0, 0, picture.width // 8, picture.height // 8))
    return picture


def test_a_tiff_is_shown_under_its_map(page: WebDriver, marked: Image.Image, tmp_path: Path):
    marked.save(tmp_path / "field.tif")
    assert upload(page, tmp_path / "field.tif") == "done"
    assert page.execute_script(SIZE) == list(marked.size)
    dark, other = (sum(page.execute_script(QUARTER, *quarter)) for quarter in ((0, 0), (1, 1)))
    assert dark < other
    assert not visible(page, "map-trouble")
    assert all(mark.is_enabled() for mark in page.find_elements(By.CLASS_NAME, "mark"))


def test_a_preview_of_a_larger_file_says_that_it_is_one(page: WebDriver, accepted: Sample, tmp_path: Path):
    width, height = Image.open(accepted.file).size
    Image.open(accepted.file).convert("RGB").resize((5 * width, 5 * height)).save(tmp_path / "large.tif")
    assert upload(page, tmp_path / "large.tif") == "done"
    if text(page, "verdict-kicker") == "REFUSED":
        pytest.skip("the sample is refused once it has been enlarged")
    click(page, ".mark")
    assert text(page, "closeup-scale").startswith(
        f"From the box’s preview, 2,048 pixels wide; the file has {5 * width:,}."
    )


def test_a_reading_stands_where_the_preview_fails(page: WebDriver, marked: Image.Image, tmp_path: Path):
    page.execute_script(
        "const { fetch } = window; window.fetch = (url, options) => "
        "(url.includes('/previews') ? Promise.reject(new TypeError('lost')) : fetch(url, options))"
    )
    marked.save(tmp_path / "field.tif")
    assert upload(page, tmp_path / "field.tif") == "done"
    assert visible(page, "map-trouble")
    assert visible(page, "overlay")
    assert not any(mark.is_enabled() for mark in page.find_elements(By.CLASS_NAME, "mark"))
