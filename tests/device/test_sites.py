"""The site profiles of a box: which one a picture is read by, when one isn't any more, and what the service then says."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace

from device.base.errors import (
    BoxKeyUnusable,
    ProfileDamaged,
    ProfileNameTaken,
    ProfileOfOtherKey,
    ProfileRevoked,
    ProfileSetAlone,
    ProfileUnknown,
    RevocationsUnreadable,
    StoreUnusable,
)
from device.reading.bundle import Bundle
from device.reading.drift_test import ALARM
from device.reading.reading import Reader
from device.reading.site.box_key import box_key, key_beside
from device.reading.site.commission import Commissioned
from device.reading.site.instrument import Instrument
from device.reading.site.profile import sign_profile
from device.reading.site.standing import NOT_COMMISSIONED
from device.settings import Settings
from device.storage import sites as sites_module
from device.storage.drift import DriftLog, noted
from device.storage.sites import Sites, revoked_file
from device.web.app import create_app
from device.web.box import EXTENSION, Box
from tests.support.drawn_clinic import UM_PER_PX
from tests.support.shipped import SAMPLES
from tests.support.simulated_clinic import cast_reading

MICROSCOPE = Instrument(id="microscope-2", name="Microscope 2, 10×", um_per_px=UM_PER_PX)
OTHER = Instrument(id="microscope-1", name="Microscope 1", um_per_px=UM_PER_PX)
NOW = datetime(2026, 11, 28, 12)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "loupe.sqlite"


@pytest.fixture
def sites(store: Path, bundle: Bundle, commissioned: Commissioned) -> Sites:
    """Those of a box that was commissioned once."""
    box = Sites(store, None, [bundle])
    box.add(commissioned.profile)
    return box


def test_a_new_box_has_no_profile_and_no_key(store: Path, bundle: Bundle) -> None:
    box = Sites(store, None, [bundle])
    assert (box.all(), box.standings(), box.problems) == ([], {"bach": NOT_COMMISSIONED}, [])
    assert not key_beside(store).exists()


def test_profiles_are_numbered_and_outlive_a_restart(
    sites: Sites, store: Path, bundle: Bundle, commissioned: Commissioned
) -> None:
    assert sites.add(commissioned.profile).profile.id == "bach-2"
    again = Sites(store, None, [bundle])
    assert [(each.profile.id, each.current) for each in again.all()] == [("bach-2", True), ("bach-1", False)]
    assert again.problems == []


@pytest.mark.parametrize(
    ("um_per_px", "instrument", "is_meant"),
    [
        (None, MICROSCOPE, True),
        (None, OTHER, False),
        (UM_PER_PX * 1.02, None, True),
        (UM_PER_PX * 1.05, None, False),
        (None, None, False),
    ],
)
def test_a_profile_is_that_of_its_instrument_and_scale(
    sites: Sites, um_per_px: float | None, instrument: Instrument | None, is_meant: bool
) -> None:
    versions = {MICROSCOPE.id: 1, OTHER.id: 1}
    standing = sites.standings(um_per_px, instrument, versions)["bach"]
    assert (standing.state == "commissioned") is is_meant
    assert (standing.in_force is not None) is is_meant


def test_the_only_profile_says_how_large_pixels_are_where_that_is_asked_for(sites: Sites) -> None:
    assert sites.standings(scale_of_profile=True)["bach"].instrument == MICROSCOPE


@pytest.mark.parametrize("version", [0, 1])
def test_an_instrument_of_the_same_id_with_other_pixels_is_another_one(
    store: Path, bundle: Bundle, commissioned: Commissioned, version: int
) -> None:
    """A command made the profile, or the box's instruments were lost and set up again."""
    box = Sites(store, None, [bundle])
    box.add(replace(commissioned.profile, instrument_version=version))
    coarse = replace(MICROSCOPE, um_per_px=2 * UM_PER_PX)
    assert box.standings(instrument=coarse, instruments={coarse.id: 1})["bach"] == NOT_COMMISSIONED
    assert box.standings(instrument=MICROSCOPE, instruments={MICROSCOPE.id: 1})["bach"].state == "commissioned"


def test_profiles_of_an_instrument_that_is_deleted_end_and_those_of_a_command_stay(
    sites: Sites, commissioned: Commissioned
) -> None:
    sites.add(replace(commissioned.profile, instrument_version=0))
    sites.revoke_instrument(MICROSCOPE.id, NOW)
    assert [each.standing.state for each in sites.all()] == ["commissioned", "revoked"]


def test_the_key_of_a_stranger_counts_beside_the_one_named_file_alone(
    sites: Sites, store: Path, bundle: Bundle, commissioned: Commissioned, tmp_path: Path
) -> None:
    other = Sites(tmp_path / "other" / "loupe.sqlite", None, [bundle])
    foreign = other.add(commissioned.profile).path
    named = shutil.copy(foreign, store.with_name("loupe.sites") / "bach-99.profile")
    shutil.copy(key_beside(tmp_path / "other" / "loupe.sqlite"), store.with_name("loupe.sites"))
    assert [each.profile.id for each in sites.all()] == ["bach-1"]
    assert [problem.code for problem in sites.problems] == ["profile_of_other_key"]
    assert [each.path for each in Sites(tmp_path / "new.sqlite", Path(named), [bundle]).all()] == [Path(named)]


def test_one_file_that_the_setting_names_is_looked_at_alone(
    sites: Sites, store: Path, bundle: Bundle, commissioned: Commissioned, tmp_path: Path
) -> None:
    named = Path(shutil.copy(sites.all()[0].path, tmp_path / "named.profile"))
    sites.add(commissioned.profile)
    (store.with_name("loupe.sites") / "cut.profile").write_bytes(b"cut")
    box = Sites(store, named, [bundle])
    assert ([each.path for each in box.all()], box.problems) == ([named], [])
    with pytest.raises(ProfileSetAlone):
        box.add(commissioned.profile)
    with pytest.raises(ProfileSetAlone):
        box.take_over(named.read_bytes())


def test_a_new_profile_replaces_no_file_whatever_that_is_of(
    sites: Sites, store: Path, bundle: Bundle, commissioned: Commissioned
) -> None:
    """The model was updated: profiles of the version before are of another bundle, and stay."""
    before = sites.file("bach-1")
    newer = dataclasses.replace(bundle, sha256="0" * 64)
    profile = replace(commissioned.profile, bundle=replace(commissioned.profile.bundle, sha256="0" * 64))
    assert Sites(store, None, [newer]).add(profile).profile.id == "bach-2"
    assert (store.with_name("loupe.sites") / "bach-1.profile").read_bytes() == before
    revoked_file(store).write_text("{")
    assert sites.add(commissioned.profile).profile.id == "bach-3"


def test_a_profile_that_was_made_by_command_is_told_by_its_scale(sites: Sites) -> None:
    """It names no instrument of the box."""
    versions = {OTHER.id: 1}
    assert sites.standings(instrument=OTHER, instruments=versions)["bach"].state == "commissioned"
    coarse = Instrument(id="microscope-3", name="Microscope 3", um_per_px=2 * UM_PER_PX)
    assert sites.standings(instrument=coarse, instruments=versions | {coarse.id: 1})["bach"] == NOT_COMMISSIONED


def test_a_model_that_needs_no_scale_is_commissioned_for_all_devices(
    store: Path, bundle: Bundle, commissioned: Commissioned
) -> None:
    box = Sites(store, None, [bundle])
    box.add(replace(commissioned.profile, instrument=None, instrument_version=0))
    for asked in (box.standings(), box.standings(3.0), box.standings(instrument=OTHER, instruments={OTHER.id: 1})):
        assert asked["bach"].state == "commissioned"
        assert asked["bach"].instrument is None


def test_a_changed_instrument_revokes_for_good(sites: Sites, store: Path, bundle: Bundle) -> None:
    changed = sites.standings(instrument=MICROSCOPE, instruments={MICROSCOPE.id: 2})["bach"]
    assert changed.state == "revoked"
    assert changed.in_force is None
    assert changed.revoked is not None
    assert changed.revoked.cause == "instrument_changed"
    again = Sites(store, None, [bundle])
    assert again.standings(instrument=MICROSCOPE, instruments={MICROSCOPE.id: 1})["bach"].state == "revoked"


def test_who_revokes_a_profile_commissions_again(sites: Sites, commissioned: Commissioned) -> None:
    sites.revoke("bach-1", "by_hand", NOW)
    standing = sites.standings(UM_PER_PX)["bach"]
    assert standing.revoked is not None
    assert (standing.state, standing.revoked.since) == ("revoked", "2026-11-28")
    with pytest.raises(ProfileRevoked):
        sites.take_over(sites.file("bach-1"))
    sites.add(commissioned.profile)
    assert sites.standings(UM_PER_PX)["bach"].state == "commissioned"
    with pytest.raises(ProfileUnknown):
        sites.revoke("bach-9", "by_hand", NOW)


def test_a_backup_is_taken_over_by_the_box_that_signed_it_alone(
    sites: Sites, store: Path, bundle: Bundle, tmp_path: Path
) -> None:
    data = sites.file("bach-1")
    (restored := tmp_path / "restored").mkdir()
    shutil.copy(key_beside(store), restored)
    box = Sites(restored / "loupe.sqlite", None, [bundle])
    assert box.take_over(data).profile.id == "bach-1"
    assert box.standings(UM_PER_PX)["bach"].state == "commissioned"
    with pytest.raises(ProfileOfOtherKey):
        Sites(tmp_path / "other" / "loupe.sqlite", None, [bundle]).take_over(data)
    with pytest.raises(ProfileDamaged):
        box.take_over(data[:1000])


def test_a_backup_replaces_a_damaged_profile_and_no_other(
    sites: Sites, store: Path, commissioned: Commissioned
) -> None:
    data, path = sites.file("bach-1"), sites.all()[0].path
    sites.add(commissioned.profile)
    assert not sites.take_over(data).current, "bach-2 is used"
    path.write_bytes(data[:-5])
    assert sites.take_over(data).profile.id == "bach-1"
    assert path.read_bytes() == data
    other = sign_profile(replace(commissioned.profile, floor=0.9), box_key(key_beside(store)))
    with pytest.raises(ProfileNameTaken):
        sites.take_over(other)
    assert path.read_bytes() == data


def test_a_key_that_cannot_be_read_is_told_once(sites: Sites, store: Path) -> None:
    data = sites.file("bach-1")
    key_beside(store).write_text("no key")
    (store.with_name("loupe.sites") / "bach-1.profile").touch()
    with pytest.raises(BoxKeyUnusable):
        sites.take_over(data)
    codes = [problem.code for problem in sites.problems]
    assert codes.count("box_key_unusable") == 1


def test_profiles_that_cannot_be_used_are_problems_and_the_others_are_used(sites: Sites, store: Path) -> None:
    folder = store.with_name("loupe.sites")
    (folder / "cut.profile").write_bytes(sites.file("bach-1")[:5000])
    (folder / "._bach-1.profile").write_bytes(b"left by a Mac")
    (folder / "notes.txt").write_text("not looked at")
    assert [problem.code for problem in sites.problems] == ["profile_damaged"]
    assert sites.standings(UM_PER_PX)["bach"].state == "commissioned"
    (folder / "cut.profile").unlink()
    assert sites.problems == []


def test_a_box_that_cannot_tell_what_was_revoked_uses_none(sites: Sites, store: Path) -> None:
    revoked_file(store).write_text("{")
    assert [type(problem) for problem in sites.problems] == [RevocationsUnreadable]
    assert sites.standings(UM_PER_PX)["bach"] == NOT_COMMISSIONED
    with pytest.raises(StoreUnusable):
        sites.revoke_file("0" * 64, "by_hand", NOW)
    assert revoked_file(store).read_text() == "{", "what it says of others isn't lost"


def test_a_revocation_that_cannot_be_kept_holds_while_the_box_runs(
    sites: Sites, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnusable(store="full", detail="no space left")

    monkeypatch.setattr(sites_module, "_write", full)
    with pytest.raises(StoreUnusable):
        sites.revoke("bach-1", "by_hand", NOW)
    assert sites.standings(UM_PER_PX)["bach"].state == "revoked"
    assert not revoked_file(store).exists()


def test_only_so_many_profiles_of_a_folder_are_looked_at(
    store: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites_module, "MOST_PROFILES", 3)
    store.with_name("loupe.sites").mkdir()
    for number in range(5):
        (store.with_name("loupe.sites") / f"a{number}.profile").write_bytes(b"none")
    assert len(Sites(store, None, [bundle]).problems) == 3


def test_the_same_reader_reads_as_it_came_and_as_at_the_clinic(sites: Sites, reader: Reader, clinic: Path) -> None:
    field = next((clinic / "pictures").glob("*/*.jpg")).read_bytes()
    here = reader.at(sites.standings(UM_PER_PX)["bach"])
    assert here.read(field).verdict.accepted
    assert here.read(field).scale_source == "site"
    assert not reader.read(field, UM_PER_PX).verdict.accepted
    assert not here.at(NOT_COMMISSIONED).read(field, UM_PER_PX).verdict.accepted
    np.testing.assert_array_equal(here.read(field).maps.logits, reader.read(field, UM_PER_PX).maps.logits)


# --- the drift watch -------------------------------------------------------------------------------------------------


def test_the_watch_of_a_profile_is_its_own(
    sites: Sites, store: Path, bundle: Bundle, commissioned: Commissioned
) -> None:
    log, standing = DriftLog(store), sites.standings(UM_PER_PX)["bach"]
    reading = cast_reading({"scale": 0.5, "made": 0.5, "shows": 0.5})
    log.note(noted(bundle, reading, standing), NOW)
    assert log.watch(bundle, NOW, standing).pictures == 1
    assert log.watch(bundle, NOW).pictures == 0
    scores = commissioned.profile.fit.calibration_scores
    assert noted(bundle, reading, standing).sizes == {name: len(each) for name, each in scores.items()}
    log.reset(bundle, NOW, standing)
    assert log.watch(bundle, NOW, standing).pictures == 0


# --- the service -----------------------------------------------------------------------------------------------------


@pytest.fixture
def client(sites: Sites, store: Path, bundle: Bundle) -> FlaskClient:
    """Of a box that was commissioned once."""
    assert sites.all()
    return create_app(Settings(store=store, samples=SAMPLES), bundle).test_client()


def box_of(client: FlaskClient) -> Box:
    box: Box = client.application.extensions[EXTENSION]
    return box


def read(client: FlaskClient, clinic: Path, query: str) -> Any:
    field = next((clinic / "pictures").glob("*/*.jpg")).read_bytes()
    response = client.post(f"/api/v1/readings?{query}", data=field, content_type="image/jpeg")
    assert response.status_code == 200, response.text
    reading: Any = response.json
    return reading


def test_the_service_reads_by_the_profile_and_its_health_says_so(client: FlaskClient, clinic: Path) -> None:
    reading = read(client, clinic, f"um_per_px={UM_PER_PX}&lang=en")
    assert reading["verdict"]["accepted"]
    assert reading["site"]["state"] == "commissioned"
    assert reading["site"]["profile"]["id"] == "bach-1"
    assert read(client, clinic, "um_per_px=0.6&lang=en")["site"]["state"] == "not_commissioned"
    health = client.get("/api/v1/health?lang=en").json
    (model,) = health["models"]
    assert [state["title"] for state in model["sites"]] == ["Commissioned, accuracy here unknown"]
    assert model["lately"]["readings"] == 1
    assert model["promise"] > 0.1  # from twelve patients


def test_the_service_takes_no_scale_from_the_one_profile(client: FlaskClient, clinic: Path) -> None:
    """The picture may be of another microscope."""
    reading = read(client, clinic, "lang=en")
    assert (reading["site"]["state"], reading["scale"]["state"]) == ("scale_unknown", "unknown")
    assert (reading["answer"], reading["prediction"], reading["site"]["profile"]) == (None, None, None)


def test_an_instrument_that_is_deleted_takes_its_profile_with_it(
    store: Path, bundle: Bundle, commissioned: Commissioned, clinic: Path
) -> None:
    client = create_app(Settings(store=store, samples=SAMPLES), bundle).test_client()
    kept = client.post("/api/v1/instruments", json={"name": MICROSCOPE.name, "um_per_px": UM_PER_PX}).json
    instrument = replace(MICROSCOPE, id=kept["id"])
    box = box_of(client)
    (version,) = [each.version for each in box.instruments.all()]
    box.sites.add(replace(commissioned.profile, instrument=instrument, instrument_version=version))
    assert read(client, clinic, f"um_per_px={UM_PER_PX}")["site"]["state"] == "commissioned"
    assert client.delete("/api/v1/instruments/none").status_code == 404
    assert client.delete(f"/api/v1/instruments/{instrument.id}").status_code == 200
    assert read(client, clinic, f"um_per_px={UM_PER_PX}")["site"]["state"] == "revoked"


def test_no_commissioning_begins_where_the_setting_names_one_file(sites: Sites, store: Path, bundle: Bundle) -> None:
    settings = Settings(store=store, samples=SAMPLES, site=sites.all()[0].path)
    client = create_app(settings, bundle).test_client()
    begun = client.post("/api/v1/commissioning/job", json={"model": "bach", "instrument": None})
    assert (begun.status_code, begun.json["code"]) == (422, "profile_set_alone")


def test_a_profile_that_is_revoked_is_not_used_for_the_next_picture(
    client: FlaskClient, clinic: Path, sites: Sites
) -> None:
    sites.revoke("bach-1", "by_hand", NOW)
    reading = read(client, clinic, f"um_per_px={UM_PER_PX}&lang=en")
    assert not reading["verdict"]["accepted"]
    assert reading["site"]["title"] == "Revoked since 2026-11-28"
    assert "A technician revoked it" in reading["site"]["words"]


def test_an_alarm_of_the_watch_revokes_the_profile(client: FlaskClient, clinic: Path, bundle: Bundle) -> None:
    box = box_of(client)
    standing = box.standings(UM_PER_PX)["bach"]
    strange = cast_reading({"scale": 0.04, "made": 0.04, "shows": 0.04})
    for sitting in range(200):
        hour, minute = divmod(sitting * 5, 60)
        day, hour = divmod(hour, 24)
        box.drift.note(noted(bundle, strange, standing), datetime(2026, 11, 1 + day, hour, minute))
    assert box.drift.watch(bundle, datetime(2026, 11, 20), standing).evidence >= ALARM
    box.note(noted(bundle, strange, standing))
    reading = read(client, clinic, f"um_per_px={UM_PER_PX}&lang=en")
    assert reading["site"]["state"] == "revoked"
    assert "drift watch" in reading["site"]["words"]
    assert not reading["verdict"]["accepted"]


def test_a_profile_that_cannot_be_used_is_a_problem_on_the_health_page_and_stops_nothing(
    sites: Sites, store: Path, bundle: Bundle, clinic: Path
) -> None:
    path = sites.all()[0].path
    path.write_bytes(path.read_bytes()[:-5])
    client = create_app(Settings(store=store, samples=SAMPLES), bundle).test_client()
    assert read(client, clinic, f"um_per_px={UM_PER_PX}&lang=en")["site"]["state"] == "not_commissioned"
    problems = client.get("/api/v1/health?lang=en").json["problems"]
    assert [problem["code"] for problem in problems] == ["profile_damaged"]
    assert client.get("/readyz").status_code == 200


def test_a_setting_that_names_a_missing_profile_is_told(store: Path, bundle: Bundle, tmp_path: Path) -> None:
    settings = Settings(store=store, samples=SAMPLES, site=tmp_path / "none.profile")
    problems = create_app(settings, bundle).test_client().get("/api/v1/health").json["problems"]
    assert [problem["code"] for problem in problems] == ["profile_missing"]


def test_states_have_words_in_each_language(client: FlaskClient, clinic: Path) -> None:
    english, french = (read(client, clinic, f"um_per_px={UM_PER_PX}&lang={each}")["site"] for each in ("en", "fr"))
    assert english["title"] == "Commissioned, accuracy here unknown"
    assert french["title"] == "Mis en service, exactitude ici inconnue"
    assert json.dumps(english) != json.dumps(french)
