"""The way of an image through the box: bytes → picture → one forward pass → gate → maps and probabilities → `Reading`.

The command line, the HTTP service and the training package's evaluation all read through `Reader.read`, so what was
measured is what is served. A `Reader` holds one interpreter: one thread at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device import __version__
from device.bundle import Bundle
from device.errors import ModelUnusable
from device.gate import Gate, Verdict
from device.image import Image, Limits, decode
from device.maps import Head, Maps, softmax
from device.runtime import Network, Runtime
from device.texts import likelihood, words

SCHEMA = "loupe-reading/1"
UNITS_SHOWN = 8
UNIT_SCALE = 8  # a unit's map is drawn on a scale so many times finer than a class's: many units make up one class map


@dataclass(frozen=True)
class Reading:
    """What the box says of one picture. `outputs` are the network's integers, by name. `probabilities` (bundle order)
    and `maps` exist for refused pictures too, for evaluation, but `as_json` and every surface for people leave them out
    then: a refused picture gets no class."""

    image: Image
    outputs: Mapping[str, NDArray[np.int8]]
    verdict: Verdict
    maps: Maps
    probabilities: NDArray[np.float64]
    timings_ms: Mapping[str, float]

    @property
    def best(self) -> int:
        """Index of the most probable class."""
        return int(self.probabilities.argmax())


def identity(bundle: Bundle, language: str) -> dict[str, Any]:
    """Which model reads: id, version, title, the bundle's hash and whose key signed it."""
    manifest = bundle.manifest
    return {
        "id": manifest["id"],
        "version": manifest["version"],
        "title": manifest["title"][language],
        "sha256": bundle.sha256,
        "signer": bundle.signer,
    }


class Reader:
    """Reads pictures with one bundle. Not thread-safe: make one for each thread."""

    def __init__(self, bundle: Bundle, limits: Limits, *, threads: int = 1, runtime: Runtime | None = None) -> None:
        self.bundle, self.limits = bundle, limits
        self.network = Network(bundle.network_path, threads=threads, runtime=runtime)
        self._check_outputs()
        self.gate, self.head = Gate(bundle), Head(bundle)
        self._temperature: float = bundle.manifest["calibration"]["temperature"]
        self._area_px: int = bundle.manifest["preprocessing"]["area_px"]

    def _check_outputs(self) -> None:
        for name, said in self.bundle.manifest["network"]["outputs"].items():
            real = self.network.outputs.get(name)
            if real is None or real.zero_point != said["zero_point"] or not np.isclose(real.scale, said["scale"]):
                raise ModelUnusable(detail=f"the network's output {name} is not what the manifest says")

    def read(self, data: bytes) -> Reading:
        """Read the bytes of a picture file. Raises an `ImageError` when they aren't one that the box reads."""
        start = perf_counter()
        image = decode(data, self.limits, self._area_px)
        decoded = perf_counter()
        outputs = self.network.run(image.pixels)
        ran = perf_counter()
        maps = self.head.maps(outputs["features"])
        mapped = perf_counter()
        verdict = self.gate.judge(image.pixels, outputs)
        judged = perf_counter()
        timings_ms = {
            "decode": (decoded - start) * 1e3,
            "network": (ran - decoded) * 1e3,
            "maps": (mapped - ran) * 1e3,
            "gate": (judged - mapped) * 1e3,
            "total": (judged - start) * 1e3,
        }
        return Reading(image, outputs, verdict, maps, softmax(maps.logits, self._temperature), timings_ms)

    def as_json(self, reading: Reading, language: str) -> dict[str, Any]:
        """A reading as JSON-able values with its words in a language; the contract is `docs/api.md`."""
        told = words(language)
        verdict, image = reading.verdict, reading.image
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "notice": told["notice"],
            "verdict": {
                "accepted": verdict.accepted,
                "caution": verdict.caution,
                "reason": {"code": verdict.reason, **told["reasons"][verdict.reason]} if verdict.reason else None,
                "questions": [
                    {
                        "question": answer.question,
                        "title": told["questions"][answer.question],
                        "passed": answer.passed,
                        "p_value": answer.p_value,
                        "score": answer.score,
                        "threshold": answer.threshold if np.isfinite(answer.threshold) else None,
                    }
                    for answer in verdict.answers
                ],
            },
            "prediction": None,
            "class_map": None,
            "units": None,
            "units_rest": None,
            "image": {
                "width": image.width,
                "height": image.height,
                "format": image.format,
                "notes": list(image.notes),
                "read_width": image.pixels.shape[1],
                "read_height": image.pixels.shape[0],
            },
            "model": identity(self.bundle, language),
            "runtime": {
                "name": self.network.runtime.name,
                "version": self.network.runtime.version,
                "exact": self.network.runtime.exact,
            },
            "timings_ms": {name: round(value, 2) for name, value in reading.timings_ms.items()},
            "software": __version__,
        }
        if verdict.accepted:
            document |= self._decision(reading, language)
        return document

    def _decision(self, reading: Reading, language: str) -> dict[str, Any]:
        manifest, maps, best = self.bundle.manifest, reading.maps, reading.best
        labels = manifest["labels"]
        rows, columns, _ = maps.values.shape
        return {
            "prediction": {
                "label": labels[best]["id"],
                "name": labels[best]["name"][language],
                "probabilities": [
                    {
                        "label": label["id"],
                        "name": label["name"][language],
                        "probability": float(probability),
                        "logit": float(logit),
                        "likelihood": likelihood(float(probability), language),
                    }
                    for label, probability, logit in zip(labels, reading.probabilities, maps.logits, strict=True)
                ],
            },
            "class_map": {
                "rows": rows,
                "columns": columns,
                "cell_px": [reading.image.width / columns, reading.image.height / rows],
                "unit": "logit",
                "limit": manifest["explanation"]["limit"],
                "blank_below": manifest["explanation"]["blank_below"],
                "values": {label["id"]: maps.values[..., k].ravel().tolist() for k, label in enumerate(labels)},
            },
            **self._units(reading, language),
        }

    def _units(self, reading: Reading, language: str) -> dict[str, Any]:
        """The units with the largest part in the logit of the class that is read, each with its map, and the rest."""
        manifest, best = self.bundle.manifest, reading.best
        parts = reading.maps.units[:, best]
        shown = np.argsort(-np.abs(parts), kind="stable")[:UNITS_SHOWN]
        values = self.head.unit_maps(reading.outputs["features"], shown.tolist(), best)
        scale = manifest["explanation"]
        return {
            "units": [
                {
                    "unit": int(unit),
                    "name": manifest["units"].get(str(unit), {}).get(language),
                    "contribution": float(parts[unit]),
                    "values": values[..., place].ravel().tolist(),
                }
                for place, unit in enumerate(shown)
            ],
            "units_rest": {
                "count": len(parts) - len(shown),
                "contribution": float(np.delete(parts, shown).sum()),
                "bias": float(self.head.bias[best]),
                "limit": scale["limit"] / UNIT_SCALE,
                "blank_below": scale["blank_below"] / UNIT_SCALE,
            },
        }
