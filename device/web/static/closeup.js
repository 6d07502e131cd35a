// The picture at full resolution around a mark: one pixel of the picture is one pixel of the screen.

import { byId, canvasById, contextOf, setText, show } from "./dom.js";
import { number, word } from "./words.js";

/** @import { MappedReading, Mark } from "../../../tools/page_types/page" */

const ROOM_ACROSS = 48; // CSS pixels that the dialog needs beside the picture, and above and below it
const ROOM_DOWN = 210;

/**
 * @param {object} options
 * @param {HTMLImageElement} options.picture
 * @param {MappedReading} options.reading
 * @param {Mark[]} options.marks
 * @param {number} options.index the mark to begin with
 * @param {string} options.title
 * @param {(index: number) => void} options.onClose gets the mark that was seen last
 */
export function openCloseup({ picture, reading, marks, index, title, onClose }) {
  const dialog = byId("closeup", HTMLDialogElement);
  let current = index;

  function go(/** @type {number} */ steps) {
    current = (current + steps + marks.length) % marks.length;
    const mark = marks[current];
    setText("closeup-title", word("closeup_title", { rank: mark.rank, count: marks.length, name: title }));
    setText("closeup-words", mark.words);
    const crop = drawCrop(canvasById("closeup-crop"), picture, reading, mark);
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
    const steps = new Map([["ArrowRight", 1], ["ArrowDown", 1], ["ArrowLeft", -1], ["ArrowUp", -1]]).get(event.key);
    if (!steps) return;
    event.preventDefault();
    go(steps);
  };
  dialog.onclose = () => onClose(current);
  dialog.showModal();
  go(0);
}

/**
 * Draws what fits on the screen around a mark, and the frame of the map's cell there. The part of the shown picture, in its
 * pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} picture
 * @param {MappedReading} reading
 * @param {Mark} mark
 */
function drawCrop(canvas, picture, { image, class_map: grid }, { x, y }) {
  const scale = picture.naturalWidth / image.width;
  const ratio = window.devicePixelRatio;
  const wide = Math.min(picture.naturalWidth, Math.round((document.documentElement.clientWidth - ROOM_ACROSS) * ratio));
  const high = Math.min(picture.naturalHeight, Math.round(Math.max(160, window.innerHeight - ROOM_DOWN) * ratio));
  /** @type {(at: number, length: number, whole: number) => number} */
  const startOf = (at, length, whole) => Math.max(0, Math.min(whole - length, Math.round(at * scale - length / 2)));
  const left = startOf(x, wide, picture.naturalWidth);
  const top = startOf(y, high, picture.naturalHeight);
  Object.assign(canvas, { width: wide, height: high });
  canvas.style.width = `${wide / ratio}px`;
  canvas.style.height = `${high / ratio}px`;
  const context = contextOf(canvas);
  context.drawImage(picture, left, top, wide, high, 0, 0, wide, high);
  const [cellWide, cellHigh] = grid.cell_px;
  const [readLeft, readTop] = image.read_box;
  const frameLeft = (readLeft + Math.floor((x - readLeft) / cellWide) * cellWide) * scale - left;
  const frameTop = (readTop + Math.floor((y - readTop) / cellHigh) * cellHigh) * scale - top;
  for (const { colour, thick } of [{ colour: "#fff", thick: 4 }, { colour: "#14212b", thick: 1.5 }]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: thick * ratio });
    context.strokeRect(frameLeft, frameTop, cellWide * scale, cellHigh * scale);
  }
  return { width: wide, height: high, left, top };
}
