"""Units: exact parts and maps in a reading, names in the store, and the API of the unit survey."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from msgspec import structs

from device.base.records import Words
from device.reading.atlas import atlas_path, network_of, open_atlas
from device.reading.bundle import Bundle
from device.reading.reading import Reader
from device.settings import Settings
from device.storage.lexicon import BIRADS, HISTOLOGY, lexicon_of, load_lexicon
from device.storage.names import TOTAL_LIMIT, Given, Names, agreed
from device.web.app import create_app
from tests.support.manifests import changed_manifest
from tests.support.reading_json import reading_json
from tests.support.shipped import KEYS, MODELS, SAMPLES

UNIT = 76
JPEG = b"\xff\xd8\xff\xe0 a patch"


def make_index(bundle: Bundle) -> dict[str, Any]:
    """The least atlas.json that the schema allows, with one patch of one unit."""
    data = {
        "name": "drawn",
        "terms": "free",
        "synthetic": True,
        "pictures": 1,
        "groups": 1,
        "quantile": 0.995,
        "created": "2026-01-01",
        "command": "a test",
    }
    by_class = dict.fromkeys(bundle.labels, 0.5)
    unit = {
        "importance": 0.1,
        "listed": 3,
        "active": 0.2,
        "threshold": 4.0,
        "selectivity": by_class,
        "means": by_class,
        "overlap": {},
        "inside": {},
        "patches": [{"file": f"{UNIT}-0.jpg", "label": bundle.labels[0], "activation": 5.0}],
    }
    return {
        "schema": "loupe-atlas/1",
        "notice": {"en": "drawn", "fr": "dessiné"},
        "bundle": {"id": "bach", "version": "1.0.0", "sha256": "0" * 64, "network": network_of(bundle)},
        "labels": list(bundle.labels),
        "figures": {
            "data": data,
            "units": 1280,
            "constant": 0,
            "dead": 0,
            "covered": 0.5,
            "within": 0,
            "selective": [],
        },
        "patches": data,
        "concepts": {},
        "units": {str(UNIT): unit},
    }


@pytest.fixture
def settings(bundle: Bundle, tmp_path: Path) -> Settings:
    """A box whose bundle has an atlas beside it and whose store is empty."""
    with zipfile.ZipFile(tmp_path / "bach.atlas", "w") as archive:
        archive.writestr("atlas.json", json.dumps(make_index(bundle)))
        archive.writestr(f"{UNIT}-0.jpg", JPEG)
    return Settings(tmp_path / "bach.loupe", KEYS, SAMPLES, store=tmp_path / "store" / "loupe.sqlite")


@pytest.fixture
def client(settings: Settings, bundle: Bundle) -> FlaskClient:
    return create_app(settings, bundle).test_client()


def put(client: FlaskClient, name: Any, unit: int = UNIT) -> Any:
    return client.put(f"/api/v1/units/{unit}/name?lang=en", json=name)


def accepted(bundle: Bundle) -> bytes:
    return next(bundle.members[g.picture] for g in bundle.manifest.golden if g.expected.reason is None)


# --- what a reading says of units --------------------------------------------------------------------------------------


def test_all_units_and_the_bias_make_the_logit_in_whole_steps(reader: Reader, bundle: Bundle) -> None:
    step = 2.0**bundle.manifest.head.scale_log2
    reading = reader.read(accepted(bundle))
    maps, cells = reading.maps, reading.maps.values.shape[0] * reading.maps.values.shape[1]
    for k, logit in enumerate(maps.logits):
        parts = [round(part * cells / step) for part in maps.units[:, k]]
        assert sum(parts) + round(reader.head.bias[k] * cells / step) == round(logit * cells / step)


def test_each_shown_unit_has_its_own_map_and_all_parts_make_the_score(reader: Reader, bundle: Bundle) -> None:
    reading = reader.read(accepted(bundle))
    document = reading_json(reader, reading, "en")
    units, rest = document["units"], document["units_rest"]
    for unit in units:
        assert len(unit["values"]) == document["class_map"]["rows"] * document["class_map"]["columns"]
        assert np.mean(unit["values"]) == pytest.approx(unit["contribution"], abs=1e-9)
    total = sum(unit["contribution"] for unit in units) + rest["contribution"] + rest["bias"]
    assert total == pytest.approx(reading.maps.logits[reading.best], abs=1e-9)
    every = reader.head.unit_maps(reading.outputs["features"], reading.maps.counted, range(1280), reading.best)
    assert np.allclose(
        every.sum(-1) + reader.head.bias[reading.best], reading.maps.values[..., reading.best], atol=1e-9
    )


def test_a_reading_names_units_as_experts_do_and_never_invents(client: FlaskClient, bundle: Bundle) -> None:
    def units() -> list[dict[str, Any]]:
        response = client.post("/api/v1/readings?lang=fr", data=accepted(bundle), content_type="image/png")
        found: list[dict[str, Any]] = json.loads(response.data)["units"]
        return found

    top = units()[0]["unit"]
    assert all(unit["name"] is None and unit["names"] == [] for unit in units())
    for expert in ("AB", "CD"):
        assert put(client, {"term": "mitosis", "expert": expert}, top).status_code == 200
    named = units()[0]
    assert (named["name"], named["names"][0]["experts"]) == ("mitoses", 2)
    assert all(unit["name"] is None for unit in units()[1:])


def test_units_that_the_bundle_names_keep_that_name_first(settings: Settings, bundle: Bundle) -> None:
    named = changed_manifest(bundle, units={str(UNIT): {"en": "packed name", "fr": "nom livré"}})
    client = create_app(settings, replace(bundle, manifest=named)).test_client()
    put(client, {"text": "another"})
    names = json.loads(client.get(f"/api/v1/units/{UNIT}?lang=en").data)["names"]
    assert [(each["name"], each["from"]) for each in names] == [("packed name", "model"), ("another", "box")]


# --- names -------------------------------------------------------------------------------------------------------------


def test_experts_agree_by_word_whatever_the_language_and_case(client: FlaskClient) -> None:
    put(client, {"text": "  Fat ", "expert": "AB"})
    put(client, {"text": "graisse", "expert": "CD"})
    put(client, {"text": "Pale  bubbles", "expert": "EF"})
    put(client, {"text": "pale bubbles"})
    put(client, {"term": "fat", "expert": "GH"})
    names = json.loads(client.get(f"/api/v1/units/{UNIT}?lang=fr").data)["names"]
    assert [(each["name"], each["experts"]) for each in names] == [("graisse", 3), ("Pale bubbles", 2)]


def test_one_expert_has_one_name_and_may_change_it_or_take_it_back(client: FlaskClient) -> None:
    put(client, {"text": "first", "expert": "AB"})
    changed = json.loads(put(client, {"text": "second", "expert": "ab"}).data)["names"]
    assert [(each["name"], each["experts"]) for each in changed] == [("second", 1)]
    other = client.delete(f"/api/v1/units/{UNIT}/name?expert=XY")
    assert (other.status_code, json.loads(other.data)["code"]) == (404, "unit_name_missing")
    gone = client.delete(f"/api/v1/units/{UNIT}/name?expert=AB")
    assert json.loads(gone.data)["names"] == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (None, "unit_name_invalid"),
        ([], "unit_name_invalid"),
        ({"text": "   "}, "unit_name_invalid"),
        ({"text": "12 34"}, "unit_name_invalid"),
        ({"text": "x" * 61}, "unit_name_invalid"),
        ({"text": "a\x00b"}, "unit_name_invalid"),
        ({"text": "right\u202eleft"}, "unit_name_invalid"),
        ({"text": 7}, "unit_name_invalid"),
        ({"term": "no_such_word"}, "term_unknown"),
        ({"term": ["fat"]}, "term_unknown"),
        ({"text": "fine", "expert": "x" * 13}, "expert_invalid"),
        ({"text": "fine", "expert": "<b>"}, "expert_invalid"),
        ({"text": "fine", "expert": 5}, "expert_invalid"),
    ],
)
def test_a_name_that_cannot_be_kept_gets_its_problem(client: FlaskClient, sent: Any, code: str) -> None:
    response = put(client, sent)
    problem = json.loads(response.data)
    assert (response.status_code, problem["code"]) == (422, code)
    assert problem["next_step"]
    assert json.loads(client.get(f"/api/v1/units/{UNIT}").data)["names"] == []


def test_a_form_from_another_page_cannot_name(client: FlaskClient) -> None:
    # A browser sends only JSON across origins after it asked; a plain form's body is no name.
    response = client.put(f"/api/v1/units/{UNIT}/name", data='{"text": "x"}', content_type="text/plain")
    assert response.status_code == 422


def test_unknown_units_are_told(client: FlaskClient) -> None:
    response = client.get("/api/v1/units/1280?lang=en")
    assert (response.status_code, json.loads(response.data)["code"]) == (404, "unit_unknown")
    assert put(client, {"text": "x"}, 1280).status_code == 404


def test_names_survive_a_restart_and_belong_to_one_network(settings: Settings) -> None:
    given = Given(UNIT, "AB", None, "swirls", "2026-01-01T00:00:00.000Z")
    Names(settings.store).give("one network", [given])
    assert Names(settings.store).given("one network") == [given]
    assert Names(settings.store).given("another") == []


def test_exported_names_are_a_manifests_units_and_import_elsewhere(
    client: FlaskClient, settings: Settings, bundle: Bundle, tmp_path: Path
) -> None:
    put(client, {"term": "necrosis", "expert": "AB"})
    put(client, {"text": "swirls", "expert": "CD"}, 5)
    exported = json.loads(client.get("/api/v1/units/names").data)
    assert exported["units"] == {"5": {"en": "swirls", "fr": "swirls"}, str(UNIT): {"en": "necrosis", "fr": "nécrose"}}
    changed_manifest(bundle, units=exported["units"])

    elsewhere = create_app(structs.replace(settings, store=tmp_path / "other.sqlite"), bundle).test_client()
    assert json.loads(elsewhere.put("/api/v1/units/names", json=exported).data) == {"imported": 2}
    assert json.loads(elsewhere.get("/api/v1/units/names").data) == exported


def test_an_import_is_all_or_nothing_and_of_this_network(client: FlaskClient) -> None:
    put(client, {"text": "swirls", "expert": "AB"})
    good = json.loads(client.get("/api/v1/units/names").data)
    (row,) = good["names"]
    for changed, code in (
        ({"network": "0" * 64}, "names_of_other_model"),
        ({"schema": "something"}, "names_invalid"),
        ({"names": [row, {**row, "unit": 1280}]}, "names_invalid"),
        ({"names": [row, {**row, "expert": "ab"}]}, "names_invalid"),
        ({"names": [{**row, "unit": 3}, {**row, "text": ""}]}, "unit_name_invalid"),
        ({"names": [{**row, "at": "yesterday"}]}, "names_invalid"),
        ({"names": [{**row, "at": "2026-02-30T09:00:00.000Z"}]}, "names_invalid"),
        ({"names": [{**row, "at": "२०२६-01-01T09:00:00.000Z"}]}, "names_invalid"),
        ({"names": [{**row, "at": "9999-01-01T09:00:00.000Z"}]}, "names_invalid"),
        ({"names": [row, {**row, "expert": "AB"}, *[row] * TOTAL_LIMIT]}, "names_invalid"),
    ):
        response = client.put("/api/v1/units/names", json={**good, **changed})
        assert (response.status_code, json.loads(response.data)["code"]) == (422, code)
    assert json.loads(client.get("/api/v1/units/names").data) == good


def test_experts_are_the_same_in_either_case_beyond_a_to_z(client: FlaskClient) -> None:
    put(client, {"text": "first", "expert": "ÉL"})
    put(client, {"text": "second", "expert": "él"})
    exported = json.loads(client.get("/api/v1/units/names").data)
    assert [(row["expert"], row["text"]) for row in exported["names"]] == [("ÉL", "second")]
    assert client.put("/api/v1/units/names", json=exported).status_code == 200
    assert client.delete(f"/api/v1/units/{UNIT}/name?expert=él").status_code == 200


def test_a_name_that_was_acknowledged_is_in_the_file_that_lies_there(settings: Settings, tmp_path: Path) -> None:
    """Whether the file was deleted (it comes again from its copy) or another was put in its place."""
    given = Given(UNIT, "AB", None, "swirls", "2026-01-01T00:00:00.000Z")
    names, other = Names(settings.store), tmp_path / "other.sqlite"
    names.give("a network", [given])
    settings.store.unlink()
    names.give("a network", [replace(given, unit=5)])
    assert Names(settings.store).given("a network") == names.given("a network") == [replace(given, unit=5), given]
    with closing(sqlite3.connect(settings.store)) as store, closing(sqlite3.connect(other)) as copy:
        store.backup(copy)
    for file in (settings.store, *settings.store.parent.glob("*-*")):
        file.unlink()
    other.rename(settings.store)
    names.give("a network", [replace(given, unit=7)])
    assert [each.unit for each in Names(settings.store).given("a network")] == [5, 7, UNIT]


def test_a_readings_names_wait_for_no_name_that_is_written(settings: Settings) -> None:
    names = Names(settings.store)
    given = Given(UNIT, "AB", None, "swirls", "2026-01-01T00:00:00.000Z")
    names.give("a network", [given])

    def meanwhile(_: sqlite3.Connection) -> None:
        assert names.given("a network", [UNIT, 5]) == [given]
        assert names.given("a network", [5]) == []

    names._store.write(meanwhile)


def test_an_import_keeps_what_an_expert_said_later(client: FlaskClient) -> None:
    put(client, {"text": "old", "expert": "AB"})
    old = json.loads(client.get("/api/v1/units/names").data)
    old["names"][0]["at"] = "2020-01-01T00:00:00.000Z"
    put(client, {"text": "new", "expert": "AB"})
    client.put("/api/v1/units/names", json=old)
    assert json.loads(client.get(f"/api/v1/units/{UNIT}").data)["names"][0]["name"] == "new"


def test_nothing_but_names_is_in_the_store(client: FlaskClient, settings: Settings, bundle: Bundle) -> None:
    put(client, {"text": "swirls", "expert": "AB"})
    client.post("/api/v1/readings", data=accepted(bundle), content_type="image/png")
    rows = sqlite3.connect(settings.store).execute("SELECT * FROM unit_names").fetchall()
    assert [row[1:5] for row in rows] == [(UNIT, "AB", None, "swirls")]


def test_without_a_store_readings_and_patches_go_on_and_naming_says_why(
    settings: Settings, bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    client = create_app(structs.replace(settings, store=tmp_path / "file" / "loupe.sqlite"), bundle).test_client()
    listed = json.loads(client.get("/api/v1/units?lang=en").data)
    assert [problem["code"] for problem in listed["problems"]] == ["store_unusable"]
    assert listed["units"][0]["patches"]
    assert client.post("/api/v1/readings", data=accepted(bundle), content_type="image/png").status_code == 200
    assert json.loads(put(client, {"text": "x"}).data)["code"] == "store_unusable"


def test_names_in_a_lexicon_that_lost_a_word_are_shown_by_its_id() -> None:
    found = agreed([Given(1, "", "gone_word", None, "2026-01-01T00:00:00.000Z")], load_lexicon(HISTOLOGY))
    assert found[1][0].name == Words("gone_word", "gone_word")


# --- the atlas on the box ------------------------------------------------------------------------------------------------


def test_the_survey_lists_units_with_patches_weights_and_words(client: FlaskClient, bundle: Bundle) -> None:
    listed = json.loads(client.get("/api/v1/units?lang=fr").data)
    (unit,) = listed["units"]
    assert (unit["unit"], listed["count"], listed["problems"]) == (UNIT, 1280, [])
    assert set(unit["weights"]) == set(bundle.labels)
    patch = client.get(unit["patches"][0]["url"])
    assert (patch.data, patch.mimetype) == (JPEG, "image/jpeg")
    assert client.get(f"/api/v1/units/{UNIT}/patches/1").status_code == 404
    assert client.get("/api/v1/units/3/patches/0").status_code == 404
    assert listed["lexicon"]["id"] == HISTOLOGY


def test_a_bad_atlas_costs_the_patches_and_nothing_else(settings: Settings, bundle: Bundle) -> None:
    settings.bundle.with_suffix(".atlas").write_bytes(b"not a zip")
    client = create_app(settings, bundle).test_client()
    listed = json.loads(client.get("/api/v1/units?lang=en").data)
    assert [problem["code"] for problem in listed["problems"]] == ["atlas_invalid"]
    assert "bach.atlas" in listed["problems"][0]["detail"]
    assert json.loads(client.get(f"/api/v1/units/{UNIT}/patches/0").data)["code"] == "atlas_invalid"
    assert client.post("/api/v1/readings", data=accepted(bundle), content_type="image/png").status_code == 200
    assert put(client, {"text": "swirls"}).status_code == 200


def set_bytes(data: bytes, local: int, central: int, byte: int) -> bytes:
    """A zip with a byte changed in both headers of atlas.json, which lie before the member's name."""
    changed, name = bytearray(data), b"atlas.json"
    changed[data.find(name) + local] = changed[data.rfind(name) + central] = byte
    return bytes(changed)


def with_member(data: bytes, name: str, content: bytes) -> bytes:
    file = BytesIO(data)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


DAMAGES: dict[str, Callable[[str, bytes], tuple[str, bytes]]] = {
    "nested without end": lambda _, data: ("[" * 200_000, data),
    "not a number": lambda index, data: (index.replace('"threshold": 4.0', '"threshold": NaN'), data),
    "too large a number": lambda index, data: (index.replace('"threshold": 4.0', '"threshold": 1e999'), data),
    "a unit that the network lacks": lambda index, data: (index.replace('"76"', '"1280"'), data),
    "encrypted": lambda _, data: ("", set_bytes(data, -24, -38, 1)),
    "packed in an unknown way": lambda _, data: ("", set_bytes(data, -22, -36, 99)),
    "packed bytes changed": lambda _, data: ("", data.replace(b"atlas.json", b"atlas.json\xff\xff\xff", 1)),
    "cut off": lambda _, data: ("", data[: len(data) // 2]),
    "a key twice": lambda index, data: (index.replace('"threshold"', '"active": 0, "threshold"', 1), data),
    "an index that unpacks without end": lambda index, data: (index + " " * 20_000_000, data),
    "a patch that unpacks without end": lambda _, data: ("", with_member(data, "7-1.jpg", JPEG + bytes(20_000_000))),
    "a patch twice": lambda _, data: ("", with_member(data, f"{UNIT}-0.jpg", JPEG)),
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_of_an_atlas_costs_a_reading(settings: Settings, bundle: Bundle, damage: str) -> None:
    def packed(index: str) -> bytes:
        file = BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("atlas.json", index)
            archive.writestr(f"{UNIT}-0.jpg", JPEG)
        return file.getvalue()

    index, data = DAMAGES[damage](json.dumps(make_index(bundle)), packed(json.dumps(make_index(bundle))))
    settings.bundle.with_suffix(".atlas").write_bytes(packed(index) if index else data)
    client = create_app(settings, bundle).test_client()
    assert client.post("/api/v1/readings", data=accepted(bundle), content_type="image/png").status_code == 200
    problems = json.loads(client.get("/api/v1/units").data)["problems"]
    assert [problem["code"] for problem in problems] == ["atlas_invalid"]


def test_shipped_atlases_fit_their_bundles_and_hold_drawn_patches_only() -> None:
    for path in sorted(MODELS.glob("*.atlas")):
        bundle = Bundle.open(path.with_suffix(".loupe"), KEYS)
        atlas = open_atlas(atlas_path(MODELS / bundle.name), bundle)
        assert atlas is not None
        assert atlas.index.patches.synthetic
        assert path.stat().st_size < 600_000


# --- lexicons ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [HISTOLOGY, BIRADS])
def test_lexicons_are_whole_in_both_languages(name: str) -> None:
    lexicon = load_lexicon(name)
    assert len(lexicon.terms) >= 40
    for language in ("en", "fr"):
        words = [term.name.text(language).casefold() for term in lexicon.terms]
        assert len(set(words)) == len(words), "a word that stands for two terms would be taken for either"
    for term in lexicon.terms:
        assert term.group in lexicon.groups
    assert {term.group for term in lexicon.terms} == set(lexicon.groups)


def test_the_lexicon_is_that_of_the_modality(bundle: Bundle) -> None:
    assert lexicon_of(bundle).id == HISTOLOGY
    assert lexicon_of(Bundle.open(MODELS / "busi.loupe", KEYS)).id == BIRADS
