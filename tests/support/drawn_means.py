"""What is kept of pictures of a clinic, drawn by chance about a bundle's own centre: for tests that need no picture."""

from __future__ import annotations

import numpy as np

from device.reading.bundle import Bundle
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
