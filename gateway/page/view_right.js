/* SPDX-License-Identifier: Apache-2.0
 *
 * Still right?: what the policy adaptive promises, what it rests on, and whether it still holds.
 */
import { h, show, card, tile, table, number, percent, count, clock, isKnown } from "./dom.js";
import { lines, legend, gauge, widthOf } from "./charts.js";

function curve(g, width) {
  if (!g.curve.length) return card("How much can be kept", h("p", null, "There is no curve yet: the first audits make its grid, the others count."));
  const of = (key) => g.curve.map((point) => [point.kept, point[key]]).sort((a, b) => a[0] - b[0]);
  return card("How much can be kept", lines("Share of answers kept against the share of them that is lost, with its upper bound; at most " + percent(g.alpha_kept, 1) + " may be lost", width,
    [{ kind: "failed", points: of("lost") }, { kind: "cloud", points: of("bound"), dashed: true }],
    { x: (v) => percent(v), y: (v) => percent(v, 1), xMin: 0, xMax: 1, marks: [{ y: g.alpha_kept, words: "allowed: " + percent(g.alpha_kept, 1), kind: "bad" }] }),
  legend([["failed", "kept and different, in the audits"], ["cloud", "its upper bound, for the eye"]]),
  h("p", { class: "hint" }, "To the right more answers of the edge are kept, by a lower threshold. " + (isKnown(g.reach) ? "Up to " + percent(g.reach) + " could be kept with no more lost than allowed." : "")));
}

function thresholds(store, width) {
  const points = store.rows.items.filter((row) => isKnown(row.threshold)).map((row) => [row.time_ms, row.threshold]);
  const scores = store.rows.items.filter((row) => isKnown(row.confidence)).map((row) => [row.time_ms, row.confidence]);
  if (!points.length) return card("The threshold over time", h("p", null, store.journal ? "No answer of the edge was held against a threshold yet." : "There is no journal, so the past is not known."));
  return card("The threshold over time", lines("The threshold that answers of the edge had to reach, over time", width, [{ kind: "plain", points, step: true }, { kind: "edge", points: scores.slice(-150).map(([x, y]) => [x, y]), dots: true, bare: true }].map((one) => (one.bare ? { ...one, kind: "edge scatter" } : one)),
    { x: (v) => clock(v, false), y: (v) => number(v), most: 1 }), legend([["plain", "threshold"], ["edge", "scores of the edge's answers"]]));
}

function draw(to, store) {
  const g = store.guarantee, width = widthOf(to);
  if (!g) return;
  const a = g.audits, done = a.counted + a.for_grid, need = done + a.missing;
  const certified = g.certified;
  show(to, h("h1", null, "Still right?"),
    h("section", { class: "card claim " + (certified ? "good" : "open") }, h("span", { class: "badge" }, certified ? "Certified" + (g.since ? " since " + new Date(g.since * 1000).toLocaleString() : "") : "Not certified. What would be:"), h("p", null, g.claim),
      g.obstacles.length ? [h("h2", null, "What stands in the way"), h("ul", null, g.obstacles.map((one) => h("li", null, one)))] : null),
    h("div", { class: "tiles" }, tile("Kept", isKnown(g.kept) ? percent(g.kept) : "–", isKnown(g.threshold) && certified ? "from a score of " + number(g.threshold, 3) : "no threshold is certified", certified ? "edge" : ""),
      tile("Audits", count(done), a.lost + " of " + a.counted + " that count differ"), tile("Alarms", count(g.drift.alarms), "of the detector of drift", g.drift.alarms ? "failed" : ""),
      tile("By requests", isKnown(g.by_requests.share) ? percent(g.by_requests.share, 1) : "–", isKnown(g.by_requests.share) ? "of " + count(g.by_requests.seen) + " got an answer that differs; an estimate" : "not enough was seen")),
    card("On the way", table("How far the evidence and the alarm are", ["What", "So far", "Count", "Of"], [
      ["Audits until something can be certified", gauge("audits: " + done + " of at least " + need, done, need || 1, "edge"), count(done), need ? "at least " + count(need) : "–"],
      ["Drift until an alarm", gauge("drift: " + number(g.drift.mean, 1) + ", alarm at " + g.drift.alarm_at, g.drift.mean, g.drift.alarm_at, g.drift.mean > g.drift.alarm_at / 2 ? "failed" : "cloud"), number(g.drift.mean, 1), count(g.drift.alarm_at)]], [2, 3]),
    h("p", null, "Generation " + g.generation + (g.engines_changed ? "; engines have changed " + g.engines_changed + " times, which ends a generation" : "") + ". " + count(a.waiting) + " audits wait for a label, " + count(a.labelled) + " had one. " + (isKnown(a.share) ? percent(a.share, 1) + " of distinct requests are audited now." : ""))),
    curve(g, width), thresholds(store, width));
}

export const right = { title: "Still right?", live: true, draw };
