"""A desk: where one picture at a time is read, with all models. It stands in this process, or in one that only reads
(`device/web/desks/reading_process.py`); to those who use it both are alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from device.base.errors import LoupeError, ReadingStopped, SelfTestFailed
from device.base.log import LOG
from device.base.texts import LANGUAGES
from device.documents.reading_document import ReadingDocument, reading_document
from device.reading.bundle import Bundle
from device.reading.golden import verify_picture
from device.reading.image import Limits
from device.reading.preview import preview_jpeg
from device.reading.reading import PixelSize, Reader
from device.reading.routing import Router
from device.reading.site.colour import Stain, needs_colour, stain_of
from device.reading.site.commission import Commissioned, ForeignPicture, LocalPicture, commission
from device.reading.site.instrument import Instrument
from device.reading.site.photo import MEASUREMENTS, Measurement
from device.reading.site.records import PictureMeans
from device.reading.site.stain import SiteColour
from device.reading.site.standing import Standing
from device.reading.site.statistics import statistics_of
from device.storage.drift import Noted, noted

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Office:
    """What desks share: the models, the limits of a picture, how many pictures a network reads at once, and whether a
    picture of unknown scale may be taken for a field of the model's own size."""

    bundles: Sequence[Bundle]
    limits: Limits
    copies: int
    assume_field: bool = False


@dataclass(frozen=True)
class PictureToRead:
    """A picture file, and how it is to be read: by which model, with which size of a pixel, in which language; whether it
    is read even if it turns out to be a section; whether that size is what the box knows of a sample of its own; and how
    the models stand at this clinic, by id."""

    data: bytes
    model: str | None
    um_per_px: PixelSize | None
    language: str
    sections: bool = True
    sample: bool = False
    standings: Mapping[str, Standing] = field(default_factory=dict)


@dataclass(frozen=True)
class FinishedReading:
    """A reading's document, and what the drift watch keeps of it."""

    document: ReadingDocument
    noted: Noted


@dataclass(frozen=True)
class PictureToMeasure:
    """A picture file for a commissioning: with which model it is read, which instrument took it, and in which colours it is
    to be read; None before these are known."""

    data: bytes
    model: str
    instrument: Instrument | None
    colour: SiteColour | None = None


@dataclass(frozen=True)
class PictureMeasured:
    """What a commissioning keeps of a picture. `stain`: None where the model needs none, or the colours are known."""

    means: PictureMeans
    stain: Stain | None


@dataclass(frozen=True)
class PicturesOfSite:
    """What was kept of all pictures of a commissioning, and what `commission` takes beside it."""

    model: str
    own: Sequence[LocalPicture]
    foreign: Sequence[ForeignPicture]
    instrument: Instrument | None
    instrument_version: int
    colour: SiteColour | None
    floor: float


class Desk(Protocol):
    """`stop` is called again and again: whether to give up."""

    def read(self, picture: PictureToRead, stop: Stop) -> FinishedReading:
        """Raises what `Router.read` does."""

    def preview(self, data: bytes, stop: Stop) -> bytes:
        """A picture file as `preview_jpeg` shows it. Raises the same."""

    def measure(self, what: str, data: bytes, stop: Stop) -> Measurement:
        """What a photo tells of its instrument; `what` is one of `MEASUREMENTS`. Raises what that does."""

    def means(self, picture: PictureToMeasure, stop: Stop) -> PictureMeasured:
        """What a commissioning keeps of a picture. Raises what `Reader.read` does."""

    def commission(self, pictures: PicturesOfSite, stop: Stop) -> Commissioned:
        """What the pictures of a commissioning come to. Raises what `commission` does."""

    def test(self) -> None:
        """Read golden pictures. Raises the error that readings would meet."""


class DeskHere:
    """A desk in this process."""

    def __init__(self, router: Router, office: Office) -> None:
        self.router, self._office = router, office

    def read(self, picture: PictureToRead, stop: Stop) -> FinishedReading:
        """See `Desk`."""
        routed = self.router.read(
            picture.data,
            picture.model,
            picture.um_per_px,
            stop,
            sections=picture.sections,
            standings=picture.standings,
        )
        chosen = routed.chosen
        document = reading_document(
            routed, picture.language, assume_field=self._office.assume_field, sample=picture.sample
        )
        return FinishedReading(document, noted(chosen.reader.bundle, chosen.reading, chosen.reader.standing))

    def preview(self, data: bytes, stop: Stop) -> bytes:
        """See `Desk`."""
        return preview_jpeg(data, self._office.limits, stop)

    def measure(self, what: str, data: bytes, stop: Stop) -> Measurement:
        """See `Desk`."""
        return MEASUREMENTS[what](data, self._office.limits, stop)

    def means(self, picture: PictureToMeasure, stop: Stop) -> PictureMeasured:
        """See `Desk`."""
        reader, data, size = self._reader(picture.model), picture.data, picture.instrument
        stain = None
        if picture.colour is None and needs_colour(reader.bundle):
            stain = stain_of(reader, data, size, stop)
        return PictureMeasured(statistics_of(reader.coloured(picture.colour), data, size, stop), stain)

    def commission(self, pictures: PicturesOfSite, stop: Stop) -> Commissioned:
        """See `Desk`."""

        def go_on() -> None:
            if stop():
                raise ReadingStopped

        return commission(
            self._reader(pictures.model).bundle,
            pictures.own,
            pictures.foreign,
            instrument=pictures.instrument,
            instrument_version=pictures.instrument_version,
            colour=pictures.colour,
            floor=pictures.floor,
            progress=go_on,
        )

    def _reader(self, model: str) -> Reader:
        """The reader of a model that is on the box."""
        return next(reader for reader in self.router.readers if reader.bundle.manifest.id == model)

    def test(self) -> None:
        """Read a golden picture of each model with each free copy of its network, and one as the service reads
        pictures."""
        try:
            for shared in self.router.readers:
                with shared.idle() as readers:
                    for reader in readers:
                        verify_picture(reader, reader.bundle.manifest.golden[0])
            bundle = self.router.readers[0].bundle
            routed = self.router.read(bundle.members[bundle.manifest.golden[0].picture])
            for language in LANGUAGES:
                reading_document(routed, language)
        except LoupeError:
            raise
        except Exception as error:  # whatever it is, readings would fail by it
            LOG.exception("the self-test failed")
            raise SelfTestFailed(detail=type(error).__name__) from error


def desks_here(office: Office, many: int) -> tuple[DeskHere, ...]:
    """Desks in this process, at which the same interpreters read: a picture needs one for a small part of its time."""
    router = Router(office.bundles, office.limits, copies=office.copies)
    return tuple(DeskHere(router, office) for _ in range(many))
