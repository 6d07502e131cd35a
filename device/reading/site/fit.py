"""Fitting the gate to a clinic, from the means of its own pictures.

The bundle's gate says how far a picture lies from those of the laboratory where the model learnt. A clinic's stain, scanner
and patients are others, so its proper pictures lie far off, and alike. So centre and covariance of each space become those
of the clinic, as far as its pictures tell them: with few, the bundle's covariance stays. The rule of scale gets an offset,
as the instrument has told how large a pixel is. What the bundle knows of foreign pictures is laid out anew from the
clinic's own. The threshold comes from patients left out: each is judged by a gate that was fitted on the others, and the
promise is what their number allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from device.reading.bundle import Bundle
from device.reading.gate import MADE, SCALE, SHOWS, questions_of
from device.reading.rate_bound import bound_rate
from device.reading.site.foreign import KnownForeign
from device.reading.site.records import ForeignRefusals, PictureMeans, SiteFit, SitePromise
from device.reading.site.spaces import PARTS, Floats, Rows, SiteSpaces, Space
from device.reading.site.stain import SiteColour

# Where no known kind is near, the threshold is higher than it must be: by at most so much, and to at most so much of the
# least score that the mean of a kind has.
ROOM, NEAR = 1.3, 0.45
COVARIANCE_WORTH = 20  # rows: the bundle's covariance counts like so many of the clinic's
COLOURS_RIDGE, LEAST_COLOURS_VARIANCE = 0.1, 2.5e-3  # of each colour's variance; colours are logarithms
FOLDS = 20
ALPHA, CONFIDENCE = 0.1, 0.9
UNIT = 0.95  # the quantile of the clinic's pictures' scores that is called 1
MOST = 2.5  # so strange a picture isn't one of the clinic's, whoever put it there: it counts as refused
PARTLY = 0.99  # share of the clinic's pictures that have no cell over the limit
LEAST_PATIENTS = 2


class BundleGate:
    """What fitting takes from a bundle: its spaces, its rule of scale, and what it knows of foreign pictures."""

    def __init__(self, bundle: Bundle, known: KnownForeign | None) -> None:
        rules = bundle.manifest.gate

        def array(member: str) -> Floats:
            return bundle.array(member).astype(np.float64)

        self.made = Space(array(rules.made.centre), array(rules.made.whitening))
        self.shows = Space(array(rules.shows.centre), array(rules.shows.whitening))
        self.cells = Space(array(rules.cells.centre), array(rules.cells.whitening))
        self.octave = rules.scale.octaves
        self.foreign = known
        self._weights, self._intercept = array(rules.scale.weights), rules.scale.intercept

    def octaves(self, rows: Rows) -> Floats:
        """What the rule of scale reads off rows [n]."""
        return np.asarray(rows.layers @ self._weights + self._intercept)

    def nearest_kind(self, spaces: SiteSpaces) -> float:
        """The least score that the mean of a known foreign kind has; 0 where none is known."""
        if self.foreign is None:
            return 0.0
        early, middle = len(self.made.centre), len(self.shows.centre)
        kinds = Rows(*np.split(self.foreign.centres, [early, early + middle], axis=1))
        scores = questions_of(spaces.parts(kinds, self.octaves(kinds)))
        return float(np.max(list(scores.values()), 0).min())

    def spaces(self, own: Rows) -> SiteSpaces:
        """The gate about the clinic's own rows, before it has units."""
        known = self.foreign
        return SiteSpaces(
            octaves=float(np.median(self.octaves(own))),
            octave=self.octave,
            made=_recentred(self.made, own.early),
            colours=_colours(own.colours),
            shows=_recentred(self.shows, own.middle),
            own=own.all.mean(0),
            foreign=np.zeros((own.all.shape[1], 1)) if known is None else known.directions(own.all),
        )


def fit_site(
    bundle: Bundle,
    pictures: Sequence[PictureMeans],
    patients: Sequence[str],
    foreign: Sequence[PictureMeans] = (),
    kinds: Sequence[str] = (),
    *,
    colour: SiteColour | None = None,
    known: KnownForeign | None = None,
) -> SiteFit:
    """The gate of a clinic, from its own pictures, of which each is a patient's, and how it treats foreign ones. `colour`:
    what all of them were read with. `known`: of foreign pictures, instead of what the bundle knows.

    Needs judgeable pictures of at least `LEAST_PATIENTS` patients: raises `ValueError` otherwise.
    """
    judged = [index for index, picture in enumerate(pictures) if picture.judgeable]
    local, of = [pictures[index] for index in judged], np.array([patients[index] for index in judged])
    if len(set(of)) < LEAST_PATIENTS:
        raise ValueError(f"pictures of {len(set(of))} patients can't be left out in turn")
    gate = BundleGate(bundle, known or KnownForeign.of(bundle))
    own, picture = _stacked(local)
    parts = _left_out(gate, own, of[picture])
    units = np.maximum(np.quantile(parts, UNIT, axis=1), 1e-6)
    scores = _of_pictures(parts / units[:, None], picture)
    worst = np.max(list(scores.values()), 0)
    bound = bound_rate(np.where(worst > MOST, np.inf, worst), of, ALPHA, CONFIDENCE)
    spaces = gate.spaces(own).in_units_of(units)
    threshold = max(bound.threshold, min(ROOM * bound.threshold, NEAR * gate.nearest_kind(spaces)))
    cells = _recentred(gate.cells, np.concatenate([each.cells for each in local]).astype(np.float64))
    strangest = [float(cells.scores(each.cells.astype(np.float64)).max()) for each in local]
    fit = SiteFit(
        spaces=spaces,
        cells=cells,
        cell_limit=float(np.quantile(strangest, PARTLY)),
        scale_scores=_sorted(scores[SCALE]),
        made_scores=_sorted(scores[MADE]),
        shows_scores=_sorted(scores[SHOWS]),
        promise=SitePromise(
            alpha=round(bound.alpha, 4),
            confidence=bound.confidence,
            n=bound.units,
            pictures=len(local),
            refused=int((worst > threshold).sum()),
            threshold=threshold,
        ),
        refused_before=sum(each.reason is not None for each in local),
        unjudgeable=len(pictures) - len(local),
        foreign=(),
        colour=colour,
    )
    return replace(fit, foreign=tuple(_foreign(bundle, fit, foreign, kinds)))


def refused(bundle: Bundle, fit: SiteFit, pictures: Sequence[PictureMeans]) -> NDArray[np.bool_]:
    """Which pictures the clinic's gate refuses: bool [pictures]."""
    gate = BundleGate(bundle, None)
    judged = np.array([picture.judgeable for picture in pictures], bool)
    out = ~judged
    if judged.any():
        rows, picture = _stacked([each for each in pictures if each.judgeable])
        scores = _of_pictures(fit.spaces.parts(rows, gate.octaves(rows)), picture)
        out[judged] = np.max(list(scores.values()), 0) > fit.promise.threshold
    return out


def _sorted(scores: Floats) -> tuple[float, ...]:
    return tuple(round(float(score), 5) for score in np.sort(scores))


def _stacked(pictures: Sequence[PictureMeans]) -> tuple[Rows, NDArray[np.int64]]:
    """All pictures' rows, and which picture each is of."""
    rows = Rows(
        np.concatenate([each.windows.early for each in pictures]),
        np.concatenate([each.windows.middle for each in pictures]),
        np.concatenate([each.windows.colours for each in pictures]),
    )
    return rows, np.repeat(np.arange(len(pictures)), [len(each.windows) for each in pictures])


def _of_pictures(parts: Floats, picture: NDArray[np.int64]) -> dict[str, Floats]:
    """Rows' parts [6, n] → each question's score [pictures]: a section's is its median window's."""
    scores = questions_of(parts)
    return {
        question: np.array([_lower_median(found[picture == each]) for each in range(picture[-1] + 1)])
        for question, found in scores.items()
    }


def _lower_median(scores: Floats) -> float:
    return float(np.sort(scores)[(len(scores) - 1) // 2])


def _chosen(rows: Rows, which: NDArray[np.bool_]) -> Rows:
    return Rows(rows.early[which], rows.middle[which], rows.colours[which])


def _recentred(before: Space, rows: Floats) -> Space:
    """A space about the rows [n, d]: their covariance and the bundle's, as rows against `COVARIANCE_WORTH`."""
    centre = rows.mean(0)
    theirs = np.linalg.inv(before.whitening @ before.whitening.T)
    apart = rows - centre
    return _whitened(centre, (theirs * COVARIANCE_WORTH + apart.T @ apart) / (COVARIANCE_WORTH + len(rows)))


def _colours(rows: Floats) -> Space:
    """A space about the rows [n, d] of colours, of which the bundle has none."""
    centre = rows.mean(0)
    apart = rows - centre
    covariance = apart.T @ apart / len(rows)
    ridge = COLOURS_RIDGE * np.diag(covariance) + LEAST_COLOURS_VARIANCE
    return _whitened(centre, covariance + np.diag(ridge))


def _whitened(centre: Floats, covariance: Floats) -> Space:
    values, vectors = np.linalg.eigh(covariance)
    return Space(centre, vectors / np.sqrt(np.maximum(values, values[-1] * 1e-9)))


def _left_out(gate: BundleGate, own: Rows, of: NDArray[np.str_]) -> Floats:
    """Each part's score [6, n] of every row by a gate that was fitted without its patient."""
    parts = np.zeros((PARTS, len(own)))
    for held in _folds(of):
        chosen = _chosen(own, held)
        parts[:, held] = gate.spaces(_chosen(own, ~held)).parts(chosen, gate.octaves(chosen))
    return parts


def _folds(of: NDArray[np.str_]) -> Iterator[NDArray[np.bool_]]:
    """Which rows are left out in turn: bool [rows], those of whole patients."""
    names = np.unique(of)
    for fold in range(min(FOLDS, len(names))):
        yield np.isin(of, names[fold::FOLDS])


def _foreign(
    bundle: Bundle, fit: SiteFit, foreign: Sequence[PictureMeans], kinds: Sequence[str]
) -> Iterator[ForeignRefusals]:
    for kind in dict.fromkeys(kinds):
        chosen = [picture for picture, of in zip(foreign, kinds, strict=True) if of == kind]
        before = sum(picture.reason is not None for picture in chosen)
        yield ForeignRefusals(kind, len(chosen), before, int(refused(bundle, fit, chosen).sum()))
