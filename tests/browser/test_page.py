"""The page in a real browser against the real service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

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
    wait_until,
)
from tests.support.drawn_section import UM_PER_PX

pytestmark = pytest.mark.browser

# Red, green, blue, alpha of each cell of the overlay, row by row. Taken off the middle, where a sign may be.
CELL_COLOURS = """
const [rows, columns] = arguments, canvas = document.getElementById("overlay"), side = canvas.width / columns;
const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height), colours = [];
for (let row = 0; row < rows; row += 1)
  for (let column = 0; column < columns; column += 1) {
    const at = 4 * (Math.floor((row + 0.8) * side) * width + Math.floor((column + 0.8) * side));
    colours.push([...data.slice(at, at + 4)]);
  }
return colours;
"""


# Whether anything is drawn within each cell, off its border.
HATCHED = """
const [id, rows, columns] = arguments, canvas = document.getElementById(id), side = canvas.width / columns;
const context = canvas.getContext("2d"), cells = [], edge = Math.ceil(side / 5), inner = Math.floor(side - 2 * edge);
for (let row = 0; row < rows; row += 1)
  for (let column = 0; column < columns; column += 1) {
    const { data } = context.getImageData(column * side + edge, row * side + edge, inner, inner);
    cells.push(data.some((value, at) => at % 4 === 3 && value > 0));
  }
return cells;
"""


def cell_colours(page: WebDriver, class_map: dict[str, Any]) -> list[list[int]]:
    return list(page.execute_script(CELL_COLOURS, class_map["rows"], class_map["columns"]))


def show_class(page: WebDriver, label: str) -> None:
    click(page, f'#segments label:has(input[value="{label}"])')


def test_an_uploaded_picture_gets_its_verdict_and_the_words_of_its_reading(page: WebDriver, accepted: Sample):
    assert upload(page, accepted.file) == "done"
    assert text(page, "verdict-kicker") in ("ACCEPTED", "CAUTION")
    assert text(page, "answer-headline") == accepted.reading["answer"]["headline"]
    shown = text(page, "probabilities")
    assert all(each["name"] in shown and each["likelihood"] in shown for each in probabilities(accepted))
    above = page.find_element(By.ID, "verdict").location["y"]
    assert all(above < page.find_element(By.ID, below).location["y"] for below in ("prediction", "map", "questions"))
    assert not visible(page, "synthetic")
    assert "Research use only" in text(page, "notice")


def probabilities(sample: Sample) -> list[dict[str, Any]]:
    return list(sample.reading["prediction"]["probabilities"])


def test_the_overlay_has_the_colour_of_each_cell_and_blanks_where_there_is_little_evidence(
    page: WebDriver, accepted: Sample
):
    upload(page, accepted.file)
    click(page, "#cells")
    drawn = accepted.reading["class_map"]
    values = drawn["values"][accepted.reading["prediction"]["label"]]
    for value, (red, _, blue, alpha) in zip(values, cell_colours(page, drawn), strict=True):
        assert (alpha > 0) == (abs(value) >= drawn["blank_below"])
        if alpha:
            assert (red > blue) == (value > 0)
    click(page, "#cells")
    assert any(alpha for *_, alpha in cell_colours(page, drawn)), "nothing is drawn of the smooth map"


def test_each_class_has_its_own_map_and_its_values_can_be_read_with_the_keyboard(page: WebDriver, accepted: Sample):
    upload(page, accepted.file)
    click(page, "#cells")
    drawn = accepted.reading["class_map"]
    seen = []
    for each in probabilities(accepted):
        show_class(page, each["label"])
        seen.append([alpha > 0 for *_, alpha in cell_colours(page, drawn)])
        assert seen[-1] == [abs(value) >= drawn["blank_below"] for value in drawn["values"][each["label"]]]
        assert visible(page, "little") == (not any(seen[-1]))
    overlay = page.find_element(By.ID, "overlay")
    overlay.send_keys(Keys.ARROW_DOWN)
    before = text(page, "readout")
    overlay.send_keys(Keys.ARROW_LEFT)
    assert text(page, "readout") != before
    column = drawn["columns"] // 2
    assert text(page, "readout").startswith(f"Row {drawn['rows'] // 2 + 1}, column {column}: ")


def hatched(page: WebDriver, canvas: str, rows: int, columns: int) -> list[bool]:
    """For each cell of a canvas, row by row, whether anything is drawn amid it."""
    return list(page.execute_script(HATCHED, canvas, rows, columns))


def test_a_section_shows_its_shares_and_leaves_glass_and_what_is_foreign_out_of_the_map(
    page: WebDriver, section: Sample
):
    give_scale(page, str(UM_PER_PX).replace(".", ","))  # as one writes it in French
    assert upload(page, section.file) == "done"
    drawn, read, where = (section.reading[key] for key in ("class_map", "section", "verdict"))
    assert text(page, "section-words").startswith(f"Read as a section: {read['read']} windows read")
    assert all(share["name"] in text(page, "shares") for share in read["shares"])
    assert not visible(page, "likelihoods"), "the mean over a section hides a small tumour"
    click(page, "#cells")
    values = drawn["values"][read["concern"]["label"]]  # which it opens on
    shown = [alpha > 0 for *_, alpha in cell_colours(page, drawn)]
    assert shown == [value is not None and abs(value) >= drawn["blank_below"] for value in values]
    if not page.find_element(By.ID, "where").is_selected():
        click(page, "#where")
    strange = [value > 1 for value in where["where"]["values"]]
    assert any(strange)
    assert hatched(page, "foreign", drawn["rows"], drawn["columns"]) == strange
    click(page, "#where")
    assert not visible(page, "foreign")
    assert "of the tissue looks foreign" in text(page, "where-words")


def test_a_place_of_a_section_that_is_not_in_the_map_says_why(page: WebDriver, section: Sample):
    give_scale(page, "1.68")  # of the samples
    upload(page, section.file)
    overlay = page.find_element(By.ID, "overlay")
    overlay.send_keys(Keys.ARROW_UP)
    for _ in range(20):
        overlay.send_keys(Keys.ARROW_RIGHT)
    assert "glass or the tissue’s edge" in text(page, "readout")


def test_a_size_that_no_pixel_has_is_told_and_can_be_put_right(page: WebDriver, accepted: Sample):
    give_scale(page, "0")
    assert upload(page, accepted.file) == "failed"
    assert text(page, "problem-title") == "The size of a pixel can’t be right"
    give_scale(page, "")
    click(page, "#read-again")
    wait_for_state(page, "done")
    assert text(page, "answer-headline") == accepted.reading["answer"]["headline"]


def test_a_field_that_is_foreign_in_a_corner_is_read_with_caution_and_hatched_there(
    page: WebDriver, accepted: Sample, samples: list[Sample], tmp_path: Path
):
    picture = Image.open(accepted.file).convert("RGB")
    width, height = picture.size
    foreign = Image.open(next(s.file for s in samples if s.id == "foreign-landscape")).convert("RGB")
    picture.paste(foreign.resize((width // 4, height // 3)), (width - width // 4, height - height // 3))
    picture.save(tmp_path / "corner.png")
    give_scale(page, "1.68")  # of the samples
    upload(page, tmp_path / "corner.png")
    assert text(page, "verdict-kicker") == "CAUTION"
    assert visible(page, "foreign")
    shown = hatched(page, "foreign", 6, 8)
    assert any(shown)
    assert not any(shown[:32]), "the upper part is not foreign"
    assert "of the picture looks foreign" in text(page, "where-words")


def test_a_map_lies_on_the_part_of_the_picture_that_was_read(page: WebDriver, accepted: Sample):
    change_readings(page, {"image": {"read_box": [128, 96, 512, 384]}})  # of 512 × 384 px
    upload(page, accepted.file)
    rooms = """return ["stack", "overlay", "contours", "foreign"].map((id) => {
        const { left, top, width, height } = document.getElementById(id).getBoundingClientRect();
        return [left, top, width, height];
    })"""
    page.execute_script("document.getElementById('foreign').hidden = false")
    (left, top, width, height), *layers = page.execute_script(rooms)
    for layer in layers:
        expected = [left + width / 4, top + height / 4, width * 3 / 4, height * 3 / 4]
        assert layer == pytest.approx(expected, abs=1)


def test_a_picture_that_is_refused_for_a_part_of_it_shows_which(page: WebDriver, section: Sample, tmp_path: Path):
    # A strip of tissue beside much that is foreign.
    picture = Image.open(section.file)
    foreign = picture.crop((1536, 768, 2048, 1152))
    for place in range(12):
        if place % 4:
            picture.paste(foreign, (place % 4 * 512, place // 4 * 384))
    picture.crop((0, 0, 2048, 1152)).save(tmp_path / "mostly.png")
    give_scale(page, "1.68")  # of the samples
    upload(page, tmp_path / "mostly.png")
    assert text(page, "verdict-kicker") == "REFUSED"
    assert visible(page, "refused-foreign")
    assert "hatched" in text(page, "refused-where")
    assert not visible(page, "section")


@pytest.mark.parametrize(
    ("foreign", "told"), [([2], "The hatched part, 17% of the picture"), ([0, 1, 2, 3, 4, 5], "All of the picture")]
)
def test_a_field_that_is_refused_is_hatched_only_where_a_part_of_it_is_foreign(
    page: WebDriver, refused: Sample, foreign: list[int], told: str
):
    upload(page, refused.file)
    values = [1.5 if cell in foreign else 0.5 for cell in range(6)]
    where = {"rows": 2, "columns": 3, "values": values, "foreign": len(foreign) / 6}
    page.execute_async_script(
        """
        const [reading, where, done] = arguments, picture = document.getElementById("refused-image");
        reading.verdict.where = where;
        import("/static/wheremap.js").then(({ showRefused }) => { showRefused(reading, picture); done(); });
        """,
        refused.reading,
        where,
    )
    assert told in text(page, "refused-where")
    partial = len(foreign) < 6
    assert visible(page, "refused-foreign") == partial
    if partial:
        assert hatched(page, "refused-foreign", 2, 3) == [value > 1 for value in values]


def test_a_refused_picture_gets_a_reason_and_a_next_step_but_no_class(page: WebDriver, refused: Sample):
    choose_sample(page, refused.id)
    reason = refused.reading["verdict"]["reason"]
    assert text(page, "verdict-kicker") == "REFUSED"
    assert text(page, "verdict-title") == reason["title"]
    assert reason["next_step"] in text(page, "verdict-next")
    assert not any(visible(page, part) for part in ("prediction", "map", "units", "save-picture"))
    assert visible(page, "synthetic"), "a sample must say that it is synthetic"


def test_changing_the_language_keeps_the_picture_and_reads_it_in_the_other_language(page: WebDriver, refused: Sample):
    upload(page, refused.file)
    click(page, "#other-language")
    wait_until(page, lambda page: page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "fr", "still English")
    wait_for_state(page, "done")
    assert text(page, "verdict-kicker") == "REFUSÉE"
    assert text(page, "verdict-title") != refused.reading["verdict"]["reason"]["title"]
    assert "Réservé à la recherche" in text(page, "notice")


def test_a_map_lies_over_a_picture_that_the_camera_turned(page: WebDriver, accepted: Sample, tmp_path: Path):
    turned, rotated_by_90 = tmp_path / "turned.jpg", Image.Exif()
    rotated_by_90[0x0112] = 6
    Image.open(accepted.file).rotate(90, expand=True).save(turned, quality=95, exif=rotated_by_90)
    upload(page, turned)
    if text(page, "verdict-kicker") == "REFUSED":
        pytest.skip("the sample is refused once it has been saved anew")
    stack = page.find_element(By.ID, "stack").size
    width, height = Image.open(accepted.file).size
    assert stack["width"] / stack["height"] == pytest.approx(width / height, rel=0.02)
    assert not visible(page, "map-trouble")


def test_no_sideways_scrolling_on_a_phone(phone: WebDriver, accepted: Sample, refused: Sample):
    def overhang() -> int:
        return int(phone.execute_script("return document.documentElement.scrollWidth - innerWidth"))

    assert overhang() <= 0
    for sample in (accepted, refused):
        upload(phone, sample.file)
        assert overhang() <= 0


def test_what_cannot_be_read_is_told_with_a_next_step_and_the_choice_stays(page: WebDriver, tmp_path: Path):
    garbage = tmp_path / "notes.jpg"
    garbage.write_bytes(b"not a picture at all" * 50)
    assert upload(page, garbage) == "failed"
    assert text(page, "problem-title") == "This kind of file can’t be read"
    assert text(page, "problem-next-step")
    assert "notes.jpg" in text(page, "chosen-name")
    assert visible(page, "again")


def test_a_file_that_is_too_large_is_told_before_it_is_sent(page: WebDriver, tmp_path: Path):
    wait_until(page, lambda page: "version" in text(page, "identity"), "the model's identity never came")
    huge = tmp_path / "huge.tif"
    with huge.open("wb") as file:
        file.truncate(600_000_000)  # above what the setting may be; sparse, so no disk is used
    assert upload(page, huge) == "failed"
    assert text(page, "problem-title") == "The file is too large"
    assert text(page, "problem-next-step")


def test_when_the_box_cannot_be_reached_the_same_picture_can_be_sent_again(page: WebDriver, refused: Sample):
    def connected(online: bool) -> None:
        network = {"offline": not online, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        page.execute_cdp_cmd("Network.emulateNetworkConditions", network)

    connected(False)
    try:
        assert upload(page, refused.file) == "failed"
        assert text(page, "problem-title") == "The box can’t be reached"
    finally:
        connected(True)
    click(page, "#again")
    wait_for_state(page, "done")
    assert text(page, "verdict-kicker") == "REFUSED"
