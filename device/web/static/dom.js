// Small helpers for finding and building elements. Text only ever goes in as text, never as HTML.

/**
 * The element of the page with this id. Throws where there is none of that kind: the page and its script don't fit.
 * @template {Element} T
 * @overload
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
/**
 * @overload
 * @param {string} id
 * @returns {HTMLElement}
 */
/**
 * @param {string} id
 * @param {new () => Element} [kind]
 */
export function byId(id, kind = HTMLElement) {
  const candidate = document.getElementById(id);
  if (candidate instanceof kind) return candidate;
  throw new TypeError(`the page has no ${kind.name} #${id}`);
}

/**
 * The first element within another that a selector names. Throws where there is none.
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function within(parent, selector) {
  const first = parent.querySelector(selector);
  if (first instanceof HTMLElement) return first;
  throw new TypeError(`nothing here is ${selector}`);
}

/** @param {string} id */
export const inputById = (id) => byId(id, HTMLInputElement);

/** @param {string} id */
export const selectById = (id) => byId(id, HTMLSelectElement);

/** @param {string} id */
export const canvasById = (id) => byId(id, HTMLCanvasElement);

/** @param {HTMLCanvasElement} canvas */
export function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser gives no canvas to draw on");
  return context;
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]>} properties what an element of a browser doesn't know becomes an attribute
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, properties = {}, ...children) {
  const built = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in built) Object.assign(built, { [name]: value });
    else built.setAttribute(name, String(value));
  }
  built.append(...children);
  return built;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svgElement(tag, attributes = {}, ...children) {
  const built = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) built.setAttribute(name, String(value));
  built.append(...children);
  return built;
}

/** @param {string} name of a symbol in icons.svg */
export function icon(name) {
  return svgElement("svg", { class: "icon", "aria-hidden": "true" }, svgElement("use", { href: `#icon-${name}` }));
}

/**
 * @param {string} id
 * @param {string} text
 */
export function setText(id, text) {
  byId(id).textContent = text;
}

/** @param {string} id */
export function show(id, visible = true) {
  byId(id).hidden = !visible;
}
