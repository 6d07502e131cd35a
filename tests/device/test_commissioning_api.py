"""Commissioning by the API: a drawn clinic from the first picture to a profile in use, and what can be wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.settings import Settings
from device.web import commissioning
from device.web.app import create_app
from device.web.commissioning import PATIENT_CHARACTERS
from tests.support.drawn_clinic import UM_PER_PX, ClinicField, clinic_fields, clinic_foreign, clinic_glass
from tests.support.drawn_means import with_colours
from tests.support.pictures import png
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

PATIENTS, EACH = 24, 2
API, JOB = "/api/v1/commissioning", "/api/v1/commissioning/job"
MARK = "Zyx-7391"  # a patient's label that must be found nowhere
BLACK = png(Pillow.new("RGB", (300, 300)))


@pytest.fixture(scope="session")
def fields() -> list[ClinicField]:
    """A drawn clinic's pictures, and two of a further patient that nothing is fitted on."""
    return list(clinic_fields(PATIENTS + 1, EACH))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commissioning") / "loupe.sqlite"


@pytest.fixture(scope="module")
def client(store: Path, bundle: Bundle) -> FlaskClient:
    """Of a box that only this machine can reach, so that no code is needed, with one microscope."""
    client = create_app(Settings(BUNDLE, KEYS, SAMPLES, store), bundle).test_client()
    assert client.post("/api/v1/instruments", json=MICROSCOPE).status_code == 200
    return client


MICROSCOPE = {"name": "Zeiss 20", "um_per_px": UM_PER_PX}


def microscope(client: FlaskClient) -> str:
    return str(client.get("/api/v1/instruments").json["instruments"][0]["id"])


@pytest.fixture
def job(client: FlaskClient) -> Iterator[str]:
    """The token of a commissioning that has begun; afterwards it is discarded."""
    begun = client.post(JOB, json={"model": "bach", "instrument": microscope(client)})
    assert begun.status_code == 200, begun.json
    yield begun.json["job"]
    client.delete(JOB)


def add(client: FlaskClient, job: str, data: bytes, **place: str) -> Any:
    """Send a picture as the page does; the answer."""
    head = f'--boundary\r\nContent-Disposition: form-data; name="image"; filename="{MARK}.jpg"\r\n\r\n'.encode()
    form = {"data": head + data + b"\r\n--boundary--\r\n", "content_type": "multipart/form-data; boundary=boundary"}
    return client.post(f"{JOB}/pictures", query_string={"job": job, **place}, **form)


def read(client: FlaskClient, data: bytes, **query: str) -> dict[str, Any]:
    reading = client.post("/api/v1/readings", query_string={"instrument": microscope(client), **query}, data=data)
    assert reading.status_code == 200, reading.json
    return dict(reading.json or {})


def with_report(client: FlaskClient, job: str, fields: list[ClinicField]) -> dict[str, Any]:
    """All pictures of the clinic added and the report made: its document."""
    for field in fields[: PATIENTS * EACH]:
        answer = add(client, job, field.data, patient=f"{MARK} {field.patient}", label=field.kind)
        assert answer.status_code == 200, answer.json
    for data in clinic_glass(2):
        assert add(client, job, data, kind="glass").json["reason"]
    for kind, data in clinic_foreign(1):
        add(client, job, data, kind={"immunostain": "other_stain"}.get(kind, "photograph"))
    made = client.post(f"{JOB}/report", query_string={"job": job}, json={"floor": 0.5})
    assert made.status_code == 200, made.json
    return dict(made.json or {})


def test_a_clinic_is_commissioned_read_and_revoked(
    client: FlaskClient, store: Path, job: str, fields: list[ClinicField]
) -> None:
    new_patient, foreign = fields[-1].data, next(clinic_foreign(1, first_seed=50))[1]
    assert read(client, new_patient)["verdict"]["reason"]["code"] == "wrong_stain_or_scanner"
    assert read(client, new_patient)["site"]["state"] == "not_commissioned"

    made = with_report(client, job, fields)
    report = made["report"]
    assert (report["pictures"], report["patients"], report["refused_before"]) == (48, 24, 48)
    assert report["refused_after"] <= 2
    assert report["promise"]["share"] == pytest.approx(0.1)
    assert all(kind["refused_after"] == kind["n"] for kind in report["foreign"])
    assert report["measured"]["of"] == 48
    assert client.get(JOB, query_string={"job": job}).json == made
    assert read(client, new_patient)["site"]["state"] == "not_commissioned", "nothing changes before the signature"

    signed = client.post(f"{JOB}/profile", query_string={"job": job})
    assert signed.status_code == 200
    (profile,) = signed.json["profiles"]
    assert (profile["id"], profile["used"], profile["state"]["state"]) == ("bach-1", True, "measured")
    assert signed.json["under_way"] is None
    assert client.get(JOB, query_string={"job": job}).json["code"] == "commissioning_gone"

    reading = read(client, new_patient)
    assert reading["verdict"]["accepted"]
    assert reading["site"]["state"] == "measured"
    assert f"{report['measured']['right']} of 48" in reading["site"]["title"]
    assert not read(client, foreign)["verdict"]["accepted"]
    assert client.get("/api/v1/health").json["models"][0]["sites"] == [profile["state"]]
    for page in ("/health?lang=en", "/model-card?lang=en"):
        assert profile["state"]["title"] in client.get(page).text

    file = client.get(f"{API}/profiles/bach-1")
    assert file.mimetype == "application/octet-stream"
    kept = [path.read_bytes() for path in store.parent.rglob("*") if path.is_file()]
    assert file.data in kept
    assert not [data for data in (*kept, file.data) if MARK.encode() in data]

    assert client.delete(f"{API}/profiles/bach-1").json["profiles"][0]["state"]["state"] == "revoked"
    assert not read(client, new_patient)["verdict"]["accepted"]
    assert read(client, new_patient)["site"]["state"] == "revoked"
    again = client.post(f"{API}/profiles", data=file.data, content_type="application/octet-stream")
    assert again.json["code"] == "profile_revoked"
    other = client.post(f"{API}/profiles", data=file.data[:-9] + b"AAAAAAAA\n", content_type="application/octet-stream")
    assert other.json["code"] == "profile_damaged"
    assert client.get(f"{API}/profiles/bach-9").json["code"] == "profile_unknown"


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ({}, "commissioning_picture_unplaced"),
        ({"patient": "  "}, "commissioning_picture_unplaced"),
        ({"patient": "1", "kind": "glass"}, "commissioning_picture_unplaced"),
        ({"patient": "1" * (PATIENT_CHARACTERS + 1)}, "commissioning_picture_unplaced"),
        ({"patient": "1\n2"}, "commissioning_picture_unplaced"),
        ({"kind": "moon rock"}, "commissioning_picture_unplaced"),
        ({"patient": "1", "label": "malignant melanoma"}, "diagnosis_unknown"),
    ],
    ids=str,
)
def test_a_picture_belongs_to_a_patient_or_to_a_kind(
    client: FlaskClient, job: str, place: dict[str, str], code: str
) -> None:
    answer = add(client, job, BLACK, **place)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert client.get(JOB, query_string={"job": job}).json["pictures"] == []


def test_a_picture_that_cannot_be_judged_is_told_and_one_that_cannot_be_read_is_refused(
    client: FlaskClient, job: str
) -> None:
    blank = add(client, job, BLACK, patient="1").json
    assert (blank["usable"], blank["accepted"], blank["patient"], blank["label"]) == (False, False, "1", None)
    assert blank["reason"]
    assert add(client, job, b"no picture", patient="1").json["code"] == "unsupported_format"
    assert add(client, job, b"", patient="1").json["code"] == "image_empty"
    few = client.post(f"{JOB}/report", query_string={"job": job}, json={"floor": 0.5})
    assert (few.status_code, few.json["code"]) == (422, "too_few_pictures")


def test_a_sent_file_that_is_no_profile_is_called_the_file(client: FlaskClient) -> None:
    for language, called in (("en", "The file "), ("fr", "Le fichier ")):
        refused = client.post("/api/v1/commissioning/profiles", query_string={"lang": language}, data=b"no profile")
        assert refused.json["detail"].startswith(called), refused.json


def test_foreign_material_may_come_from_any_camera(client: FlaskClient) -> None:
    """One of another shape than the microscope's pictures is read at its size of a pixel; a patient's isn't."""
    full = {"name": "Of full size", "um_per_px": UM_PER_PX, "width_px": 2048, "height_px": 1536}
    instrument = client.post("/api/v1/instruments", json=full).json["id"]
    job = client.post(JOB, json={"model": "bach", "instrument": instrument}).json["job"]
    square = png(Pillow.new("RGB", (600, 600), (90, 140, 60)))
    assert add(client, job, square, kind="photograph").json["reason"]
    assert add(client, job, square, patient="1").json["code"] == "instrument_other_shape"
    client.delete(JOB)
    client.delete(f"/api/v1/instruments/{instrument}")


def test_pictures_are_diagnosed_and_taken_back(client: FlaskClient, job: str) -> None:
    query = {"job": job}
    number = add(client, job, BLACK, patient="1").json["number"]
    one = f"{JOB}/pictures/{number}"
    assert client.put(one, query_string=query, json={"label": "benign"}).json["label"] == "benign"
    assert client.put(one, query_string=query, json={"label": None}).json["label"] is None
    assert client.put(one, query_string=query, json={"label": "grade 3"}).json["code"] == "diagnosis_unknown"
    assert client.put(one, query_string=query, json={}).json["code"] == "commissioning_invalid"
    assert client.delete(one, query_string=query).json["pictures"] == []
    for gone in (client.delete(one, query_string=query), client.put(one, query_string=query, json={"label": None})):
        assert (gone.status_code, gone.json["code"]) == (404, "commissioning_picture_unknown")


def test_a_job_is_begun_with_a_model_and_an_instrument_that_are_there(client: FlaskClient) -> None:
    for sent, code in (
        ({"model": "bach"}, "scale_needed"),
        ({"model": "bach", "instrument": "no-such"}, "instrument_unknown"),
        ({"model": "brain", "instrument": microscope(client)}, "unknown_model"),
        ({"model": 7}, "commissioning_invalid"),
        (["bach"], "commissioning_invalid"),
    ):
        assert client.post(JOB, json=sent).json["code"] == code
    assert client.post(JOB, data="{").json["code"] == "commissioning_invalid"
    assert client.get(API).json["under_way"] is None


def test_there_is_one_job_at_a_time_and_anyone_who_may_discards_it(client: FlaskClient, job: str) -> None:
    again = client.post(JOB, json={"model": "bach", "instrument": microscope(client)})
    assert (again.status_code, again.json["code"]) == (409, "commissioning_under_way")
    assert client.get(API).json["under_way"]["pictures"] == 0
    assert client.delete(JOB).json["under_way"] is None
    for gone in (add(client, job, BLACK, patient="1"), client.get(JOB, query_string={"job": job}), client.get(JOB)):
        assert (gone.status_code, gone.json["code"]) == (404, "commissioning_gone")


def test_a_floor_is_a_share_and_a_profile_needs_a_report(client: FlaskClient, job: str) -> None:
    for floor in (-0.1, 1.1, "high", None):
        wrong = client.post(f"{JOB}/report", query_string={"job": job}, json={"floor": floor})
        assert (wrong.status_code, wrong.json["code"]) == (422, "commissioning_invalid")
    early = client.post(f"{JOB}/profile", query_string={"job": job})
    assert (early.status_code, early.json["code"]) == (409, "commissioning_unconcluded")


def test_a_full_job_says_so_before_a_picture_is_read(
    client: FlaskClient, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commissioning, "MOST_PICTURES", 1)
    add(client, job, BLACK, patient="1")
    full = add(client, job, BLACK, patient="1")
    assert (full.status_code, full.json["code"]) == (409, "commissioning_full")
    assert add(client, job, BLACK, kind="glass").status_code == 200


def test_where_the_laboratory_is_known_pictures_are_read_again_in_the_clinics_colours(
    tmp_path: Path, bundle: Bundle
) -> None:
    settings = Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "loupe.sqlite")
    client = create_app(settings, with_colours(bundle)).test_client()
    client.post("/api/v1/instruments", json=MICROSCOPE)
    begun = client.post(JOB, json={"model": "bach", "instrument": microscope(client)}).json or {}
    query = {"job": begun["job"]}
    assert begun["needs_colours"]
    (field,) = clinic_fields(1, 1)
    first = add(client, begun["job"], field.data, patient="1").json
    early = client.post(f"{JOB}/pictures/1", query_string=query, data=field.data)
    assert (early.status_code, (early.json or {})["code"]) == (409, "commissioning_unconcluded")
    found = client.post(f"{JOB}/colours", query_string=query).json or {}
    assert (found["colours_found"], found["coloured"]) == (True, False)
    again = client.post(f"{JOB}/pictures/1", query_string=query, data=field.data)
    assert (again.status_code, again.json) == (200, first)
    assert (client.get(JOB, query_string=query).json or {})["coloured"]
    missing = client.post(f"{JOB}/pictures/9", query_string=query, data=field.data)
    assert (missing.status_code, (missing.json or {})["code"]) == (404, "commissioning_picture_unknown")


def test_pictures_without_tissue_have_no_colours_and_too_few_is_what_is_wrong(tmp_path: Path, bundle: Bundle) -> None:
    settings = Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "loupe.sqlite")
    client = create_app(settings, with_colours(bundle)).test_client()
    client.post("/api/v1/instruments", json=MICROSCOPE)
    begun = client.post(JOB, json={"model": "bach", "instrument": microscope(client)}).json or {}
    query = {"job": begun["job"]}
    add(client, begun["job"], next(clinic_glass(1)), patient="1")
    assert not (client.post(f"{JOB}/colours", query_string=query).json or {})["colours_found"]
    few = client.post(f"{JOB}/report", query_string=query, json={"floor": 0.5})
    assert (few.status_code, (few.json or {})["code"]) == (422, "too_few_pictures")
