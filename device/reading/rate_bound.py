"""The refusal-rate bound: "the gate refuses at most this share of proper pictures, with this confidence".

The statement is about pictures of new patients. Patients are what is exchangeable, so a patient's share of refused
pictures is one draw, however many pictures it has. The threshold is the lowest at which an upper confidence bound of the
mean share stays under the share that is asked for (risk-controlling prediction sets, Bates et al. 2021). The bound is exact
(binomial) where each patient has one picture, and otherwise by betting (Waudby-Smith and Ramdas 2024): were the mean share
`alpha` or more, a gambler who bets that shares are smaller would multiply the stake by 20 once in 20 times at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log

import numpy as np
from numpy.typing import NDArray

# Of the largest bet that can't lose all, each with an equal part of the stake: high, since the shares are small.
BETS = np.array([0.5, 0.8, 0.9, 0.95])
HALVINGS = 40  # of the range in which a share is looked for


@dataclass(frozen=True)
class RateBound:
    """At most `alpha` of proper pictures score over `threshold`, with `confidence`, from `units` patients (or pictures)."""

    alpha: float
    confidence: float
    units: int
    threshold: float


def p_value(shares: NDArray[np.float64], alpha: float) -> float:
    """How likely shares [patients], each 0…1, so low or lower are if their mean is `alpha` or more: an upper bound."""
    if np.isin(shares, (0.0, 1.0)).all():
        return at_most(round(float(shares.sum())), len(shares), alpha)
    stakes = np.exp(np.log1p(BETS[:, None] / (1 - alpha) * (alpha - shares)).sum(1))
    return float(min(1.0, 1.0 / stakes.mean()))


def at_most(count: int, of: int, share: float) -> float:
    """How likely at most `count` of so many are, each with probability `share`: binomial."""
    if count == of or not 0 < share < 1:
        return 1.0 if count == of or share <= 0 else 0.0
    terms = (
        lgamma(of + 1) - lgamma(k + 1) - lgamma(of - k + 1) + k * log(share) + (of - k) * log(1 - share)
        for k in range(count + 1)
    )  # as logarithms: the coefficients of thousands leave float64
    return min(1.0, sum(map(exp, terms)))


def _least_alpha(shares: NDArray[np.float64], confidence: float) -> float:
    """The least alpha that shares [patients] can bound."""
    if p_value(shares, 1 - 1e-9) > 1 - confidence:
        return 1.0
    low, high = 0.0, 1.0  # the p-value falls as alpha rises
    for _ in range(HALVINGS):
        between = (low + high) / 2
        low, high = (between, high) if p_value(shares, between) > 1 - confidence else (low, between)
    return high


def bound_rate(scores: NDArray[np.float64], patients: NDArray[np.str_], alpha: float, confidence: float) -> RateBound:
    """The lowest threshold on scores [pictures] that keeps the rate under `alpha`; infinite scores are refused by any.

    Where patients are too few even at the greatest finite score, that is the threshold, and `alpha` the least that they can
    bound.
    """
    names, index = np.unique(patients, return_inverse=True)
    pictures = np.bincount(index)

    def shares(threshold: float) -> NDArray[np.float64]:
        return np.asarray(np.bincount(index, weights=scores > threshold, minlength=len(names)) / pictures)

    thresholds = np.unique(scores[np.isfinite(scores)])
    if p_value(shares(thresholds[-1]), alpha) > 1 - confidence:
        alpha = _least_alpha(shares(thresholds[-1]), confidence)
        return RateBound(alpha, confidence, len(names), float(thresholds[-1]))
    low, high = 0, len(thresholds) - 1  # the p-value falls as the threshold rises: bisect
    while low < high:
        between = (low + high) // 2
        if p_value(shares(thresholds[between]), alpha) <= 1 - confidence:
            high = between
        else:
            low = between + 1
    return RateBound(alpha, confidence, len(names), float(thresholds[high]))
