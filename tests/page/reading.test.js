import assert from "node:assert/strict";
import test from "node:test";

import { clockJson, clockOf, trustWords } from "../../device/web/static/clock.js";
import { CAUTION_BELOW_P, NEARLY_ALL } from "../../device/web/static/constants.js";
import { cellWords } from "../../device/web/static/evidence.js";
import { stamp } from "../../device/web/static/exports.js";
import { nameLines } from "../../device/web/static/findings.js";
import { blameWords } from "../../device/web/static/given.js";
import { firstLabel, marksOf } from "../../device/web/static/marks.js";
import { classOf, hasMaps, isAnswered, mappedClasses } from "../../device/web/static/reading.js";
import { countWindows } from "../../device/web/static/sectionview.js";
import { answerTo } from "../../device/web/static/verdict.js";
import { isPartial, whereWords } from "../../device/web/static/wheremap.js";
import { percent, word } from "../../device/web/static/words.js";
import { speak } from "./page.js";

speak("en");

const MAP = { name: "Benign", label: "benign", rows: 2, columns: 2, values: [0, 0, 0, 8], mean: 2, limit: 9, blank_below: 1 };
const REGION = { label: "benign", share: 0.2, area_mm2: null, rank: 1, x: 30, y: 40, box: [0, 0, 60, 80], strength: 5, probability: 0.9 };

const reading = (changes) => ({
  prediction: { label: "normal", probabilities: [{ label: "normal", name: "Normal tissue", probability: 0.7, logit: 1 }] },
  class_map: { places: { benign: [{ rank: 1, row: 1, column: 1, x: 150, y: 150, value: 8 }] } },
  section: null, parts: null, ...changes,
});

test("a question passes narrowly where few proper pictures are so strange, and the verdict says so", () => {
  assert.equal(answerTo({ passed: true, p_value: 0.4 }, true), "passed");
  assert.equal(answerTo({ passed: true, p_value: CAUTION_BELOW_P / 2 }, true), "narrow");
  assert.equal(answerTo({ passed: true, p_value: CAUTION_BELOW_P / 2 }, false), "passed");
  assert.equal(answerTo({ passed: true, p_value: null }, true), "passed");
  assert.equal(answerTo({ passed: false, p_value: 0.001 }, true), "failed");
});

test("a reading has maps where the gate accepted the picture, and an answer where its scale is known too", () => {
  const refused = { answer: null, class_map: null };
  const unscaled = { ...refused, prediction: null, class_map: { names: { a: "A", b: "B" }, values: { a: [1, null, 2], b: [-1, null, -2] } } };
  assert.deepEqual([isAnswered(refused), hasMaps(refused)], [false, false]);
  assert.deepEqual([isAnswered(unscaled), hasMaps(unscaled)], [false, true]);
  assert.deepEqual(mappedClasses(unscaled), [{ label: "a", name: "A", logit: 1.5 }, { label: "b", name: "B", logit: -1.5 }]);
  assert.equal(firstLabel({ ...unscaled, section: null, parts: null }), null);
  assert.equal(classOf(reading(), "normal").name, "Normal tissue");
  assert.throws(() => classOf(reading(), "invasive"), /no class invasive/);
});

test("evidence is weak, clear and strong by thirds of the scale", () => {
  const strengths = [0.5, 1, 3, 6, -1, -3, -9].map((value) => cellWords(MAP, value));
  const keys = ["blank", "for_weak", "for_clear", "for_strong", "against_weak", "against_clear", "against_strong"];
  assert.deepEqual(strengths, keys.map((key) => word(`cell_${key}`, { name: "Benign" })));
});

test("the strongest places of a class are marked, or its regions where there are some to look at", () => {
  assert.deepEqual(marksOf(reading(), MAP).map(({ rank, x, box }) => [rank, x, box]), [[1, 150, undefined]]);
  const parts = { caution: true, label: "benign", words: "", regions: [REGION] };
  assert.deepEqual(marksOf(reading({ parts }), MAP).map(({ rank, x, box }) => [rank, x, box]), [[1, 30, REGION.box]]);
  assert.equal(firstLabel(reading({ parts })), "benign");
  assert.equal(firstLabel(reading({ parts: { ...parts, caution: false } })), "normal");
  assert.equal(firstLabel(reading()), "normal");
  assert.deepEqual(marksOf(reading(), { ...MAP, label: undefined }), []);
});

test("where a part of a picture looks foreign it is hatched; all or nothing tells nothing", () => {
  assert.equal(isPartial(null), false);
  assert.equal(isPartial({ foreign: 0 }), false);
  assert.equal(isPartial({ foreign: 0.3 }), true);
  assert.equal(isPartial({ foreign: NEARLY_ALL }), false);
});

test("how much looks foreign is a share of the cells, and of a section's tissue", () => {
  const verdict = { accepted: true, where: { foreign: 0.3 } };
  assert.equal(whereWords({ verdict, section: null }), word("where_share", { share: percent(0.3) }));
  assert.equal(whereWords({ verdict, section: { foreign: 1, read: 3 } }), word("where_share_section", { share: percent(0.25) }));
});

test("a picture is a section from one and a half times a model's area on, and windows overlap by half", () => {
  const model = { preprocessing: { um_per_px: 1, area_px: 10_000 } };
  assert.equal(countWindows({ naturalWidth: 150, naturalHeight: 100 }, 1, [model]), 0);
  assert.equal(countWindows({ naturalWidth: 1000, naturalHeight: 100 }, 1, [model]), 40);
  assert.equal(countWindows({ naturalWidth: 1000, naturalHeight: 100 }, 0.5, [model, model]), 20);
});

test("the clocks of box and device agree within five minutes", () => {
  const date = new Date("2026-03-01T10:00:00Z");
  assert.equal(clockOf(date, new Date("2026-03-01T10:05:00Z")).agrees, true);
  assert.equal(clockOf(date, new Date("2026-03-01T09:54:59Z")).agrees, false);
  assert.equal(clockOf(date, null).agrees, null);
  assert.equal(trustWords(clockOf(date, null)), word("clock_alone"));
  assert.deepEqual({ ...clockJson(clockOf(date, date)), utc_offset_minutes: 0 }, {
    at: "2026-03-01T10:00:00.000Z", utc_offset_minutes: 0, box_at: "2026-03-01T10:00:00.000Z", clocks_agree: true,
    clock_words: word("clock_agrees"),
  });
});

test("a refusal names what was given and may have caused it", () => {
  const models = [{ id: "bach", title: "BACH" }, { id: "idc", title: "IDC" }];
  const scale = word("blame_scale", { um: "0.5" });
  assert.equal(blameWords({ umPerPx: "0.5", model: "" }, "wrong_magnification", models), scale);
  assert.equal(blameWords({ umPerPx: "0.5", model: "" }, "blurred", models), "");
  assert.equal(blameWords({ umPerPx: "", model: "idc" }, "blurred", models), word("blame_model", { title: "IDC" }));
  assert.equal(blameWords({ umPerPx: "", model: "idc" }, "blurred", models.slice(0, 1)), "");
});

test("a unit's names say who gave them, and how many more there are", () => {
  const names = [
    { name: "necrosis", term: null, experts: null, from: "model" }, { name: "debris", term: null, experts: 2, from: "box" },
  ];
  assert.deepEqual(nameLines({ names, names_more: 3 }), [
    word("unit_by_model", { name: "necrosis" }), word("unit_by_experts", { name: "debris", count: 2 }),
    word("unit_names_more", { count: 3 }),
  ]);
  assert.deepEqual(nameLines({ name: "necrosis" }), [word("unit_by_model", { name: "necrosis" })]);
  assert.deepEqual(nameLines({}), []);
});

test("saved files are named by this device's date", () => {
  assert.equal(stamp(new Date(2026, 2, 1, 9, 5)), "20260301-0905");
});
