// The picture at full resolution around a mark: one pixel of the picture is one pixel of the screen.

import { byId, setText, show } from "./dom.js";
import { number, word } from "./words.js";

const ROOM_ACROSS = 48; // CSS pixels that the dialog needs beside the picture, and above and below it
const ROOM_DOWN = 210;

// `marks` as marks.js has them, `index` the one to begin with; `onClose(index)` gets the one that was seen last.
export function openCloseup({ picture, reading, marks, index, title, onClose }) {
  const dialog = byId("closeup");
  let seen = index;

  function go(steps) {
    seen = (seen + steps + marks.length) % marks.length;
    const mark = marks[seen];
    setText("closeup-title", word("closeup_title", { rank: mark.rank, count: marks.length, name: title }));
    setText("closeup-words", mark.words);
    const crop = drawCrop(byId("closeup-crop"), picture, reading, mark);
    byId("closeup-crop").setAttribute("aria-label", word("closeup_label", { rank: mark.rank }));
    const facts = { width: number(crop.width), height: number(crop.height), all: number(reading.image.width) };
    const reduced = picture.naturalWidth < reading.image.width;
    setText("closeup-scale", word(reduced ? "closeup_scale_preview" : "closeup_scale", {
      ...facts, shown: number(picture.naturalWidth),
    }));
  }

  for (const id of ["closeup-previous", "closeup-next"]) show(id, marks.length > 1);
  byId("closeup-previous").onclick = () => go(-1);
  byId("closeup-next").onclick = () => go(1);
  byId("closeup-close").onclick = () => dialog.close();
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  dialog.onkeydown = (event) => {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!steps) return;
    event.preventDefault();
    go(steps);
  };
  dialog.onclose = () => onClose(seen);
  dialog.showModal();
  go(0);
}

// Draws what fits on the screen around a mark, and the frame of the map's cell there. The part of the shown picture, in its
// pixels.
function drawCrop(canvas, picture, { image, class_map: grid }, { x, y }) {
  const scale = picture.naturalWidth / image.width;
  const ratio = window.devicePixelRatio;
  const wide = Math.min(picture.naturalWidth, Math.round((document.documentElement.clientWidth - ROOM_ACROSS) * ratio));
  const high = Math.min(picture.naturalHeight, Math.round(Math.max(160, window.innerHeight - ROOM_DOWN) * ratio));
  const within = (at, length, whole) => Math.max(0, Math.min(whole - length, Math.round(at * scale - length / 2)));
  const left = within(x, wide, picture.naturalWidth);
  const top = within(y, high, picture.naturalHeight);
  Object.assign(canvas, { width: wide, height: high });
  canvas.style.width = `${wide / ratio}px`;
  canvas.style.height = `${high / ratio}px`;
  const context = canvas.getContext("2d");
  context.drawImage(picture, left, top, wide, high, 0, 0, wide, high);
  const [cellWide, cellHigh] = [image.width / grid.columns, image.height / grid.rows];
  const frame = [
    Math.floor(x / cellWide) * cellWide * scale - left, Math.floor(y / cellHigh) * cellHigh * scale - top,
    cellWide * scale, cellHigh * scale,
  ];
  for (const [colour, thick] of [["#fff", 4], ["#14212b", 1.5]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: thick * ratio });
    context.strokeRect(...frame);
  }
  return { width: wide, height: high, left, top };
}
