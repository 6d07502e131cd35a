"""Chromium, and samples of the running service that it accepts and refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver

from tests.support.chromium import MISSING, Sample, as_phone, open_chromium
from tests.support.drawn_section import UM_PER_PX, draw_section

# What Chromium logs by itself: an answer above 399 and a lost connection (tests see that the page words them), and that
# a test reads the canvas back.
EXPECTED = re.compile(
    r"/api/v1/readings\?[\w=&.]+ - Failed to load resource: |ERR_INTERNET_DISCONNECTED|"
    r"willReadFrequently|will-read-frequently"
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[WebDriver]:
    if MISSING:
        pytest.skip(MISSING)
    with open_chromium() as driver:
        yield driver


@pytest.fixture
def page(chromium: WebDriver, live_service: str) -> Iterator[WebDriver]:
    """The page, freshly opened in English. Afterwards: no other origin was asked and the console is clean."""
    chromium.get_log("browser")
    chromium.get_log("performance")
    chromium.get(f"{live_service}/?lang=en")
    yield chromium
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    foreign = {url for url in requested(chromium) if urlsplit(url).netloc != urlsplit(live_service).netloc}
    assert foreign == set()
    complaints = [entry for entry in chromium.get_log("browser") if not EXPECTED.search(entry["message"])]
    assert complaints == []


@pytest.fixture
def phone(page: WebDriver) -> WebDriver:
    """The page on the narrowest screen that it is made for."""
    as_phone(page, 360)
    return page


def requested(driver: WebDriver) -> set[str]:
    """Addresses that the page has asked for over the network since the log was last read."""
    events = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    urls = (e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent")
    return {url for url in urls if urlsplit(url).scheme not in ("blob", "data")}


@pytest.fixture(scope="session")
def samples(live_service: str, tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("samples")
    read = []
    for listed in json.load(urlopen(f"{live_service}/api/v1/samples"))["samples"]:
        file = folder / listed["file"]
        file.write_bytes(urlopen(live_service + listed["url"]).read())
        request = Request(f"{live_service}/api/v1/readings?lang=en", file.read_bytes(), {"Content-Type": "image/*"})
        read.append(Sample(listed["id"], file, json.load(urlopen(request))))
    return read


@pytest.fixture(scope="session")
def accepted(samples: list[Sample]) -> Sample:
    """A sample that the gate accepts and whose map has something to show."""
    found = [s for s in samples if s.reading["verdict"]["accepted"] and strong_cells(s.reading)]
    assert found, "no sample is accepted with evidence to show: make the samples anew for this bundle"
    return found[0]


@pytest.fixture(scope="session")
def refused(samples: list[Sample]) -> Sample:
    found = [s for s in samples if not s.reading["verdict"]["accepted"]]
    assert found, "no sample is refused: make the samples anew for this bundle"
    return found[0]


def strong_cells(reading: dict[str, Any]) -> list[int]:
    """Cells of the predicted class's map that aren't left blank."""
    drawn = reading["class_map"]
    values = drawn["values"][reading["prediction"]["label"]]
    return [cell for cell, value in enumerate(values) if abs(value) >= drawn["blank_below"]]


@pytest.fixture(scope="session")
def section(samples: list[Sample], live_service: str, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Samples side by side, with glass and something foreign among them, and its reading."""
    file = tmp_path_factory.mktemp("section") / "section.png"
    known = [sample.file for sample in samples if sample.reading["verdict"]["accepted"]]
    draw_section(known, next(sample.file for sample in samples if sample.id == "foreign-landscape"), file)
    address = f"{live_service}/api/v1/readings?um_per_px={UM_PER_PX}"
    request = Request(address, file.read_bytes(), {"Content-Type": "image/png"})
    return Sample("section", file, json.load(urlopen(request)))
