"""Health: what the service counts, what it says of it, and that no reading depends on it."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from device.base.texts import LANGUAGES, words
from device.documents.health import histogram, promised_share, wilson
from device.reading.bundle import Bundle
from device.reading.drift_test import BINS
from device.settings import Settings
from device.storage.drift import Counts
from device.web.app import create_app
from tests.support.shipped import AT_SCALE, BUNDLE, KEYS, SAMPLES

DEVICE = Path(create_app.__code__.co_filename).parent


@pytest.fixture
def client(bundle: Bundle, tmp_path: Path) -> FlaskClient:
    return create_app(Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "store.sqlite", threads=1), bundle).test_client()


@pytest.fixture(scope="module")
def goldens(bundle: Bundle) -> list[tuple[bytes, str | None]]:
    """Golden pictures that aren't samples too, and the reasons for which the gate refuses them."""
    samples = {path.read_bytes() for path in SAMPLES.iterdir()}
    recorded = [(bundle.members[g.picture], g.expected.reason) for g in bundle.manifest.golden]
    return [(data, reason) for data, reason in recorded if data not in samples]


def told(client: FlaskClient, language: str = "en") -> dict[str, Any]:
    health: dict[str, Any] = client.get(f"/api/v1/health?lang={language}").get_json()
    return health


def test_each_reading_is_counted_with_its_reason(client: FlaskClient, goldens: list[tuple[bytes, str | None]]) -> None:
    for data, _ in goldens:
        assert client.post(f"/api/v1/readings?{AT_SCALE}", data=data, content_type="image/png").status_code == 200
    (model,) = told(client)["models"]
    assert model["lately"]["readings"] == len(goldens) > 0
    assert {row["code"]: row["count"] for row in model["lately"]["reasons"]} == {
        reason: sum(each == reason for _, each in goldens) for _, reason in goldens if reason
    }
    assert [sum(asked["counts"]) for asked in model["p_values"]] == [len(goldens)] * 3


def test_a_picture_whose_scale_nobody_gave_is_not_counted(
    client: FlaskClient, goldens: list[tuple[bytes, str | None]]
) -> None:
    """How strange it looks depends on its scale: the watch would watch guesses."""
    for data, _ in goldens:
        reading = client.post("/api/v1/readings", data=data, content_type="image/png").json
        assert reading["scale"]["state"] == "unknown"
    assert told(client)["models"][0]["lately"]["readings"] == 0


def test_the_pages_own_samples_and_bad_files_are_not_counted(client: FlaskClient) -> None:
    for sample in client.get("/api/v1/samples").json["samples"]:
        assert client.post("/api/v1/readings", data=client.get(sample["url"]).data).status_code == 200
    assert client.post("/api/v1/readings", data=b"GIF89a" + bytes(100)).status_code == 415
    assert told(client)["models"][0]["lately"]["readings"] == 0


def test_a_box_whose_store_is_broken_reads_and_says_so(
    bundle: Bundle, tmp_path: Path, goldens: list[tuple[bytes, str | None]]
) -> None:
    (tmp_path / "store.drift.sqlite").mkdir()
    settings = Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "store.sqlite", threads=1)
    client = create_app(settings, bundle).test_client()
    assert client.post("/api/v1/readings", data=goldens[0][0]).status_code == 200
    for language in LANGUAGES:
        store = told(client, language)["store"]
        assert (store["works"], store["problem"]["code"]) == (False, "store_unusable")
        assert store["problem"]["next_step"] in client.get(f"/health?lang={language}").text.replace("&#39;", "'")
    assert client.post("/api/v1/health/reset", json={"model": "bach", "confirm": True}).status_code == 503


@pytest.mark.parametrize(
    "asked", [None, {}, {"model": "bach"}, {"confirm": True}, {"model": "nobody", "confirm": True}]
)
def test_a_watch_is_not_reset_without_a_model_and_a_confirmation(client: FlaskClient, asked: Any) -> None:
    response = client.post("/api/v1/health/reset", json=asked)
    assert (response.status_code, response.json["code"]) == (400, "reset_unconfirmed")


def test_another_sites_form_cannot_reset_a_watch(client: FlaskClient) -> None:
    """A browser sends a form of another site without asking, but JSON only after a question that the box doesn't answer."""
    body = '{"model": "bach", "confirm": true}'
    assert client.post("/api/v1/health/reset", data=body, content_type="text/plain").status_code == 400
    asked = client.options(
        "/api/v1/health/reset", headers={"Origin": "http://elsewhere", "Access-Control-Request-Method": "POST"}
    )
    assert "Access-Control-Allow-Origin" not in asked.headers


def test_the_band_holds_flat_counts_and_not_steep_ones(bundle: Bundle) -> None:
    n = 19
    flat = histogram("made", "", [10] * BINS, n)
    assert flat.expected == [10.0] * BINS
    assert all(low < 10 < high for low, high in zip(flat.low, flat.high, strict=True))
    assert histogram("made", "", [150, *[50 / 19] * 19], 320).high[0] < 150  # type: ignore[list-item]
    assert histogram("made", "", [0] * BINS, n).high == [0.0] * BINS
    assert 0 < promised_share(bundle) <= 0.1


def test_an_interval_of_a_share_is_wilsons() -> None:
    # Agresti and Coull 1998, The American Statistician 52: 0 of 20 gives an upper limit of 0.161.
    assert wilson(0, 20) == pytest.approx((0, 0.161), abs=1e-3)
    assert wilson(10, 20) == pytest.approx((0.299, 0.701), abs=1e-3)
    assert wilson(0, 0) == (0, 1)


def test_the_page_uses_each_of_its_words_and_has_all_that_it_uses() -> None:
    template = (DEVICE / "templates" / "health.html").read_text(encoding="utf-8")
    known = set(words("en")["health"])
    used = set(re.findall(r"\bt\.(\w+)", template))
    assert used <= known
    states = {
        f"watch_{state}_{part}" for state in ("few", "steady", "watching", "changed") for part in ("title", "detail")
    }
    advice = {f"{question}_next_step" for question in ("scale", "made", "shows", "alike")}
    assert known == used | states | advice


# --- few pictures ----------------------------------------------------------------------------------------------------


def page_after(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, readings: int, refused: int, language: str
) -> tuple[str, dict[str, Any]]:
    """The page's words for the only model after so many readings on one day, spaces collapsed; and `lately` of the API."""
    bins = dict.fromkeys(("scale", "made", "shows"), (readings, *(0,) * (BINS - 1)))
    reasons = {"blurred": refused} if refused else {}
    drift = client.application.extensions["loupe"].drift
    today = datetime.now().strftime("%Y-%m-%d")
    monkeypatch.setattr(drift, "days", lambda *_: {today: Counts(readings, 0, reasons, bins)} if readings else {})
    text = re.sub(r"<script.*?</script>|<[^>]+>", " ", client.get(f"/health?lang={language}").text)
    (model,) = told(client, language)["models"]
    return re.sub(r"\s+", " ", text), model["lately"]


@pytest.mark.parametrize("refused", [0, 1])
@pytest.mark.parametrize("language", LANGUAGES)
def test_one_picture_is_no_cause_for_alarm_nor_for_a_share(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, language: str, refused: int
) -> None:
    text, lately = page_after(client, monkeypatch, 1, refused, language)
    assert not lately["enough"]
    assert not lately["more_than_promised"]
    said = {
        ("en", 0): "1 picture read so far on the last day with readings; none was refused.",
        ("en", 1): "1 picture read so far on the last day with readings; 1 was refused.",
        ("fr", 0): "1 image lue jusqu’ici, le dernier jour de lecture ; aucune n’a été refusée.",
        ("fr", 1): "1 image lue jusqu’ici, le dernier jour de lecture ; 1 a été refusée.",
    }
    assert said[language, refused] in text
    refusals = text[text.index(said[language, refused]) :]
    assert "%" not in refusals[: refusals.index("SHA-256")]


@pytest.mark.parametrize(
    ("language", "readings", "refused", "said"),
    [
        ("en", 0, 0, "No picture was read with this model yet."),
        ("fr", 0, 0, "Aucune image n’a encore été lue avec ce modèle."),
        ("en", 2, 2, "2 pictures read so far on the last day with readings; 2 were refused."),
        ("fr", 2, 2, "2 images lues jusqu’ici, le dernier jour de lecture ; 2 ont été refusées."),
        ("en", 1000, 1, "Of 1,000 pictures on the last day with readings, 1 was refused (0.1%; 95% interval"),
        ("fr", 1000, 1, "Sur 1 000 images du dernier jour de lecture, 1 a été refusée (0,1 % ; intervalle à 95 %"),
        ("en", 1000, 0, "Of 1,000 pictures on the last day with readings, 0 were refused (0.0%"),
        ("fr", 1000, 0, "Sur 1 000 images du dernier jour de lecture, 0 a été refusée (0,0 %"),
    ],
)
def test_counts_agree_with_their_words(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, language: str, readings: int, refused: int, said: str
) -> None:
    text, _ = page_after(client, monkeypatch, readings, refused, language)
    assert said in text
    assert "{" not in text


def test_a_share_is_compared_with_the_promise_from_twenty_pictures_on(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not page_after(client, monkeypatch, 19, 19, "en")[1]["more_than_promised"]
    text, lately = page_after(client, monkeypatch, 20, 20, "en")
    assert lately["more_than_promised"]
    assert words("en")["health"]["refused_more"] in text
    assert not page_after(client, monkeypatch, 20, 1, "en")[1]["more_than_promised"]
