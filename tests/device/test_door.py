"""The door before the app: what slow, unreading, leaving, greedy and malformed clients can and can't do to others.

Real sockets on the loopback; the deadlines are fractions of a second here (`device/web/door/rules.py` has those of a box).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from device.base.errors import BodyTooLarge
from device.web.door.body import Body
from device.web.door.door import Door
from device.web.door.rules import Rules
from device.web.incoming.client import is_gone, mark_served

MB = 1_000_000
LARGE = b"\0" * (5 * MB)
HOST = b"Host: localhost\r\n"
RULES = Rules(
    lanes={"pages": 2, "pictures": 2},
    lane_of=lambda method, _path: "pictures" if method == "POST" else "pages",
    body_limit=lambda method, _path: 4 * MB if method == "POST" else 0,
    too_large=lambda _method, _path: BodyTooLarge(limit_bytes=4 * MB),
    held_bytes=6 * MB,
    large_bytes=4 * MB,
    idle_s=30,
    linger_silent_s=0.2,
    tick_s=0.02,
)


@dataclass
class App:
    """A WSGI app that says what it was sent; `/wait` keeps its thread until it is let go or its client has gone."""

    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let_go: threading.Event = field(default_factory=threading.Event)
    saw_leave: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read()
        if path in ("/wait", "/read"):
            if path == "/read":
                mark_served(environ)
            self.began.release()
            while not self.let_go.wait(0.01):
                if is_gone(environ):
                    self.saw_leave.release()
                    break
        if path == "/broken":
            raise RuntimeError("a value that nobody may see")
        told = {name: environ.get(name) for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_HOST")}
        answer = json.dumps({**told, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [LARGE] if path == "/large" else [answer]


@dataclass
class Served:
    app: App
    port: int
    loop: asyncio.AbstractEventLoop
    door: Door

    def stop(self, grace_s: float) -> None:
        asyncio.run_coroutine_threadsafe(self.door.stop(grace_s), self.loop).result()

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(host, 0))

    def says(self, sent: bytes, host: str = "127.0.0.1") -> bytes:
        """All that is answered to some bytes until the door closes."""
        with self.connect(host) as client:
            client.sendall(sent)
            return rest_of(client)


@contextmanager
def serving(**changed: Any) -> Iterator[Served]:
    """A door with its own loop in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    started: list[Served] = []
    ready, end = threading.Event(), threading.Event()
    app = App()

    async def serve() -> None:
        door = Door(app, replace(RULES, **changed))
        door.start([listener])
        started.append(Served(app, listener.getsockname()[1], asyncio.get_running_loop(), door))
        ready.set()
        await asyncio.get_running_loop().run_in_executor(None, end.wait)
        await door.stop(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield started[0]
    finally:
        app.let_go.set()
        end.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def served() -> Iterator[Served]:
    """A door with `RULES`."""
    with serving() as each:
        yield each


def rest_of(client: socket.socket) -> bytes:
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received


def head(method: bytes = b"GET", target: bytes = b"/", *fields: bytes, version: bytes = b"1.1") -> bytes:
    lines = [b"%s %s HTTP/%s" % (method, target, version), b"Host: localhost", *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(target: bytes, body: bytes) -> bytes:
    return head(b"POST", target, b"Content-Length: %d" % len(body)) + body


def answer(client: socket.socket) -> tuple[int, dict[str, str], Any]:
    """One answer of a connection that stays open: status, fields by lower-case name, body."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = client.recv(1)  # no more than the head
        assert piece, received
        received += piece
    line, *lines = received.decode().rstrip().split("\r\n")
    fields = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    body = b""
    while len(body) < int(fields["content-length"]):
        body += client.recv(int(fields["content-length"]) - len(body))
    return int(line.split()[1]), fields, json.loads(body) if "json" in fields["content-type"] else body


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.01)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def is_answered(served: Served, host: str = "127.0.0.1") -> bool:
    return served.says(head(b"GET", b"/", b"Connection: close"), host).startswith(b"HTTP/1.1 200")


# --- whole requests --------------------------------------------------------------------------------------------------


def test_a_body_arrives_as_it_was_sent_in_pieces_of_any_size(served: Served) -> None:
    body = bytes(range(256)) * 6_000  # of six pieces
    expected = hashlib.sha256(body).hexdigest()
    with served.connect() as client:
        client.sendall(post(b"/a%20b?x=%20", body))
        status, fields, told = answer(client)
        assert (status, told["sha256"]) == (200, expected)
        assert (told["PATH_INFO"], told["QUERY_STRING"]) == ("/a b", "x=%20")
        assert "date" in fields
        client.sendall(head(b"POST", b"/", b"Transfer-Encoding: chunked"))
        for start in range(0, len(body), 100_000):
            piece = body[start : start + 100_000]
            client.sendall(b"%x;note=x\r\n%s\r\n" % (len(piece), piece))
        client.sendall(b"0\r\nX-Trailer: x\r\n\r\n")
        assert answer(client)[2]["sha256"] == expected
        for each in post(b"/", b"one by one"):
            client.sendall(bytes([each]))
        assert answer(client)[2]["size"] == len(b"one by one")


def test_requests_that_are_sent_together_are_answered_in_turn(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"\r\n" + post(b"/1", b"a" * 70) + head(b"GET", b"/2") + post(b"/3", b"") + head(b"GET", b"/4"))
        assert [answer(client)[2]["PATH_INFO"] for _ in range(4)] == ["/1", "/2", "/3", "/4"]


def test_head_has_a_length_and_no_body_and_http_1_0_is_closed_after_its_answer(served: Served) -> None:
    told = served.says(head(b"HEAD", b"/") + head(b"HEAD", b"/", b"Connection: close"))
    assert told.count(b"HTTP/1.1 200 OK") == 2
    assert told.endswith(b"\r\n\r\n")
    assert served.says(head(version=b"1.0")).startswith(b"HTTP/1.1 200")
    assert served.says(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_client_that_asks_first_is_told_to_go_on(served: Served) -> None:
    with served.connect() as client:
        client.sendall(head(b"POST", b"/", b"Content-Length: 3", b"Expect: 100-continue"))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert answer(client)[2]["size"] == 3


def test_the_host_within_the_target_counts_for_more_than_the_field(served: Served) -> None:
    told = served.says(head(b"GET", b"http://other.example:8/x?y", b"Connection: close"))
    assert b'"PATH_INFO": "/x", "QUERY_STRING": "y", "HTTP_HOST": "other.example:8"' in told


def test_fields_with_an_underscore_pass_for_no_others(served: Served) -> None:
    told = served.says(head(b"GET", b"/", b"PATH_INFO: /other", b"HTTP_HOST: other", b"Connection: close"))
    assert b'"PATH_INFO": "/", "QUERY_STRING": "", "HTTP_HOST": "localhost"' in told


def test_a_fault_of_the_app_is_an_answer_without_its_words(served: Served) -> None:
    with served.connect() as client:
        client.sendall(head(b"GET", b"/broken"))
        status, _, told = answer(client)
        assert (status, told["code"]) == (500, "http_500")
        assert "nobody" not in str(told)
        client.sendall(head())
        assert answer(client)[0] == 200


# --- what isn't HTTP -------------------------------------------------------------------------------------------------

MARK = b"MARK"
CHUNKED = head(b"POST", b"/", b"Transfer-Encoding: chunked")
MALFORMED = {
    "no HTTP": (b"MARK\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00MARK", 400),
    "HTTP 0.9": (b"GET /MARK\r\n\r\n", 400),
    "another version": (head(b"GET", b"/MARK", version=b"2.0"), 505),
    "HTTP 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "NUL in the target": (b"GET /MARK\0 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "letters beyond ASCII in the target": (b"GET /MARK\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "NUL in a value": (head(b"GET", b"/", b"X: MARK\0"), 400),
    "bad name": (head(b"GET", b"/", b"MARK MARK: x"), 400),
    "no colon": (head(b"GET", b"/", b"MARK"), 400),
    "no host": (b"GET /MARK HTTP/1.1\r\n\r\n", 400),
    "two hosts": (head(b"GET", b"/", b"Host: MARK"), 400),
    "a target that is no path": (head(b"GET", b"MARK"), 400),
    "negative length": (head(b"POST", b"/", b"Content-Length: -5"), 400),
    "length in words": (head(b"POST", b"/", b"Content-Length: MARK"), 400),
    "two lengths": (head(b"POST", b"/", b"Content-Length: 4", b"Content-Length: 5") + b"MARK", 400),
    "length and chunks": (head(b"POST", b"/", b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"MARK", 400),
    "chunks in HTTP 1.0": (head(b"POST", b"/", b"Transfer-Encoding: chunked", version=b"1.0") + b"0\r\n\r\n", 400),
    "a length beyond all": (head(b"POST", b"/", b"Content-Length: " + b"9" * 20), 413),
    "endless length": (head(b"POST", b"/", b"Content-Length: " + b"9" * 9_000), 400),
    "another coding": (head(b"POST", b"/", b"Transfer-Encoding: gzip, chunked"), 501),
    "bad chunk": (CHUNKED + b"MARK\r\nabc", 400),
    "negative chunk": (CHUNKED + b"-5\r\nabc", 400),
    "endless chunk": (CHUNKED + b"f" * 60 + b"\r\nMARK", 400),
    "chunk without an end": (CHUNKED + b"4\r\nMARKMARK\r\n", 400),
    "endless extension": (CHUNKED + b"5;" + b"MARK" * 30_000, 400),
    "endless trailers": (CHUNKED + b"0\r\n" + b"X: MARK\r\n" * 10_000, 400),
    "chunks of a byte": (CHUNKED + b"1\r\nM\r\n" * 10_000, 400),
    "CONNECT": (b"CONNECT MARK:443 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "TRACE": (head(b"TRACE", b"/MARK"), 501),
    "another method": (head(b"MARK", b"/"), 501),
    "many fields": (head(b"GET", b"/", *[b"X: MARK"] * 200), 431),
    "long field": (head(b"GET", b"/", b"X: " + MARK * 5_000), 431),
    "endless head": (b"GET / HTTP/1.1\r\n" + b"X: MARK\r\n" * 9_000, 431),
    "long target": (head(b"GET", b"/" + MARK * 5_000), 414),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_not_http_gets_a_problem_without_what_was_sent_and_a_closed_door(served: Served, kind: str) -> None:
    sent, status = MALFORMED[kind]
    told = served.says(sent)
    top, _, body = told.partition(b"\r\n\r\n")
    assert int(top.split()[1]) == status
    assert b"application/problem+json" in top
    assert json.loads(body)["status"] == status
    assert MARK not in told
    assert is_answered(served)


def test_the_door_speaks_the_language_that_is_asked_for(served: Served) -> None:
    told = served.says(head(b"POST", b"/", b"Accept-Language: fr-CH, fr;q=0.9, en;q=0.8", b"Content-Length: 9000000"))
    assert json.loads(told.partition(b"\r\n\r\n")[2])["title"] == "La demande est trop volumineuse"


def test_an_offer_of_another_protocol_is_not_taken_up(served: Served) -> None:
    fields = (b"Connection: Upgrade, HTTP2-Settings, close", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    assert served.says(head(b"GET", b"/", *fields)).startswith(b"HTTP/1.1 200")


# --- too much --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expecting", [False, True])
def test_a_body_over_its_limit_is_refused_before_it_is_read(served: Served, expecting: bool) -> None:
    fields = [b"Content-Length: 4000001", *[b"Expect: 100-continue"] * expecting]
    with served.connect() as client:
        client.sendall(head(b"POST", b"/", *fields))
        status, told, problem = answer(client)
    assert (status, problem["code"], told["connection"]) == (413, "body_too_large", "close")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_it_all_before_it_reads_gets_the_answer_still(served: Served, chunked: bool) -> None:
    pieces = CHUNKED + (b"100000\r\n" + bytes(0x100000) + b"\r\n") * 9 + b"0\r\n\r\n"
    assert served.says(pieces if chunked else post(b"/", bytes(9 * MB))).startswith(b"HTTP/1.1 413")


def test_where_no_body_is_taken_the_answer_is_that_without_one(served: Served) -> None:
    told = served.says(head(b"DELETE", b"/x", b"Content-Length: 9") + b"GET / HTT")
    assert told.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in told
    assert told.count(b"HTTP/1.1") == 1


def test_of_too_many_connections_those_that_say_least_make_way() -> None:
    few = {"connections_per_address": 8, "connections": 12, "young_s": 0.1, "linger_silent_s": 5}
    with serving(**few) as served, ExitStack() as stack:
        sent = [head(b"POST", b"/", b"Content-Length: 1000000") + bytes(100_000), b"GET / HTTP/1.1\r\nHost"]
        crowd = [stack.enter_context(served.connect()) for _ in range(8)]
        for number, client in enumerate(crowd):
            client.sendall(sent[number % 2])
        time.sleep(0.3)
        good = stack.enter_context(served.connect())
        good.sendall(head(b"POST", b"/", b"Content-Length: 1000000"))
        for _ in range(10):
            good.sendall(bytes(100_000))
            time.sleep(0.03)
            stack.enter_context(served.connect()).sendall(b"GET / HTTP/1.1\r\nHost")
        assert answer(good)[2]["size"] == 1_000_000
        assert crowd[1].recv(1) == b""
        others = [stack.enter_context(served.connect("127.0.0.2")) for _ in range(7)]
        for client in others:
            client.sendall(b"GET / HTTP/1.1\r\nHost")
        time.sleep(0.2)
        assert is_answered(served, "127.0.0.3")
        assert is_answered(served, "127.0.0.2")
        gone = sum(map(is_closed, others))
        assert gone <= 2  # for those of the first address make way


def test_connections_on_which_nothing_comes_make_way_for_each_other_alone() -> None:
    with serving(silent_per_address=4, idle_s=0.5) as served, ExitStack() as stack:
        speaking = stack.enter_context(served.connect())
        speaking.sendall(post(b"/wait", b"x"))
        assert served.app.began.acquire(timeout=5)
        silent = [stack.enter_context(served.connect()) for _ in range(8)]
        assert silent[3].recv(1) == b""
        silent[7].sendall(head())
        assert answer(silent[7])[0] == 200
        assert silent[6].recv(1) == b""  # after its time
        served.app.let_go.set()
        assert answer(speaking)[0] == 200


def test_the_upload_that_has_stood_still_for_longest_gives_way_to_one_that_comes(served: Served) -> None:
    with ExitStack() as stack:
        first, *others = [stack.enter_context(served.connect()) for _ in range(3)]
        for client in (first, *others):
            client.sendall(head(b"POST", b"/", b"Content-Length: 2000000") + bytes(1_800_000))
            time.sleep(0.1)
        with served.connect() as larger:
            larger.sendall(post(b"/", bytes(1_900_000)))
            assert answer(larger)[0] == 200
        status, fields, problem = answer(first)
        assert (status, problem["code"]) == (503, "busy")
        assert int(fields["retry-after"]) > 0
        for client in others:
            client.sendall(bytes(200_000))
            assert answer(client)[2]["size"] == 2_000_000


def test_what_waits_for_a_reader_gives_way_and_what_is_read_stays(served: Served) -> None:
    with served.connect() as reading, served.connect() as waiting, served.connect() as new:
        reading.sendall(post(b"/read", bytes(1_900_000)))
        waiting.sendall(post(b"/wait", bytes(1_800_000)))
        for _ in range(2):
            assert served.app.began.acquire(timeout=5)
        new.sendall(head(b"POST", b"/", b"Content-Length: 1700000") + bytes(1_699_999))
        with served.connect() as another:
            another.sendall(head(b"POST", b"/", b"Content-Length: 700000") + bytes(699_999))
            assert answer(waiting)[0] == 503
        assert served.app.saw_leave.acquire(timeout=5)
        served.app.let_go.set()
        new.sendall(b"\0")
        assert answer(new)[2]["size"] == 1_700_000
        assert answer(reading)[2]["size"] == 1_900_000


def in_chunks(body: bytes) -> bytes:
    return CHUNKED.replace(b" / ", b" /read ") + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_waits_unread_for_room_while_small_ones_pass(served: Served, chunked: bool) -> None:
    large = bytes(3_000_000)
    with served.connect() as first, served.connect() as second:
        first.sendall(in_chunks(large) if chunked else post(b"/read", large))
        assert served.app.began.acquire(timeout=5)
        second.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        sending = threading.Thread(target=second.sendall, args=(in_chunks(large) if chunked else post(b"/", large),))
        sending.start()
        time.sleep(0.2)
        assert sending.is_alive()
        with served.connect() as small:
            small.sendall(post(b"/", bytes(300_000)))
            assert answer(small)[0] == 200
        served.app.let_go.set()
        assert answer(first)[2]["size"] == answer(second)[2]["size"] == 3_000_000
        sending.join()


def test_who_waits_for_room_for_too_long_or_has_room_and_stalls_is_told_to_come_back() -> None:
    with serving(patience_s=0.3) as served, served.connect() as reading, served.connect() as waiting:
        reading.sendall(post(b"/read", bytes(3_000_000)))
        assert served.app.began.acquire(timeout=5)
        waiting.sendall(head(b"POST", b"/", b"Content-Length: 3000000") + bytes(1_000))
        assert answer(waiting)[0] == 503
    with serving(contended_grace_s=0.2) as served, served.connect() as stalled, served.connect() as waiting:
        stalled.sendall(head(b"POST", b"/", b"Content-Length: 3000000") + bytes(1_000))
        time.sleep(0.3)
        stalled.sendall(bytes(1_000))  # nobody waits yet
        waiting.sendall(post(b"/", bytes(3_000_000)))
        assert answer(waiting)[2]["size"] == 3_000_000
        assert answer(stalled)[0] == 503


def test_an_upload_that_takes_its_time_makes_way_for_a_smaller_one() -> None:
    with serving(contended_grace_s=0.2, contended_left_s=0.5) as served, ExitStack() as stack:
        trickling, waiting = stack.enter_context(served.connect()), stack.enter_context(served.connect())
        trickling.sendall(head(b"POST", b"/", b"Content-Length: 3900000"))
        waiting.sendall(head(b"POST", b"/", b"Content-Length: 3000000"))
        with suppress(ConnectionError):
            for _ in range(40):
                trickling.sendall(bytes(20_000))  # a megabyte a second
                time.sleep(0.02)
        waiting.sendall(bytes(3_000_000))
        assert answer(waiting)[2]["size"] == 3_000_000
        assert answer(trickling)[0] == 503


def test_room_is_given_to_addresses_in_turn_and_to_the_smallest_of_one_first(served: Served) -> None:
    with ExitStack() as stack:
        reading = stack.enter_context(served.connect())
        reading.sendall(post(b"/read", bytes(3_900_000)))
        assert served.app.began.acquire(timeout=5)
        waiting = {}
        for name, host, size in (("a", "127.0.0.1", 3.9), ("b", "127.0.0.1", 3.8), ("c", "127.0.0.2", 3.9)):
            client = waiting[name] = stack.enter_context(served.connect(host))
            client.sendall(head(b"POST", b"/%s" % name.encode(), b"Content-Length: %d" % (size * MB)))
            time.sleep(0.05)
        served.app.let_go.set()
        assert answer(reading)[0] == 200
        order = []
        for name, size in (("b", 3.8), ("c", 3.9), ("a", 3.9)):
            waiting[name].sendall(bytes(int(size * MB)))
            order.append(answer(waiting[name])[2]["PATH_INFO"])
        assert order == ["/b", "/c", "/a"]


def test_a_body_is_held_once_however_it_comes_and_is_read() -> None:
    tracemalloc.start()
    try:
        whole, dribbled = Body(), Body()
        for _ in range(100):
            whole.add(bytes(100_000))
        for _ in range(100_000):
            dribbled.add(b"\0")
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        assert len(whole.read()) == 10 * MB
        peak = tracemalloc.get_traced_memory()[1]
        assert len(dribbled.read(60_000)) + len(dribbled.read()) == 100_000
    finally:
        tracemalloc.stop()
    assert held < 11.5 * MB
    assert peak < 12.5 * MB


# --- too slow --------------------------------------------------------------------------------------------------------


def test_who_asks_nothing_or_breaks_off_is_let_go_and_keeps_nobody_waiting() -> None:
    rules = {"idle_s": 1, "head_s": 1, "body_grace_s": 1, "answer_grace_s": 1, "least_bytes_per_s": 10 * MB}
    with serving(**rules, held_bytes=100 * MB) as served, ExitStack() as stack:
        clients = {}
        for number in range(24):
            sent = (
                b"",
                b"GET / HTTP/1.1\r\nHost: local",
                head(b"POST", b"/", b"Content-Length: 3000000") + b"some",
                head(b"GET", b"/large") * 3,
            )[number % 4]
            client = clients[number] = stack.enter_context(served.connect())
            client.sendall(sent)
        assert is_answered(served)
        clients[0].settimeout(0.01)
        with pytest.raises(TimeoutError):
            clients[0].recv(1)  # none of them was let go before
        clients[0].settimeout(10)
        for number, client in clients.items():
            if number % 4 == 3:
                time.sleep(1.5 if number == 3 else 0)  # nothing is read meanwhile
                with pytest.raises(ConnectionResetError):
                    rest_of(client)
            else:
                expected = (b"", b"HTTP/1.1 408 Request Timeout", b"HTTP/1.1 408 Request Timeout")[number % 4]
                assert rest_of(client).split(b"\r\n")[0] == expected


def test_a_dribbled_body_is_let_go_however_steady_and_a_slow_one_that_keeps_the_rate_is_read() -> None:
    rules = {"body_grace_s": 0.3, "least_bytes_per_s": 100_000}
    with serving(**rules) as served, served.connect() as steady, served.connect() as dribbling:
        steady.sendall(head(b"POST", b"/", b"Content-Length: 200000"))
        dribbling.sendall(head(b"POST", b"/", b"Content-Length: 200000"))
        for _ in range(20):
            steady.sendall(bytes(10_000))
            dribbling.send(b"x")
            time.sleep(0.04)
        assert answer(steady)[2]["size"] == 200_000
        assert answer(dribbling)[0] == 408
    with serving(body_s=0.3) as served, served.connect() as endless:
        endless.sendall(head(b"POST", b"/", b"Content-Length: 4000000") + bytes(1_000_000))
        assert answer(endless)[0] == 408


def test_a_whole_request_that_finds_no_thread_is_told_to_come_back() -> None:
    with serving(patience_s=0.2, waiting_per_lane=2) as served, ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(5)]
        for number, client in enumerate(clients):
            client.sendall(post(b"/wait", b"x"))
            if number < 2:
                assert served.app.began.acquire(timeout=5)
            time.sleep(0.02)
        assert answer(clients[4])[0] == 503  # at once: the line is full
        assert [answer(client)[0] for client in clients[2:4]] == [503, 503]
        served.app.let_go.set()
        assert [answer(client)[0] for client in clients[:2]] == [200, 200]


# --- who leaves ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [b"", b"x", b"x" * 60_000])
@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_that_a_client_leaves_is_noticed_whatever_it_sent_beyond(served: Served, extra: bytes, how: str) -> None:
    with served.connect() as client:
        client.sendall(post(b"/wait", b"picture") + extra)
        assert served.app.began.acquire(timeout=5)
        assert not served.app.saw_leave.acquire(timeout=0.05)
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how == "half":
            client.shutdown(socket.SHUT_WR)
        else:
            client.close()
        assert served.app.saw_leave.acquire(timeout=1)
        if how == "half":
            assert answer(client)[0] == 200  # the app's own word is sent all the same


def test_who_resets_the_connection_while_the_answer_comes_leaves_no_failure(served: Served) -> None:
    failures: list[dict[str, Any]] = []
    served.loop.call_soon_threadsafe(served.loop.set_exception_handler, lambda _, context: failures.append(context))
    for number in range(300):
        with served.connect() as client:
            client.sendall(head(b"GET", b"/large", b"Connection: close"))
            wanted = (0, 1, 100_000, len(LARGE) - 65_536, len(LARGE))[number % 5]
            while wanted > 0 and (piece := client.recv(min(wanted, 65_536))):
                wanted -= len(piece)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert is_answered(served)
    assert failures == []


def test_who_sends_on_and_on_before_the_answer_is_sent_away(served: Served) -> None:
    with served.connect() as client:
        client.sendall(post(b"/wait", b"picture"))
        assert served.app.began.acquire(timeout=5)
        client.sendall(b"x" * 70_000)
        assert served.app.saw_leave.acquire(timeout=1)
        assert answer(client)[0] == 400


# --- whose turn it is ------------------------------------------------------------------------------------------------


def test_lanes_do_not_starve_each_other_and_addresses_take_turns(served: Served) -> None:
    with ExitStack() as stack:
        crowd = [stack.enter_context(served.connect()) for _ in range(12)]
        for client in crowd:
            client.sendall(post(b"/wait", b"x"))
        for _ in range(2):
            assert served.app.began.acquire(timeout=5)
        assert is_answered(served)
        alone = stack.enter_context(served.connect("127.0.0.2"))
        alone.sendall(post(b"/wait", b"x"))
        time.sleep(0.1)
        for number in (0, 1):  # two leave, so two threads are free: one each
            crowd[number].close()
        began = time.monotonic()
        for _ in range(2):
            assert served.app.began.acquire(timeout=5)
        assert time.monotonic() - began < 1
        served.app.let_go.set()
        assert answer(alone)[0] == 200


def test_a_stopped_door_gives_the_answers_that_are_due_and_takes_no_more() -> None:
    with serving() as served, served.connect() as client, served.connect() as idle:
        client.sendall(post(b"/wait", b"x"))
        assert served.app.began.acquire(timeout=5)
        threading.Timer(0.2, served.app.let_go.set).start()
        served.stop(grace_s=5)
        status, fields, _ = answer(client)
        assert (status, fields["connection"]) == (200, "close")
        assert idle.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            served.connect()


def test_who_connects_again_and_again_keeps_nobody_waiting(served: Served) -> None:
    stop = threading.Event()

    def connect_again_and_again() -> None:
        while not stop.is_set():
            with suppress(OSError), served.connect() as client:
                client.sendall(CHUNKED + b"1\r\nx\r\n" * 500)

    crowd = [threading.Thread(target=connect_again_and_again) for _ in range(8)]
    for each in crowd:
        each.start()
    try:
        times = []
        for _ in range(10):
            began = time.monotonic()
            assert is_answered(served, "127.0.0.2")
            times.append(time.monotonic() - began)
        assert sorted(times)[5] < 1  # a newcomer that finds no place in the system's line is lost for a second
    finally:
        stop.set()
        for each in crowd:
            each.join()
