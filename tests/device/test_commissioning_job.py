"""A commissioning under way: one at a time, bounded, in memory alone, and known to the page that began it."""

from __future__ import annotations

import time
import weakref
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from device.base.errors import (
    CommissioningFull,
    CommissioningGone,
    CommissioningPictureUnknown,
    CommissioningUnconcluded,
    CommissioningUnderWay,
)
from device.reading.bundle import Bundle
from device.reading.site.colour import Stain
from device.reading.site.commission import Commissioned, commission
from device.web import commissioning
from device.web.commissioning import (
    IDLE_S,
    MOST_FOREIGN,
    MOST_PICTURES,
    Commissioning,
    Job,
    MeasuredPicture,
    Place,
    diagnoses,
)
from tests.support.clock import Clock
from tests.support.drawn_means import drawn_means, with_colours

NOW = datetime(2026, 1, 5, 9, 30)
OWN, GLASS = Place(patient="1"), Place(kind="glass")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(clock: Clock) -> Commissioning:
    return Commissioning(clock)


def test_a_job_is_known_by_its_token_alone(box: Commissioning, bundle: Bundle) -> None:
    job = box.begin(bundle, None, NOW)
    assert box.job(job.token) == job
    assert box.under_way() == job
    for wrong in (None, "", job.token[:-1], "é" * len(job.token)):
        with pytest.raises(CommissioningGone):
            box.job(wrong)


def test_there_is_one_at_a_time_until_it_is_discarded(box: Commissioning, bundle: Bundle) -> None:
    box.begin(bundle, None, NOW)
    with pytest.raises(CommissioningUnderWay) as caught:
        box.begin(bundle, None, NOW)
    assert caught.value.facts == {"since": "2026-01-05 09:30", "pictures": 0}
    box.end()
    assert box.under_way() is None
    box.begin(bundle, None, NOW)


def test_it_is_forgotten_after_a_long_pause_and_each_request_begins_the_pause_anew(
    box: Commissioning, bundle: Bundle, clock: Clock
) -> None:
    job = box.begin(bundle, None, NOW)
    for _ in range(3):
        clock.now += IDLE_S
        assert box.job(job.token) == job
    clock.now += IDLE_S + 1
    with pytest.raises(CommissioningGone):
        box.job(job.token)
    assert box.under_way() is None


def test_pictures_are_numbered_taken_back_and_diagnosed(box: Commissioning, bundle: Bundle) -> None:
    token = box.begin(bundle, None, NOW).token
    for place in (OWN, OWN, GLASS):
        box.add(token, place, drawn_means(bundle, 1))
    box.remove(token, 1)
    assert box.add(token, Place(patient="2"), drawn_means(bundle, 2)).number == 4, "a number is never given again"
    assert box.diagnose(token, 2, "benign").place == Place(patient="1", label="benign")
    job = box.job(token)
    assert [(each.number, each.place.patient, each.place.label) for each in job.own] == [
        (2, "1", "benign"),
        (4, "2", None),
    ]
    assert [each.place.kind for each in job.foreign] == ["glass"]
    for number in (1, 99):
        with pytest.raises(CommissioningPictureUnknown):
            box.remove(token, number)
    with pytest.raises(CommissioningPictureUnknown):
        box.diagnose(token, 3, "benign")  # glass has no diagnosis


@pytest.mark.parametrize(("place", "most"), [(OWN, MOST_PICTURES), (GLASS, MOST_FOREIGN)], ids=["own", "foreign"])
def test_no_more_pictures_come_than_a_job_takes(box: Commissioning, bundle: Bundle, place: Place, most: int) -> None:
    token, means = box.begin(bundle, None, NOW).token, drawn_means(bundle, 1)
    for _ in range(most):
        box.add(token, place, means)
    with pytest.raises(CommissioningFull) as caught:
        box.add(token, place, means)
    assert caught.value.facts == {"pictures": most, "limit": most}
    box.add(token, GLASS if place is OWN else OWN, means)


def test_means_take_no_more_memory_than_a_job_is_given(
    box: Commissioning, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, means = box.begin(bundle, None, NOW).token, drawn_means(bundle, 1)
    monkeypatch.setattr(commissioning, "MOST_BYTES", 2 * box.add(token, OWN, means).bytes)
    box.add(token, OWN, means)
    with pytest.raises(CommissioningFull):
        box.add(token, OWN, means)


def test_a_diagnosis_is_a_class_or_leaves_it_open_which(bundle: Bundle) -> None:
    known = diagnoses(bundle.manifest)
    assert list(known) == [*bundle.labels, "malignant", "not_malignant"]
    assert known["benign"] == ("benign",)
    assert known["malignant"] == ("insitu", "invasive")
    assert known["not_malignant"] == ("normal", "benign")
    measured = MeasuredPicture(1, Place(patient="1", label="malignant"), drawn_means(bundle, 1))
    assert measured.as_own(bundle.manifest).labels == known["malignant"]


def test_colours_are_found_from_all_patients_and_each_picture_is_read_in_them(
    box: Commissioning, bundle: Bundle
) -> None:
    token = box.begin(with_colours(bundle), None, NOW).token
    pale, dark = Stain(np.array([0.1, 0.2, 0.1])), Stain(np.array([0.2, 0.4, 0.2]))
    for patient, stain in (("1", pale), ("1", pale), ("2", dark), ("3", Stain(None))):
        box.add(token, Place(patient=patient), drawn_means(bundle, 1), stain)
    box.add(token, GLASS, drawn_means(bundle, 2))
    job = box.find_colour(token)
    assert job.colour is not None
    # Half the way from the mean of patients 1 and 2, who count alike, to the laboratory's density.
    assert job.colour.gain == pytest.approx(np.sqrt((0.17 / 0.15, 0.33 / 0.3, 0.12 / 0.15)), abs=0.01)
    coloured = drawn_means(bundle, 3)
    for number in range(1, 6):
        assert not box.job(token).coloured
        box.read_in_colour(job, number, coloured)
    now = box.job(token)
    assert now.coloured
    assert now.own[0].as_own(bundle.manifest, coloured=True).means.logits is coloured.logits
    assert now.own[0].as_own(bundle.manifest).means.logits is not coloured.logits
    box.add(token, Place(patient="4"), drawn_means(bundle, 4), dark)
    assert not box.job(token).coloured
    assert not box.find_colour(token).coloured, "other colours: all are to be read again"
    with pytest.raises(CommissioningUnconcluded):
        box.read_in_colour(job, 1, coloured)


def test_a_picture_in_the_clinic_s_colours_was_refused_before_as_it_came(box: Commissioning, bundle: Bundle) -> None:
    token = box.begin(with_colours(bundle), None, NOW).token
    stain = Stain(np.array([0.1, 0.2, 0.1]))
    box.add(token, OWN, drawn_means(bundle, 1, reason="wrong_stain_or_scanner"), stain)
    box.add(token, GLASS, drawn_means(bundle, 2), stain)
    job = box.find_colour(token)
    for number, reason in ((1, None), (2, "unknown_content")):
        box.read_in_colour(job, number, drawn_means(bundle, number + 2, reason=reason))
    (own,), (glass,) = box.job(token).own, box.job(token).foreign
    assert own.as_own(bundle.manifest, coloured=True).means.reason == "wrong_stain_or_scanner"
    assert glass.as_foreign(coloured=True).means.reason is None


def test_means_in_colour_have_their_room_before_they_come(
    box: Commissioning, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, stain = box.begin(with_colours(bundle), None, NOW).token, Stain(np.array([0.1, 0.2, 0.1]))
    one = box.add(token, OWN, drawn_means(bundle, 1), stain).bytes
    monkeypatch.setattr(commissioning, "MOST_BYTES", 2 * one)
    box.add(token, OWN, drawn_means(bundle, 2), stain)
    with pytest.raises(CommissioningFull):
        box.add(token, OWN, drawn_means(bundle, 3), stain)
    job = box.find_colour(token)
    for number in (1, 2):
        box.read_in_colour(job, number, drawn_means(bundle, 3 + number))
    assert box.job(token).bytes == pytest.approx(2 * one, abs=200)
    larger = drawn_means(bundle, 9)
    larger = replace(larger, cells=np.repeat(larger.cells, 50, 0))
    with pytest.raises(CommissioningFull):
        box.read_in_colour(job, 1, larger)


def concluded(box: Commissioning, bundle: Bundle) -> tuple[Job, Commissioned]:
    """A job of twelve pictures, and what they came to, which it doesn't know yet."""
    token = box.begin(bundle, None, NOW).token
    for number in range(12):
        box.add(token, Place(patient=str(number)), drawn_means(bundle, number))
    job = box.job(token)
    return job, commission(bundle, [each.as_own(bundle.manifest) for each in job.own], instrument=None)


def test_a_profile_is_of_the_pictures_as_they_are(box: Commissioning, bundle: Bundle) -> None:
    job, found = concluded(box, bundle)
    for when in ("no report yet", "pictures have come since"):
        with pytest.raises(CommissioningUnconcluded), box.signing(job.token):
            pytest.fail(when)
        box.conclude(box.job(job.token), found)
        assert box.job(job.token).found is found
        box.add(job.token, GLASS, drawn_means(bundle, 99))
    with pytest.raises(CommissioningUnconcluded):
        box.conclude(job, found)  # of pictures that there were a moment ago


def test_a_number_is_not_given_again_where_a_picture_came_and_went_while_the_report_was_made(
    box: Commissioning, bundle: Bundle
) -> None:
    job, found = concluded(box, bundle)
    passing = box.add(job.token, GLASS, drawn_means(bundle, 99)).number
    box.remove(job.token, passing)
    box.conclude(job, found)
    assert box.add(job.token, GLASS, drawn_means(bundle, 98)).number == passing + 1


def test_a_job_is_signed_once_and_comes_back_where_signing_fails(box: Commissioning, bundle: Bundle) -> None:
    job, found = concluded(box, bundle)
    box.conclude(job, found)
    with pytest.raises(OSError, match="full"), box.signing(job.token):
        raise OSError("the disk is full")
    with box.signing(job.token) as profile:
        assert profile is found
        with pytest.raises(CommissioningGone), box.signing(job.token):
            pytest.fail("signed twice")
    assert box.under_way() is None


def test_a_job_that_nobody_asks_for_is_forgotten_too(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commissioning, "IDLE_S", 0.05)
    monkeypatch.setattr(commissioning, "LOOK_LATER_S", 0.01)
    box = Commissioning()
    job = weakref.ref(box.begin(bundle, None, NOW))
    end = time.monotonic() + 5
    while job() is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert job() is None
