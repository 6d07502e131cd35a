"""Texts, lists and JSON that are long, deep, strange or many: each is bounded before any work on it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.torture.wire import READINGS, Target, ask

JSON = {"Content-Type": "application/json"}
AT = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes | None = None
    fields: tuple[tuple[str, str], ...] = ()


def name(text: str, expert: str = "X") -> bytes:
    return json.dumps({"text": text, "expert": expert}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def draw_unicode(_rng: random.Random) -> list[Request]:
    """Texts whose normal form, folding or words cost more than their length."""
    marks = "a" + "\u0315" * 75_000 + "\u0316" * 75_000
    texts = [
        *(marks, marks[:2000], "\u0390" * 200_000, "\ufdfa" * 200_000, "\u1fb7" * 100_000, "ß" * 500_000),
        *("\u202e" * 1000, "\ud800" * 10, "\0" * 1000, " " * 1_000_000, "a " * 500_000, "\U0001f468\u200d" * 100_000),
        *("\u0915\u094d" * 50_000, "é" * 61, "\u1100\u1161\u11a8" * 100_000, "\r\n" * 30, "-" * 600_000),
    ]
    made = [Request("PUT", "/api/v1/units/1/name", name(text), tuple(JSON.items())) for text in texts]
    made += [Request("PUT", "/api/v1/units/1/name", name("a", text), tuple(JSON.items())) for text in texts]
    made += [Request("DELETE", "/api/v1/units/1/name", name("a", text), tuple(JSON.items())) for text in texts]
    term = [json.dumps({"term": text, "expert": "X"}).encode() for text in texts]
    return made + [Request("PUT", "/api/v1/units/1/name", body, tuple(JSON.items())) for body in term]


def draw_json(_rng: random.Random) -> list[Request]:
    bodies = [
        *(
            b"[" * 1_000_000,
            b'{"a":' * 500_000,
            b"[" + b"[]," * 10_000_000 + b"[]]",
            b"1" * 4000,
            b'{"a":' + b"9" * 3900,
        ),
        *(
            b'{"text":' + b"[" * 1900 + b"]" * 1900 + b"}",
            b"-1e99999",
            b"NaN",
            b'"\\ud800"',
            b"\xff\xfe[]",
            b"\0" * 4000,
        ),
        *(b'{"text": NaN, "expert": Infinity}', b"{" + b'"a":1,' * 600 + b'"a":1}', b'"' + b"\\u0315" * 600 + b'"'),
        *(b'{"text": "a", "text": "b", "expert": "X"}', b'{"text": {"a": 1}}', b"[]", b"null", b"", b'{"text": 1e400}'),
        b'{"confirm": true, "model": ' + b"[" * 900 + b"]" * 900 + b"}",
    ]
    routes = [("PUT", "/api/v1/units/1/name"), ("PUT", "/api/v1/units/names"), ("POST", "/api/v1/health/reset")]
    routes += [("DELETE", "/api/v1/units/1/name"), ("POST", READINGS), ("POST", "/api/v1/previews")]
    routes += [("POST", "/api/v1/instruments"), ("PUT", "/api/v1/instruments/leica")]
    return [Request(method, path, body, tuple(JSON.items())) for method, path in routes for body in bodies]


def draw_queries(_rng: random.Random) -> list[Request]:
    """Paths, queries and header fields that are long, or that a parser may labour at."""
    digits, long = "9" * 7000, "a" * 7000
    queries = [
        *(f"um_per_px={digits}", f"um_per_px=1e{digits}", f"um_per_px=.{digits}", "um_per_px=nan", "um_per_px=-0"),
        *("um_per_px=" + "%D9%A1" * 1000, f"model={long}", "model=" + "%CC%95" * 1000, f"lang={long}", "&" * 7000),
        *("a=b&" * 1700, "%" * 7000, "%FF" * 2000, "%00", "um_per_px=1&" * 500, "=" * 7000, ";" * 7000),
    ]
    made = [Request("POST", f"{READINGS}?{query}", b"abc") for query in queries]
    made += [Request("GET", f"/api/v1/model?{query}") for query in queries]
    paths = [
        *(f"/api/v1/units/{digits}", "/api/v1/units/-1", "/api/v1/units/%D9%A1", f"/api/v1/units/1/patches/{digits}"),
        *(f"/samples/{long}", "/samples/" + "../" * 2000, "/samples/%00", "/samples/" + "%2e%2e/" * 900, "/" * 7000),
        *(
            f"/static/{long}",
            "/static/" + "..%2f" * 900,
            "/%ff%fe",
            "/.%00./",
            "/api/v1/units/1/patches/-1",
            "//healthz",
        ),
    ]
    made += [Request("GET", path) for path in paths]
    values = [
        *(
            "en;q=" + digits,
            "en;q=0.1," * 700,
            "*," * 3000,
            "en-" * 2000,
            ("a" * 8 + "-") * 700,
            ";q=" * 2000,
            "é" * 3000,
        ),
        *(",".join(f"x{n};q=0.{n}" for n in range(700)), '"' + "\\" * 7000, "text/" + long, "a=" * 3000, "(" * 7000),
    ]
    names: tuple[str, ...] = (
        "Accept-Language",
        "Accept",
        "Cookie",
        "Content-Type",
        "Origin",
        "If-None-Match",
        "Range",
        "If-Modified-Since",
    )
    names += ("Authorization", "X-Forwarded-For", "X-Loupe-Code", "Referer", "Accept-Encoding", "Cache-Control")
    made += [Request("GET", "/", None, ((field, value),)) for field in names for value in values]
    hosts = (
        long,
        "localhost:" + digits,
        "[" * 5000,
        "a." * 3000,
        "xn--" + long,
        "localhost:0x50",
        "127.1",
        "é" * 200,
        "",
    )
    return made + [Request("GET", "/", None, (("Host", host),)) for host in hosts]


def draw_forms(_rng: random.Random) -> list[Request]:
    """Forms of many, nameless or endless parts."""
    part = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\nx\r\n'
    bodies = [
        part % b"a" * 400_000 + b"--b--\r\n",
        (part % b"image").replace(b'"image"', b'"image"; filename="a"') * 200_000 + b"--b--\r\n",
        b"--b\r\n" + b"X-A: b\r\n" * 1_000_000,
        b"--b\r\nContent-Disposition: form-data; " + b'a="b"; ' * 1_000_000,
        b"--b\r\nContent-Disposition: form-data; name*=utf-8''" + b"%CC%95" * 300_000,
        b"--b\r\n" * 5_000_000,
        b"\r\n--" * 7_000_000,
        b'--b\r\nContent-Disposition: form-data; name="image"\r\nContent-Transfer-Encoding: base64\r\n\r\nA==',
        b"--b--\r\n" + b"x" * 30_000_000,
        b"",
    ]
    boundaries = ("b", "b" * 70, "\r\n", '"' + "b" * 6000 + '"', "")
    kinds = [f"multipart/form-data; boundary={boundary}" for boundary in boundaries]
    made = [Request("POST", READINGS, body, (("Content-Type", kinds[0]),)) for body in bodies]
    odd = [*kinds[1:2], *kinds[3:], "application/x-www-form-urlencoded", "multipart/form-data"]
    return made + [Request("POST", READINGS, bodies[0][:2_000_000], (("Content-Type", kind),)) for kind in odd]


def names(network: str, count: int, units: Sequence[int], text: str = "W") -> bytes:
    rows = [
        {"unit": units[n % len(units)], "expert": f"x{n // len(units)}", "term": None, "text": f"{text} {n}", "at": AT}
        for n in range(count)
    ]
    return json.dumps({"schema": "loupe-names/1", "network": network, "names": rows}).encode()


def send(target: Target, drawn: list[Request], rng: random.Random) -> str:
    chosen = rng.choice(drawn)
    return ask(target, chosen.method, chosen.path, chosen.body, dict(chosen.fields))


def give_name(target: Target, _drawn: object, rng: random.Random) -> str:
    """Names, one after the other, for units of which the good client names none."""
    body = name(f"name {rng.randrange(10**9)}", f"x{rng.randrange(30)}")
    return ask(target, "PUT", f"/api/v1/units/{rng.randrange(1000, 1280)}/name", body, JSON)


def draw_imports(rng: random.Random) -> list[Request]:
    """Imports of names: for one unit, for all, of a network that is another, far beyond any limit."""
    from device.reading.atlas import network_of
    from device.reading.bundle import Bundle
    from tests.support.shipped import MODELS

    network = network_of(Bundle.open(MODELS / "bach.loupe", MODELS / "keys"))
    every = list(range(1000, 1280))
    bodies = [names(network, 10_000, [7]), names(network, 10_000, every), names(network, 20_000, every, "z" * 50)]
    bodies += [
        names("0" * 64, 1000, every),
        names(network, 200_000, every),
        b'{"names": [' + b"{}," * 600_000 + b"{}]}",
    ]
    bodies += [names(network, 500, [rng.randrange(1000, 1280)], chr(0x315) * 50), names(network, 300, [2**63])]
    return [Request("PUT", "/api/v1/units/names", body, tuple(JSON.items())) for body in bodies]
