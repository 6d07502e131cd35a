"""What the requests of one app share: settings, verified bundles, the stores beside them, and the desks that read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from flask import current_app

from device.base.errors import LoupeError, StoreUnusable
from device.base.log import warn
from device.documents.units import Units
from device.reading.bundle import Bundle
from device.reading.decoding.budget import set_budget
from device.reading.keys import key_problems
from device.reading.reading import PixelSize
from device.reading.site.instrument import Instrument
from device.reading.site.standing import Standing
from device.settings import BYTES_PER_MB, Settings
from device.storage.drift import DriftLog, Noted
from device.storage.instruments import Instruments
from device.storage.served import check_served, remember
from device.storage.sites import KeptProfile, Sites
from device.web.commissioning import Commissioning
from device.web.desks.desk import Desk, Office, Stop, desks_here
from device.web.desks.pool import COSTLY_DESKS, Cost, DeskPool
from device.web.desks.readiness import Readiness
from device.web.desks.reading_process import ReadingProcess
from device.web.door.listener import is_loopback
from device.web.incoming.client import address, is_gone, mark_served
from device.web.samples import Samples, open_samples
from device.web.technician import Technician, read_code

EXTENSION = "loupe"


class Box:
    """Settings, the verified bundles, and this process's readers once started."""

    def __init__(self, settings: Settings, bundles: Sequence[Bundle]) -> None:
        self.settings, self.bundles = settings, tuple(bundles)
        self.drift = DriftLog(settings.store)
        self.sites = Sites(settings.store, settings.site, self.bundles)
        self.units = Units(settings, self.bundles)
        self.instruments = Instruments(settings.store)
        self.commissioning = Commissioning()
        self.readiness = Readiness(self.bundles)
        code = read_code(settings.technician_code_file) if settings.technician_code_file else None
        self.technician = Technician(code, alone=is_loopback(settings.host))
        self.pool: DeskPool[Desk] | None = None
        self._rendered: dict[tuple[str, ...], str] = {}
        self._version_problems: list[LoupeError] = []  # what is odd about the versions that are served

    def check_versions(self) -> None:
        """Compare the bundles with what the box remembers of those that it served. Raises `BundleOlder`."""
        self._version_problems = check_served(self.settings.store, self.bundles, self.settings.allow_older)
        for problem in self._version_problems:
            warn(problem)

    def start(self, *, apart: bool = False) -> DeskPool[Desk]:
        """Make the desks, `apart` in a process of their own: to be called in the process that serves, after any fork
        and then before it has threads."""
        if self.pool is None:
            set_budget(self.settings.decode_memory_mb * BYTES_PER_MB)
            office = Office(self.bundles, self.settings.limits, self.settings.threads, self.settings.assume_field)
            many, desks = self.settings.threads + COSTLY_DESKS, list[Desk]()
            desks += ReadingProcess(office, many).desks if apart else desks_here(office, many)
            self.pool = DeskPool(desks, self.settings.queue)
            _ = self.samples  # so that no reading waits for them
            try:
                remember(self.settings.store, self.bundles)
            except StoreUnusable as error:
                self._version_problems = [*self._version_problems, error]
                warn(error)
        return self.pool

    @contextmanager
    def desk(self, cost: Cost, environ: Mapping[str, object]) -> Iterator[tuple[Desk, Stop]]:
        """A desk for the picture of a request; and whether its client is gone, for whom nothing need be read. Raises
        `Busy`, `ReadingStopped`."""

        def gone() -> bool:
            return is_gone(environ)

        with self.start().desk(cost, address=address(environ), gone=gone) as desk:
            mark_served(environ)
            yield desk, gone

    def rendered(self, page: tuple[str, ...], render: Callable[[], str]) -> str:
        """A page that is the same for all who ask, made once; `page` says all that it depends on, and is one of few."""
        if page not in self._rendered:
            self._rendered[page] = render()
        return self._rendered[page]

    def standings(self, pixel_size: PixelSize | None) -> dict[str, Standing]:
        """How each model stands for a picture whose pixels are of this size, or that an instrument took."""
        if isinstance(pixel_size, Instrument):
            return self.sites.standings(instrument=pixel_size, instruments=self._instrument_versions())
        return self.sites.standings(um_per_px=pixel_size, instruments=self._instrument_versions())

    def kept_profiles(self) -> list[KeptProfile]:
        """The site profiles on the box, by model, the newest first."""
        return self.sites.all(self._instrument_versions())

    def kept_standings(self) -> dict[str, list[Standing]]:
        """How each model stands with each instrument that it was commissioned for, the newest first."""
        kept = [each for each in self.kept_profiles() if each.current]
        return {
            bundle.manifest.id: [each.standing for each in kept if each.profile.bundle.model == bundle.manifest.id]
            for bundle in self.bundles
        }

    def _instrument_versions(self) -> dict[str, int]:
        """The version of each instrument, by id; none where the store fails, which its problem tells."""
        with suppress(StoreUnusable):
            return {kept.instrument.id: kept.version for kept in self.instruments.all()}
        return {}

    def note(self, seen: Noted) -> None:
        """Count a reading. Where the drift watch finds that a clinic's pictures have changed, the site profile that they
        were judged by is revoked."""
        now = datetime.now()
        if self.drift.note(seen, now) and seen.commissioned:
            with suppress(StoreUnusable):  # revoked while the service runs; its problem is told
                self.sites.revoke_file(seen.gate, "pictures_changed", now)

    @property
    def samples(self) -> Samples:
        return open_samples(self.settings.samples, self.settings.limits)

    def failure(self) -> LoupeError | None:
        """The error that readings would meet now."""
        try:
            self.readiness.check(self.start())
        except LoupeError as error:
            return error
        return None

    def problems(self) -> list[LoupeError]:
        """What is wrong with the store and with files beside the models; pictures are read all the same."""
        self.drift.watch(self.bundles[0], datetime.now())  # so that a store that can't be opened is found
        stores = [*self.drift.problems, *self.sites.problems, *self.units.problems(), *self.instruments.problems]
        store = [*stores, *self._version_problems]
        return [*store, *key_problems(self.settings.keys), *self.samples.problems]


def the_box() -> Box:
    """The box of the app that answers this request."""
    box: Box = current_app.extensions[EXTENSION]
    return box
