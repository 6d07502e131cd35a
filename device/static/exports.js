// What staff can take away: the reading as JSON and the picture with the map. Both carry the research-use notice.

import { byId, element } from "./dom.js";
import { drawScale } from "./overlay.js";
import { mark, word } from "./words.js";

const LONGEST_SIDE = 2048;

export function stamp(date) {
  const two = (value) => String(value).padStart(2, "0");
  return `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}-${two(date.getHours())}${two(date.getMinutes())}`;
}

export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers start the download late
}

export function saveReading(reading, date) {
  const text = JSON.stringify(reading, null, 1);
  download(new Blob([text], { type: "application/json" }), `loupe-reading-${stamp(date)}.json`);
}

export function savePicture({ reading, picture, view, date, synthetic }) {
  composePicture({ reading, picture, view, synthetic }).toBlob((blob) => {
    if (blob) download(blob, `loupe-picture-${stamp(date)}.png`);
    else byId("status").textContent = word("save_failed");
  }, "image/png");
}

// The picture as it is on the screen, above a strip that says what it is.
export function composePicture({ reading, picture, view, synthetic }) {
  const { map } = view;
  const source = picture ? [picture.naturalWidth, picture.naturalHeight] : [reading.image.width, reading.image.height];
  const shrink = Math.min(1, LONGEST_SIDE / Math.max(...source));
  // Small pictures are enlarged so that the strip's words fit.
  const grow = Math.max(shrink, Math.min(4, 720 / source[0]));
  const [width, height] = source.map((side) => Math.round(side * grow));
  const { model } = reading;
  const lines = [`${model.title} (${model.id}), ${word("model_version", model)}`, byId("notice").textContent.trim()];
  if (synthetic) lines.unshift(byId("synthetic-words").textContent.trim());
  const text = Math.max(13, Math.round(width / 64));
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  const font = (weight) => `${weight} ${text}px ${getComputedStyle(document.body).fontFamily}`;
  context.font = font(400);
  const wrapped = lines.flatMap((line) => wrap(context, line, width - 2 * text));
  const strip = Math.round(text * (4.4 + 1.4 * wrapped.length));
  canvas.height = height + strip;

  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height + strip);
  if (picture) context.drawImage(picture, 0, 0, width, height);
  if (byId("grey").checked) {
    context.globalCompositeOperation = "saturation";
    context.fillStyle = "#808080";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "source-over";
  }
  if (view.overlaid) {
    context.globalAlpha = byId("opacity").value / 100;
    context.drawImage(byId("overlay"), 0, 0, width, height);
    context.globalAlpha = 1;
    if (byId("where").checked) context.drawImage(byId("foreign"), 0, 0, width, height);
  }

  context.fillStyle = "#16202b";
  context.textBaseline = "alphabetic";
  context.font = font(600);
  let line = height + text * 1.8;
  context.fillText(word("saved_title", map), text, line);
  line += text * 0.6;
  const bar = { x: Math.round(text * 4), y: Math.round(line), width: Math.round(width * 0.4), height: text };
  drawScale(context, map, bar);
  context.strokeStyle = "#718696";
  context.strokeRect(bar.x - 0.5, bar.y - 0.5, bar.width + 1, bar.height + 1);
  context.font = font(400);
  context.textAlign = "right";
  context.fillText(mark(-map.limit), bar.x - text * 0.4, line + text * 0.9);
  context.textAlign = "left";
  context.fillText(`${mark(map.limit)} logit`, bar.x + bar.width + text * 0.4, line + text * 0.9);
  line += text * 2.6;
  for (const words of wrapped) {
    context.fillText(words, text, line);
    line += text * 1.4;
  }
  return canvas;
}

function wrap(context, words, width) {
  const lines = [""];
  for (const each of words.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${each}` : each;
    if (context.measureText(longer).width > width && lines.at(-1)) lines.push(each);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}
