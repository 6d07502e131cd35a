"""The good client beside an attack: it sends fields that are accepted, looks at the page and at `/readyz`, names units.

Nothing but 200, and 503 with Retry-After, is right for it, and each reading must say what it said in quiet.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture.wire import READINGS, judged

PATIENCE_S = 60.0
FIELD_PAUSE_S, PAGE_PAUSE_S, NAME_PAUSE_S = 0.1, 0.25, 1.0
UM_PER_PX = 1.68  # of the samples: the model's own
PAGES = ("/readyz", "/")


def unseen(jpeg: bytes, number: int) -> bytes:
    """The same picture as a file that the box hasn't seen: samples aren't counted by the drift watch."""
    comment = f"field {number}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


@dataclass(frozen=True)
class Asked:
    """One request of the good client: of a "field", a "page" or a "name"; when, what came back, after how long."""

    kind: str
    at: float
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Served:
    """What the good client got within some time."""

    asked: tuple[Asked, ...]

    def of(self, kind: str) -> list[Asked]:
        return [each for each in self.asked if each.kind == kind]

    def outcomes(self, kind: str) -> Counter[str]:
        return Counter(each.outcome for each in self.of(kind))

    def times(self, kind: str) -> list[float]:
        """Of what was answered with 200, the shortest first."""
        return sorted(each.seconds for each in self.of(kind) if each.outcome == "200")

    def share(self, kind: str) -> float:
        """Of its requests of this kind, those answered with 200."""
        asked = self.of(kind)
        return sum(each.outcome == "200" for each in asked) / len(asked) if asked else 0.0

    def p50(self, kind: str) -> float:
        times = self.times(kind)
        return statistics.median(times) if times else float("inf")

    def p95(self, kind: str) -> float:
        times = self.times(kind)
        return times[min(len(times) - 1, int(len(times) * 0.95))] if times else float("inf")

    def __add__(self, other: Served) -> Served:
        return Served(self.asked + other.asked)


class GoodClient:
    """One person's requests, from 127.0.0.1, each over a connection of its own."""

    def __init__(self, port: int, samples: Path, languages: tuple[str, ...] = ("en", "fr")) -> None:
        self.port, self.languages = port, languages
        accepted = [*sorted(samples.glob("phantom-*.jpg")), *sorted(samples.glob("texture-*.jpg"))]
        self._fields = [picture.read_bytes() for picture in accepted]
        self._said: dict[int, Any] = {}
        self._sent = 0
        self.names: dict[tuple[int, str], str] = {}  # by unit and expert: what was answered with 200
        self.unsure: set[tuple[int, str]] = set()  # sent, without an answer: either is right
        self.accepted = 0
        self._lock = threading.Lock()

    def serve(self, seconds: float, ended: threading.Event | None = None) -> Served:
        """Ask for so long, or until it has ended."""
        end, asked, ended = time.monotonic() + seconds, list[Asked](), ended or threading.Event()

        def again(kind: str, pause_s: float, one: Any) -> None:
            count = 0
            while time.monotonic() < end and not ended.is_set():
                start = time.monotonic()
                outcome = one(count)
                asked.append(Asked(kind, start, outcome, time.monotonic() - start))
                count += 1
                ended.wait(min(pause_s, max(0.0, end - time.monotonic())))

        kinds = (
            ("field", FIELD_PAUSE_S, self._read),
            ("page", PAGE_PAUSE_S, lambda number: self._ask("GET", PAGES[number % len(PAGES)])[0]),
            ("name", NAME_PAUSE_S, self._name),
        )
        threads = [threading.Thread(target=again, args=kind) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return Served(tuple(asked))

    def _read(self, _number: int) -> str:
        with self._lock:
            self._sent += 1
            number = self._sent
        which = number % len(self._fields)
        data = unseen(self._fields[which], number)
        query = f"lang={self.languages[number % 2]}&um_per_px={UM_PER_PX}"
        outcome, body = self._ask("POST", f"{READINGS}?{query}", data)
        if outcome != "200":
            return outcome
        document = json.loads(body)
        if not document["verdict"]["accepted"]:
            return "REFUSED BY THE GATE"
        self.accepted += 1
        said = [(each["label"], each["logit"]) for each in document["prediction"]["probabilities"]]
        return outcome if self._said.setdefault(which, said) == said else "ANOTHER READING"

    def _name(self, _number: int) -> str:
        with self._lock:
            number = len(self.names) + len(self.unsure)
        unit, expert = number % 1000, f"good {number // 1000}"
        body = json.dumps({"text": f"name {number}", "expert": expert}).encode()
        fields = {"Content-Type": "application/json"}
        outcome, _ = self._ask("PUT", f"/api/v1/units/{unit}/name", body, fields)
        if outcome == "200":
            self.names[unit, expert] = f"name {number}"
        else:
            self.unsure.add((unit, expert))
        return outcome

    def missing(self) -> list[str]:
        """Names that were acknowledged and aren't there."""
        status, body = self._ask("GET", "/api/v1/units/names")
        if status != "200":
            return [f"names can't be had: {status}"]
        kept = {(each["unit"], each["expert"]): each["text"] for each in json.loads(body)["names"]}
        return [
            f"{unit} by {expert}" for (unit, expert), text in self.names.items() if kept.get((unit, expert)) != text
        ]

    def counted(self) -> int:
        """Readings that the box's watch has counted."""
        status, body = self._ask("GET", "/api/v1/health")
        return int(json.loads(body)["models"][0]["lately"]["readings"]) if status == "200" else -1

    def _ask(
        self, method: str, path: str, body: bytes | None = None, fields: dict[str, str] | None = None
    ) -> tuple[str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, fields or {})
            response = connection.getresponse()
            told = response.read()
            return judged(response.status, dict(response.headers), told), told
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__, b""
        finally:
            connection.close()
