"""The help in a real browser: found from a refusal, whole on the narrowest screen, and all of it from the box."""

from __future__ import annotations

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver

from tests.support.chromium import Sample, upload, visible, wait_until

pytestmark = pytest.mark.browser
REFUSAL_HELP = "document.querySelector('.verdict-help a')"


def test_a_refusal_leads_to_the_section_on_refusals_and_the_picture_stays(page: WebDriver, refused: Sample) -> None:
    assert upload(page, refused.file) == "done"
    start = page.current_window_handle
    page.execute_script(f"{REFUSAL_HELP}.click()")
    wait_until(page, lambda driver: len(driver.window_handles) == 2, "the help opened no tab")
    page.switch_to.window(next(handle for handle in page.window_handles if handle != start))
    try:
        wait_until(page, lambda driver: "/help" in driver.current_url, "the tab isn't the help")
        assert page.current_url.endswith("/help?lang=en#why-a-picture-is-refused")
        heading = "return document.querySelector(':target').textContent"
        assert page.execute_script(heading) == "Why a picture is refused"
    finally:
        page.close()
        page.switch_to.window(start)
    assert visible(page, "verdict")


def test_an_accepted_picture_has_no_link_on_refusals(page: WebDriver, accepted: Sample) -> None:
    upload(page, accepted.file)
    assert not page.execute_script(f"return {REFUSAL_HELP}.checkVisibility()")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_phone_shows_it_whole(phone: WebDriver, live_service: str, language: str) -> None:
    phone.get(f"{live_service}/help?lang={language}")
    assert phone.execute_script("return document.documentElement.scrollWidth <= innerWidth"), "only tables scroll"
    for index in range(phone.execute_script("return document.images.length")):
        phone.execute_script("document.images[arguments[0]].scrollIntoView()", index)
        wait_until(
            phone,
            lambda driver, i=index: driver.execute_script("return document.images[arguments[0]].naturalWidth", i),
            "a picture is missing",
        )
