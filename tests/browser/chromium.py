"""A headless Chromium for the page's tests and screenshots, and what they show it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = None if BROWSER and DRIVER else "Debian's packages chromium and chromium-driver aren't installed"
PATIENCE_S = 30

# No sandbox: tests often run as root in a container. The rest keeps Chromium from calling home.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en",
)


@dataclass(frozen=True)
class Sample:
    """A sample of the service, its bytes as a file, and the reading that the service gives of it in English."""

    id: str
    file: Path
    reading: dict[str, Any]


@contextmanager
def open_chromium(width: int = 1280, height: int = 900) -> Iterator[WebDriver]:
    """A browser with a fresh profile that records its console and its requests."""
    with TemporaryDirectory() as profile:
        options = Options()
        options.binary_location = BROWSER
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        try:
            yield driver
        finally:
            driver.quit()


def as_phone(driver: WebDriver, width: int, height: int = 800) -> None:
    """Give the page the screen of a phone."""
    screen: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def wait_until(driver: WebDriver, condition: Any, why: str) -> Any:
    return WebDriverWait(driver, PATIENCE_S).until(condition, why)


def wait_for_state(driver: WebDriver, *states: str) -> str:
    """Wait for the page to reach one of the states of `body[data-state]` (device/static/page.js)."""

    def reached(driver: WebDriver) -> str | None:
        state = driver.find_element(By.TAG_NAME, "body").get_attribute("data-state")
        return state if state in states else None

    return str(wait_until(driver, reached, f"the page never was {' or '.join(states)}"))


def click(driver: WebDriver, selector: str) -> None:
    """Click an element, moved clear of the head that stays in place."""
    element = driver.find_element(By.CSS_SELECTOR, selector)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    element.click()


def choose_sample(driver: WebDriver, sample_id: str) -> None:
    """Click a sample of the strip and wait for its reading."""
    where = f'[data-sample="{sample_id}"]'
    wait_until(driver, lambda driver: driver.find_elements(By.CSS_SELECTOR, where), f"no sample {sample_id}")
    click(driver, where)
    wait_for_state(driver, "done", "failed")
