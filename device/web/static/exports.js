// What staff can take away: the reading as JSON and the picture with the map. Each says on its own what it is: verdict,
// answer, likelihoods or a section's shares, caution, how the model stands at this clinic, date and how far it can be trusted,
// model, label of the case, and the research-use notice.

import { clockJson, dateWords, trustWords } from "./clock.js";
import { OVERLAY_LONGEST_PX } from "./constants.js";
import { byId, canvasById, contextOf, element, inputById } from "./dom.js";
import { clearFrom, levelWords, strongFrom } from "./evidence.js";
import { drawMarks } from "./marks.js";
import { drawScale, readBox } from "./overlay.js";
import { classOf } from "./reading.js";
import { listed, mark, named, percent, word } from "./words.js";

/** @import { AcceptedReading, AcceptedReport, Contour, Grid, Report, Scale } from "../../../tools/page_types/page" */
/** @typedef {{ text: string, strong?: boolean, scale?: boolean }} Line a line below a saved picture, or the scale */

const LEAST_WIDTH = 720; // smaller pictures are enlarged so that the words below fit, up to MOST_ENLARGED times
const MOST_ENLARGED = 4;
export const LEAST_STRENGTH = 0.4; // a saved map can be seen, whatever the slider on the screen says

/**
 * A date as names of files have it.
 * @param {Date} date
 */
export function stamp(date) {
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}-${two(date.getHours())}${two(date.getMinutes())}`;
}

/**
 * @param {Blob} blob
 * @param {string} name of the file
 */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers start the download late
}

/**
 * A reading with what only this page knows of it.
 * @param {Report} report
 */
export function savedReading({ reading, clock, caseLabel, synthetic }) {
  return { ...reading, saved: { ...clockJson(clock), case_label: caseLabel || null, synthetic_sample: synthetic } };
}

/** @param {Report} report */
export function saveReading(report) {
  const text = JSON.stringify(savedReading(report), null, 1);
  download(new Blob([text], { type: "application/json" }), `loupe-reading-${stamp(report.clock.date)}.json`);
}

/** @param {AcceptedReport} report */
export function savePicture(report) {
  composePicture(report).toBlob((blob) => {
    if (blob) download(blob, `loupe-picture-${stamp(report.clock.date)}.png`);
    else byId("status").textContent = word("save_failed");
  }, "image/png");
}

/**
 * What stands below a saved picture.
 * @param {Report & { reading: AcceptedReading }} report
 * @returns {Line[]}
 */
export function reportLines({ reading, clock, caseLabel, synthetic }) {
  const { answer, model, parts, prediction, section, site, verdict } = reading;
  const textOf = (/** @type {string} */ id) => (byId(id).textContent ?? "").trim();
  const names = answer.labels.map((label) => classOf(reading, label).name);
  // A section's likelihoods are those of a mean, see findings.js.
  const classes = section?.shares
    ? [named(word("section_heading"), section.shares.map((each) => `${each.name} ${percent(each.share)}`).join(" · "))]
    : prediction.probabilities.map((each) => named(each.name, `${each.likelihood} (${percent(each.probability)})`));
  const verdictLine = named(word(verdict.caution ? "verdict_caution" : "verdict_accepted"), textOf("verdict-title"));
  return [
    ...synthetic ? [{ text: textOf("synthetic-words"), strong: true }] : [],
    { text: caseLabel ? `${word("case_label_words", { label: caseLabel })} · ${verdictLine}` : verdictLine, strong: true },
    ...verdict.caution ? [{ text: textOf("verdict-detail") }] : [],
    { text: answer.headline, strong: true },
    { text: word("saved_set", { names: listed(names) }) },
    ...parts?.caution && parts.words ? [{ text: parts.words }] : [],
    { text: answer.advice },
    { text: `${site.title}. ${site.words}` },
    { text: classes.join(" · ") },
    { text: named(dateWords(clock.date), trustWords(clock)) },
    { text: `${model.title} (${model.id}), ${word("model_version", model)}, SHA-256 ${model.sha256}` },
    { text: textOf("notice"), strong: true },
  ];
}

/**
 * The picture as it is on the screen, with its lines and marks, above a strip that says what it is.
 * @param {AcceptedReport} report
 */
export function composePicture(report) {
  const { reading, picture, view } = report;
  const { map } = view;
  const source = picture ? [picture.naturalWidth, picture.naturalHeight] : [reading.image.width, reading.image.height];
  const shrink = Math.min(1, OVERLAY_LONGEST_PX / Math.max(...source));
  const scale = Math.max(shrink, Math.min(MOST_ENLARGED, LEAST_WIDTH / source[0]));
  const [width, height] = source.map((side) => Math.round(side * scale));
  const text = Math.max(13, Math.round(width / 64));
  const strength = Math.max(LEAST_STRENGTH, Number(inputById("opacity").value) / 100);
  const canvas = element("canvas", { width, height });
  const context = contextOf(canvas);
  const font = (/** @type {boolean | undefined} */ strong) => `${strong ? 600 : 400} ${text}px ${getComputedStyle(document.body).fontFamily}`;
  /** @type {Line[]} */
  const paragraphs = [
    { text: word("saved_title", { name: map.name, strength: percent(strength) }), strong: true, scale: true },
    ...inputById("cells").checked ? [] : [{ text: levelWords(map) }],
    ...view.marks.map(({ rank, words }) => ({ text: `${rank}  ${words}` })),
    ...reportLines(report),
  ];
  /** @type {Line[]} */
  const lines = paragraphs.flatMap((paragraph) => {
    context.font = font(paragraph.strong);
    const wrapped = wrap(context, paragraph.text, width - 2 * text).map((part) => ({ ...paragraph, text: part, scale: false }));
    return paragraph.scale ? [...wrapped, { text: "", scale: true }] : wrapped;
  });
  const lineHeight = (/** @type {Line} */ line) => Math.round(text * (line.scale ? 2.2 : 1.4));
  canvas.height = height + lines.reduce((sum, line) => sum + lineHeight(line), 2 * text);

  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, canvas.height);
  if (picture) drawPicture(context, picture, width, height);
  context.globalAlpha = strength;
  const box = readBox(reading, width, height);
  context.drawImage(canvasById("overlay"), box.x, box.y, box.width, box.height);
  context.globalAlpha = 1;
  drawContours(context, view.contours, map, box, Math.max(1, width / 700));
  if (inputById("where").checked) context.drawImage(canvasById("foreign"), box.x, box.y, box.width, box.height);
  drawMarks(context, view.marks, reading, width, height);

  let top = height + text;
  for (const line of lines) {
    if (line.scale) {
      drawLegend(context, map, { x: Math.round(text * 4), y: top + Math.round(text * 0.3), width: Math.round(width * 0.4), height: text });
    } else {
      context.fillStyle = "#16202b";
      context.font = font(line.strong);
      context.fillText(line.text, text, top + text);
    }
    top += lineHeight(line);
  }
  return canvas;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLImageElement} picture
 * @param {number} width
 * @param {number} height
 */
function drawPicture(context, picture, width, height) {
  context.drawImage(picture, 0, 0, width, height);
  if (inputById("colour").checked) return;
  context.globalCompositeOperation = "saturation";
  context.fillStyle = "#808080";
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = "source-over";
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Contour[]} contours
 * @param {Grid} grid
 * @param {{ x: number, y: number, width: number, height: number }} box what the grid covers
 * @param {number} thickness
 */
function drawContours(context, contours, { rows, columns }, box, thickness) {
  const toPixels = new DOMMatrix([box.width / columns, 0, 0, box.height / rows, box.x, box.y]);
  context.lineJoin = "round";
  for (const { level, strong, path } of contours) {
    const line = new Path2D();
    line.addPath(new Path2D(path), toPixels);
    const dashes = level > 0 ? [] : [6 * thickness, 4 * thickness];
    const strokes = [
      { colour: "rgb(255 255 255 / 80%)", thick: 3, dash: [] },
      { colour: level > 0 ? "#7a1d00" : "#003061", thick: 1.3, dash: dashes },
    ];
    for (const { colour, thick, dash } of strokes) {
      Object.assign(context, { strokeStyle: colour, lineWidth: (thick + Number(strong)) * thickness });
      context.setLineDash(dash);
      context.stroke(line);
    }
  }
  context.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scale} map
 * @param {{ x: number, y: number, width: number, height: number }} bar
 */
function drawLegend(context, map, bar) {
  drawScale(context, map, { ...bar, levels: [clearFrom(map), strongFrom(map)] });
  Object.assign(context, { strokeStyle: "#718696", lineWidth: 1 });
  context.strokeRect(bar.x - 0.5, bar.y - 0.5, bar.width + 1, bar.height + 1);
  context.font = `400 ${bar.height}px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = "#16202b";
  context.textAlign = "right";
  context.fillText(mark(-map.limit), bar.x - bar.height * 0.4, bar.y + bar.height * 0.9);
  context.textAlign = "left";
  context.fillText(`${mark(map.limit)} logit`, bar.x + bar.width + bar.height * 0.4, bar.y + bar.height * 0.9);
}

/**
 * Breaks at spaces, and within what is longer than a line, such as a hash.
 * @param {CanvasRenderingContext2D} context
 * @param {string} words
 * @param {number} width
 */
function wrap(context, words, width) {
  const lines = [""];
  const fits = (/** @type {string} */ text) => context.measureText(text).width <= width;
  for (const each of words.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${each}` : each;
    if (fits(longer)) {
      lines[lines.length - 1] = longer;
      continue;
    }
    if (lines.at(-1)) lines.push("");
    for (const letter of each) {
      if (fits(lines.at(-1) + letter)) lines[lines.length - 1] += letter;
      else lines.push(letter);
    }
  }
  return lines;
}
