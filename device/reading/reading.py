"""The way of an image through the box: bytes → picture → one forward pass → gate → maps and probabilities → `Reading`.

A picture's file doesn't reliably state the size of its pixels. So a picture counts as a field and is read whole, at about
the area that the model knows. Where the caller states the size of a pixel, the picture is read at the model's own scale
instead; what is then larger than a field is a section (`device/reading/sections.py`).

The command line, the HTTP service and the training package's evaluation all read through `Reader.read`, so what was
measured is what is served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from math import log
from time import perf_counter
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from device.base.errors import ModelUnusable
from device.reading.bundle import Bundle
from device.reading.canvas import canvas_of, knows_small_fields
from device.reading.gate import Gate, Verdict
from device.reading.image import Image, Limits, SizeRule, decode
from device.reading.maps import Features, Head, Maps, softmax
from device.reading.regions import Region, concern_of, regions_of
from device.reading.runtime import Network, Runtime
from device.reading.sections import (
    LEAST_FILE_PX,
    WHOLE_UP_TO,
    Section,
    Seen,
    as_field,
    check_um_per_px,
    is_section,
    read_section,
    true_size,
)
from device.reading.site.instrument import Instrument
from device.reading.site.measure import Recalibration, concern_mask
from device.reading.site.stain import SiteColour
from device.reading.site.standing import NOT_COMMISSIONED, Standing

UNITS_SHOWN = 8
BLANK_ODDS, LIMIT_ODDS = 2.0, 100.0
MOST_GATES = 8  # of site profiles, that a reader keeps

PixelSize: TypeAlias = float | Instrument  # µm, or the instrument whose pictures have pixels of a known size
ScaleSource: TypeAlias = Literal["typed", "instrument", "site"]  # where the size of a pixel is from


@dataclass(frozen=True)
class Reading:
    """The reading of one picture. `outputs` are the network's integers, by name; of a section only `features`, each
    window's pooled to one place. `probabilities` (bundle order) and `maps` exist for refused pictures too, for
    evaluation, but every document for people leaves them out then: a refused picture gets no class. `um_per_px`: the size
    of the file's pixels, where it is known, with its source."""

    image: Image
    outputs: Mapping[str, Features]
    verdict: Verdict
    maps: Maps
    probabilities: NDArray[np.float64]
    timings_ms: Mapping[str, float]
    um_per_px: float | None = None
    scale_source: ScaleSource | None = None
    instrument: Instrument | None = None
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


def size_for(bundle: Bundle, pixel_size: PixelSize | None) -> PixelSize | None:
    """The size of a pixel that holds for a bundle: an instrument is a microscope, of which a bundle that needs no scale
    (ultrasound, say) isn't told."""
    return None if isinstance(pixel_size, Instrument) and not bundle.manifest.needs_scale else pixel_size


def size_at(bundle: Bundle, standing: Standing, given: PixelSize | None) -> tuple[PixelSize | None, ScaleSource | None]:
    """The size of a pixel at which a bundle that stands so reads a picture, and who says so: whoever gave one, else the
    bundle's site profile."""
    size = size_for(bundle, given)
    if size is not None:
        return size, "instrument" if isinstance(size, Instrument) else "typed"
    own = standing.instrument
    if own is None:
        return None, None
    return own if bundle.manifest.needs_scale else own.um_per_px, "site"


def target_of(bundle: Bundle, limits: Limits, pixel_size: PixelSize | None, *, sections: bool = True) -> int | SizeRule:
    """At what size a bundle's network gets a picture, as `device.reading.image.decode` takes it. Raises `ScaleInvalid`; the
    rule of an instrument raises `InstrumentOtherShape`."""
    preprocessing = bundle.manifest.preprocessing
    area_px = preprocessing.area_px
    pixel_size = size_for(bundle, pixel_size)
    if pixel_size is None:
        return area_px
    most = limits.max_megapixels if sections else min(limits.max_megapixels, WHOLE_UP_TO * area_px / 1e6)
    if isinstance(pixel_size, Instrument):

        def size(width: int, height: int) -> tuple[int, int]:
            um_per_px = round(pixel_size.um_per_px_of(width, height), 4)  # as an error is to say it
            return true_size(um_per_px, preprocessing.um_per_px, area_px, most)(width, height)

        return size
    check_um_per_px(pixel_size)
    return true_size(pixel_size, preprocessing.um_per_px, area_px, most)


def at_known_scale(limits: Limits) -> Limits:
    """The limits of a picture whose scale is known: a tile of 50 px may show tissue enough."""
    return replace(limits, min_px=min(limits.min_px, LEAST_FILE_PX))


class Reader:
    """Reads pictures with one bundle. Threads may share it, of which `copies` use the network at once."""

    def __init__(
        self, bundle: Bundle, limits: Limits, *, threads: int = 1, runtime: Runtime | None = None, copies: int = 1
    ) -> None:
        self.bundle, self.limits = bundle, limits
        self.network = Network(bundle.network_path, threads=threads, runtime=runtime, copies=copies)
        self._check_outputs()
        self.gate, self.head = Gate(bundle), Head.of(bundle)
        self.standing = NOT_COMMISSIONED
        self._own_gate, self._gates = self.gate, dict[str, Gate]()  # those of site profiles by the profiles' hashes
        self.colour: SiteColour | None = None
        self.temperature = bundle.manifest.calibration.temperature
        self._area_px = bundle.manifest.preprocessing.area_px
        self._knows_small = knows_small_fields(bundle.manifest)
        self.modality = bundle.manifest.modality

    def at(self, standing: Standing) -> Reader:
        """The reader of a clinic where its model stands so: by the profile in force it has the clinic's gate, colours,
        calibration, and scale for pictures whose own isn't given."""
        reader, profile, key = copy(self), standing.in_force, standing.watch_key
        reader.standing, reader.gate = standing, self._own_gate
        reader.colour = None if profile is None else profile.fit.colour
        if profile is not None and key is not None:
            gate = self._gates.get(key)
            if gate is None:
                if len(self._gates) >= MOST_GATES:
                    self._gates.clear()
                gate = self._gates[key] = Gate(self.bundle, profile.fit)
            reader.gate = gate
        return reader

    def coloured(self, colour: SiteColour | None) -> Reader:
        """The reader that brings pictures to the model's colours first."""
        reader = copy(self)
        reader.colour = colour
        return reader

    @contextmanager
    def idle(self) -> Iterator[list[Reader]]:
        """The reader with each copy of the network alone that nobody uses now."""
        with self.network.idle() as networks:
            readers = [copy(self) for _ in networks]
            for reader, network in zip(readers, networks, strict=True):
                reader.network = network
            yield readers

    def _check_outputs(self) -> None:
        for name, stated in self.bundle.manifest.network.outputs.items():
            real = self.network.outputs.get(name)
            if real is None or real.zero_point != stated.zero_point or not np.isclose(real.scale, stated.scale):
                raise ModelUnusable(detail=f"the network's output {name} is not what the manifest says")

    def read(
        self,
        data: bytes,
        um_per_px: PixelSize | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        sections: bool = True,
        seen: Seen | None = None,
    ) -> Reading:
        """Read the bytes of a picture file, at the model's own scale where the size of its pixels is given, as a number or
        by the instrument that took it. `seen` is shown pixels and outputs of the network, of the field or of each window
        with tissue of a section.

        Raises an `ImageError` when they aren't a picture that the box reads, or not with pixels of that size
        (`SectionTooLarge` for any section where `sections` aren't wanted), and `ReadingStopped` when `stop`, which is asked
        while a file is decoded and at each window of a section, says so.
        """
        start = perf_counter()
        um_per_px, source = size_at(self.bundle, self.standing, um_per_px)
        limits = self.limits if um_per_px is None else at_known_scale(self.limits)
        image = decode(data, limits, target_of(self.bundle, limits, um_per_px, sections=sections), stop=stop)
        if um_per_px is not None:
            image = as_field(image, self._area_px)
        decoded = perf_counter()
        if um_per_px is not None and is_section(image.pixels, self._area_px):
            reading = self._read_section(image, (decoded - start) * 1e3, stop, seen)
        else:
            reading = self._read_field(image, start, decoded, seen, true_scale=um_per_px is not None)
        if um_per_px is None:
            return reading
        if isinstance(um_per_px, Instrument):
            size = um_per_px.um_per_px_of(image.width, image.height)
            return replace(reading, um_per_px=size, scale_source=source, instrument=um_per_px)
        return replace(reading, um_per_px=um_per_px, scale_source=source)

    @property
    def recalibration(self) -> Recalibration | None:
        """How logits become probabilities at this clinic, where not as the bundle says."""
        profile = self.standing.in_force
        return None if profile is None or profile.measured is None else profile.measured.recalibration

    def _probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated, at a clinic that was measured as left-out patients of it gain by."""
        if self.recalibration is not None:
            logits = self.recalibration.logits(logits, concern_mask(self.bundle))
        return softmax(logits, self.temperature)

    def _read_field(
        self, image: Image, start: float, decoded: float, seen: Seen | None, *, true_scale: bool
    ) -> Reading:
        """`start` and `decoded`: when its decoding began and ended."""
        pixels = image.pixels if self.colour is None else self.colour.apply(image.pixels)
        canvas = canvas_of(pixels, self._area_px) if true_scale and not self._knows_small else None
        given = pixels if canvas is None else canvas.pixels
        whole = self.network.run(given)
        outputs = whole if canvas is None else canvas.own_outputs(whole)
        ran = perf_counter()
        maps = self.head.maps(outputs["features"], pixels)
        mapped = perf_counter()
        verdict = self.gate.judge(replace(image, pixels=pixels), whole, true_scale=true_scale, given=given)
        if canvas is not None and verdict.strangeness is not None:
            verdict = replace(verdict, strangeness=canvas.own(verdict.strangeness).astype(np.float32, copy=False))
        judged = perf_counter()
        if seen is not None:
            seen(given, whole)
        timings_ms = {
            "decode": (decoded - start) * 1e3,
            "network": (ran - decoded) * 1e3,
            "maps": (mapped - ran) * 1e3,
            "gate": (judged - mapped) * 1e3,
            "total": (judged - start) * 1e3,
        }
        return Reading(image, outputs, verdict, maps, self._probabilities(maps.logits), timings_ms)

    def _read_section(
        self, image: Image, decode_ms: float, stop: Callable[[], bool] | None, seen: Seen | None
    ) -> Reading:
        start = perf_counter()
        verdict, section = read_section(
            image, self._area_px, self.network, self.gate, self.head, stop=stop, seen=seen, colour=self.colour
        )
        maps = self.head.section_maps(section.features)
        timings_ms = {"decode": decode_ms, **section.timings_ms, "total": decode_ms + (perf_counter() - start) * 1e3}
        return Reading(
            image,
            {"features": section.features},
            verdict,
            maps,
            self._probabilities(maps.logits),
            timings_ms,
            section=section,
        )

    def scale(self, reading: Reading) -> tuple[float, float]:
        """Below which logit a place is left blank, and at which the colours end. A field's come from the bundle. A
        section's cell is a whole window's decision, so its colours follow its odds: from 2 : 1 to 100 : 1 for the class,
        or against it, all others being alike."""
        explanation = self.bundle.manifest.explanation
        if reading.section is None:
            return explanation.blank_below, explanation.limit
        classes = len(reading.probabilities)
        per_log_odds = self.temperature * (classes - 1) / classes
        return round(log(BLANK_ODDS) * per_log_odds, 2), round(log(LIMIT_ODDS) * per_log_odds, 2)

    def regions(self, reading: Reading) -> list[Region]:
        """The connected places that speak for a class of concern, largest first."""
        return regions_of(reading.maps, concern_of(self.bundle.manifest))

    def strongest_units(self, reading: Reading) -> list[int]:
        """The units with the largest part in the logit of the class that is read, the largest first."""
        parts = reading.maps.units[:, reading.best]
        return [int(unit) for unit in np.argsort(-np.abs(parts), kind="stable")[:UNITS_SHOWN]]
