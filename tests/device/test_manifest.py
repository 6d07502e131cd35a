"""The records of manifest and atlas say what the bytes say, and the schema files what the records allow."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from device.base.errors import SchemaMismatch
from device.reading.atlas import open_atlas
from device.reading.bundle import Bundle
from device.reading.manifest import MANIFEST, manifest_of
from device.reading.schemas import schema_files
from tests.support.shipped import KEYS, MODELS
from training.dissect.atlas import write_atlas
from training.packing.container import manifest_bytes


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.loupe")), ids=lambda path: path.stem)
def test_a_shipped_manifest_is_written_again_byte_for_byte(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert manifest_bytes(Bundle.open(path, KEYS).manifest) == archive.read(MANIFEST)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.atlas")), ids=lambda path: path.stem)
def test_a_shipped_atlas_is_written_again_byte_for_byte(path: Path, tmp_path: Path) -> None:
    atlas = open_atlas(path, Bundle.open(path.with_suffix(".loupe"), KEYS))
    assert atlas
    write_atlas(atlas, tmp_path / path.name)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", schema_files(), ids=lambda path: path.name)
def test_the_schema_files_are_those_of_the_records(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == schema_files()[path], "run `python -m device.reading.schemas`"


@pytest.mark.parametrize(
    ("section", "value", "detail"),
    [
        ("version", "2.3.0\n", "at `$.version`"),
        ("modality", "x-ray", "Invalid enum value 'x-ray' - at `$.modality`"),
        ("labels", [], "Expected `array` of length >= 2 - at `$.labels`"),
        (
            "preprocessing",
            {"um_per_px": 1.68, "area_px": 196608.0},
            "Expected `int`, got `float` - at `$.preprocessing.area_px`",
        ),
        ("metrics", {"scheme": "x"}, "missing required field `n`, in `$.metrics`"),
        ("surprise\x1b[2J", 1, r"unknown field `surprise\x1b[2J`"),
    ],
)
def test_what_a_manifest_cannot_have_is_named_with_its_place_and_no_terminal_obeys_it(
    bundle: Bundle, section: str, value: object, detail: str
) -> None:
    document = json.loads(manifest_bytes(bundle.manifest))
    with pytest.raises(SchemaMismatch) as caught:
        manifest_of({**document, section: value}, "b.loupe")
    assert detail in caught.value.detail
