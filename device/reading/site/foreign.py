"""What a bundle knows of foreign pictures: where it tells a clinic's own pictures from other organs, other stains, and all
that is not tissue.

A distance from the clinic's own pictures alone lets near-foreign pictures pass where the clinic's pictures differ much
among themselves. So the bundle brings the means of some kinds of foreign pictures, by the bundle's network
(`training/gate/foreign.py`). At the clinic, a linear discriminant is laid from its own pictures to each kind. One more, to
all kinds, is the bundle's own: what tells them from the laboratory's pictures holds for kinds that it never saw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from device.reading.bundle import Bundle

Floats = NDArray[np.float64]
OWN_WORTH = 20  # rows: the laboratory's covariance counts like so many of the clinic's
RIDGE = 0.1  # of each entry's own variance
LEAST_VARIANCE = 1e-3  # of an entry that hardly varies, such as a colour of grey pictures


@dataclass(frozen=True)
class KnownForeign:
    """`centres` [kinds, d]: means of the foreign kinds, of both layers and the colours side by side; `spread` [d, d]: the
    mean of their covariances; `proper` [d, d]: the covariance of the laboratory's pictures; `general` [d]: the direction
    from the laboratory's pictures to all kinds."""

    centres: Floats
    spread: Floats
    proper: Floats
    general: Floats

    @classmethod
    def of(cls, bundle: Bundle) -> KnownForeign | None:
        """A bundle's; None where it knows of none."""
        rules = bundle.manifest.site
        if rules is UNSET:
            return None
        arrays = (rules.centres, rules.spread, rules.proper, rules.general)
        return cls(*(bundle.array(member).astype(np.float64) for member in arrays))

    def directions(self, own: Floats) -> Floats:
        """From the mean of the clinic's rows [n, d] to each kind and, last, in general [d, kinds + 1]: a row's distance
        along one is in standard deviations within its two sides."""
        centre = own.mean(0)
        apart = own - centre
        ours = (apart.T @ apart + OWN_WORTH * self.proper) / (len(own) + OWN_WORTH)
        within = with_ridge((ours + self.spread) / 2)
        towards = self.centres - centre
        directions = np.linalg.solve(within, towards.T)
        directions /= np.sqrt((towards.T * directions).sum(0))
        return np.concatenate([directions, self.general[:, None]], 1)


def with_ridge(covariance: Floats) -> Floats:
    """A covariance [d, d] that can be inverted."""
    variances = np.diag(covariance)
    return np.asarray(covariance + np.diag(RIDGE * variances + LEAST_VARIANCE))
