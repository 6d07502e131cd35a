"""What a request brings is bounded before anything is done with it, and refused by name where it can't be right."""

from __future__ import annotations

import time
from io import BytesIO

import pytest
from flask.testing import FlaskClient

from device.base.errors import JsonInvalid, JsonTooDeep
from device.reading.bundle import Bundle
from device.settings import Settings
from device.web.app import create_app
from device.web.incoming.body_limits import FORM_OVERHEAD_BYTES, JSON_BYTES, NAMES_BYTES, limit_of
from device.web.incoming.form import PARTS_LIMIT, picture_in
from device.web.incoming.json_body import COMMAS_LIMIT, parse_json
from tests.support.shipped import BUNDLE, KEYS, SAMPLES

COMBINING = "a" + "\N{COMBINING COMMA ABOVE RIGHT}\N{COMBINING GRAVE ACCENT BELOW}" * 300_000
CPU_S = 0.5  # ten times what the dearest of these takes
NAME, NAMES, RESET = "/api/v1/units/1/name", "/api/v1/units/names", "/api/v1/health/reset"
HEAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def client(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    store = tmp_path_factory.mktemp("inbound") / "store.sqlite"
    return create_app(Settings(BUNDLE, KEYS, SAMPLES, store), bundle).test_client()


# --- bodies ------------------------------------------------------------------------------------------------------------


def test_each_address_takes_as_much_as_it_needs() -> None:
    settings = Settings(max_upload_mb=3)
    assert limit_of("POST", "/api/v1/readings", settings) == 3_000_000 + FORM_OVERHEAD_BYTES
    assert limit_of("PUT", NAMES, settings) == NAMES_BYTES
    assert limit_of("PUT", NAME, settings) == limit_of("POST", RESET, settings) == JSON_BYTES
    for method, path in (
        ("GET", NAMES),
        ("DELETE", NAME),
        ("PUT", f"{NAME}/"),
        ("POST", "/"),
        ("PUT", "/api/v1/readings"),
    ):
        assert limit_of(method, path, settings) == 0


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("PUT", NAME, "body_too_large"), ("POST", RESET, "body_too_large"), ("PUT", NAMES, "body_too_large"),
     ("DELETE", NAME, "body_too_large"), ("GET", "/", "body_too_large"), ("POST", "/api/v1/previews", "upload_too_large")],
)  # fmt: skip
def test_a_body_over_the_limit_of_its_address_is_refused(
    client: FlaskClient, method: str, path: str, code: str
) -> None:
    limit = limit_of(method, path, Settings())
    answer = client.open(path, method=method, data=bytes(limit + 1), content_type="application/json")
    assert answer.status_code == 413
    assert answer.json["code"] == code
    assert answer.json["next_step"]


def test_a_body_whose_length_is_not_told_is_read_no_further_than_the_limit(client: FlaskClient) -> None:
    chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    for method, path in (("PUT", NAME), ("POST", RESET), ("PUT", NAMES), ("POST", "/api/v1/readings")):
        sent = BytesIO(bytes(40_000_000))
        answer = client.open(
            path, method=method, input_stream=sent, content_type="application/json", environ_overrides=chunked
        )
        assert answer.status_code in (400, 413)
        assert sent.tell() <= limit_of(method, path, Settings()) + 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (NAME, f'{{"text": "{COMBINING[:1000]}"}}'),
        (NAME, f'{{"text": "fine", "expert": "{COMBINING[:1000]}"}}'),
        (NAME, f'{{"term": "{COMBINING[:1000]}"}}'),
        (NAMES, f'{{"schema": "{COMBINING}"}}'),
        (NAMES, "9" * 2_900_000),
        (NAMES, "[" + "1e5," * 700_000 + "1]"),
        (NAMES, "[" * 2_900_000),
        (NAMES, '{"a":' * 580_000),
        (NAMES, "[" + '{"a":0},' * 360_000 + "0]"),
        (NAMES, '"' + r"\ud800" * 480_000 + '"'),
    ],
    ids=["name", "expert", "term", "schema", "digits", "numbers", "lists", "objects", "breadth", "halves"],
)
def test_no_text_costs_more_than_its_length(client: FlaskClient, path: str, body: str) -> None:
    data, began = body.encode(), time.process_time()
    answer = client.put(path, data=data, content_type="application/json")
    assert time.process_time() - began < CPU_S
    assert answer.status_code in (400, 413, 422)
    assert answer.json["next_step"]


def test_many_names_in_one_import_are_each_bounded(client: FlaskClient) -> None:
    network = client.get(NAMES).json["network"]
    row = {"unit": 1, "expert": "AB", "term": None, "text": COMBINING, "at": "2026-01-01T00:00:00.000Z"}
    for name in ({"text": COMBINING}, {"expert": COMBINING}, {"at": "9" * 600_000}, {"unit": "9" * 600_000}):
        began = time.process_time()
        answer = client.put(NAMES, json={"schema": "loupe-names/1", "network": network, "names": [{**row, **name}]})
        assert time.process_time() - began < CPU_S
        assert answer.status_code == 422 or answer.json["code"] == "body_too_large"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "json_syntax"),
        (b"", "json_syntax"),
        (b'{"text": "\xff"}', "json_encoding"),
        ('{"text": "x"}'.encode("utf-16"), "json_encoding"),
        (rb'{"text": "\ud83d"}', "json_encoding"),
        (b'{"text": "\xed\xa0\xbd"}', "json_encoding"),
        (b'{"text": NaN}', "json_number"),
        (b'{"text": -Infinity}', "json_number"),
        (b'{"text": 1e999}', "json_number"),
        (b'{"text": 1' + b"0" * 5000 + b"}", "json_number"),
        (b'{"text": 0.' + b"1" * 5000 + b"}", "json_number"),
        (b'{"text": "x", "text": "y"}', "json_members"),
        (b"[" + b"0," * COMMAS_LIMIT + b"0,0]", "json_breadth"),
    ],
)
def test_json_that_is_none_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(JsonInvalid) as caught:
        parse_json(data)
    assert caught.value.reason == reason


def test_json_as_it_should_be_is_taken() -> None:
    assert parse_json('{"text": "né \\ud83d\\ude00", "n": [1, 2.5, null, true]}'.encode("utf-8-sig")) == {
        "text": "né \N{GRINNING FACE}",
        "n": [1, 2.5, None, True],
    }
    for deep in (b"[" * 14_000, b'{"a":' * 14_000):
        with pytest.raises(JsonTooDeep):
            parse_json(deep)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_bad_json_is_a_problem_in_words(client: FlaskClient, language: str) -> None:
    answer = client.put(f"{NAME}?lang={language}", data=b'{"text": NaN}', content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "json_invalid")
    assert {"en": "a number", "fr": "un nombre"}[language] in answer.json["detail"]


# --- heads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Accept-Language", "a," * 8000),
        ("Accept", "a/a;q=0.5," * 1600),
        ("Host", "1." * 8000),
        ("Origin", "://" * 5000),
        ("Range", "bytes=" + "0-1," * 4000),
        ("Range", "bytes=0-" + "9" * 5000),
        ("If-None-Match", '"a",' * 4000),
        ("If-Modified-Since", "1 Jan 2020 00:00:00 " + "9" * 4000),
        ("If-Modified-Since", "1 Jan 2020 00:00:00 +99999999999999"),
        ("If-Range", "1 Jan 2020 00:00:00 +99999999999999"),
        ("Cookie", "a=b;" * 4000),
        ("Content-Type", "multipart/form-data" + ";a=b" * 4000),
    ],
)
def test_no_header_costs_much_or_breaks_anything(client: FlaskClient, header: str, value: str) -> None:
    for path in ("/static/logo.svg", "/api/v1/model", "/nowhere"):
        began = time.process_time()
        answer = client.get(path, headers={header: value})
        assert time.process_time() - began < CPU_S
        assert answer.status_code < 500


def test_a_host_that_is_too_long_is_never_the_servers_own(client: FlaskClient) -> None:
    answer = client.get("/api/v1/model", headers={"Host": "loupe.local" + "." * 600})
    assert (answer.status_code, answer.json["code"]) == (421, "unknown_host")


@pytest.mark.parametrize("query", ["model=\xff", "model=\xed\xa0\x80", "\xff=\xc3", "model=%ff%", "\x00=\x00"])
def test_a_query_of_any_bytes_is_answered(client: FlaskClient, query: str) -> None:
    for method in ("GET", "PATCH"):
        answer = client.open("/api/v1/model", method=method, environ_overrides={"QUERY_STRING": query})
        assert answer.status_code in (200, 404, 405)


@pytest.mark.parametrize("path", ["/api/v1/model?model=" + "x" * 2000, "/" + "a/" * 1200, "/?" + "&" * 2000])
def test_an_address_that_is_too_long_is_told(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (414, "http_414")


@pytest.mark.parametrize(
    "path", [f"/api/v1/units/{'9' * 1900}", f"/api/v1/units/1/patches/{'9' * 1900}", "/api/v1/units/9999999999"]
)
def test_a_number_in_an_address_that_is_too_long_is_no_unit(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("given", ["9" * 1900, "0." + "1" * 1900, "1e" + "9" * 1800])
def test_a_size_of_a_pixel_of_many_digits_is_told_in_brief(client: FlaskClient, given: str) -> None:
    answer = client.post(f"/api/v1/readings?um_per_px={given}", data=b"x")
    assert (answer.status_code, answer.json["code"], len(answer.json["facts"]["given"])) == (400, "scale_invalid", 61)


# --- forms -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", [b"", b"x", b"\r\n", b"\r\n--", b"--", bytes(range(256)), b"\r\n\r\n----Web\r\n"])
@pytest.mark.parametrize("before", [[], [b""], [b"note", b"\r\n--", b"\r\n\r\n"]])
@pytest.mark.parametrize("quoted", [True, False])
def test_the_picture_of_a_form_is_found_whatever_stands_before_it(
    picture: bytes, before: list[bytes], quoted: bool
) -> None:
    boundary = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
    parts = [(b'form-data; name="note"', data) for data in before] + [
        (b'form-data; name="image"; filename="picture"\r\nContent-Type: image/png', picture)
    ]
    body = b"".join(
        b"--" + boundary + b"\r\nContent-Disposition: " + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts
    )
    told = f'"{boundary.decode()}"' if quoted else boundary.decode()
    assert picture_in(body + b"--" + boundary + b"--\r\n", f"multipart/form-data; boundary={told}") == picture


@pytest.mark.parametrize(
    "body",
    [b"", HEAD, HEAD + b"x", b"--b\r\n", b"--b--\r\n", b"\r\n\r\n" * 1000, HEAD.replace(b"image", b"other") + b"x\r\n--b--",
     HEAD.replace(b"; filename", b"; other") + b"x\r\n--b--", b"--b\r\nA: " + b"a" * 3000 + HEAD[3:] + b"x\r\n--b--"],
)  # fmt: skip
def test_a_form_without_a_picture_has_none(body: bytes) -> None:
    assert picture_in(body, FORM) is None
    assert picture_in(body, "multipart/form-data") is None
    assert picture_in(body, f"multipart/form-data; boundary={'b' * 400}") is None


@pytest.mark.parametrize(
    "body",
    [
        HEAD.replace(b"\r\n\r\n", b";a=b" * 7_000_000 + b"\r\n\r\n"),
        b"--b\r\n" + b"A: b\r\n" * 5_000_000,
        b"--b\r\nA: b\r\n" + b" c\r\n" * 7_000_000,
        b"\r\n--" * 7_000_000,
        HEAD + b"\r\n--" * 7_000_000,
        HEAD + b"\r" * 30_000_000,
    ],
    ids=["options", "headers", "folds", "before", "inside", "returns"],
)
def test_no_form_costs_more_than_its_length(body: bytes) -> None:
    began = time.process_time()
    picture_in(body, FORM)
    assert time.process_time() - began < CPU_S


def test_a_form_of_many_parts_is_refused(client: FlaskClient) -> None:
    body = (
        HEAD.replace(b"image", b"other") + (b"x\r\n" + HEAD.replace(b"image", b"other")) * PARTS_LIMIT + b"x\r\n--b--"
    )
    answer = client.post("/api/v1/readings", data=body, content_type=FORM)
    assert (answer.status_code, answer.json["code"]) == (413, "http_413")
