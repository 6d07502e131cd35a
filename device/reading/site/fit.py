"""Fitting the gate to a clinic, from the means of its own pictures.

The bundle's gate says how far a picture lies from those of the laboratory where the model learnt. A clinic's stain, scanner
and patients are others, so its proper pictures lie far off, and alike. So centre and covariance of each space become those
of the clinic, as far as its pictures tell them: with few, the bundle's covariance stays. The rule of scale gets an offset,
as the instrument has told how large a pixel is. The threshold comes from patients left out: each is judged by a gate that
was fitted on the others, and the promise is what their number allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.reading.bundle import Bundle
from device.reading.gate import MADE, SCALE, SHOWS, distance
from device.reading.rate_bound import bound_rate
from device.reading.site.records import Floats, ForeignRefusals, PictureMeans, SiteFit, SitePromise

COVARIANCE_WORTH = 40  # pictures: the bundle's covariance counts like so many of the clinic's
FOLDS = 20
ALPHA, CONFIDENCE = 0.1, 0.9
UNIT = 0.95  # the quantile of proper pictures' scores that is called 1
PARTLY = 0.99  # share of proper pictures that have no cell over the limit
LEAST_PATIENTS = 2


@dataclass(frozen=True)
class Space:
    """A Mahalanobis distance: centre [d] and whitening [d, d]."""

    centre: Floats
    whitening: Floats

    def scores(self, rows: Floats) -> Floats:
        return distance(rows, self.centre, self.whitening)

    def in_units_of(self, score: float) -> Space:
        return Space(self.centre, self.whitening / score)


@dataclass(frozen=True)
class SiteGate:
    """The gate's spaces and rule of scale, of the bundle or of a clinic."""

    made: Space
    shows: Space
    weights: Floats
    intercept: float
    octave: float

    def scores(self, early: Floats, middle: Floats) -> dict[str, Floats]:
        """Each question's score [n] of both layers' means [n, channels]."""
        octaves = np.concatenate([early, middle], 1) @ self.weights + self.intercept
        return {
            SCALE: np.abs(octaves) / self.octave,
            MADE: self.made.scores(early),
            SHOWS: self.shows.scores(middle),
        }


def bundle_gate(bundle: Bundle) -> SiteGate:
    """The bundle's own."""
    rules = bundle.manifest.gate

    def array(member: str) -> Floats:
        return bundle.array(member).astype(np.float64)

    return SiteGate(
        Space(array(rules.made.centre), array(rules.made.whitening)),
        Space(array(rules.shows.centre), array(rules.shows.whitening)),
        array(rules.scale.weights),
        rules.scale.intercept,
        rules.scale.octaves,
    )


def fit_site(
    bundle: Bundle,
    pictures: Sequence[PictureMeans],
    patients: Sequence[str],
    foreign: Sequence[PictureMeans] = (),
    kinds: Sequence[str] = (),
) -> SiteFit:
    """The gate of a clinic, from its own pictures, of which each is a patient's, and how it treats foreign ones.

    Needs judgeable pictures of at least `LEAST_PATIENTS` patients: raises `ValueError` otherwise.
    """
    judged = [index for index, picture in enumerate(pictures) if picture.judgeable]
    local, of = [pictures[index] for index in judged], np.array([patients[index] for index in judged])
    if len(set(of)) < LEAST_PATIENTS:
        raise ValueError(f"pictures of {len(set(of))} patients can't be left out in turn")
    before = bundle_gate(bundle)
    scores = _left_out_scores(before, local, of)
    bound = bound_rate(np.max(list(scores.values()), 0), of, ALPHA, CONFIDENCE)
    gate = _fit(before, local)
    cells = Space(bundle.array(bundle.manifest.gate.cells.centre), bundle.array(bundle.manifest.gate.cells.whitening))
    cells = _recentred(cells, np.concatenate([picture.cells for picture in local]).astype(np.float64))
    worst = [float(cells.scores(picture.cells.astype(np.float64)).max()) for picture in local]
    return SiteFit(
        made_centre=gate.made.centre,
        made_whitening=gate.made.whitening,
        shows_centre=gate.shows.centre,
        shows_whitening=gate.shows.whitening,
        cells_centre=cells.centre,
        cells_whitening=cells.whitening,
        cell_limit=float(np.quantile(worst, PARTLY)),
        octaves=before.intercept - gate.intercept,
        scale_scores=_sorted(scores[SCALE]),
        made_scores=_sorted(scores[MADE]),
        shows_scores=_sorted(scores[SHOWS]),
        promise=SitePromise(
            alpha=round(bound.alpha, 4),
            confidence=bound.confidence,
            n=bound.units,
            pictures=len(local),
            refused=int((np.max(list(scores.values()), 0) > bound.threshold).sum()),
            threshold=bound.threshold,
        ),
        refused_before=sum(picture.reason is not None for picture in local),
        unjudgeable=len(pictures) - len(local),
        foreign=tuple(_foreign(gate, bound.threshold, foreign, kinds)),
    )


def _sorted(scores: Floats) -> tuple[float, ...]:
    return tuple(round(float(score), 5) for score in np.sort(scores))


def _means(pictures: Sequence[PictureMeans]) -> tuple[Floats, Floats]:
    """Both layers' means of each picture [pictures, channels]."""
    return np.array([p.early.mean(0) for p in pictures]), np.array([p.middle.mean(0) for p in pictures])


def _fit(before: SiteGate, local: Sequence[PictureMeans]) -> SiteGate:
    early, middle = _means(local)
    octaves = np.concatenate([early, middle], 1) @ before.weights + before.intercept
    return SiteGate(
        _recentred(before.made, early),
        _recentred(before.shows, middle),
        before.weights,
        before.intercept - float(np.median(octaves)),
        before.octave,
    )


def _recentred(before: Space, rows: Floats) -> Space:
    """A space about the rows [n, d]: their covariance and the bundle's, as rows against `COVARIANCE_WORTH`, in the bundle's
    unit."""
    centre = rows.mean(0)
    theirs = np.linalg.inv(before.whitening @ before.whitening.T)
    ours = (rows - centre).T @ (rows - centre)
    covariance = (theirs * COVARIANCE_WORTH + ours) / (COVARIANCE_WORTH + len(rows))
    values, vectors = np.linalg.eigh(covariance)
    return Space(centre, vectors / np.sqrt(np.maximum(values, values[-1] * 1e-9)))


def _left_out_scores(before: SiteGate, local: Sequence[PictureMeans], of: NDArray[np.str_]) -> dict[str, Floats]:
    """Each question's score of every picture by a gate that was fitted without its patient."""
    scores = {question: np.zeros(len(local)) for question in (SCALE, MADE, SHOWS)}
    for held in _folds(of):
        gate = _fit(before, [picture for picture, out in zip(local, held, strict=True) if not out])
        chosen = [picture for picture, out in zip(local, held, strict=True) if out]
        for question, found in gate.scores(*_means(chosen)).items():
            scores[question][held] = found
    return scores


def _folds(of: NDArray[np.str_]) -> Iterator[NDArray[np.bool_]]:
    """Which pictures are left out in turn: bool [pictures], those of whole patients."""
    names = np.unique(of)
    for fold in range(min(FOLDS, len(names))):
        yield np.isin(of, names[fold::FOLDS])


def _foreign(
    gate: SiteGate, threshold: float, foreign: Sequence[PictureMeans], kinds: Sequence[str]
) -> Iterator[ForeignRefusals]:
    for kind in dict.fromkeys(kinds):
        chosen = [picture for picture, of in zip(foreign, kinds, strict=True) if of == kind]
        judged = [picture for picture in chosen if picture.judgeable]
        refused = len(chosen) - len(judged)
        if judged:
            refused += int((np.max(list(gate.scores(*_means(judged)).values()), 0) > threshold).sum())
        yield ForeignRefusals(kind, len(chosen), sum(picture.reason is not None for picture in chosen), refused)
