"""Sections: pictures whose pixels' size is known, read at the model's own scale, window by window where they are large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from time import perf_counter, sleep
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from msgspec import to_builtins
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.base.errors import FieldTooCoarse, FieldTooSmall, ReadingStopped, ScaleInvalid, SectionTooLarge
from device.cli import main
from device.documents.overlay import draw_overlay
from device.reading.bundle import Bundle
from device.reading.gate import Answer, Verdict
from device.reading.image import Image, Limits, read_size
from device.reading.reading import Reader, Reading
from device.reading.sections import (
    FOREIGN,
    GLASS,
    READ,
    as_field,
    grid_of,
    is_section,
    parse_um_per_px,
    read_section,
    true_size,
    window_of,
)
from device.settings import Settings
from device.web.app import create_app
from tests.support.manifests import changed_manifest
from tests.support.pictures import png
from tests.support.reading_json import reading_json
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

KNOWN = ("texture-normal", "texture-invasive", "texture-benign", "texture-insitu")
FIELD = (512, 384)
GLASS_RGB = (246, 243, 247)


def mosaic(names: list[list[str | None]]) -> Pillow.Image:
    """Samples side by side, each a field at the model's own scale; glass where there is None."""
    picture = Pillow.new("RGB", (len(names[0]) * FIELD[0], len(names) * FIELD[1]), GLASS_RGB)
    for row, line in enumerate(names):
        for column, name in enumerate(line):
            if name:
                field = Pillow.open(SAMPLES / f"{name}.jpg").convert("RGB").resize(FIELD)
                picture.paste(field, (column * FIELD[0], row * FIELD[1]))
    return picture


@pytest.fixture(scope="module")
def scale(bundle: Bundle) -> float:
    return float(bundle.manifest.preprocessing.um_per_px)


@pytest.fixture(scope="module")
def tissue(reader: Reader, scale: float) -> Reading:
    """A section of known tissue with glass on its right and a little that is foreign."""
    rows: list[list[str | None]] = [
        [KNOWN[0], KNOWN[1], KNOWN[2], None, None],
        [KNOWN[1], KNOWN[3], KNOWN[0], None, None],
        [KNOWN[1], KNOWN[2], KNOWN[1], None, "foreign-landscape"],
    ]
    return reader.read(png(mosaic(rows)), scale)


def test_a_section_is_read_window_by_window_and_glass_is_told_from_what_is_foreign(tissue: Reading) -> None:
    section = tissue.section
    assert section is not None
    assert tissue.verdict.accepted
    assert min(section.count(state) for state in (READ, FOREIGN, GLASS)) > 0
    rows, columns = section.states.shape
    right = section.states[: rows // 2, -columns // 4 :]
    assert (right == GLASS).all()
    assert section.states[-1, -1] == FOREIGN  # the landscape


def test_the_mean_of_the_cells_that_count_is_the_logit_of_the_section_exactly(tissue: Reading) -> None:
    for k, logit in enumerate(tissue.maps.logits):
        values = [value for value in tissue.maps.values[..., k].ravel().tolist() if not math.isnan(value)]
        assert (
            sum(values) / len(values) == sum(reversed(values)) / len(values) == math.fsum(values) / len(values) == logit
        )


def test_units_and_bias_make_the_logit_of_the_section(tissue: Reading, reader: Reader) -> None:
    assert np.allclose(tissue.maps.units.sum(0) + reader.head.bias, tissue.maps.logits, rtol=0, atol=1e-12)


def test_the_cell_of_a_window_is_what_the_window_says_when_it_is_read_alone(reader: Reader, scale: float) -> None:
    side = 448  # of a window of the shipped bundle: the nearest multiple of 32 to the root of its area
    picture = mosaic([[KNOWN[0], KNOWN[1]], [KNOWN[2], KNOWN[3]]])
    together = reader.read(png(picture), scale)
    alone = reader.read(png(picture.crop((0, 0, side, side))), scale)
    assert together.section is not None
    assert together.section.window_px == (side, side)
    assert alone.section is None
    # What is pooled is rounded to 1/256 of a feature's step: far below what can be seen.
    assert together.maps.values[0, 0] == pytest.approx(alone.maps.logits, abs=0.01)


def test_a_picture_of_about_a_field_is_read_whole_at_the_true_scale(reader: Reader, scale: float) -> None:
    field = Pillow.open(SAMPLES / f"{KNOWN[1]}.jpg").resize((640, 480))
    reading = reader.read(png(field), scale * FIELD[0] / 640)
    assert reading.section is None
    assert reading.image.pixels.shape[:2] == (FIELD[1], FIELD[0])
    half = reader.read(png(field), scale / 2)
    assert half.image.pixels.shape[:2] == (256, 320) or half.image.pixels.shape[:2] == (224, 320)
    assert reading_json(reader, half, "en")["image"]["um_per_px"] == scale / 2


def test_without_a_size_of_a_pixel_a_large_picture_is_one_field(reader: Reader, bundle: Bundle) -> None:
    reading = reader.read(png(mosaic([[KNOWN[0]] * 3] * 3)))
    assert reading.section is None
    height, width, _ = reading.image.pixels.shape
    assert height * width == pytest.approx(bundle.manifest.preprocessing.area_px, rel=0.1)


@pytest.mark.parametrize("given", ["0", "-4", "0.04", "2001", "nan", "inf", "1e999", "four", "4,0"])
def test_a_size_that_no_pixel_has_is_refused(given: str) -> None:
    with pytest.raises(ScaleInvalid):
        parse_um_per_px(given)


@pytest.mark.parametrize(("given", "value"), [("0.05", 0.05), ("2000", 2000), (" 4 ", 4)])
def test_the_limits_themselves_are_sizes_of_pixels(given: str, value: float) -> None:
    assert parse_um_per_px(given) == value


def test_what_is_too_large_or_too_small_at_the_models_scale_is_told_before_it_is_decoded(
    reader: Reader, scale: float
) -> None:
    field = png(mosaic([[KNOWN[0]]]))
    with pytest.raises(FieldTooCoarse):
        reader.read(field, scale * 20)
    with pytest.raises(FieldTooSmall):
        reader.read(field, scale / 8)
    # The header alone decides: a file whose pixels are cut off is told to be too coarse, not to be incomplete.
    with pytest.raises(FieldTooCoarse):
        reader.read(field[:2000], scale * 20)
    assert true_size(2.0, 1.0, 200_000, 64)(4000, 4000) == (8000, 8000)
    with pytest.raises(SectionTooLarge):
        true_size(2.01, 1.0, 200_000, 64)(4000, 4000)


@pytest.mark.parametrize(("length", "side"), [(448, 448), (480, 448), (901, 448), (4320, 288), (192, 448)])
def test_windows_lie_inside_the_picture_and_their_cells_cover_it(length: int, side: int) -> None:
    starts, borders = grid_of(length, side)
    assert borders[0] == 0
    assert borders[-1] == length
    assert len(starts) == len(borders) - 1
    window = window_of(length, side)
    assert window % 32 == 0
    for start, left, right in zip(starts, borders, borders[1:], strict=False):
        assert start >= 0
        assert start + window <= length
        assert start <= left < right <= start + window


def test_a_picture_on_the_border_is_a_section_or_has_sides_of_whole_places() -> None:
    """Rounding must not make a field of what `true_size` left at its own size."""
    area_px, decided = 230_400, set()
    for um_per_px in np.linspace(2.079, 2.085, 13):
        for width, height in ((720, 480), (640, 540), (500, 691)):
            columns, rows = true_size(um_per_px, 2.08, area_px, 64)(width, height)
            image = Image(np.zeros((rows, columns, 3), np.uint8), width, height, "PNG", ())
            section = is_section(image.pixels, area_px)
            high, wide, _ = as_field(image, area_px).pixels.shape
            assert section or (wide % 32, high % 32) == (0, 0)
            decided.add(section)
    assert decided == {True, False}


@pytest.mark.parametrize("sides", [(896, 768), (700, 460), (341, 224), (361, 301), (2592, 1944), (300, 300)])
@pytest.mark.parametrize("um_per_px", [0.42, 0.862, 1.12])
def test_a_field_keeps_its_true_scale_within_three_per_cent(sides: tuple[int, int], um_per_px: float) -> None:
    """Pixels of the model over pixels of the file, in each direction, where it is read as a field."""
    area_px = 512 * 384
    if min(sides) * um_per_px < 64 * 1.68:
        pytest.skip("too small at this scale")
    columns, rows = true_size(um_per_px, 1.68, area_px, 64)(*sides)
    image = as_field(Image(np.zeros((rows, columns, 3), np.uint8), *sides, "PNG", ()), area_px)
    high, wide, _ = image.pixels.shape
    left, top, right, bottom = image.read_box
    for read, covered in ((wide, right - left), (high, bottom - top)):
        assert read / covered == pytest.approx(um_per_px / 1.68, rel=0.031)
    if not is_section(image.pixels, area_px):
        assert (wide % 32, high % 32) == (0, 0)
        for covered, side, start in ((right - left, sides[0], left), (bottom - top, sides[1], top)):
            assert abs(covered - side) * um_per_px / 1.68 <= 17
            assert start + covered / 2 == pytest.approx(side / 2, abs=1.68 / um_per_px)


def test_what_a_true_scale_costs_and_saves() -> None:
    """The figures of docs/engineers/decisions.md: fields of 4 : 3 and other shapes, sides of 64 to 640 px at the model's
    scale, four times as fine as files."""
    area_px, before, now, lost = 512 * 384, [], [], []
    random = np.random.default_rng(0)
    for _ in range(5000):
        wide = random.uniform(64, 640)
        high = wide / random.choice([1, 4 / 3, 3 / 2, 16 / 9])
        if high < 64 or wide * high > 1.5 * area_px:
            continue
        file = round(4 * wide), round(4 * high)
        true = np.array(file) / 4
        sides = np.array(true_size(0.42, 1.68, area_px, 64)(*file))
        before.append(abs(np.log(read_size(*file, round(true.prod())) / true)).max())
        now.append(abs(np.log(sides / true)).max())
        image = as_field(Image(np.zeros((sides[1], sides[0], 3), np.uint8), *file, "PNG", ()), area_px)
        left, top, right, bottom = image.read_box
        lost.append(1 - min(1, (right - left) / file[0]) * min(1, (bottom - top) / file[1]))
    worst = [np.expm1(max(stretch)) for stretch in (before, now)]
    mean = [np.expm1(np.mean(stretch)) for stretch in (before, now)]
    assert mean == pytest.approx([0.047, 0.012], abs=0.002)
    assert worst == pytest.approx([0.26, 0.031], abs=0.005)
    assert [np.mean(lost), max(lost)] == pytest.approx([0.028, 0.36], abs=0.03)


def test_places_of_a_field_whose_ends_are_cut_or_mirrored_are_marked_where_they_are(bundle: Bundle) -> None:
    """A field of 10.3 × 9.4 places, whose ends are cut; then of 10.6 × 8.6, whose ends are mirrored."""
    gate = to_builtins(bundle.manifest.gate)
    gate["promise"]["threshold"] = 1000.0  # whatever it thinks of so small a part
    reader = Reader(replace(bundle, manifest=changed_manifest(bundle, gate=gate)), Limits())
    known = mosaic([[KNOWN[1]] * 2] * 2)
    for width, height, outside in ((330, 300, False), (340, 276, True)):
        picture = known.crop((0, 0, width, height))
        document = reading_json(reader, reader.read(png(picture), 1.68), "en")
        image, drawn = document["image"], document["class_map"]
        left, top, right, bottom = image["read_box"]
        assert (drawn["columns"] * 32, drawn["rows"] * 32) == (image["read_width"], image["read_height"])
        assert (left < 0 or top < 0) == outside
        assert drawn["cell_px"] == pytest.approx([(right - left) / drawn["columns"], (bottom - top) / drawn["rows"]])
        for place in drawn["places"]["invasive"]:
            assert place["x"] == int(left + (place["column"] + 0.5) * drawn["cell_px"][0])
            assert place["y"] == int(top + (place["row"] + 0.5) * drawn["cell_px"][1])
            assert 0 <= place["x"] < width
            assert 0 <= place["y"] < height


class Gate:
    """A gate that says what it is told, window after window."""

    def __init__(self, reasons: list[str | None]) -> None:
        self._reasons = iter(reasons)

    def judge(self, *_: Any, **__: Any) -> Verdict:
        reason = next(self._reasons)
        strange = {"wrong_stain_or_scanner": "made", "unknown_content": "shows"}.get(reason or "")
        answers = tuple(Answer(q, q != strange, 3.0 if q == strange else 0.5, 1.5, 0.4) for q in ("made", "shows"))
        ratio = 2.0 if reason == "unknown_content" else None
        return Verdict(answers, reason, magnification=ratio)


class Network:
    def run(self, _: NDArray[np.uint8]) -> dict[str, NDArray[np.int8]]:
        return {"features": np.zeros((2, 2, 3), np.int8)}


class Head:
    weights = np.zeros((3, 2))

    def pool(self, features: NDArray[np.int8], _: NDArray[np.uint8]) -> NDArray[np.float32]:
        return features.mean((0, 1), dtype=np.float32)


def judged(reasons: Sequence[str | None]) -> tuple[Verdict, Any]:
    """A strip of tissue with a window for each of the reasons."""
    pixels = np.full((64, 32 * len(reasons), 3), 120, np.uint8)
    image = Image(pixels, pixels.shape[1], 64, "PNG", ())
    return read_section(image, 64 * 64, Network(), Gate(reasons), Head())  # type: ignore[arg-type]


def test_a_section_is_refused_when_more_than_half_of_its_tissue_is_foreign_for_the_reason_of_most() -> None:
    half: list[str | None] = [None] * 5 + ["unknown_content"] * 3 + ["wrong_stain_or_scanner"] * 2
    verdict, section = judged(half)
    assert verdict.accepted
    assert section.caution
    verdict, section = judged([*half[1:], "wrong_stain_or_scanner", "unknown_content"])
    assert verdict.reason == "unknown_content"
    assert verdict.magnification == 2.0
    assert [answer.question for answer in verdict.answers if not answer.passed] == ["shows"]
    assert (section.strangeness > 1).sum() == section.count(FOREIGN) == 7


def test_one_refused_window_in_twenty_is_no_cause_for_caution() -> None:
    verdict, section = judged([None] * 19 + ["unknown_content"])
    assert verdict.accepted
    assert not section.caution
    assert not verdict.caution
    assert section.count(READ) == 19


def test_a_refused_window_that_is_mostly_glass_is_the_edge_of_the_tissue() -> None:
    pixels = np.full((64, 320, 3), 120, np.uint8)
    pixels[20:] = 250  # a third of each window is tissue
    image = Image(pixels, 320, 64, "PNG", ())
    reasons: list[str | None] = ["unknown_content"] * 9 + [None]
    verdict, section = read_section(image, 64 * 64, Network(), Gate(reasons), Head())  # type: ignore[arg-type]
    assert verdict.accepted
    assert [section.count(state) for state in (GLASS, FOREIGN, READ)] == [9, 0, 1]


def test_blank_windows_are_glass_and_do_not_count() -> None:
    verdict, section = judged([*["blank"] * 8, None, "unknown_content"])
    assert verdict.accepted
    assert section.foreign_share == 0.5
    verdict, section = judged(["blank"] * 10)
    assert verdict.reason == "blank"
    assert section.count(READ) == section.count(FOREIGN) == 0


def test_bare_glass_is_refused_as_blank_without_a_single_pass_of_the_network(reader: Reader, scale: float) -> None:
    reading = reader.read(png(Pillow.new("RGB", (1600, 1200), GLASS_RGB)), scale)
    assert reading.verdict.reason == "blank"
    assert reading.timings_ms["network"] == 0
    document = reading_json(reader, reading, "en")
    assert document["prediction"] is None
    assert document["section"]["shares"] is None


def test_json_of_a_section_tells_what_was_left_out(tissue: Reading, reader: Reader) -> None:
    document = reading_json(reader, tissue, "fr")
    section, drawn = document["section"], document["class_map"]
    assert section["read"] == drawn["counted"]
    cells = drawn["rows"] * drawn["columns"]
    assert section["read"] + section["foreign"] + section["glass"] == cells
    for row in document["prediction"]["probabilities"]:
        values = [value for value in drawn["values"][row["label"]] if value is not None]
        assert len(values) == section["read"]
        assert sum(values) / len(values) == row["logit"]
    assert sum(share["share"] for share in section["shares"]) == pytest.approx(1)
    where = document["verdict"]["where"]
    assert sum(value > 1 for value in where["values"]) == section["foreign"]
    for unit in document["units"]:
        counted = [value for value in unit["values"] if value is not None]
        assert sum(counted) / len(counted) == pytest.approx(unit["contribution"], abs=1e-12)


def test_an_overlay_leaves_glass_alone_and_hatches_what_is_foreign(tissue: Reading, reader: Reader) -> None:
    section = tissue.section
    assert section is not None
    # The last of the glass made foreign, so that the section is one to be cautious about.
    states, strangeness = section.states.copy(), section.strangeness.copy()
    states[:, -2][states[:, -2] == GLASS], strangeness[:, -2] = FOREIGN, 2
    cautious = replace(tissue, section=replace(section, states=states, strangeness=strangeness))
    assert cautious.caution
    drawn = np.asarray(draw_overlay(cautious, reader, tissue.best))
    plain = Pillow.fromarray(tissue.image.pixels)
    plain.thumbnail((drawn.shape[1], drawn.shape[0]))
    changed = (drawn != np.asarray(plain.convert("L").convert("RGB"))).any(-1).astype(np.float32)
    # The share of each cell that was drawn on.
    share = np.asarray(Pillow.fromarray(changed).resize(states.shape[::-1], Pillow.Resampling.BOX))
    assert share[states == GLASS].max() < 0.05
    assert share[states == FOREIGN].min() > 0.2
    assert share[states == FOREIGN].max() < 0.8
    cells = np.asarray(draw_overlay(tissue, reader, tissue.best, cells=True))
    assert not np.array_equal(cells, np.asarray(draw_overlay(tissue, reader, tissue.best)))


def test_over_http_the_size_of_a_pixel_makes_a_section_and_a_wrong_one_a_named_problem(
    bundle: Bundle, scale: float
) -> None:
    client = create_app(Settings(samples=SAMPLES, max_megapixels=4), bundle).test_client()
    picture = png(mosaic([[KNOWN[0], KNOWN[1]], [KNOWN[2], None]]))

    def post(um_per_px: str) -> Any:
        answer = client.post(f"/api/v1/readings?lang=en&um_per_px={um_per_px}", data=picture, content_type="image/png")
        return answer.status_code, answer.get_json()

    status, reading = post(str(scale))
    assert status == 200
    assert reading["section"]["read"] > 0
    assert reading["image"]["um_per_px"] == scale
    problems = (
        ("x", 400, "scale_invalid"),
        ("9", 422, "field_too_coarse"),
        ("6", 422, "section_too_large"),
        ("0.1", 422, "field_too_small"),
    )
    for given, expected, code in problems:
        status, problem = post(given)
        assert (status, problem["code"]) == (expected, code)
        assert problem["next_step"]
    assert "{" not in problem["detail"]


def test_a_picture_without_the_detail_that_the_model_looks_at_is_refused_before_it_is_decoded() -> None:
    rule = true_size(4 * 0.42, 0.42, 512 * 384, 64)
    assert rule(512, 384) == (2048, 1536)
    for um_per_px in (4.01 * 0.42, 2000):
        with pytest.raises(FieldTooCoarse) as raised:
            true_size(um_per_px, 0.42, 512 * 384, 64)(64, 64)
    assert raised.value.facts == {"um_per_px": 2000, "model_um_per_px": 0.42, "most_um_per_px": 1.68}


def test_a_section_that_nobody_waits_for_is_given_up_at_the_next_window(reader: Reader, scale: float) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    with pytest.raises(ReadingStopped):
        reader.read(png(mosaic([[KNOWN[0], KNOWN[1]], [KNOWN[2], KNOWN[3]]])), scale, stop)
    assert asked == 3


def test_whoever_leaves_frees_the_reader(live_service: str, scale: float) -> None:
    """The box has two readers, of which one is for sections."""
    address, path = urlsplit(live_service), f"/api/v1/readings?um_per_px={scale}"
    small = png(mosaic([[KNOWN[0], KNOWN[1]], [KNOWN[2], KNOWN[3]]]))
    buffer = BytesIO()
    mosaic([[KNOWN[n % 4] for n in range(15)]] * 15).save(buffer, "JPEG")

    def post(data: bytes) -> HTTPConnection:
        connection = HTTPConnection(address.hostname or "", address.port, timeout=120)
        connection.request("POST", path, data, {"Content-Type": "image/png"})
        return connection

    def read_small() -> float:
        start = perf_counter()
        response = post(small).getresponse()
        assert response.status == 200
        response.read()
        return perf_counter() - start

    alone_s = read_small()
    leaving = post(buffer.getvalue())
    sleep(2)  # it is being read: of 15 × 15 fields, 56 times as long as the small one
    leaving.close()
    assert read_small() < 15 * alone_s + 2  # and the large one is decoded at first


def test_on_the_command_line_a_section_is_told_in_words_and_drawn(
    scale: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, overlay = tmp_path / "section.png", tmp_path / "overlay.png"
    file.write_bytes(png(mosaic([[KNOWN[0], KNOWN[1]], [KNOWN[2], None]])))
    arguments = ["read", str(file), "--bundle", str(BUNDLE), "--keys", str(KEYS), "--language", "en"]
    assert main([*arguments, "--um-per-px", str(scale), "--overlay", str(overlay), "--cells"]) == 0
    told = capsys.readouterr().out
    assert "Read as a section: " in told
    assert "Share of the tissue" in told
    assert Pillow.open(overlay).size == (2 * FIELD[0], 2 * FIELD[1])
    assert main([*arguments, "--um-per-px", "0"]) == 1
    assert "The size of a pixel" in capsys.readouterr().err


def test_the_size_of_a_pixel_changes_nothing_where_the_picture_already_has_the_models_scale(
    reader: Reader, scale: float
) -> None:
    field = png(mosaic([[KNOWN[1]]]))
    assert np.array_equal(reader.read(field, scale).maps.values, reader.read(field).maps.values)
