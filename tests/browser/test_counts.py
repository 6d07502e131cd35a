"""The page's scripts fill its texts as the box does, whatever the count."""

from __future__ import annotations

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver

from device.base.texts import LANGUAGES, PLACE, fill, words

COUNTS = (0, 1, 2, 21, 1000)
FILL = """
const [texts, counts, done] = arguments;
import("/static/words.js").then(({ loadWords, fill }) => {
  loadWords();
  const facts = (names, count) => Object.fromEntries(names.map((name) => [name, count]));
  done(texts.map(([text, names]) => counts.map((count) => fill(text, facts(names, count)))));
});
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_counted_texts_of_the_page_read_as_the_box_fills_them(page: WebDriver, language: str) -> None:
    """Plain places get a number of three digits at most, which both write alike."""
    page.get(page.current_url.replace("lang=en", f"lang={language}"))
    texts = [text for text in words(language)["page"].values() if isinstance(text, str) and ":" in text]
    asked = [(text, [name for name, *_ in PLACE.findall(text)]) for text in texts]
    counted = [(text, names) for text, names in asked if any(one for _, one, _ in PLACE.findall(text))]
    assert len(counted) > 8
    filled = page.execute_async_script(FILL, counted, COUNTS)
    assert filled == [
        [fill(text, dict.fromkeys(names, count), language) for count in COUNTS] for text, names in counted
    ]
