/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements from calls, and numbers for people. No text ever becomes markup.
 */

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "css") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Replaces what is in `to`, but not while a person is typing or choosing in it. */
export function show(to, ...children) {
  to.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
}

/* ---- numbers ---- */

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const UNKNOWN = "unknown";

export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en") : UNKNOWN;
}

export function number(value, digits = 2) {
  return known(value) ? String(Number(value.toFixed(digits))) : UNKNOWN;
}

export function percent(share, digits = 0) {
  if (!known(share)) return UNKNOWN;
  return (100 * share).toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1").replace("-", "−") + " %";
}

export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0, v = Math.abs(value);
  while (v >= 1000 && i < units.length - 1) { v /= 1000; i++; }
  return (value < 0 ? "−" : "") + (i === 0 || v >= 100 ? Math.round(v) : v.toFixed(v >= 10 ? 1 : 2)) + " " + units[i];
}

export function ms(value) {
  if (!known(value)) return UNKNOWN;
  const v = Math.abs(value), sign = value < 0 ? "−" : "";
  if (v === 0) return "0 ms";
  if (v < 1) return sign + v.toFixed(2) + " ms";
  if (v < 1000) return sign + (v < 10 ? v.toFixed(1) : Math.round(v)) + " ms";
  if (v < 60000) return sign + (v / 1000).toFixed(v < 10000 ? 2 : 1) + " s";
  return sign + (v / 60000).toFixed(1) + " min";
}

export function money(value, currency) {
  if (!known(value)) return UNKNOWN;
  const v = Math.abs(value), digits = v === 0 || v >= 1 ? 2 : v >= 0.01 ? 4 : 6;
  return (value < 0 ? "−" : "") + v.toFixed(digits) + (currency ? " " + currency : "");
}

export function ago(then_ms, now_ms = Date.now()) {
  const age = Math.max(0, now_ms - then_ms) / 1000;
  if (age < 5) return "just now";
  if (age < 90) return Math.round(age) + " s ago";
  if (age < 5400) return Math.round(age / 60) + " min ago";
  if (age < 129600) return Math.round(age / 3600) + " h ago";
  return Math.round(age / 86400) + " days ago";
}

export function clock(time_ms, seconds = true) {
  const d = new Date(time_ms), two = (n) => String(n).padStart(2, "0");
  return two(d.getHours()) + ":" + two(d.getMinutes()) + (seconds ? ":" + two(d.getSeconds()) : "");
}

export const isKnown = known;

/* ---- pieces that views share ---- */

export const card = (title, ...children) => h("section", { class: "card" }, title && h("h2", null, title), ...children);

export const tile = (label, value, note, kind) =>
  h("div", { class: "tile" + (kind ? " " + kind : "") }, h("span", { class: "label" }, label), h("strong", null, value), note && h("span", { class: "note" }, note));

export const missing = (title, ...words) => h("div", { class: "missing" }, h("strong", null, title), h("p", null, ...words));

/** A table; each row is a list of cells, a cell a text or an element. `numeric`: columns to the right. */
export function table(caption, heads, rows, numeric = []) {
  const align = (i) => (numeric.includes(i) ? "num" : null);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", null, h("caption", null, caption),
      h("thead", null, h("tr", null, heads.map((head, i) => h("th", { scope: "col", class: align(i) }, head)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((cell, i) => h("td", { class: align(i) }, cell)))))));
}

/** One of several words, as buttons. */
export function choice(label, options, value, onChange) {
  return h("div", { class: "choice", role: "group", "aria-label": label },
    options.map(([key, text]) => h("button", { type: "button", "aria-pressed": String(key === value), onclick: () => onChange(key) }, text)));
}
