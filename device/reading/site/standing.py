"""How a model stands at this clinic: not commissioned, commissioned, measured, or not any more.

The profile of a standing is what the model's gate and calibration follow (`device/reading/reading.py`); a revoked one is
used no more, and the model reads as it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from device.base.records import Record
from device.reading.manifest import Date
from device.reading.site.instrument import Instrument
from device.reading.site.profile import SignedProfile, SiteProfile

State: TypeAlias = Literal["not_commissioned", "commissioned", "measured", "withheld", "revoked"]
Cause: TypeAlias = Literal["pictures_changed", "instrument_changed", "by_hand"]


class Revocation(Record, frozen=True):
    """Since when, and why, a profile isn't used any more."""

    since: Date
    cause: Cause


@dataclass(frozen=True)
class Standing:
    """A model's profile at this clinic, None where it has none for the pictures in question."""

    signed: SignedProfile | None = None
    revoked: Revocation | None = None

    @property
    def state(self) -> State:
        """What is told of it."""
        if self.signed is None:
            return "not_commissioned"
        if self.revoked is not None:
            return "revoked"
        if self.signed.profile.withheld:
            return "withheld"
        return "commissioned" if self.signed.profile.measured is None else "measured"

    @property
    def in_force(self) -> SiteProfile | None:
        """The profile by which the model reads."""
        return None if self.signed is None or self.revoked is not None else self.signed.profile

    @property
    def instrument(self) -> Instrument | None:
        """That of the profile in force: it says how large pixels are where nobody else does."""
        return None if self.in_force is None else self.in_force.instrument

    @property
    def watch_key(self) -> str | None:
        """Under which the drift watch keeps its counts, None where that is the bundle's own."""
        return None if self.signed is None or self.revoked is not None else self.signed.sha256


NOT_COMMISSIONED = Standing()
