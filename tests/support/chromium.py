"""A headless Chromium for the page's tests and screenshots, and what they show it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = None if BROWSER and DRIVER else "Debian's packages chromium and chromium-driver aren't installed"
PATIENCE_S = 90  # a machine may be busy with other things

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
# A machine that has the fonts of one folder alone; with none at all Chromium ends.
FONTCONFIG = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{fonts}</cachedir></fontconfig>
"""


@dataclass(frozen=True)
class Sample:
    """A sample of the service, its bytes as a file, and the reading that the service gives of it in English."""

    id: str
    file: Path
    reading: dict[str, Any]


@contextmanager
def open_chromium(width: int = 1280, height: int = 900, *, font: Path | None = None) -> Iterator[WebDriver]:
    """A browser with a fresh profile that records its console and its requests; with `font`, on a machine that has no other
    font than that file."""
    with TemporaryDirectory() as profile:
        options = Options()
        assert BROWSER, MISSING
        options.binary_location = BROWSER
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        environment = dict(os.environ)
        if font:
            fonts = Path(profile) / "fonts"
            fonts.mkdir()
            shutil.copy(font, fonts)
            config = Path(profile) / "fonts.conf"
            config.write_text(FONTCONFIG.format(fonts=fonts))
            environment["FONTCONFIG_FILE"] = str(config)
        driver = webdriver.Chrome(options=options, service=Service(DRIVER, env=environment))
        driver.set_script_timeout(PATIENCE_S)
        try:
            yield driver
        finally:
            driver.quit()


def as_phone(driver: WebDriver, width: int, height: int = 800) -> None:
    """Give the page the screen of a phone."""
    screen: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def wait_until(driver: WebDriver, condition: Any, why: str) -> Any:
    return WebDriverWait(driver, PATIENCE_S, ignored_exceptions=(StaleElementReferenceException,)).until(condition, why)


def wait_for_state(driver: WebDriver, *states: str) -> str:
    """Wait for the page to reach one of the states of `body[data-state]` (device/web/static/page.js)."""

    def reached(driver: WebDriver) -> str | None:
        state = driver.find_element(By.TAG_NAME, "body").get_attribute("data-state")
        return state if state in states else None

    return str(wait_until(driver, reached, f"the page never was {' or '.join(states)}"))


def click(driver: WebDriver, selector: str) -> None:
    """Click an element, moved clear of the head that stays in place."""
    element = driver.find_element(By.CSS_SELECTOR, selector)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    element.click()


# Lets what the box answers be changed before the page gets it: readings that no sample brings about.
CHANGE_READINGS = """
const changes = arguments[0], { get } = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, "response");
const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const merge = (old, fresh) => {
  if (!isPlain(old) || !isPlain(fresh)) return fresh;
  const merged = { ...old };
  for (const [key, value] of Object.entries(fresh)) merged[key] = merge(old[key], value);
  return merged;
};
Object.defineProperty(XMLHttpRequest.prototype, "response", {
  configurable: true,
  get() { return JSON.stringify(merge(JSON.parse(get.call(this)), changes)); },
});
"""


def change_readings(driver: WebDriver, changes: dict[str, Any]) -> None:
    """From now on the page gets each reading with these changes, merged into it. Until the page is opened anew."""
    driver.execute_script(CHANGE_READINGS, changes)


def upload(driver: WebDriver, file: Path) -> str:
    """Give the picker a file and wait; the state that the page ends in."""
    picker = driver.find_element(By.ID, "picker")
    driver.execute_script("arguments[0].value = ''", picker)  # as a click on it does: the same file may come again
    picker.send_keys(str(file))
    return wait_for_state(driver, "done", "failed")


def text(driver: WebDriver, element_id: str) -> str:
    return driver.find_element(By.ID, element_id).text


def visible(driver: WebDriver, element_id: str) -> bool:
    return driver.find_element(By.ID, element_id).is_displayed()


def give_scale(driver: WebDriver, um_per_px: str) -> None:
    """Write a size of a pixel into its field."""
    driver.execute_script("document.getElementById('advanced').open = true")
    field = driver.find_element(By.ID, "um-per-px")
    field.clear()
    field.send_keys(um_per_px)


def choose_sample(driver: WebDriver, sample_id: str) -> None:
    """Click a sample of the strip and wait for its reading."""
    where = f'[data-sample="{sample_id}"]'
    wait_until(driver, lambda driver: driver.find_elements(By.CSS_SELECTOR, where), f"no sample {sample_id}")
    click(driver, where)
    wait_for_state(driver, "done", "failed")
