"""Regions: connected places that speak for a class of concern, strongest places, words for sections and parts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.cli import main
from device.documents.overlay import draw_overlay
from device.documents.regions import (
    FieldParts,
    MarkedPlace,
    SectionConcern,
    field_parts,
    marked_places,
    marked_regions,
    section_concern,
)
from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.maps import Maps
from device.reading.reading import Reader
from device.reading.regions import Scale, concern_of, connected, lead_of, leading, regions_of, strongest_places
from tests.support.manifests import answering, changed_manifest
from tests.support.pictures import png
from tests.support.reading_json import reading_json
from tests.support.shipped import SAMPLES

LABELS = ("normal", "benign", "insitu", "invasive")
CONCERN = (2, 3)
FIELD = (512, 384)


def maps_of(values: NDArray[np.float64]) -> Maps:
    return Maps(values, np.nanmean(values, (0, 1)), np.zeros((1, values.shape[2])))


def drawn_map(places: dict[tuple[int, int], tuple[int, float]], shape: tuple[int, int] = (6, 8)) -> Maps:
    """A map that speaks for the first class by 1 everywhere, but at some places for another by so much."""
    values = np.zeros((*shape, len(LABELS)))
    values[..., 0] = 1
    for place, (label, value) in places.items():
        values[place] = 0
        values[(*place, label)] = value
    return maps_of(values)


def test_places_that_touch_make_a_region_also_at_a_corner() -> None:
    mask = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 1, 0, 1, 0]], bool)
    assert [part.tolist() for part in connected(mask)] == [
        [[0, 0], [1, 1]],
        [[0, 4], [1, 4]],
        [[3, 0], [3, 1]],
        [[3, 3]],
    ]
    assert connected(np.zeros((3, 3), bool)) == []


def test_regions_partition_the_places_that_speak_for_a_class_of_concern() -> None:
    """Whatever the map: each such place is in one region, and shares sum to the share of those places."""
    chance = np.random.default_rng(1)
    for _ in range(50):
        values = chance.normal(size=(chance.integers(1, 20), chance.integers(1, 20), 4))
        values[chance.random(values.shape[:2]) < 0.2] = np.nan
        if np.isnan(values).all():
            continue
        maps = maps_of(values)
        regions = regions_of(maps, CONCERN)
        speaking = np.isin(values[maps.counted].argmax(1), CONCERN).mean()
        assert sum(region.share for region in regions) == pytest.approx(speaking)
        assert [region.share for region in regions] == sorted((region.share for region in regions), reverse=True)
        for region in regions:
            row, column, value = region.strongest.row, region.strongest.column, region.strongest.value
            top, left, bottom, right = region.box
            assert top <= row < bottom
            assert left <= column < right
            assert values[row, column, region.label] == value
        lead = lead_of(values, CONCERN)
        assert sum(region.lead for region in regions) == pytest.approx(lead[lead > 0].sum() / maps.counted.sum())


def test_classes_of_concern_count_together_and_the_stronger_one_names_the_region() -> None:
    """Carcinoma in situ beside invasive carcinoma is one region of carcinoma."""
    maps = drawn_map({(1, 1): (2, 3.0), (1, 2): (3, 5.0), (2, 1): (3, 4.0), (4, 6): (2, 9.0)})
    large, small = regions_of(maps, CONCERN)
    assert (LABELS[large.label], large.share, large.strongest.value) == ("invasive", 3 / 48, 5.0)
    assert large.box == (1, 1, 3, 3)
    assert (LABELS[small.label], small.share) == ("insitu", 1 / 48)
    assert leading([large, small]) is large
    assert leading([]) is None


def test_regions_are_told_in_pixels_of_the_picture_and_in_square_millimetres() -> None:
    maps = drawn_map({(1, 2): (3, 5.0), (1, 3): (3, 4.0)})
    (region,) = marked_regions(regions_of(maps, CONCERN), maps, LABELS, Scale((100.0, 50.0), 2.0), 1.0)
    assert region.box == [200, 50, 400, 100]
    assert (region.x, region.y) == (250, 75)
    assert region.area_mm2 == pytest.approx(200 * 50 * 4 * 1e-6)
    assert region.share == 2 / 48
    assert region.probability == pytest.approx(1 / (1 + 3 * np.exp(-4.5)))
    (unsized,) = marked_regions(regions_of(maps, CONCERN), maps, LABELS, Scale((100.0, 50.0), None), 1.0)
    assert unsized.area_mm2 is None


def test_the_strongest_places_lie_apart_and_only_where_the_map_is_drawn() -> None:
    values = np.full((12, 16), -1.0)
    for place, value in {(2, 2): 9.0, (2, 3): 8.5, (3, 3): 8.0, (8, 12): 7.0, (2, 10): 6.0, (10, 2): 5.0}.items():
        values[place] = value
    found = strongest_places(values, 1.0)
    assert [(place.row, place.column, place.value) for place in found] == [(2, 2, 9.0), (8, 12, 7.0), (2, 10, 6.0)]
    assert [place.value for place in strongest_places(values, 6.5)] == [9.0, 7.0]
    assert strongest_places(np.full((3, 3), -1.0), 0.0) == []
    assert strongest_places(np.full((3, 3), np.nan), 0.0) == []
    assert len(strongest_places(np.ones((60, 60)), 0.5)) == 3


def test_places_are_told_for_each_class_by_rank() -> None:
    maps = drawn_map({(5, 7): (3, 5.0)})
    places = marked_places(maps, LABELS, Scale((10.0, 10.0), None), 0.5)
    assert places["invasive"] == [MarkedPlace(rank=1, row=5, column=7, x=75, y=55, value=5.0)]
    assert places["benign"] == []
    assert [place.rank for place in places["normal"]] == [1, 2, 3]


RULE = {
    "statistic": "leading_region",
    "limit": 0.5,
    "alpha": 0.0143,
    "confidence": 0.9,
    "n": 160,
    "unit": "picture",
    "pictures": 160,
    "cautions": 1,
}


@pytest.mark.parametrize(
    ("evidence", "rule", "answered", "caution", "sentence"),
    [
        (
            20.0,
            RULE,
            False,
            True,
            "Of 160 unseen proper pictures without it, 1 showed as much; in the long run at most 1.5%",
        ),
        (20.0, RULE, True, False, None),
        (3.0, RULE, False, False, "now and then"),
        (20.0, None, False, False, "was not measured"),
    ],
    ids=["beyond the limit", "the answer says it", "below the limit", "no limit in the bundle"],
)
def test_a_part_gets_a_caution_beyond_the_limit_unless_the_answer_says_it_already(
    bundle: Bundle, evidence: float, rule: Any, answered: bool, caution: bool, sentence: str | None
) -> None:
    maps = drawn_map({(2, 2): (3, evidence), (2, 3): (3, evidence)})
    manifest = changed_manifest(bundle, parts=rule)
    regions = regions_of(maps, CONCERN)
    regions_marked = marked_regions(regions, maps, LABELS, Scale((10.0, 10.0), None), 1.0)
    parts = field_parts(regions, regions_marked, manifest, answered, "en")
    assert parts.caution is caution
    assert parts.label == "invasive"
    assert parts.regions == regions_marked
    assert parts.words is not None
    assert parts.words.startswith("One part of the picture, 4% of it, speaks for: invasive carcinoma.")
    assert sentence is None or sentence in parts.words
    assert "carcinome infiltrant" in str(field_parts(regions, regions_marked, manifest, answered, "fr").words)


def test_a_field_without_a_region_says_nothing_of_parts(bundle: Bundle) -> None:
    assert field_parts([], [], bundle.manifest, False, "en") == FieldParts(
        caution=False, label=None, words=None, regions=[]
    )


def test_without_a_region_a_section_opens_on_the_class_of_concern_whose_evidence_comes_nearest() -> None:
    maps = drawn_map({(0, 0): (2, 0.5), (0, 1): (3, 0.9)})
    maps.values[0, :2, 0] = 1
    assert regions_of(maps, CONCERN) == []
    assert section_concern([], [], maps, LABELS, CONCERN) == SectionConcern(label="invasive", share=0.0, regions=[])
    assert section_concern([], [], maps, LABELS, ()) is None


# --- read as the box does ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def marked(bundle: Bundle) -> Bundle:
    """The default bundle with the carcinomas as classes of concern; its answer is the most probable class alone."""
    return answering(bundle, concern=["insitu", "invasive"])


@pytest.fixture(scope="module")
def reader(marked: Bundle) -> Reader:
    return Reader(marked, Limits())


def field(name: str) -> Pillow.Image:
    return Pillow.open(SAMPLES / f"{name}.jpg").convert("RGB").resize(FIELD)


def side_by_side(names: list[list[str]]) -> Pillow.Image:
    picture = Pillow.new("RGB", (len(names[0]) * FIELD[0], len(names) * FIELD[1]))
    for row, line in enumerate(names):
        for column, name in enumerate(line):
            picture.paste(field(name), (column * FIELD[0], row * FIELD[1]))
    return picture


NORMAL = ["texture-normal"] * 3
SCALE_UM = 1.68


@pytest.mark.parametrize(("language", "share"), [("en", r"(\d+)% of the tissue"), ("fr", r"(\d+)\xa0% du tissu")])
def test_a_section_with_a_tumour_is_never_headlined_by_its_mean(reader: Reader, language: str, share: str) -> None:
    """A ninth of it is invasive, so the mean says normal; the headline says the share and where."""
    picture = side_by_side([["texture-normal", "texture-normal", "texture-invasive"], NORMAL, NORMAL])
    reading = reader.read(png(picture), SCALE_UM)
    document = reading_json(reader, reading, language)
    assert document["prediction"]["label"] == "normal"
    section = document["section"]
    assert re.search(share, section["headline"])
    assert section["concern"]["label"] == "invasive"
    assert 0.03 < section["concern"]["share"] < 0.3
    largest = section["concern"]["regions"][0]
    assert largest["x"] > 2 * FIELD[0]
    assert largest["y"] < FIELD[1]
    cell = document["class_map"]["cell_px"]
    cells = largest["share"] * document["class_map"]["counted"]
    assert largest["area_mm2"] == pytest.approx(cells * cell[0] * cell[1] * SCALE_UM**2 * 1e-6, rel=0.01)
    assert document["parts"] is None


def test_a_section_without_one_is_not_told_to_be_free_of_it(reader: Reader) -> None:
    reading = reader.read(png(side_by_side([NORMAL, NORMAL])), SCALE_UM)
    section = reading_json(reader, reading, "en")["section"]
    assert section["concern"]["regions"] == []
    assert "That is no proof that there is none" in section["headline"]
    assert f"None of the {section['read']} windows" in section["headline"]


def test_a_refused_section_gets_no_headline(reader: Reader) -> None:
    landscape = Pillow.open(SAMPLES / "foreign-landscape.jpg").convert("RGB").resize((1536, 1152))
    document = reading_json(reader, reader.read(png(landscape), SCALE_UM), "en")
    assert (document["section"]["headline"], document["section"]["concern"]) == (None, None)
    assert document["parts"] is None


def test_a_model_without_a_class_of_concern_has_no_parts_and_headlines_the_largest_share(bundle: Bundle) -> None:
    unmarked = Reader(answering(bundle, concern=[]), Limits())
    assert concern_of(unmarked.bundle.manifest) == ()
    alone = unmarked.read((SAMPLES / "texture-invasive.jpg").read_bytes())
    assert reading_json(unmarked, alone, "en")["parts"] is None
    section = reading_json(unmarked, unmarked.read(png(side_by_side([NORMAL, NORMAL])), SCALE_UM), "en")["section"]
    assert section["headline"] == "100% of the tissue that was read speaks for normal tissue"
    assert section["concern"] is None


def test_a_pasted_quarter_is_a_region_where_it_was_pasted(reader: Reader) -> None:
    picture = field("texture-normal")
    picture.paste(field("texture-invasive").crop((0, 0, 256, 192)), (256, 192))
    document = reading_json(reader, reader.read(png(picture)), "en")
    region = document["parts"]["regions"][0]
    assert region["x"] > 256
    assert region["y"] > 192
    assert 0.1 < region["share"] < 0.4
    assert document["parts"]["label"] in ("insitu", "invasive")
    place = document["class_map"]["places"]["invasive"][0]
    assert place["x"] > 256
    assert place["y"] > 192
    assert place["value"] == max(document["class_map"]["values"]["invasive"])


LOW_RULE = {**RULE, "limit": 0.2}


@pytest.fixture(scope="module")
def cautious(marked: Bundle) -> Reader:
    """A reader with a limit that samples without carcinoma stay below."""
    return Reader(replace(marked, manifest=changed_manifest(marked, parts=LOW_RULE)), Limits())


@pytest.mark.parametrize("pasted", ["texture-invasive", "texture-insitu"])
@pytest.mark.parametrize(("left", "top"), [(0, 0), (256, 192), (100, 150)])
def test_a_normal_field_with_a_quarter_of_carcinoma_gets_a_caution_that_shows_it(
    cautious: Reader, pasted: str, left: int, top: int
) -> None:
    picture = field("texture-normal")
    picture.paste(field(pasted).crop((128, 96, 384, 288)), (left, top))
    document = reading_json(cautious, cautious.read(png(picture)), "en")
    assert document["answer"]["labels"] == ["normal"]
    parts = document["parts"]
    assert parts["caution"]
    shown = max(parts["regions"], key=lambda region: region["share"])
    assert left <= shown["x"] < left + 256
    assert top <= shown["y"] < top + 192
    assert "Look at the marked part" in parts["words"]


@pytest.mark.parametrize("name", ["texture-normal", "phantom-benign"])
def test_a_field_without_carcinoma_gets_no_caution(cautious: Reader, name: str) -> None:
    document = reading_json(cautious, cautious.read((SAMPLES / f"{name}.jpg").read_bytes()), "en")
    assert not document["answer"]["concern"]
    assert not document["parts"]["caution"]


def test_loupe_read_prints_the_caution(
    marked: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cautious = replace(marked, manifest=changed_manifest(marked, parts=LOW_RULE))
    monkeypatch.setattr("device.documents.rehearsal.open_verified", lambda _: [cautious])
    picture = field("texture-normal")
    picture.paste(field("texture-invasive").crop((0, 0, 256, 192)), (256, 192))
    (tmp_path / "field.png").write_bytes(png(picture))
    assert main(["read", str(tmp_path / "field.png"), "--um-per-px", str(SCALE_UM), "--language", "en"]) == 0
    assert "Look at the marked part and have it read." in capsys.readouterr().out


def test_loupe_read_draws_the_class_of_concern_over_a_section(
    marked: Bundle, reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("device.documents.rehearsal.open_verified", lambda _: [marked])
    picture = side_by_side([["texture-normal", "texture-normal", "texture-invasive"], NORMAL, NORMAL])
    file, overlay = tmp_path / "section.png", tmp_path / "overlay.png"
    file.write_bytes(png(picture))
    assert main(["read", str(file), "--um-per-px", str(SCALE_UM), "--overlay", str(overlay)]) == 0
    reading = reader.read(png(picture), SCALE_UM)
    assert marked.labels[reading.best] == "normal"
    expected = draw_overlay(reading, reader, marked.labels.index("invasive"))
    assert np.array_equal(np.asarray(Pillow.open(overlay)), np.asarray(expected))
