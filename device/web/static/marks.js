// Numbered marks over the picture: the strongest places of the class that is shown or, where that class has regions to be
// looked at, these, each outlined and marked at its strongest place. A mark opens the picture there (closeup.js).

import { openCloseup } from "./closeup.js";
import { byId, element, setText, show, svgElement } from "./dom.js";
import { cellWords } from "./evidence.js";
import { number, percent, signed, word } from "./words.js";

/** @import { MappedReading, Mark, Reading, ShownMap } from "../../../tools/page_types/page" */
/** @import { MarkedRegion } from "../../../tools/page_types/documents" */

const MOST_REGIONS = 6; // marked, the largest; the others are counted

/**
 * The regions of a class that are to be looked at: of a section those of its classes of concern, of a field those that
 * raised the caution about a part of it. Empty where there are none.
 * @param {Pick<Reading, "section" | "parts">} reading
 * @param {string | undefined} label
 */
function regionsOf({ section, parts }, label) {
  const from = section?.concern ?? (parts?.caution ? parts : null);
  return (from?.regions ?? []).filter((region) => region.label === label);
}

/**
 * The class whose map is shown first; null where the scale is unknown, and with it which class is most likely.
 * @param {Pick<Reading, "section" | "parts" | "prediction">} reading
 */
export function firstLabel({ section, parts, prediction }) {
  return section?.concern?.label ?? (parts?.caution ? parts.label : null) ?? prediction?.label ?? null;
}

/**
 * What is marked for a class, or for nothing where the map is that of a unit.
 * @param {MappedReading} reading
 * @param {ShownMap} map
 * @returns {Mark[]}
 */
export function marksOf(reading, map) {
  const regions = regionsOf(reading, map.label);
  if (regions.length) {
    return regions.slice(0, MOST_REGIONS).map((region, index) => ({
      ...region, rank: index + 1, words: regionWords(region, map, reading.section),
    }));
  }
  const places = map.label === undefined ? [] : reading.class_map.places?.[map.label] ?? [];
  return places.map((place) => ({ ...place, words: placeWords(place, map) }));
}

/** @type {(place: { row: number, column: number, value: number }, map: ShownMap) => string} */
const placeWords = ({ row, column, value }, map) => word("place_words", {
  row: row + 1, column: column + 1, value: signed(value), words: cellWords(map, value),
});

/**
 * @param {MarkedRegion} region
 * @param {ShownMap} map
 * @param {Reading["section"]} section
 */
function regionWords({ share, area_mm2: area, strength }, { name }, section) {
  const facts = { name, share: percent(share), strength: signed(strength) };
  const where = section ? "section" : "field";
  if (area === null || area === undefined) return word(`region_${where}`, facts);
  return word(`region_${where}_area`, { ...facts, area: number(area, area < 0.1 ? 3 : area < 10 ? 1 : 0) });
}

/**
 * Puts the marks over the picture and lists them below.
 * @param {MappedReading} reading
 * @param {ShownMap} map
 * @param {HTMLImageElement | null} picture loaded, which the marks open
 */
export function showMarks(reading, map, picture) {
  const { width, height } = reading.image;
  const marks = marksOf(reading, map);
  const buttons = marks.map(({ rank, x, y, words }) => {
    const button = element("button", { type: "button", className: "mark", disabled: !picture }, String(rank));
    button.setAttribute("aria-label", word("mark_label", { rank, words }));
    button.style.setProperty("--x", `${(100 * x) / width}%`);
    button.style.setProperty("--y", `${(100 * y) / height}%`);
    return button;
  });
  if (picture) {
    buttons.forEach((button, index) => {
      button.onclick = () => openCloseup({
        picture, reading, marks, index, title: map.name, onClose: (last) => buttons[last].focus(),
      });
    });
  }
  byId("marks").replaceChildren(...buttons);
  const boxes = marks.flatMap(({ box }) => (box ? [box] : []));
  byId("outlines", SVGSVGElement).replaceChildren(...boxes.flatMap(([left, top, right, bottom]) => (
    ["outline-under", "outline"].map((name) => svgElement("rect", {
      class: name, x: left / width, y: top / height, width: (right - left) / width, height: (bottom - top) / height,
    })))));
  const regions = boxes.length > 0;
  const unmarked = regions ? regionsOf(reading, map.label).slice(marks.length) : [];
  show("places", marks.length > 0);
  setText("places-heading", word(regions ? "regions_heading" : "places_heading", { name: map.name }));
  setText("places-hint", picture ? word("places_hint") : "");
  byId("places-list").replaceChildren(...marks.map(({ rank, words }) => element("li", {},
    element("span", { className: "mark-number", ariaHidden: "true" }, String(rank)), element("span", {}, words))));
  setText("places-rest", unmarked.length ? word(reading.section ? "regions_rest_section" : "regions_rest_field", {
    count: unmarked.length, share: percent(unmarked.reduce((sum, { share }) => sum + share, 0)),
  }) : "");
  return marks;
}

/**
 * Draws marks and outlines on a canvas of the picture, for the saved picture.
 * @param {CanvasRenderingContext2D} context
 * @param {Mark[]} marks
 * @param {Reading} reading
 * @param {number} width
 * @param {number} height
 */
export function drawMarks(context, marks, { image }, width, height) {
  const across = width / image.width;
  const down = height / image.height;
  const radius = Math.max(9, Math.round(Math.min(width, height) / 40));
  context.save();
  for (const { box } of marks) {
    if (!box) continue;
    const strokes = [{ colour: "#fff", thick: 4, dashes: [] }, { colour: "#14212b", thick: 2, dashes: [8, 5] }];
    for (const { colour, thick, dashes } of strokes) {
      Object.assign(context, { strokeStyle: colour, lineWidth: (thick * radius) / 12 });
      context.setLineDash(dashes);
      context.strokeRect(box[0] * across, box[1] * down, (box[2] - box[0]) * across, (box[3] - box[1]) * down);
    }
  }
  context.setLineDash([]);
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  context.font = `600 ${Math.round(radius * 1.2)}px ${getComputedStyle(document.body).fontFamily}`;
  for (const { rank, x, y } of marks) {
    const [left, top] = [[x * across, width], [y * down, height]]
      .map(([at, side]) => Math.max(radius + 1, Math.min(side - radius - 1, at)));
    context.beginPath();
    context.arc(left, top, radius, 0, 2 * Math.PI);
    Object.assign(context, { fillStyle: "#14212b", strokeStyle: "#fff", lineWidth: radius / 5 });
    context.fill();
    context.stroke();
    context.fillStyle = "#fff";
    context.fillText(String(rank), left, top + radius / 12);
  }
  context.restore();
}
