// The picture with a map over it: class switch, opacity, true cells, where the picture looks foreign, and the value of a
// place in words. Any map on the reading's grid can be shown, not only those of the classes.

import { byId, element, setText, show } from "./dom.js";
import { countCells, drawOverlay, drawScale, drawWhere, surelyUpright } from "./overlay.js";
import { mark, signed, word } from "./words.js";
import { isPartial, whereWords } from "./wheremap.js";

export function cellWords(map, value) {
  const { name } = map;
  const size = Math.abs(value);
  if (size < map.blank_below) return word("cell_blank", { name });
  const side = value > 0 ? "for" : "against";
  const strength = size < map.limit / 3 ? "weak" : size < (2 * map.limit) / 3 ? "clear" : "strong";
  return word(`cell_${side}_${strength}`, { name });
}

// Shows the map of a reading over the picture (a loaded <img>, or null where the browser can't show it), first that of
// the most likely class. Returns a view: `map` is what is shown now, `overlaid` whether it lies over the picture, and
// `showMap({ name, values, mean, limit, blank_below })` shows another map on the same grid (`limit` and `blank_below`:
// those of the classes where left out), such as that of one unit. The class switch goes back to a class.
export function showMap(reading, picture) {
  const grid = reading.class_map;
  const { where } = reading.verdict;
  const classes = reading.prediction.probabilities;
  const canvas = byId("overlay");
  const overlaid = !picture || surelyUpright(picture, reading.image);
  const view = { map: null, overlaid, showMap: showAnother };
  let place = null; // the cell that is pointed at, as [row, column]

  const stack = byId("stack");
  const shape = picture && !overlaid ? picture.naturalWidth / picture.naturalHeight
    : reading.image.width / reading.image.height;
  stack.style.setProperty("--shape", shape);
  byId("picture").hidden = !picture;
  if (picture) byId("picture").src = picture.src;
  for (const id of ["overlay", "tools", "legend", "readout", "classes"]) show(id, overlaid);
  show("map-trouble", !picture || !overlaid);
  setText("map-trouble", word(overlaid ? "map_undrawable" : "map_mismatch"));

  function draw() {
    drawOverlay(canvas, view.map, { cells: byId("cells").checked });
    canvas.style.opacity = byId("opacity").value / 100;
    byId("picture").classList.toggle("grey", byId("grey").checked);
    show("foreign", overlaid && byId("where").checked);
  }

  function point(row, column) {
    place = [Math.max(0, Math.min(grid.rows - 1, row)), Math.max(0, Math.min(grid.columns - 1, column))];
    const cursor = byId("cursor");
    cursor.hidden = false;
    cursor.style.left = `${(100 * place[1]) / grid.columns}%`;
    cursor.style.top = `${(100 * place[0]) / grid.rows}%`;
    cursor.style.width = `${100 / grid.columns}%`;
    cursor.style.height = `${100 / grid.rows}%`;
    const at = place[0] * grid.columns + place[1];
    const value = view.map.values[at];
    const told = { row: place[0] + 1, column: place[1] + 1 };
    if (value === null) {
      setText("readout", word(leftOut(at), told));
    } else {
      setText("readout", word("cell_value", { ...told, value: signed(value), words: cellWords(view.map, value) }));
    }
  }

  // Why a place has no value. Of a section the verdict tells of the same places.
  function leftOut(at) {
    if (!reading.section) return "cell_bare";
    return where.values[at] > 1 ? "cell_foreign" : "cell_glass";
  }

  function pointAway() {
    place = null;
    show("cursor", false);
    setText("readout", word("map_explore"));
  }

  function showAnother(map) {
    view.map = { limit: grid.limit, blank_below: grid.blank_below, ...map, rows: grid.rows, columns: grid.columns };
    const { name } = map;
    const counts = countCells(view.map);
    show("little", overlaid && counts.blank === counts.all);
    setText("map-summary", word("map_summary", {
      name, count: counts.all, for_count: counts.for, against_count: counts.against, blank_count: counts.blank,
    }));
    setText("map-mean", word("map_mean", { logit: signed(map.mean, 2) }));
    canvas.setAttribute("aria-label", word("map_label", { name }));
    for (const choice of byId("segments").querySelectorAll("input")) choice.checked = choice.value === map.label;
    showScale(view.map);
    draw();
    if (place) point(...place);
  }

  const showClass = ({ label, name, logit }) => showAnother({ label, name, values: grid.values[label], mean: logit });

  byId("segments").replaceChildren(...classes.map((each) => {
    const choice = element("input", { type: "radio", name: "class", value: each.label, className: "unseen" });
    choice.onchange = () => showClass(each);
    return element("label", { className: "segment" }, choice, element("span", {}, each.name));
  }));
  for (const id of ["cells", "grey", "where"]) byId(id).onchange = draw;
  byId("opacity").oninput = draw;

  const partial = overlaid && isPartial(where);
  show("where-tool", partial);
  byId("where").checked = partial && reading.verdict.caution;
  setText("where-words", partial ? whereWords(reading) : "");
  if (partial) drawWhere(byId("foreign"), where);

  canvas.onpointermove = canvas.onpointerdown = (event) => {
    const box = canvas.getBoundingClientRect();
    point(
      Math.floor(((event.clientY - box.top) / box.height) * grid.rows),
      Math.floor(((event.clientX - box.left) / box.width) * grid.columns),
    );
  };
  // On a touch screen the value stays when the finger leaves.
  canvas.onpointerleave = (event) => event.pointerType === "mouse" && pointAway();
  canvas.onblur = pointAway;
  canvas.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === "Escape") pointAway();
    if (!step) return;
    event.preventDefault();
    const [row, column] = place ?? [Math.floor(grid.rows / 2), Math.floor(grid.columns / 2)];
    if (place) point(row + step[0], column + step[1]);
    else point(row, column);
  };

  pointAway();
  showClass(classes.find((each) => each.label === reading.prediction.label));
  return view;
}

function showScale(map) {
  const scale = byId("scale");
  const context = scale.getContext("2d");
  context.clearRect(0, 0, scale.width, scale.height);
  drawScale(context, map, { x: 0, y: 0, width: scale.width, height: scale.height });
  const ticks = [-map.limit, -map.blank_below, 0, map.blank_below, map.limit];
  byId("ticks").replaceChildren(...ticks.map((value, index) => {
    const beyond = index === 0 ? "\u2264 " : index === 4 ? "\u2265 " : "";
    const tick = element("span", {}, beyond + mark(value));
    tick.style.left = `${50 + (50 * value) / map.limit}%`;
    return tick;
  }));
}
