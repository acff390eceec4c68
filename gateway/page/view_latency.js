/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency: how long requests took, by what became of them, over the load of the edge.
 */
import { h, show, card, missing, table, ms, count, percent, isKnown } from "./dom.js";
import { PATHS, PATH_WORDS, pathOf, groupBy, quantile } from "./rows.js";
import { lines, legend, gauge, widthOf } from "./charts.js";

const LOADS = [0, 0.25, 0.5, 0.75, 1];

const nearest = (load) => LOADS.reduce((best, one) => (Math.abs(one - load) < Math.abs(best - load) ? one : best), 0);

function draw(to, store) {
  const rows = store.rows.items.filter((row) => row.status === 200), width = widthOf(to);
  if (!store.journal || !rows.length) {
    show(to, h("h1", null, "Latency"), missing(store.journal ? "No request was answered yet." : "There is no journal.", store.journal ? "" : "Times are kept there: set journal.path. Until then moaoff_request_seconds in /metrics has them by plan."));
    return;
  }
  const groups = groupBy(rows, pathOf), paths = PATHS.filter((path) => groups.has(path));
  const total = (list) => list.map((row) => row.total_us / 1000), first = (list) => list.filter((row) => isKnown(row.first_byte_us)).map((row) => row.first_byte_us / 1000);
  const most = Math.max(...paths.map((path) => quantile(total(groups.get(path)), 0.95)));
  const curves = paths.flatMap((path) => {
    const by = groupBy(groups.get(path).filter((row) => isKnown(row.edge_load)), (row) => nearest(row.edge_load));
    const at = LOADS.filter((load) => by.has(load));
    return [{ kind: path, points: at.map((load) => [load, quantile(total(by.get(load)), 0.5)]), dots: true }, { kind: path, dashed: true, points: at.map((load) => [load, quantile(total(by.get(load)), 0.95)]), dots: true }];
  });
  show(to, h("h1", null, "Latency"), h("p", { class: "lead" }, "The newest " + count(rows.length) + " requests that were answered."),
    card("By what became of them", table("Times by path", ["Path", "On one scale", "Requests", "Median", "19 of 20 within", "First byte, median", "Of it the gateway's own"], paths.map((path) => {
      const list = groups.get(path), p95 = quantile(total(list), 0.95), own = quantile(list.filter((row) => isKnown(row.overhead_us)).map((row) => row.overhead_us / 1000), 0.5);
      return [h("span", { class: "path " + path }, PATH_WORDS[path]), gauge(PATH_WORDS[path] + ": median " + ms(quantile(total(list), 0.5)) + ", 19 of 20 within " + ms(p95), quantile(total(list), 0.5), most, path, p95), count(list.length), ms(quantile(total(list), 0.5)), ms(p95), ms(quantile(first(list), 0.5)), ms(own)];
    }), [2, 3, 4, 5, 6]), h("p", { class: "hint" }, "The bar is the median, the tick is what 19 of 20 stay within.")),
    card("Over the load of the edge", curves.some((one) => one.points.length) ? [lines("Median and 95th percentile of the time by path, over the load of the edge", width, curves, { x: (v) => "load " + percent(v), y: ms, xMin: 0, xMax: 1 }),
      legend([...paths.map((path) => [path, PATH_WORDS[path] + ", median"]), ["dashed", "dashed: 19 of 20 within"]])] : h("p", null, "The load of the edge was not known.")));
}

export const latency = { title: "Latency", live: true, draw };
