"""What a reading says of its scale."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image as Pillow

from device.base.errors import FieldTooSmall, ImageTooSmall
from device.documents.scale import picture_scale
from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.reading import Reader
from device.reading.site.instrument import Instrument
from tests.support.drawn_files import encode, tissue
from tests.support.manifests import changed_manifest
from tests.support.reading_json import reading_json
from tests.support.shipped import UM_PER_PX

FIELD = encode(tissue(768, 576), "PNG")
STATING_FIELD = encode(tissue(768, 576), "PNG", dpi=(22678.6, 22678.6))  # 1.12 µm


@pytest.mark.parametrize("language", ["en", "fr"])
def test_who_says_the_scale_is_told(reader: Reader, language: str) -> None:
    microscope = Instrument(id="m", name="Zeiss 10×", um_per_px=1.12)
    typed, by_instrument, by_file = (
        reader.read(FIELD, 1.12),
        reader.read(FIELD, microscope),
        reader.read(STATING_FIELD, 1.12),
    )
    scales = [
        picture_scale(reader, typed, language),
        picture_scale(reader, typed, language, sample=True),
        picture_scale(reader, by_instrument, language),
        picture_scale(reader, by_file, language),
    ]
    assert [(scale.state, scale.source) for scale in scales] == [
        ("given", "typed"),
        ("given", "sample"),
        ("given", "instrument"),
        ("given", "file"),
    ]
    assert all({"en": "1.12", "fr": "1,12"}[language] in scale.words for scale in scales)
    assert scales[2].instrument == "Zeiss 10×"
    assert "Zeiss 10×" in scales[2].words


def test_where_nobody_says_it_it_is_unknown_or_by_permission_assumed(reader: Reader) -> None:
    reading = reader.read(FIELD)
    unknown, assumed = picture_scale(reader, reading, "en"), picture_scale(reader, reading, "en", assume_field=True)
    assert (unknown.state, unknown.um_per_px, unknown.source) == ("unknown", None, None)
    assert (assumed.state, assumed.source) == ("assumed", None)
    assert assumed.um_per_px == pytest.approx(1.12, rel=0.03)


def test_without_a_known_scale_there_are_maps_and_no_class(reader: Reader, bundle: Bundle) -> None:
    """What says which class is likely is left out: answer, probabilities, parts, and the units behind a class."""
    golden = next(bundle.members[g.picture] for g in bundle.manifest.golden if g.expected.reason is None)
    unknown = reading_json(reader, reader.read(golden), "en", assume_field=False)
    given = reading_json(reader, reader.read(golden, UM_PER_PX), "en", assume_field=False)
    assert unknown["verdict"] == given["verdict"]
    assert unknown["class_map"]["values"] == given["class_map"]["values"]
    classless = ("answer", "prediction", "parts", "units", "units_rest")
    assert [unknown[part] for part in classless] == [None] * 5
    assert all(given[part] for part in classless if part != "parts")
    assert unknown["section"] is None


def test_a_refused_picture_of_unknown_scale_says_why_it_is_refused(reader: Reader) -> None:
    blank = reader.read(encode(Pillow.new("RGB", (768, 576), (240, 240, 240)), "PNG"))
    document = reading_json(reader, blank, "en", assume_field=False)
    assert document["verdict"]["reason"]["code"] == "blank"
    assert (document["class_map"], document["scale"]["state"]) == (None, "unknown")


@pytest.mark.parametrize(
    ("modality", "scale", "needed"),
    [
        ("histology", None, True),
        ("ultrasound", None, False),
        ("mammography", None, False),
        ("histology", "not_needed", False),
        ("ultrasound", "needed", True),
    ],
)
def test_tissue_needs_a_scale_unless_the_bundle_says_otherwise(
    bundle: Bundle, modality: str, scale: str | None, needed: bool
) -> None:
    manifest = changed_manifest(bundle, modality=modality, scale=scale)
    assert manifest.needs_scale == needed
    changed = Reader(replace(bundle, manifest=manifest), Limits())
    golden = next(bundle.members[g.picture] for g in bundle.manifest.golden if g.expected.reason is None)
    document = reading_json(changed, changed.read(golden), "en", assume_field=False)
    assert document["scale"]["state"] == ("unknown" if needed else "not_needed")
    assert needed or document["answer"] or document["verdict"]["reason"]


def test_a_small_file_of_known_scale_is_judged_by_how_much_tissue_it_shows(reader: Reader) -> None:
    """Fifty pixels of 4 µm are 200 µm of tissue, 119 px at the model's 1.68. Without a scale nobody knows; below 32 px
    there is too little to see whatever it shows."""
    tile = encode(tissue(50, 50), "PNG")
    assert reader.read(tile, 4.0).image.pixels.shape[:2] == (128, 128)
    with pytest.raises(ImageTooSmall):
        reader.read(tile)
    with pytest.raises(ImageTooSmall):
        reader.read(encode(tissue(31, 31), "PNG"), 6.0)
    with pytest.raises(FieldTooSmall):
        reader.read(tile, 2.0)
