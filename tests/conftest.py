"""Fixtures of all tests: the shipped bundle, its reader, a running service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.reading import Reader
from device.reading.site.commission import Commissioned, ForeignPicture, LocalPicture, commission
from device.reading.site.instrument import Instrument
from device.reading.site.statistics import statistics_of
from tests.support.drawn_clinic import UM_PER_PX, write_clinic
from tests.support.serving import serving
from tests.support.shipped import BUNDLE, KEYS, SHARED_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real images where they are missing."""
    if not SHARED_DATA.is_dir():
        for item in items:
            if item.get_closest_marker("shared_data"):
                item.add_marker(pytest.mark.skip(reason="needs the real images in ../shared/data"))


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The default bundle, opened."""
    return Bundle.open(BUNDLE, KEYS)


@pytest.fixture(scope="session")
def reader(bundle: Bundle) -> Reader:
    """A reader of the default bundle."""
    return Reader(bundle, Limits())


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn other clinic: folders of patients and of foreign material, and a table of diagnoses."""
    folder = tmp_path_factory.mktemp("clinic")
    write_clinic(folder, patients=12, each=2)
    return folder


@pytest.fixture(scope="session")
def commissioned(clinic: Path, bundle: Bundle, reader: Reader) -> Commissioned:
    """The default bundle, commissioned at that clinic without diagnoses."""
    local = [
        LocalPicture(statistics_of(reader, path.read_bytes(), UM_PER_PX), path.parent.name)
        for path in sorted((clinic / "pictures").glob("*/*.jpg"))
    ]
    foreign = [
        ForeignPicture(statistics_of(reader, path.read_bytes(), UM_PER_PX), path.parent.name)
        for path in sorted((clinic / "foreign").glob("*/*.jpg"))
    ]
    microscope = Instrument(id="microscope-2", name="Microscope 2, 10×", um_per_px=UM_PER_PX)
    return commission(bundle, local, foreign, instrument=microscope, instrument_version=1)


@pytest.fixture(scope="session")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a running service that all tests share."""
    with serving(tmp_path_factory.mktemp("service") / "log") as url:
        yield url
