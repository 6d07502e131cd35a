"""The web service: the real gunicorn where a process matters, the app's own client elsewhere."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.image import Limits, decode
from device.reading.manifest import Golden
from device.reading.reading import Reader
from device.settings import Settings
from device.web.app import create_app
from device.web.desks.pool import Cost
from tests.support.serving import serving
from tests.support.shipped import BUNDLE, KEYS, SAMPLES, SIGNER

BOUNDARY = "loupe-test-boundary"


@pytest.fixture(scope="module")
def client(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of the app, without a server."""
    store = tmp_path_factory.mktemp("client") / "store.sqlite"
    return create_app(Settings(BUNDLE, KEYS, SAMPLES, store, max_upload_mb=2, max_megapixels=4), bundle).test_client()


@pytest.fixture(scope="module")
def golden(bundle: Bundle) -> bytes:
    """An accepted golden picture's file."""
    return next(bundle.members[g.picture] for g in bundle.manifest.golden if g.expected.reason is None)


def request(
    service: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection(urlsplit(service).netloc, timeout=60)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    told = dict(response.getheaders())
    return response.status, told, json.loads(content) if "json" in told.get("Content-Type", "") else content


def multipart(data: bytes, field: str = "image", name: str = "x.png") -> tuple[bytes, dict[str, str]]:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def picture(size: tuple[int, int], kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    Pillow.new("RGB", size, (200, 120, 160)).save(buffer, kind)
    return buffer.getvalue()


def test_the_running_service_reads_a_picture_exactly_as_recorded(live_service: str, reader: Reader) -> None:
    for golden in reader.bundle.manifest.golden:
        data = reader.bundle.members[golden.picture]
        status, _, reading = request(live_service, "POST", "/api/v1/readings?lang=en", *multipart(data))
        assert status == 200
        expected = golden.expected
        if expected.reason:
            assert reading["verdict"]["reason"]["code"] == expected.reason
            assert reading["prediction"] is None
        else:
            assert [row["logit"] for row in reading["prediction"]["probabilities"]] == list(expected.logits)
        assert reading["model"]["sha256"] == reader.bundle.sha256


def test_pictures_sent_at_once_get_their_own_readings(live_service: str, bundle: Bundle) -> None:
    goldens = bundle.manifest.golden * 4

    def reason(golden: Golden) -> tuple[Any, Any]:
        data = bundle.members[golden.picture]
        _, _, reading = request(live_service, "POST", "/api/v1/readings", data, {"Content-Type": "image/png"})
        prediction = reading["prediction"]
        return (
            reading["verdict"]["reason"] and reading["verdict"]["reason"]["code"],
            prediction and [row["logit"] for row in prediction["probabilities"]],
        )

    with ThreadPoolExecutor(8) as pool:
        for golden, (code, logits) in zip(goldens, pool.map(reason, goldens), strict=True):
            assert code == golden.expected.reason
            assert logits in (None, list(golden.expected.logits))


def test_every_answer_forbids_other_origins(live_service: str) -> None:
    for path in ("/", "/api/v1/model", "/healthz", "/nowhere"):
        _, headers, _ = request(live_service, "GET", path)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_health_model_card_and_samples(live_service: str, bundle: Bundle) -> None:
    assert request(live_service, "GET", "/healthz")[2] == {"status": "ok"}
    assert request(live_service, "GET", "/readyz")[2]["models"][0]["sha256"] == bundle.sha256
    assert request(live_service, "GET", "/model-card?format=md")[2].decode() == bundle.card
    listed = request(live_service, "GET", "/api/v1/samples?lang=fr")[2]["samples"]
    assert len(listed) >= 6
    for sample in listed:
        assert sample["synthetic"] is True
        status, headers, _ = request(live_service, "GET", sample["url"])
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert request(live_service, "GET", f"/samples/../keys/{SIGNER}.pub")[0] == 404


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "image_empty"),
        (b"GIF89a" + bytes(100), 415, "picture_format_not_read"),
        (b"no picture", 415, "unsupported_format"),
        (picture((4000, 4000), "JPEG"), 422, "too_many_pixels"),
        (picture((300, 300))[:-40], 422, "image_truncated"),
        (picture((20, 300)), 422, "image_too_small"),
        (picture((100, 2000)), 422, "image_too_narrow"),
        (bytes(2_000_001), 413, "upload_too_large"),
        (bytes(3_000_000), 413, "upload_too_large"),
    ],
)
@pytest.mark.parametrize("form", [True, False], ids=["form", "raw"])
def test_a_bad_picture_gets_its_problem(client: FlaskClient, data: bytes, status: int, code: str, form: bool) -> None:
    if form:
        body, headers = multipart(data)
        response = client.post("/api/v1/readings?lang=fr", data=body, headers=headers)
    else:
        response = client.post("/api/v1/readings?lang=fr", data=data, content_type="image/png")
    problem = json.loads(response.data)
    assert (response.status_code, problem["code"]) == (status, code)
    assert response.mimetype == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == f"urn:loupe:error:{code}"
    assert problem["next_step"]
    assert "{" not in problem["detail"] + problem["next_step"]


def test_a_form_without_the_field_says_so(client: FlaskClient) -> None:
    body, headers = multipart(picture((200, 200)), field="other")
    assert json.loads(client.post("/api/v1/readings", data=body, headers=headers).data)["code"] == "no_image"


def test_a_preview_shows_exactly_the_upright_pixels_that_a_reading_sees(client: FlaskClient) -> None:
    stored = Pillow.linear_gradient("L").resize((600, 300)).convert("RGB")
    for options in ({}, {"orientation": 6}):
        file = BytesIO()
        exif = Pillow.Exif()
        exif[0x0112] = options.get("orientation", 1)
        stored.save(file, "TIFF", compression="tiff_lzw", exif=exif)
        body, headers = multipart(file.getvalue(), name="x.tif")
        reading = json.loads(client.post("/api/v1/readings", data=body, headers=headers).data)
        response = client.post("/api/v1/previews", data=body, headers=headers)
        assert (response.status_code, response.mimetype) == (200, "image/jpeg")
        assert response.headers["Cache-Control"] == "no-store"
        shown = Pillow.open(BytesIO(response.data))
        assert reading["image"]["preview"] is True
        assert shown.size == (reading["image"]["width"], reading["image"]["height"])
        expected = decode(file.getvalue(), Limits()).pixels.astype(int)
        assert np.abs(np.asarray(shown) - expected).mean() < 2
    large = picture((2500, 1200))
    assert Pillow.open(BytesIO(client.post("/api/v1/previews", data=large).data)).size == (2048, 983)


def test_a_preview_is_guarded_as_a_reading_is(client: FlaskClient) -> None:
    cut = picture((300, 300))[:-40]
    for data, status, code in (
        (b"", 422, "image_empty"),
        (bytes(2_000_001), 413, "upload_too_large"),
        (cut, 422, "image_truncated"),
        (b"x", 415, "unsupported_format"),
    ):
        body, headers = multipart(data)
        response = client.post("/api/v1/previews", data=body, headers=headers)
        assert (response.status_code, json.loads(response.data)["code"]) == (status, code)
    foreign = client.post("/api/v1/previews", data=picture((300, 300)), headers={"Origin": "http://elsewhere.example"})
    assert foreign.status_code == 403


def test_a_file_that_states_the_size_of_its_pixels_is_quoted(client: FlaskClient) -> None:
    for dpi, told in ((100_000, 0.254), (300, None)):
        file = BytesIO()
        Pillow.new("RGB", (300, 300), "white").save(file, "TIFF", dpi=(dpi, dpi))
        body, headers = multipart(file.getvalue(), name="x.tif")
        image = json.loads(client.post("/api/v1/readings?lang=fr", data=body, headers=headers).data)["image"]
        stated = image["stated_um_per_px"]
        assert (stated and stated["value"]) == told
        assert stated is None or "0,254\u00a0µm/px" in stated["words"].replace(" ", "\u00a0")


def test_unknown_pages_and_methods_are_problems_too(client: FlaskClient) -> None:
    for response, status in ((client.get("/nowhere"), 404), (client.get("/api/v1/readings"), 405)):
        assert response.status_code == status
        assert response.mimetype == "application/problem+json"


def test_the_language_is_asked_for_or_the_browsers(client: FlaskClient) -> None:
    assert b'lang="fr"' in client.get("/?lang=fr").data
    assert b'lang="fr"' in client.get("/", headers={"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}).data
    assert b'lang="en"' in client.get("/", headers={"Accept-Language": "de"}).data
    assert b'lang="en"' in client.get("/?lang=xx").data


def test_a_large_upload_never_touches_the_disk(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    big = BytesIO()
    Pillow.effect_noise((900, 700), 90).convert("RGB").save(big, "PNG")
    assert len(big.getvalue()) > 600_000  # Werkzeug spools to a file beyond 500 kB
    body, headers = multipart(big.getvalue())
    monkeypatch.setattr(tempfile, "tempdir", "/there/is/no/such/folder")
    assert client.post("/api/v1/readings", data=body, headers=headers).status_code == 200


def test_nothing_of_a_request_is_logged(golden: bytes, tmp_path: Path) -> None:
    with serving(tmp_path / "log") as service:
        body, headers = multipart(golden, name="Jane-Doe-1961.png")
        assert request(service, "POST", "/api/v1/readings", body, headers)[0] == 200
        assert request(service, "POST", "/api/v1/readings", *multipart(b"bad", name="Jane-Doe-1961.png"))[0] == 415
    told = (tmp_path / "log").read_text()
    assert "Listening" in told
    assert "Jane" not in told
    assert "readings" not in told


def test_a_damaged_bundle_is_never_served(tmp_path: Path) -> None:
    damaged = bytearray(BUNDLE.read_bytes())
    damaged[1000] ^= 1
    (tmp_path / "damaged.loupe").write_bytes(damaged)
    command = [sys.executable, "-m", "device.cli", "serve", "--language", "en", "--keys", str(KEYS)]
    done = subprocess.run(
        [*command, "--bundle", str(tmp_path / "damaged.loupe")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "[signature_invalid]" in done.stderr
    assert re.search(r"→ \S", done.stderr)


@pytest.fixture
def one_busy_desk(bundle: Bundle) -> Iterator[Any]:
    """A pool of one desk that is in use, with no place to wait."""
    from device.web.desks.desk import Office, desks_here
    from device.web.desks.pool import DeskPool

    pool = DeskPool(desks_here(Office([bundle], Limits(), copies=1), 1), queue=0)
    with pool.desk():
        yield pool


def test_a_full_box_says_that_it_is_busy(bundle: Bundle, one_busy_desk: Any, golden: bytes) -> None:
    app = create_app(Settings(BUNDLE, KEYS, SAMPLES), bundle)
    app.extensions["loupe"].pool = one_busy_desk
    response = app.test_client().post("/api/v1/readings", data=golden, content_type="image/png")
    assert response.status_code == 503
    assert json.loads(response.data)["code"] == "busy"
    assert int(response.headers["Retry-After"]) > 0


def test_each_kind_of_picture_waits_for_its_like(
    bundle: Bundle, golden: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field is one whatever is said of its pixels; a preview is made at another size than a reading."""
    monkeypatch.setattr("device.web.desks.pool.PATIENCE_S", 0.0)
    app = create_app(Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "store.sqlite"), bundle)
    pool = app.extensions["loupe"].start()
    scaled = f"?um_per_px={bundle.manifest.preprocessing.um_per_px}"
    large = picture((2560, 1920), "JPEG")

    def status(path: str, data: bytes) -> int:
        return app.test_client().post(f"/api/v1/{path}", data=data, content_type="image/png").status_code

    with pool.desk(Cost.SECTION, address="a"):
        assert status(f"readings{scaled}", golden) == 200
        assert status(f"readings{scaled}", large) == 503
        with pool.desk(Cost.COSTLY, address="b"):
            assert status("previews", large) == 503
            assert status("previews", golden) == 200
            assert status("readings", large) == 200
    assert status(f"readings{scaled}", large) == 200
    assert status("previews", large) == 200


def test_what_was_sent_is_repeated_in_brief(client: FlaskClient) -> None:
    response = client.get(f"/api/v1/model?model={'x' * 1000}")
    assert (response.status_code, len(response.json["facts"]["model"])) == (404, 61)
