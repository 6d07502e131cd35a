"""Requests that break HTTP's rules: each is refused by name or closed, none is taken for two."""

from __future__ import annotations

import random

from tests.torture.wire import READINGS, Target, exchange

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = f"POST {READINGS} HTTP/1.1\r\n".encode() + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SECOND = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


def draw(rng: random.Random) -> list[bytes]:
    lengths = [b"-5", b"+5", b"0x5", b"5 5", b"5,5", b"5, 6", b"", b" ", b"\xd9\xa1", b"9" * 300, b"1e3", b"5;q=1"]
    made = [POST + b"Content-Length: " + length + b"\r\n\r\nabcde" + SECOND for length in lengths]
    made += [
        POST + b"\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef" + SECOND,
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
        *(
            POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + SECOND
            for coding in (
                b"gzip, chunked",
                b"chunked, identity",
                b"xchunked",
                b"chunked\r\nTransfer-Encoding: x",
                b"\x0bchunked",
            )
        ),
        *(
            CHUNKED + size + b"\r\nabc\r\n"
            for size in (b"zz", b"-5", b"0x3", b"f" * 60, b" 3", b"3 ", b"\xc3\xa9", b"")
        ),
        CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
        CHUNKED + b"3\nabc\n0\n\n",
        CHUNKED + b"5;" + b"x" * 3_000_000,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 500_000,
        CHUNKED + b"P" * 8000 + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST * 2 + b"\r\n",
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\0?patient=Jane HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /" + b"a" * 9_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 100_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A B: c\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b" folded: yes\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\0c\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b": nameless\r\n\r\n",
        b"GET / HTTP/1.1\r" + HOST + b"\r\n\r\n",
        b"GET http://other.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example\r\n\r\n",
        b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        GET + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        GET + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        GET + b"Connection: close, host, content-length\r\n\r\n",
        GET + b"Expect: 200-nothing\r\n\r\n",
        GET + b"Content-Length: 4000000000\r\n\r\n",
        (GET + b"\r\n") * 5000,
        b"\r\n" * 100_000,
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + rng.randbytes(500),
        b"GET /healthz\r\n",
        b"\0" * 100_000,
        b"A" * 10_000_000,
        POST + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        POST + b"Content-Length: 3\r\n\r\nabc" + SECOND * 50,
        b"get /healthz http/1.1\r\n" + HOST + b"\r\n",
    ]
    return made


def send(target: Target, drawn: list[bytes], rng: random.Random) -> str:
    """One of them as it is, or with a few bytes changed, cut or doubled."""
    data = rng.choice(drawn)
    if rng.random() < 0.5:
        changed = bytearray(data[:100_000])
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(max(1, min(len(changed), 300)))
            match rng.randrange(4):
                case 0:
                    changed[at : at + 1] = bytes([rng.randrange(256)])
                case 1:
                    del changed[at : at + rng.randrange(1, 20)]
                case 2:
                    changed[at:at] = changed[at : at + rng.randrange(1, 60)]
                case 3:
                    changed[at:at] = rng.choice((b"\r\n", b"\0", b"\n", b"\r", b"\xff", b":", b" "))
        data = bytes(changed) or b"\n"
    return exchange(target, data, half=True)


def junk(target: Target, _drawn: object, rng: random.Random) -> str:
    """Bytes by chance."""
    return exchange(target, rng.randbytes(rng.choice((1, 10, 1000, 100_000))), half=True)
