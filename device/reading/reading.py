"""The way of an image through the box: bytes → picture → one forward pass → gate → maps and probabilities → `Reading`.

Nothing in a picture's file says how large its pixels are in a way that can be trusted, so a picture is taken for a field
and read whole, at about the area that the model knows. Where somebody says the size of a pixel, it is read at the model's
own scale instead; what is then larger than a field is a section (`device/reading/sections.py`).

The command line, the HTTP service and the training package's evaluation all read through `Reader.read`, so what was
measured is what is served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from math import log
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device import __version__
from device.base.errors import ModelUnusable
from device.base.texts import likelihood, words
from device.documents.answer import answer
from device.documents.verdict import caution_words, questions, refusal
from device.reading.bundle import Bundle
from device.reading.gate import Gate, Verdict
from device.reading.image import Image, Limits, SizeRule, StatedScale, decode
from device.reading.maps import Head, Maps, softmax
from device.reading.regions import (
    Region,
    Scale,
    concern_of,
    parts_json,
    places_json,
    regions_json,
    regions_of,
    section_concern,
    section_headline,
)
from device.reading.runtime import Network, Runtime
from device.reading.sections import (
    FOREIGN,
    GLASS,
    READ,
    WHOLE_UP_TO,
    Section,
    check_um_per_px,
    is_section,
    read_section,
    true_size,
)

SCHEMA = "loupe-reading/1"
UNITS_SHOWN = 8
BLANK_ODDS, LIMIT_ODDS = 2.0, 100.0
UNIT_SCALE = 8  # a unit's map is drawn on a scale so many times finer than a class's: many units make up one class map


@dataclass(frozen=True)
class Reading:
    """What the box says of one picture. `outputs` are the network's integers, by name; of a section only `features`, each
    window's pooled to one place. `probabilities` (bundle order) and `maps` exist for refused pictures too, for
    evaluation, but `as_json` and every surface for people leave them out then: a refused picture gets no class."""

    image: Image
    outputs: Mapping[str, NDArray[Any]]
    verdict: Verdict
    maps: Maps
    probabilities: NDArray[np.float64]
    timings_ms: Mapping[str, float]
    um_per_px: float | None = None
    section: Section | None = None

    @property
    def best(self) -> int:
        """Index of the most probable class."""
        return int(self.probabilities.argmax())

    @property
    def strangeness(self) -> NDArray[np.float32] | None:
        """Where the picture is foreign, above 1: float32 [rows, columns] over the picture; None where nothing tells."""
        return self.verdict.strangeness if self.section is None else self.section.strangeness

    @property
    def caution(self) -> bool:
        """Accepted, but rarer than most proper pictures, or a section of which a good part is foreign."""
        return self.verdict.caution or (self.verdict.accepted and self.section is not None and self.section.caution)

    @property
    def shares(self) -> NDArray[np.float64]:
        """For each class the share of places that count whose evidence is greatest for it: float64 [classes]."""
        counted = self.maps.values[self.maps.counted]
        return np.asarray(np.bincount(counted.argmax(1), minlength=counted.shape[1]) / max(1, len(counted)))


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


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Row by row, None where a place doesn't count."""
    return [None if value != value else value for value in values.ravel().tolist()]


def _map_scale(reading: Reading) -> Scale:
    """From cells of the class map to pixels of the file's picture."""
    rows, columns, _ = reading.maps.values.shape
    return Scale((reading.image.width / columns, reading.image.height / rows), reading.um_per_px)


def _stated(scale: StatedScale | None, language: str) -> dict[str, Any] | None:
    """The size of a pixel that the file states, µm, with where it says so."""
    if scale is None:
        return None
    told = words(language)["stated_scale"]
    value = f"{scale.um_per_px:.4g}"
    sentence = told["words"].format(
        value=value if language == "en" else value.replace(".", ","), source=told["sources"][scale.source]
    )
    return {"value": scale.um_per_px, "source": scale.source, "words": sentence}


def _where(strangeness: NDArray[np.float32] | None) -> dict[str, Any] | None:
    """The map of what is foreign, None where the gate gives none."""
    if strangeness is None:
        return None
    rows, columns = strangeness.shape
    return {
        "rows": rows,
        "columns": columns,
        "foreign": float((strangeness > 1).mean()),
        "values": np.round(strangeness.astype(np.float64), 3).ravel().tolist(),
    }


def target_of(bundle: Bundle, limits: Limits, um_per_px: float | None, *, sections: bool = True) -> int | SizeRule:
    """At what size a bundle's network gets a picture, as `device.reading.image.decode` takes it. Raises `ScaleInvalid`."""
    preprocessing = bundle.manifest["preprocessing"]
    area_px: int = preprocessing["area_px"]
    if um_per_px is None:
        return area_px
    check_um_per_px(um_per_px)
    most = limits.max_megapixels if sections else min(limits.max_megapixels, WHOLE_UP_TO * area_px / 1e6)
    return true_size(um_per_px, preprocessing["um_per_px"], area_px, most)


class Reader:
    """Reads pictures with one bundle. Threads may share it, of which `copies` use the network at once."""

    def __init__(
        self, bundle: Bundle, limits: Limits, *, threads: int = 1, runtime: Runtime | None = None, copies: int = 1
    ) -> None:
        self.bundle, self.limits = bundle, limits
        self.network = Network(bundle.network_path, threads=threads, runtime=runtime, copies=copies)
        self._check_outputs()
        self.gate, self.head = Gate(bundle), Head(bundle)
        self._temperature: float = bundle.manifest["calibration"]["temperature"]
        self._area_px: int = bundle.manifest["preprocessing"]["area_px"]
        self.modality: str = bundle.manifest["modality"]

    @contextmanager
    def idle(self) -> Iterator[list[Reader]]:
        """The reader with each copy of the network alone that nobody uses now."""
        with self.network.idle() as networks:
            readers = [copy(self) for _ in networks]
            for reader, network in zip(readers, networks, strict=True):
                reader.network = network
            yield readers

    def _check_outputs(self) -> None:
        for name, said in self.bundle.manifest["network"]["outputs"].items():
            real = self.network.outputs.get(name)
            if real is None or real.zero_point != said["zero_point"] or not np.isclose(real.scale, said["scale"]):
                raise ModelUnusable(detail=f"the network's output {name} is not what the manifest says")

    def read(
        self,
        data: bytes,
        um_per_px: float | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        sections: bool = True,
    ) -> Reading:
        """Read the bytes of a picture file, at the model's own scale where the size of its pixels is given.

        Raises an `ImageError` when they aren't a picture that the box reads, or not with pixels of that size
        (`SectionTooLarge` for any section where `sections` aren't wanted), and `ReadingStopped` when `stop`, which is asked
        while a file is decoded and at each window of a section, says so.
        """
        start = perf_counter()
        image = decode(data, self.limits, target_of(self.bundle, self.limits, um_per_px, sections=sections), stop=stop)
        decoded = perf_counter()
        if um_per_px is not None and is_section(image.pixels, self._area_px):
            return self._read_section(image, um_per_px, (decoded - start) * 1e3, stop)
        outputs = self.network.run(image.pixels)
        ran = perf_counter()
        maps = self.head.maps(outputs["features"], image.pixels)
        mapped = perf_counter()
        verdict = self.gate.judge(image, outputs)
        judged = perf_counter()
        timings_ms = {
            "decode": (decoded - start) * 1e3,
            "network": (ran - decoded) * 1e3,
            "maps": (mapped - ran) * 1e3,
            "gate": (judged - mapped) * 1e3,
            "total": (judged - start) * 1e3,
        }
        return Reading(
            image, outputs, verdict, maps, softmax(maps.logits, self._temperature), timings_ms, um_per_px=um_per_px
        )

    def _read_section(
        self, image: Image, um_per_px: float, decode_ms: float, stop: Callable[[], bool] | None
    ) -> Reading:
        start = perf_counter()
        verdict, section = read_section(image, self._area_px, self.network, self.gate, self.head, stop=stop)
        maps = self.head.section_maps(section.features)
        timings_ms = {"decode": decode_ms, **section.timings_ms, "total": decode_ms + (perf_counter() - start) * 1e3}
        return Reading(
            image,
            {"features": section.features},
            verdict,
            maps,
            softmax(maps.logits, self._temperature),
            timings_ms,
            um_per_px=um_per_px,
            section=section,
        )

    def scale(self, reading: Reading) -> tuple[float, float]:
        """Below which logit a place is left blank, and at which the colours end. A field's come from the bundle. A
        section's cell is a whole window's decision, so its colours follow its odds: from 2 : 1 to 100 : 1 for the class,
        or against it, all others being alike."""
        rules = self.bundle.manifest["explanation"]
        if reading.section is None:
            return rules["blank_below"], rules["limit"]
        classes = len(reading.probabilities)
        per_log_odds = self._temperature * (classes - 1) / classes
        return round(log(BLANK_ODDS) * per_log_odds, 2), round(log(LIMIT_ODDS) * per_log_odds, 2)

    def as_json(self, reading: Reading, language: str) -> dict[str, Any]:
        """A reading as JSON-able values with its words in a language; the contract is `docs/engineers/api.md`."""
        told = words(language)
        verdict, image = reading.verdict, reading.image
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "notice": told["notice"],
            "verdict": {
                "accepted": verdict.accepted,
                "caution": reading.caution,
                "caution_words": caution_words(verdict, reading.section, language),
                "reason": refusal(verdict, reading.um_per_px, self.modality, language),
                "magnification": verdict.magnification,
                "where": _where(reading.strangeness),
                "questions": questions(verdict, self.modality, language),
            },
            "answer": None,
            "prediction": None,
            "class_map": None,
            "parts": None,
            "units": None,
            "units_rest": None,
            "section": self._section(reading, language),
            "image": {
                "width": image.width,
                "height": image.height,
                "format": image.format,
                "notes": list(image.notes),
                "read_width": image.pixels.shape[1],
                "read_height": image.pixels.shape[0],
                "um_per_px": reading.um_per_px,
                "stated_um_per_px": _stated(image.stated_um_per_px, language),
                "preview": image.preview,
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
            section = document["section"]
            given = answer(self.bundle.manifest, reading.probabilities, language, section and section["headline"])
            document["answer"] = given
            document |= self._decision(reading, language, answered=given["concern"])
        return document

    def _decision(self, reading: Reading, language: str, *, answered: bool) -> dict[str, Any]:
        """What an accepted picture has beside its answer; `answered`: that names a class of concern."""
        manifest, maps, best = self.bundle.manifest, reading.maps, reading.best
        labels = manifest["labels"]
        rows, columns, _ = maps.values.shape
        blank_below, limit = self.scale(reading)
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
                "counted": int(np.count_nonzero(maps.counted)),
                "limit": limit,
                "blank_below": blank_below,
                "values": {label["id"]: _numbers(maps.values[..., k]) for k, label in enumerate(labels)},
                "places": places_json(maps, self.bundle.labels, _map_scale(reading), blank_below),
            },
            "parts": self._parts(reading, language, answered=answered),
            **self._units(reading, language),
        }

    def _section(self, reading: Reading, language: str) -> dict[str, Any] | None:
        section = reading.section
        if section is None:
            return None
        image = reading.image
        across = image.width / image.pixels.shape[1]
        down = image.height / image.pixels.shape[0]
        labels = self.bundle.manifest["labels"]
        headline, concern = self._section_answer(reading, section, language)
        return {
            "headline": headline,
            "concern": concern,
            "read": section.count(READ),
            "foreign": section.count(FOREIGN),
            "glass": section.count(GLASS),
            "reasons": dict(section.reasons),
            "window_px": [section.window_px[0] * across, section.window_px[1] * down],
            "shares": [
                {"label": label["id"], "name": label["name"][language], "share": float(share)}
                for label, share in zip(labels, reading.shares, strict=True)
            ]
            if reading.verdict.accepted
            else None,
        }

    def regions(self, reading: Reading) -> list[Region]:
        """The connected places that speak for a class of concern, largest first."""
        return regions_of(reading.maps, concern_of(self.bundle.manifest))

    def _regions_json(self, reading: Reading, regions: Sequence[Region]) -> list[dict[str, Any]]:
        return regions_json(regions, reading.maps, self.bundle.labels, _map_scale(reading), self._temperature)

    def _section_answer(
        self, reading: Reading, section: Section, language: str
    ) -> tuple[str, dict[str, Any] | None] | tuple[None, None]:
        """The headline of a section and its regions of concern, both None where it is refused."""
        if not reading.verdict.accepted:
            return None, None
        manifest, regions = self.bundle.manifest, self.regions(reading)
        concern = concern_of(manifest)
        names = [label["name"][language] for label in manifest["labels"]]
        headline = section_headline(section, reading.shares, regions, names, concern, language)
        found = self._regions_json(reading, regions)
        return headline, section_concern(regions, found, reading.maps, self.bundle.labels, concern)

    def _parts(self, reading: Reading, language: str, *, answered: bool) -> dict[str, Any] | None:
        """The parts of a field that speak for a class of concern; a section's stand in `section`."""
        manifest = self.bundle.manifest
        concern = concern_of(manifest)
        if reading.section is not None or not concern:
            return None
        regions = self.regions(reading)
        return parts_json(regions, self._regions_json(reading, regions), manifest, answered, language)

    def _units(self, reading: Reading, language: str) -> dict[str, Any]:
        """The units with the largest part in the logit of the class that is read, each with its map, and the rest."""
        manifest, best = self.bundle.manifest, reading.best
        parts = reading.maps.units[:, best]
        shown = np.argsort(-np.abs(parts), kind="stable")[:UNITS_SHOWN]
        values = self.head.unit_maps(reading.outputs["features"], reading.maps.counted, shown.tolist(), best)
        blank_below, limit = self.scale(reading)
        return {
            "units": [
                {
                    "unit": int(unit),
                    "name": manifest["units"].get(str(unit), {}).get(language),
                    "contribution": float(parts[unit]),
                    "values": _numbers(values[..., place]),
                }
                for place, unit in enumerate(shown)
            ],
            "units_rest": {
                "count": len(parts) - len(shown),
                "contribution": float(np.delete(parts, shown).sum()),
                "bias": float(self.head.bias[best]),
                "limit": limit / UNIT_SCALE,
                "blank_below": blank_below / UNIT_SCALE,
            },
        }
