import assert from "node:assert/strict";
import test from "node:test";

import { errorWords, fileSize, fill, listed, mark, milliseconds, named, number, percent, signed, word, wordOr } from "../../device/web/static/words.js";
import { speak } from "./page.js";

const NARROW = "\u202f";

test("a text takes its facts, and the words that agree with a count", () => {
  speak("en");
  assert.equal(fill("{read:# window was|# windows were} read of {all}", { read: 1, all: 7 }), "1 window was read of 7");
  assert.equal(fill("{read:# window was|# windows were} read", { read: 1200 }), "1,200 windows were read");
  speak("fr");
  assert.equal(fill("{read:# vue|# vues}", { read: 0 }), "0 vue");
  assert.equal(fill("{read:#}", { read: 1200 }), `1${NARROW}200`);
});

test("a fact that is missing leaves its place as it is", () => {
  speak("en");
  assert.equal(fill("{none} and {count:# a|# b}", {}), "{none} and {count:# a|# b}");
});

test("a word that the page hasn't is its key, or what stands for it", () => {
  speak("en");
  assert.equal(word("no_such_word"), "no_such_word");
  assert.equal(wordOr("note_unheard_of", "unheard_of"), "unheard_of");
});

test("errors that the page finds itself have the box's words", () => {
  speak("en");
  const { detail } = errorWords("upload_too_large", { limit_mb: 32 });
  assert.match(detail, /32 MB/);
});

test("a share is never written as none or all", () => {
  speak("en");
  assert.equal(percent(0.5), "50%");
  assert.equal(percent(0.009), word("below_one_percent"));
  assert.equal(percent(0.01), "1%");
  assert.equal(percent(0.99), "99%");
  assert.equal(percent(0.991), word("above_99_percent"));
  assert.equal(percent(1), word("above_99_percent"));
});

test("numbers have the digits, the sign and the separators of the language", () => {
  speak("fr");
  assert.equal(number(1234.5, 1), `1${NARROW}234,5`);
  assert.match(percent(0.5), /^50[\u00a0\u202f]%$/);
  assert.equal(signed(-2.04, 2), "\u22122,04");
  speak("en");
  assert.equal(signed(2.04, 2), "+2.04");
  assert.equal(signed(0), "0.0");
  assert.equal(mark(-3.137), "\u22123.14");
  assert.equal(mark(3), "+3");
  assert.equal(number(0.25, 4, 0), "0.25");
});

test("sizes and durations have the unit that suits them", () => {
  speak("en");
  assert.deepEqual([fileSize(999), fileSize(1000), fileSize(100_000)], [
    word("file_size_b", { size: "999" }), word("file_size_kb", { size: "1" }), word("file_size", { size: "0.1" }),
  ]);
  assert.deepEqual([milliseconds(9.94), milliseconds(10), milliseconds(10_000)], [
    word("milliseconds", { value: "9.9" }), word("milliseconds", { value: "10" }), word("seconds", { value: "10" }),
  ]);
});

test("what stands between names, and between a name and its value, is the language's own", () => {
  speak("en");
  assert.equal(listed([named("a", "b"), "c"]), "a: b; c");
  speak("fr");
  assert.equal(listed([named("a", "b"), "c"]), "a\u00a0: b\u00a0; c");
});
