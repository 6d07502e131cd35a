"""What is kept of pictures of a clinic, drawn by chance about a bundle's own centre: for tests that need no picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from msgspec import structs

from device.reading.bundle import Bundle
from device.reading.manifest import Amendment, SiteRules
from device.reading.site.records import PictureMeans
from device.reading.site.spaces import Rows

COLOURS = 9  # numbers that tell a tissue's colours
SHIFT = 0.3  # of the clinic's centre from the bundle's, in units of a picture's spread


def drawn_means(bundle: Bundle, seed: int, *, judgeable: bool = True, reason: str | None = None) -> PictureMeans:
    """The means of one picture of the clinic."""
    rng = np.random.default_rng(seed)
    gate, labels = bundle.manifest.gate, bundle.labels
    layers = {}
    for name, rules in (("early", gate.made), ("middle", gate.shows)):
        centre = bundle.array(rules.centre).astype(np.float64)
        spread = np.linalg.pinv(bundle.array(rules.whitening).astype(np.float64)).T
        layers[name] = centre + (SHIFT + rng.normal(size=len(centre)) / np.sqrt(len(centre))) @ spread
    centre = bundle.array(gate.cells.centre).astype(np.float32)
    return PictureMeans(
        reason=reason,
        judgeable=judgeable,
        windows=Rows(layers["early"][None], layers["middle"][None], rng.normal(size=(1, COLOURS))),
        cells=(centre + rng.normal(scale=0.01, size=(6, len(centre)))).astype(np.float32),
        logits=rng.normal(scale=2.0, size=len(labels)),
    )


def with_colours(bundle: Bundle) -> Bundle:
    """The bundle as one that knows the colours of its laboratory: its site section, as far as these go."""
    site = SiteRules(
        density=(0.17, 0.33, 0.12),
        kinds=(),
        centres="",
        spread="",
        proper="",
        general="",
        pictures=1,
        groups=1,
        made=Amendment("1.0.0", "drawn for a test", "0" * 7, "2026-01-01"),
    )
    return replace(bundle, manifest=structs.replace(bundle.manifest, site=site))
