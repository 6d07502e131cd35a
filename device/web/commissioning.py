"""The commissioning that a technician has under way on the page `/commissioning`: what the clinic's pictures came to.

A picture is read as soon as it comes, and dropped: its means stay (`device/reading/site/records.py`), in memory alone,
with a label of its patient that somebody typed. A restart forgets them, and so does a pause of `IDLE_S`. Nothing reaches
the disk but the profile that is signed in the end. There is one commissioning at a time.
"""

from __future__ import annotations

import pickle
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from threading import Lock, Timer

from device.base.errors import (
    CommissioningFull,
    CommissioningGone,
    CommissioningPictureUnknown,
    CommissioningUnconcluded,
    CommissioningUnderWay,
)
from device.reading.bundle import Bundle
from device.reading.manifest import Manifest
from device.reading.site.colour import Stain, fit_colour
from device.reading.site.commission import Commissioned, ForeignPicture, LocalPicture
from device.reading.site.instrument import Instrument
from device.reading.site.records import PictureMeans
from device.reading.site.stain import SiteColour
from device.storage.instruments import KeptInstrument

MOST_PICTURES, MOST_FOREIGN = 400, 150  # of the clinic's own, and of glass and other material
MOST_BYTES = 64_000_000  # of all means
IDLE_S = 4 * 3600.0
LOOK_LATER_S = 1.0
TOKEN_BYTES = 16
PATIENT_CHARACTERS = 20


MALIGNANT, NOT_MALIGNANT = "malignant", "not_malignant"  # diagnoses that leave open which class it is


def diagnoses(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """What a diagnosis may be, and which classes of the model it allows: each class; and the groups of several classes, all
    that are of concern and all others."""
    labels, concern = [label.id for label in manifest.labels], manifest.answer.concern
    groups = {MALIGNANT: tuple(concern), NOT_MALIGNANT: tuple(label for label in labels if label not in concern)}
    of_several = {name: group for name, group in groups.items() if len(group) > 1 and concern and name not in labels}
    return {label: (label,) for label in labels} | of_several


@dataclass(frozen=True)
class Place:
    """Where a picture belongs: to a patient, with the diagnosis (one of `diagnoses`) where it is known, or to a kind of
    foreign material."""

    patient: str | None = None
    label: str | None = None
    kind: str | None = None


@dataclass(frozen=True, eq=False)
class MeasuredPicture:
    """What stays of a picture. `number`: from 1, in the order in which they came. `means`: of the picture as it came, and
    `coloured` in the clinic's colours, once it was read in these. `stain`: None where the model needs none."""

    number: int
    place: Place
    means: PictureMeans
    stain: Stain | None = None
    coloured: PictureMeans | None = None

    @cached_property
    def bytes(self) -> int:
        """That its means take. Those in the clinic's colours count before they have come, so there is room for them."""
        again = self.means if self.coloured is None and self.stain is not None else self.coloured
        return len(pickle.dumps(self.means)) + (0 if again is None else len(pickle.dumps(again)))

    def as_own(self, manifest: Manifest, *, coloured: bool = False) -> LocalPicture:
        """A patient's, as `commission` takes it."""
        labels = () if self.place.label is None else diagnoses(manifest)[self.place.label]
        return LocalPicture(self.means_in(coloured), self.place.patient or "", labels)

    def as_foreign(self, *, coloured: bool = False) -> ForeignPicture:
        """One of other material, likewise."""
        return ForeignPicture(self.means_in(coloured), self.place.kind or "")

    def means_in(self, coloured: bool) -> PictureMeans:
        """In the clinic's colours, or as it came; the bundle's own gate has judged it as it came."""
        return replace(self.coloured, reason=self.means.reason) if coloured and self.coloured else self.means


@dataclass(frozen=True)
class Job:
    """A commissioning as it stands. `token` is known to the page that began it. `found`: what the pictures came to, once
    somebody asked; None when pictures have changed since. `colour`: the clinic's, from the pictures that there were when
    somebody asked for it."""

    token: str
    bundle: Bundle
    kept_instrument: KeptInstrument | None
    began: datetime
    pictures: tuple[MeasuredPicture, ...] = ()
    found: Commissioned | None = None
    colour: SiteColour | None = None
    numbers: int = 0  # that were given out

    @property
    def since(self) -> str:
        """When it began, to the minute."""
        return self.began.strftime("%Y-%m-%d %H:%M")

    @property
    def instrument(self) -> Instrument | None:
        """The instrument as it is now; None where the model needs none."""
        return self.kept_instrument.instrument if self.kept_instrument else None

    @property
    def instrument_version(self) -> int:
        """Which version of it, 0 without one."""
        return self.kept_instrument.version if self.kept_instrument else 0

    @property
    def coloured(self) -> bool:
        """Whether every picture was read in the clinic's colours."""
        return self.colour is not None and all(picture.coloured is not None for picture in self.pictures)

    def place_of(self, number: int) -> Place:
        """Where the picture of this number belongs. Raises `CommissioningPictureUnknown`."""
        return _numbered(self.pictures, number).place

    def with_other(self, picture: MeasuredPicture, other: MeasuredPicture) -> Job:
        """The job with another record of a picture; what all came to is no more known."""
        pictures = tuple(other if each is picture else each for each in self.pictures)
        return replace(self, pictures=pictures, found=None)

    @property
    def bytes(self) -> int:
        """That all means take."""
        return sum(picture.bytes for picture in self.pictures)

    @property
    def own(self) -> list[MeasuredPicture]:
        """Pictures of the clinic's patients."""
        return [picture for picture in self.pictures if picture.place.kind is None]

    @property
    def foreign(self) -> list[MeasuredPicture]:
        """Pictures of glass and other material."""
        return [picture for picture in self.pictures if picture.place.kind is not None]


@dataclass
class Commissioning:
    """The box's one job, if there is any. Threads may share it. `clock` gives seconds."""

    clock: Callable[[], float] = time.monotonic
    _job: Job | None = None
    _used: float = 0.0
    _watched: bool = False
    _lock: Lock = field(default_factory=Lock)

    def under_way(self) -> Job | None:
        """The job, for all to know that there is one."""
        with self._lock:
            return self._current()

    def begin(self, bundle: Bundle, instrument: KeptInstrument | None, now: datetime) -> Job:
        """Raises `CommissioningUnderWay`."""
        with self._lock:
            if job := self._current():
                raise CommissioningUnderWay(since=job.since, pictures=len(job.pictures))
            return self._keep(Job(secrets.token_hex(TOKEN_BYTES), bundle, instrument, now))

    def job(self, token: str | None) -> Job:
        """Raises `CommissioningGone`."""
        with self._lock:
            return self._known(token)

    def check_room(self, job: Job, place: Place) -> None:
        """Raises `CommissioningFull` where no picture more may come."""
        most, there = (MOST_PICTURES, job.own) if place.kind is None else (MOST_FOREIGN, job.foreign)
        if len(there) >= most or job.bytes >= MOST_BYTES:
            raise CommissioningFull(pictures=len(there), limit=most)

    def add(self, token: str, place: Place, means: PictureMeans, stain: Stain | None = None) -> MeasuredPicture:
        """Raises `CommissioningGone`, `CommissioningFull`."""
        with self._lock:
            job = self._known(token)
            self.check_room(job, place)
            picture = MeasuredPicture(job.numbers + 1, place, means, stain)
            self._keep(replace(job, pictures=(*job.pictures, picture), numbers=picture.number, found=None))
            return picture

    def remove(self, token: str | None, number: int) -> Job:
        """Take a picture back. Raises `CommissioningGone`, `CommissioningPictureUnknown`."""
        with self._lock:
            job = self._known(token)
            _numbered(job.pictures, number)
            return self._keep(replace(job, pictures=tuple(p for p in job.pictures if p.number != number), found=None))

    def diagnose(self, token: str | None, number: int, label: str | None) -> MeasuredPicture:
        """Say what a patient's picture shows. Raises `CommissioningGone`, `CommissioningPictureUnknown`."""
        with self._lock:
            job = self._known(token)
            picture = _numbered(job.own, number)
            changed = replace(picture, place=replace(picture.place, label=label))
            self._keep(job.with_other(picture, changed))
            return changed

    def find_colour(self, token: str | None) -> Job:
        """Find the clinic's colours from its pictures, each of which has then to be read in them; there are none where no
        picture has tissue. Raises `CommissioningGone`."""
        with self._lock:
            job = self._known(token)
            stained = [(picture.stain, picture.place.patient or "") for picture in job.own if picture.stain]
            white = job.instrument.white if job.instrument else None
            stains, patients = [stain for stain, _ in stained], [patient for _, patient in stained]
            colour = fit_colour(job.bundle, stains, patients, white)
            fresh = tuple(replace(picture, coloured=None) for picture in job.pictures)
            return self._keep(replace(job, colour=colour, pictures=fresh, found=None))

    def read_in_colour(self, job: Job, number: int, means: PictureMeans) -> MeasuredPicture:
        """Keep what a picture is in the job's colours. Raises `CommissioningGone`, `CommissioningPictureUnknown`,
        `CommissioningFull` where it is so much more than the picture as it came that all take too much memory, and
        `CommissioningUnconcluded` where the colours have changed meanwhile."""
        with self._lock:
            now = self._known(job.token)
            picture = _numbered(now.pictures, number)
            if now.colour != job.colour:
                raise CommissioningUnconcluded()
            changed = replace(picture, coloured=means)
            if changed.bytes > picture.bytes and now.bytes - picture.bytes + changed.bytes > MOST_BYTES:
                raise CommissioningFull(pictures=len(now.pictures), limit=len(now.pictures))
            self._keep(now.with_other(picture, changed))
            return changed

    def conclude(self, job: Job, found: Commissioned) -> Job:
        """Keep what the job's pictures came to. Raises `CommissioningGone`, also where pictures have changed meanwhile."""
        with self._lock:
            now = self._known(job.token)
            if now.pictures != job.pictures:
                raise CommissioningUnconcluded()
            return self._keep(replace(now, found=found))

    @contextmanager
    def signing(self, token: str | None) -> Iterator[Commissioned]:
        """What the job's pictures came to, once: the job is gone for all others meanwhile and afterwards. It comes back
        where it could not be signed, unless another one has begun. Raises `CommissioningGone`,
        `CommissioningUnconcluded`."""
        with self._lock:
            job = self._known(token)
            if job.found is None:
                raise CommissioningUnconcluded()
            self._job = None
        try:
            yield job.found
        except BaseException:
            with self._lock:
                if self._current() is None:
                    self._keep(job)
            raise

    def end(self) -> None:
        """Forget the job, whoever began it."""
        with self._lock:
            self._job = None

    def _current(self) -> Job | None:
        if self._job and self.clock() > self._used + IDLE_S:
            self._job = None
        return self._job

    def _known(self, token: str | None) -> Job:
        job = self._current()
        if job is None or token is None or not secrets.compare_digest(job.token.encode(), token.encode()):
            raise CommissioningGone()
        self._used = self.clock()
        return job

    def _keep(self, job: Job) -> Job:
        self._job, self._used = job, self.clock()
        if not self._watched:
            self._watch(IDLE_S)
        return job

    def _watch(self, pause_s: float) -> None:
        """Look after a pause whether the job is to be forgotten, as it may be that nobody ever asks for it again."""
        timer = Timer(pause_s, self._look)
        timer.daemon, self._watched = True, True
        timer.start()

    def _look(self) -> None:
        with self._lock:
            self._watched = False
            if self._current():
                self._watch(self._used + IDLE_S - self.clock() + LOOK_LATER_S)


def _numbered(pictures: Sequence[MeasuredPicture], number: int) -> MeasuredPicture:
    for picture in pictures:
        if picture.number == number:
            return picture
    raise CommissioningPictureUnknown(picture=number)
