"""Fixtures of all tests: the shipped bundle, its reader, a running service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.reading import Reader
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
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a running service that all tests share."""
    with serving(tmp_path_factory.mktemp("service") / "log") as url:
        yield url
