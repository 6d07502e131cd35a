"""Which of the box's models reads a picture: the one whose gate knows it.

Each bundle decodes at its own scale, runs its network and asks its own gate, just as it would alone, so that what was
measured of it still holds; a picture costs one pass a bundle, or one in all where the caller names the model. One bundle
accepts: it reads. Several accept: the one to which the picture is least strange, by its own p-values. None accepts: the
picture is refused in the words of the bundle that it came nearest to, the one whose thresholds it exceeds least. Each
bundle's opinion stands in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from device.bundle import Bundle
from device.errors import UnknownModel
from device.gate import Verdict
from device.image import Limits
from device.reading import Reader, Reading


@dataclass(frozen=True)
class Opinion:
    """What one bundle made of a picture."""

    reader: Reader
    reading: Reading

    @property
    def accepted(self) -> bool:
        return self.reading.verdict.accepted

    @property
    def model(self) -> str:
        return str(self.reader.bundle.manifest["id"])


@dataclass(frozen=True)
class Routed:
    """The opinions of all bundles that were asked, in the order of the box, and the one that the answer is given by."""

    opinions: tuple[Opinion, ...]
    chosen: Opinion

    def as_json(self, language: str) -> dict[str, Any]:
        """The chosen reading as JSON-able values, with `routing`: what each bundle said (`docs/api.md`)."""
        document = self.chosen.reader.as_json(self.chosen.reading, language)
        document["routing"] = [
            {
                "model": opinion.model,
                "title": opinion.reader.bundle.manifest["title"][language],
                "chosen": opinion is self.chosen,
                "accepted": opinion.accepted,
                "reason": opinion.reading.verdict.reason,
                "least_p": least_p(opinion.reading.verdict),
                "ms": round(opinion.reading.timings_ms["total"], 2),
            }
            for opinion in self.opinions
        ]
        return document


def least_p(verdict: Verdict) -> float | None:
    """The smallest p-value of a verdict: how ordinary the picture is where it is least so."""
    return min((a.p_value for a in verdict.answers if a.p_value is not None), default=None)


def excess(verdict: Verdict) -> float:
    """How far the picture lies from the bundle's: the greatest distance over its threshold. P-values can't tell: beyond
    the calibration pictures they are all the same, and smallest for the bundle that was calibrated on most."""
    distances = [a.score / a.threshold for a in verdict.answers if a.p_value is not None and np.isfinite(a.threshold)]
    return max(distances, default=float("inf"))


def choose(opinions: Sequence[Opinion]) -> Opinion:
    """The opinion that the answer is given by; of equals the first."""
    accepting = [opinion for opinion in opinions if opinion.accepted]
    if accepting:
        return max(accepting, key=lambda o: (least_p(o.reading.verdict) or 0.0, -excess(o.reading.verdict)))
    return min(opinions, key=lambda o: excess(o.reading.verdict))


class Router:
    """Readers of all bundles. Not thread-safe: make one for each thread."""

    def __init__(self, bundles: Sequence[Bundle], limits: Limits, *, threads: int = 1) -> None:
        self.readers = tuple(Reader(bundle, limits, threads=threads) for bundle in bundles)

    def read(self, data: bytes, model: str | None = None) -> Routed:
        """Read the bytes of a picture file with the named model, else with the one that knows it.

        Raises `UnknownModel`, or an `ImageError` when the bytes aren't a picture that the box reads.
        """
        asked = [reader for reader in self.readers if model in (None, reader.bundle.manifest["id"])]
        if not asked:
            raise UnknownModel(model=model, models=", ".join(r.bundle.manifest["id"] for r in self.readers))
        opinions = tuple(Opinion(reader, reader.read(data)) for reader in asked)
        return Routed(opinions, choose(opinions))
