// What the tests of the page's scripts share: the page's words, as the service puts them into the page.

import { readFileSync } from "node:fs";

import { loadWords } from "../../device/web/static/words.js";

/** Loads the words of a language of device/base/texts, which the scripts find in the page. */
export function speak(language) {
  const { page, errors } = JSON.parse(readFileSync(new URL(`../../device/base/texts/${language}.json`, import.meta.url), "utf8"));
  globalThis.document = {
    getElementById: () => ({ textContent: JSON.stringify({ page, errors }) }),
    documentElement: { lang: language },
  };
  loadWords();
}
