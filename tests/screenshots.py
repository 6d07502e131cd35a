"""Make the screenshots of `docs/clinic` and `docs/technicians` from a running box, its synthetic
samples and simulated counts:

    python -m tests.support.simulated_clinic var/simulated.sqlite
    loupe serve --port 8000 --store var/simulated.sqlite &
    python -m tests.screenshots http://127.0.0.1:8000

Needs Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import base64
import json
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.support.chromium import (
    MISSING,
    as_phone,
    choose_sample,
    click,
    give_scale,
    open_chromium,
    upload,
    wait_for_state,
    wait_until,
)
from tests.support.drawn_clinic import UM_PER_PX as CLINIC_UM_PER_PX
from tests.support.drawn_clinic import write_clinic
from tests.support.drawn_micrometer import Micrometer, draw_micrometer
from tests.support.drawn_section import UM_PER_PX, draw_section
from tests.support.shipped import ROOT

IMAGES = ROOT / "docs" / "images"
PHONE_HEIGHT_PX, UNITS_HEIGHT_PX, SECTION_HEIGHT_PX = 2050, 1400, 1260
SCALE = 0.75  # keeps the files small


def pick_samples(base: str) -> tuple[str, str]:
    """The accepted sample with the most probable class, and the first refused one."""
    accepted: list[tuple[float, str]] = []
    refused: list[str] = []
    for sample in json.load(urlopen(f"{base}/api/v1/samples"))["samples"]:
        data = urlopen(base + sample["url"]).read()
        reading = json.load(urlopen(Request(f"{base}/api/v1/readings", data, {"Content-Type": "image/*"})))
        if not reading["verdict"]["accepted"]:
            refused.append(sample["id"])
        elif not reading["verdict"]["caution"]:
            best = max(each["probability"] for each in reading["prediction"]["probabilities"])
            accepted.append((best, sample["id"]))
    if not accepted or not refused:
        sys.exit("The box must accept one sample without caution and refuse one.")
    return max(accepted)[1], refused[0]


def draw_from(base: str, folder: Path) -> Path:
    """A section of the samples that the box accepts, with one that it refuses."""
    known: list[Path] = []
    foreign: list[Path] = []
    file = folder / "section.png"
    for sample in json.load(urlopen(f"{base}/api/v1/samples"))["samples"]:
        copy = folder / sample["file"]
        copy.write_bytes(urlopen(base + sample["url"]).read())
        reading = json.load(urlopen(Request(f"{base}/api/v1/readings", copy.read_bytes(), {"Content-Type": "image/*"})))
        (known if reading["verdict"]["accepted"] else foreign).append(copy)
    draw_section(known, foreign[0], file)
    return file


def shoot(driver: WebDriver, name: str, height_px: int | None = None) -> None:
    """Save the whole page, or its upper part."""
    driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    loaded = "return [...document.querySelectorAll('.unit-patches img')].every((each) => each.complete)"
    wait_until(driver, lambda driver: driver.execute_script(loaded), "patches are still missing")
    width = driver.execute_script("return innerWidth")
    height = height_px or driver.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": SCALE}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    picture = Image.open(BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
    picture.save(IMAGES / f"{name}.webp", quality=82, method=6)
    print(IMAGES / f"{name}.webp")


def main(base: str) -> None:
    if MISSING:
        sys.exit(MISSING)
    IMAGES.mkdir(parents=True, exist_ok=True)
    accepted, refused = pick_samples(base)
    with open_chromium(1280, 1000) as driver:
        for language, ending in (("en", ""), ("fr", ".fr")):
            shoot_clinic(driver, f"{base}/?lang={language}", ending, accepted, refused, base)
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.get(f"{base}/health?lang=en")
        shoot(driver, "health")
        with TemporaryDirectory() as folder:
            shoot_microscopes(driver, base, Path(folder))
        driver.get(f"{base}/units?lang=en")
        wait_for_state(driver, "done")
        shoot(driver, "units", UNITS_HEIGHT_PX)
        with TemporaryDirectory() as folder:
            shoot_commissioning(driver, base, Path(folder))


def shoot_microscopes(driver: WebDriver, base: str, folder: Path) -> None:
    """The page of microscopes, with the marks in a drawn photo of a micrometer."""
    photo = folder / "micrometer.jpg"
    draw_micrometer(Micrometer(period_px=20, angle=4)).save(photo, quality=92)
    driver.get(f"{base}/instruments?lang=en")
    wait_for_state(driver, "done")
    driver.find_element(By.ID, "name").send_keys("Leica, 10×")
    driver.find_element(By.ID, "marks-file").send_keys(str(photo))
    wait_until(driver, lambda driver: driver.find_element(By.ID, "marks-found").is_displayed(), "no marks are found")
    shoot(driver, "instruments")


def shoot_clinic(driver: WebDriver, page: str, ending: str, accepted: str, refused: str, base: str) -> None:
    """The pictures of one language's page for clinic staff."""
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    for name, sample in (("page-accepted", accepted), ("page-refused", refused)):
        driver.get(page)
        choose_sample(driver, sample)
        shoot(driver, f"{name}{ending}")
    driver.get(page)
    give_scale(driver, str(UM_PER_PX))
    with TemporaryDirectory() as folder:
        upload(driver, draw_from(base, Path(folder)))
    shoot(driver, f"page-section{ending}", SECTION_HEIGHT_PX)
    click(driver, ".mark")
    shoot(driver, f"page-closeup{ending}", driver.execute_script("return innerHeight"))
    driver.get(page)
    as_phone(driver, 390, 844)
    choose_sample(driver, accepted)
    shoot(driver, f"page-phone{ending}", PHONE_HEIGHT_PX)


def shoot_commissioning(driver: WebDriver, base: str, folder: Path) -> None:
    """A drawn clinic is commissioned as far as its report, and then discarded."""
    write_clinic(folder, patients=24)
    headers = {"Content-Type": "application/json"}
    if not json.load(urlopen(f"{base}/api/v1/instruments"))["instruments"]:
        microscope = json.dumps({"name": "Leica 10×", "um_per_px": CLINIC_UM_PER_PX}).encode()
        urlopen(Request(f"{base}/api/v1/instruments", microscope, headers))
    diagnoses = dict(line.split(",") for line in (folder / "labels.csv").read_text().split()[1:])
    driver.get(f"{base}/commissioning?lang=en")
    wait_for_state(driver, "ready")
    click(driver, "#begin-button")
    wait_until(driver, lambda driver: driver.find_element("id", "job").is_displayed(), "no commissioning has begun")
    wait_for_state(driver, "ready")

    def give(field: str, files: list[Path]) -> None:
        driver.execute_script(f"document.getElementById('{field}').value = ''")
        driver.find_element("id", field).send_keys("\n".join(map(str, files)))
        wait_for_state(driver, "ready")

    for patient in sorted((folder / "pictures").iterdir()):
        files = sorted(patient.iterdir())
        Select(driver.find_element("id", "diagnosis")).select_by_value(diagnoses[f"{patient.name}/{files[0].name}"])
        give("own-files", files)
        if patient.name == "03":
            shoot(driver, "commissioning", UNITS_HEIGHT_PX)
        click(driver, "#next-patient")
    for kind, name in (("glass", "glass"), ("other_stain", "immunostain"), ("photograph", "photograph")):
        Select(driver.find_element("id", "kind")).select_by_value(kind)
        give("foreign-files", sorted((folder / "foreign" / name).iterdir()))
    click(driver, "#report-button")
    wait_until(driver, lambda driver: driver.find_element("id", "report").is_displayed(), "no report")
    wait_for_state(driver, "ready")
    for hidden in (".site-head", "[aria-labelledby=states-heading]", "[aria-labelledby=own-heading]", ".site-job-head",
                   "[aria-labelledby=foreign-heading]", "[aria-labelledby=profiles-heading]"):  # fmt: skip
        driver.execute_script(f"document.querySelector('{hidden}').hidden = true")
    shoot(driver, "commissioning-report")
    urlopen(Request(f"{base}/api/v1/commissioning/job", method="DELETE"))


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:8000")
