"""Which of the box's models reads a picture: the one whose gate knows it.

Each bundle decodes at its own scale, runs its network and asks its own gate, just as it would alone, so that what was
measured of it still holds. A picture costs one pass for each bundle, or one in all where the caller names the model.

- One bundle accepts the picture: it reads.
- Several accept: the one to which the picture is least strange, by its own p-values, reads.
- None accepts: the refusal is by the bundle whose thresholds the picture exceeds least. Where most bundles find that the
  picture can't be judged at all (light, focus, no tissue), it is by the nearest of those. Bundles whose modality the
  picture's own colours rule out don't count here, nor those that can't take the picture (because of its scale, say).

A picture that is foreign to all of several bundles is refused in words of the box: what the box reads, and that the picture
seems to be none of that. The outcome of each bundle stands in the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from device.base.errors import (
    DecodingTooSlow,
    ImageError,
    InstrumentOtherShape,
    ReadingStopped,
    SectionTooLarge,
    UnknownModel,
    echoed,
)
from device.reading.bundle import Bundle
from device.reading.gate import PICTURE_REASONS, Verdict
from device.reading.image import Limits
from device.reading.reading import PixelSize, Reader, Reading
from device.reading.site.standing import NOT_COMMISSIONED, Standing

EVERYWHERE_AS_IT_CAME: Mapping[str, Standing] = MappingProxyType({})
# What makes a picture unfit for any model. Whether it has enough pixels depends on the model.
UNFIT_REASONS = tuple(reason for reason in PICTURE_REASONS if reason != "too_small")


@dataclass(frozen=True)
class Opinion:
    """One bundle's reading of a picture."""

    reader: Reader
    reading: Reading

    @property
    def accepted(self) -> bool:
        return self.reading.verdict.accepted

    @property
    def model(self) -> str:
        return self.reader.bundle.manifest.id


@dataclass(frozen=True)
class Routed:
    """The outcome of all bundles for a picture. `outcomes`: each bundle's reader, in the order of the box, with its
    opinion, or the error for which it has none. `chosen`: the opinion by which the answer is given."""

    outcomes: tuple[tuple[Reader, Opinion | ImageError], ...]
    chosen: Opinion

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        return tuple(outcome for _, outcome in self.outcomes if isinstance(outcome, Opinion))

    @property
    def none_of_these(self) -> bool:
        """Whether the picture is foreign to each bundle of a possible modality, and not only at another magnification."""
        verdict = self.chosen.reading.verdict
        if verdict.reason in UNFIT_REASONS or verdict.magnification is not None:
            return False
        return all(opinion.reading.verdict.foreign for opinion in of_possible_modality(self.opinions))


def alone(reader: Reader, reading: Reading) -> Routed:
    """A reading by one bundle that alone was asked."""
    opinion = Opinion(reader, reading)
    return Routed(((reader, opinion),), opinion)


def least_p(verdict: Verdict) -> float | None:
    """The smallest p-value of a verdict: how ordinary the picture is where it is least so."""
    return min((a.p_value for a in verdict.answers if a.p_value is not None), default=None)


def excess(verdict: Verdict) -> float:
    """How far the picture lies from the bundle's: the greatest distance over its threshold. P-values can't tell: beyond
    the calibration pictures they are all the same, and smallest for the bundle that was calibrated on most."""
    return max((a.excess for a in verdict.answers if a.p_value is not None), default=float("inf"))


def of_possible_modality(opinions: Sequence[Opinion]) -> Sequence[Opinion]:
    """The refusals of bundles whose modality the picture's own colours allow; all, where they allow none."""
    return [opinion for opinion in opinions if not opinion.reading.verdict.other_kind] or opinions


def choose(opinions: Sequence[Opinion]) -> Opinion:
    """The opinion by which the answer is given; of equals the first. That a picture can't be judged counts where most
    bundles find so, or the nearest one: a single other bundle may find so of a picture that is merely foreign to it."""
    accepting = [opinion for opinion in opinions if opinion.accepted]
    if accepting:
        return max(accepting, key=lambda o: (least_p(o.reading.verdict) or 0.0, -excess(o.reading.verdict)))
    opinions = of_possible_modality(opinions)
    unfit = [opinion for opinion in opinions if opinion.reading.verdict.reason in UNFIT_REASONS]
    candidates = unfit if 2 * len(unfit) > len(opinions) else opinions
    return min(candidates, key=lambda o: excess(o.reading.verdict))


class Router:
    """Readers of all bundles. Threads may share it."""

    def __init__(self, bundles: Sequence[Bundle], limits: Limits, *, threads: int = 1, copies: int = 1) -> None:
        self.readers = tuple(Reader(bundle, limits, threads=threads, copies=copies) for bundle in bundles)

    def read(
        self,
        data: bytes,
        model: str | None = None,
        um_per_px: PixelSize | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        sections: bool = True,
        standings: Mapping[str, Standing] = EVERYWHERE_AS_IT_CAME,
    ) -> Routed:
        """Read the bytes of a picture file with the named model, else with the one that knows it, at the model's own scale
        where the size of its pixels is given. A model that can't read pixels of that size has no opinion. `standings`: how
        models stand at this clinic, by id.

        Raises `UnknownModel`, the first bundle's `ImageError` where none can read the bytes, `InstrumentOtherShape` where
        the instrument didn't take the picture and no model accepts it, or `ReadingStopped` when `stop`, which is asked
        between models and at each window of a section, says so; `SectionTooLarge` where it is a section for one of the
        models, and `sections` aren't wanted.
        """
        readers = [reader for reader in self.readers if model in (None, reader.bundle.manifest.id)]
        if not readers:
            raise UnknownModel(model=echoed(model), models=", ".join(r.bundle.manifest.id for r in self.readers))
        if standings:
            readers = [reader.at(standings.get(reader.bundle.manifest.id, NOT_COMMISSIONED)) for reader in readers]
        outcomes = tuple((reader, _opinion(reader, data, um_per_px, stop, sections)) for reader in readers)
        opinions = [outcome for _, outcome in outcomes if isinstance(outcome, Opinion)]
        if not opinions:
            raise next(outcome for _, outcome in outcomes if isinstance(outcome, ImageError))
        chosen = choose(opinions)
        if not chosen.accepted:
            for _, outcome in outcomes:
                if isinstance(outcome, InstrumentOtherShape):
                    raise outcome  # that models which need no scale refuse the picture isn't the cause
        return Routed(outcomes, chosen)


def _opinion(
    reader: Reader, data: bytes, um_per_px: PixelSize | None, stop: Callable[[], bool] | None, sections: bool
) -> Opinion | ImageError:
    if stop is not None and stop():
        raise ReadingStopped
    try:
        return Opinion(reader, reader.read(data, um_per_px, stop, sections=sections))
    except DecodingTooSlow:
        raise  # so it would be for each
    except SectionTooLarge as error:
        if not sections:
            raise
        return error
    except ImageError as error:
        return error
