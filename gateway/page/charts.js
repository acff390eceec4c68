/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of numbers, as SVG in the pixels that there are. Every picture has a name that says what
 * it shows; what it shows is in words or in a table beside it, too.
 */
import { h, s } from "./dom.js";

const MIN_WIDTH = 280;
const THICK = 210; // of a river where all of it flows

/** The width that a picture in `to` may have. */
export const widthOf = (to) => Math.max(MIN_WIDTH, Math.floor((to.clientWidth || 900) - 40));

const picture = (label, width, height, ...children) =>
  s("svg", { role: "img", "aria-label": label, width, height, viewBox: "0 0 " + width + " " + height }, ...children);

const text = (x, y, words, more) => s("text", { x, y, ...more }, words);

export function legend(entries) {
  return h("ul", { class: "legend" }, entries.map(([kind, words]) => h("li", { class: kind }, words)));
}

/** A round number not below `value`. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 2.5, 5, 10]) if (step * power >= value) return step * power;
  return 10 * power;
}

/* ---- requests → what became of them → why ---- */

/** `flows`: [{path, reason, value}]; `words.path`, `words.value(v)`. */
export function river(label, width, flows, order, words) {
  const total = flows.reduce((n, f) => n + f.value, 0);
  const paths = order.filter((path) => flows.some((f) => f.path === path && f.value > 0));
  const reasons = [...new Set(flows.map((f) => f.reason))].map((reason) => ({ reason, value: flows.filter((f) => f.reason === reason).reduce((n, f) => n + f.value, 0) }))
    .sort((a, b) => b.value - a.value);
  const top = 40, gap = 14, unit = THICK / (total || 1);
  const x0 = 10, x1 = Math.round(width * 0.4), x2 = width - 14, bar = 10;
  /* Each has room for its words, however thin it is. */
  const tall = (list, value, least) => list.map((one) => Math.max(value(one) * unit + gap, least));
  const stack = (list, value, least, height) => {
    const rooms = tall(list, value, least);
    let y = top + (height - rooms.reduce((n, one) => n + one, 0)) / 2;
    return list.map((one, i) => {
      const size = Math.max(1.5, value(one) * unit), at = { one, y: y + (rooms[i] - size) / 2, size, used: 0 };
      y += rooms[i];
      return at;
    });
  };
  const pathValue = (path) => flows.filter((f) => f.path === path).reduce((n, f) => n + f.value, 0);
  const inner = Math.max(THICK, tall(paths, pathValue, 38).reduce((n, one) => n + one, 0), tall(reasons, (r) => r.value, 22).reduce((n, one) => n + one, 0)), height = top + inner + 10;
  const mid = stack(paths, pathValue, 38, inner), end = stack(reasons, (r) => r.value, 22, inner);
  const source = { y: top + (inner - THICK) / 2, size: THICK, used: 0 };
  const bend = (xa, ya, xb, yb, size, kind, title) => s("path", {
    class: "band " + kind, "stroke-width": Math.max(1.5, size), fill: "none",
    d: "M" + xa + " " + ya + "C" + (xa + xb) / 2 + " " + ya + " " + (xa + xb) / 2 + " " + yb + " " + xb + " " + yb,
  }, s("title", null, title));
  const bands = [], labels = [];
  for (const node of mid) {
    const size = node.size;
    bands.push(bend(x0 + bar, source.y + source.used + size / 2, x1, node.y + size / 2, size, node.one, words.path[node.one] + ": " + words.value(pathValue(node.one))));
    source.used += pathValue(node.one) * unit;
    for (const far of end) {
      const value = flows.filter((f) => f.path === node.one && f.reason === far.one.reason).reduce((n, f) => n + f.value, 0);
      if (!value) continue;
      const w = value * unit;
      bands.push(bend(x1 + bar, node.y + node.used + w / 2, x2 - bar, far.y + far.used + w / 2, w, node.one, words.path[node.one] + " because " + far.one.reason + ": " + words.value(value)));
      node.used += w;
      far.used += w;
    }
    labels.push(s("rect", { class: "node " + node.one, x: x1, y: node.y, width: bar, height: node.size, rx: 2 }),
      text(x1 + bar + 6, node.y + node.size / 2 - 1, words.path[node.one], { class: "big halo" }),
      text(x1 + bar + 6, node.y + node.size / 2 + 13, Math.round(100 * pathValue(node.one) / total) + " % · " + words.value(pathValue(node.one)), { class: "small halo" }));
  }
  for (const far of end)
    labels.push(s("rect", { class: "node plain", x: x2 - bar, y: far.y, width: bar, height: far.size, rx: 2 }),
      text(x2 - bar - 6, far.y + far.size / 2 + 4, far.one.reason, { class: "halo", "text-anchor": "end" }));
  return picture(label, width, height,
    text(x0, 16, words.all, { class: "head" }), text(x1, 16, words.middle, { class: "head" }), text(x2, 16, words.end, { class: "head", "text-anchor": "end" }),
    bands, s("rect", { class: "node plain", x: x0, y: source.y, width: bar, height: Math.max(1.5, source.size), rx: 2 }), labels);
}

/* ---- over time ---- */

const axis = (width, height, left, bottom, top, most, format) => [0, 0.5, 1].map((share) => {
  const y = height - bottom - share * (height - bottom - top);
  return [s("line", { class: "grid", x1: left, x2: width - 4, y1: y, y2: y }), text(left - 6, y + 4, format(share * most), { class: "tick", "text-anchor": "end" })];
});

/** `bins`: [{label, values: {kind: number}}], stacked in the order of `kinds`. */
export function stacked(label, width, bins, kinds, format) {
  const height = 190, left = 52, bottom = 24, top = 10;
  const most = ceiling(Math.max(...bins.map((bin) => kinds.reduce((n, kind) => n + (bin.values[kind] || 0), 0)), 0));
  const step = (width - left - 4) / bins.length, inner = height - bottom - top;
  const bars = bins.map((bin, i) => {
    let y = height - bottom;
    return kinds.map((kind) => {
      const size = (bin.values[kind] || 0) / most * inner;
      if (!size) return null;
      y -= size;
      return s("rect", { class: "fill " + kind, x: left + i * step + 1, y, width: Math.max(1, step - 2), height: size },
        s("title", null, bin.label + " " + kind + ": " + format(bin.values[kind])));
    });
  });
  const every = Math.max(1, Math.ceil(bins.length / Math.max(2, Math.floor(width / 110))));
  const ticks = bins.map((bin, i) => (i % every === 0 ? text(left + i * step, height - 7, bin.label, { class: "tick" }) : null));
  return picture(label, width, height, axis(width, height, left, bottom, top, most, format), bars, ticks);
}

/**
 * Lines over a common x. `series`: [{kind, points: [[x, y]], step, dashed}]; a y of null breaks the
 * line. `marks`: [{y, words, kind}] across it.
 */
export function lines(label, width, series, options) {
  const height = options.height || 200, left = 56, bottom = 26, top = 14;
  const all = series.flatMap((one) => one.points).filter(([, y]) => y !== null && y !== undefined);
  const xs = all.map(([x]) => x);
  const x_min = options.xMin ?? Math.min(...xs), x_max = options.xMax ?? Math.max(...xs);
  const most = options.most ?? ceiling(Math.max(...all.map(([, y]) => y), ...(options.marks || []).map((m) => m.y), 0));
  const px = (x) => left + (x_max > x_min ? (x - x_min) / (x_max - x_min) : 0.5) * (width - left - 12);
  const py = (y) => height - bottom - Math.min(1, y / most) * (height - bottom - top);
  const drawn = series.map((one) => {
    let d = "", pen = false, former = null;
    for (const [x, y] of one.points) {
      if (y === null || y === undefined) { pen = false; continue; }
      if (!pen) d += "M" + px(x) + " " + py(y);
      else d += (one.step ? "H" + px(x) + "V" + py(y) : "L" + px(x) + " " + py(y));
      pen = true;
      former = [x, y];
    }
    const dots = one.dots || one.points.filter(([, y]) => y !== null && y !== undefined).length < 3
      ? one.points.filter(([, y]) => y !== null && y !== undefined).map(([x, y]) => s("circle", { class: "dot " + one.kind, cx: px(x), cy: py(y), r: 3 },
        s("title", null, (options.x ? options.x(x) + ": " : "") + options.y(y)))) : null;
    return [former && s("path", { class: "line " + one.kind + (one.dashed ? " dashed" : ""), d, fill: "none" }), dots];
  });
  const marks = (options.marks || []).map((m) => [s("line", { class: "mark " + (m.kind || ""), x1: left, x2: width - 12, y1: py(m.y), y2: py(m.y) }),
    text(width - 14, py(m.y) - 5, m.words, { class: "small halo", "text-anchor": "end" })]);
  const n_ticks = Math.max(2, Math.min(6, Math.floor(width / 130)));
  const ticks = Array.from({ length: n_ticks }, (_, i) => {
    const x = x_min + (x_max - x_min) * i / (n_ticks - 1);
    return text(px(x), height - 8, options.x(x), { class: "tick", "text-anchor": i === 0 ? "start" : i === n_ticks - 1 ? "end" : "middle" });
  });
  return picture(label, width, height, axis(width, height, left, bottom, top, most, options.y), marks, drawn, x_max > x_min ? ticks : text(px(x_min), height - 8, options.x(x_min), { class: "tick", "text-anchor": "middle" }));
}

/* ---- one value against a limit ---- */

/** A bar of `value` on a scale to `most`, with a tick at `limit`. */
export function gauge(label, value, most, kind, limit) {
  const width = 300, height = 22, x = (v) => Math.max(0, Math.min(1, v / most)) * (width - 4) + 2;
  return picture(label, width, height,
    s("rect", { class: "track", x: 2, y: 6, width: width - 4, height: 10, rx: 5 }),
    value > 0 && s("rect", { class: "fill " + kind, x: 2, y: 6, width: Math.max(4, x(value) - 2), height: 10, rx: 5 }),
    limit !== null && limit !== undefined && s("line", { class: "limit", x1: x(limit), x2: x(limit), y1: 1, y2: 21 }));
}

/** Shares of a whole in one bar: [{kind, value, words}]. */
export function shares(label, width, parts) {
  const total = parts.reduce((n, part) => n + part.value, 0) || 1;
  let x = 0;
  return picture(label, width, 30, s("rect", { class: "track", x: 0, y: 2, width, height: 26, rx: 4 }), parts.filter((part) => part.value > 0).map((part) => {
    const w = part.value / total * width, at = x;
    x += w;
    return [s("rect", { class: "fill " + part.kind, x: at, y: 2, width: Math.max(1, w - 1), height: 26, rx: 3 }, s("title", null, part.words)),
      w > 44 && text(at + w / 2, 20, Math.round(100 * part.value / total) + " %", { class: "on", "text-anchor": "middle" })];
  }));
}

/** Times one behind the other: [{words, begin, took, kind}], to `end`. */
export function cascade(label, width, stages, end, format) {
  const row = 24, left = Math.min(120, width * 0.3), height = stages.length * row + 8, scale = (width - left - 80) / (end || 1);
  return picture(label, width, height, stages.map((stage, i) => {
    const x = left + stage.begin * scale, w = Math.max(2, stage.took * scale), y = i * row + 4;
    return [text(left - 8, y + 14, stage.words, { class: "small", "text-anchor": "end" }),
      s("rect", { class: "fill " + stage.kind, x, y: y + 2, width: w, height: row - 9, rx: 2 }),
      text(x + w + 6, y + 14, format(stage.took), { class: "small" })];
  }));
}
