/* SPDX-License-Identifier: Apache-2.0
 *
 * Flow: where requests go, and why, live.
 */
import { h, show, card, tile, missing, table, choice, bytes, ms, number, percent, clock, ago } from "./dom.js";
import { PATHS, PATH_WORDS, PATH_HELP, pathOf, reasonOf, sum, groupBy, quantile } from "./rows.js";
import { river, stacked, legend, widthOf } from "./charts.js";
import { redraw } from "./app.js";

const BINS = 30, LATEST = 12;
const WINDOWS = [["5", "5 min"], ["15", "15 min"], ["60", "1 h"], ["360", "6 h"], ["1440", "24 h"]];
let minutes = "15", unit = "requests";

/** Bytes of bodies that went out, to both tiers: what a request weighs. */
const weight = (row) => Math.max(row.edge_bytes_up, row.cloud_bytes_up);
const valueOf = (row) => (unit === "bytes" ? weight(row) : 1);
const format = (value) => (unit === "bytes" ? bytes(value) : number(value, value < 10 ? 1 : 0));

/** The end of the window: now, or the newest row where this clock and the gateway's differ. */
function endOf(rows) {
  const now = Date.now(), newest = rows.length ? rows[rows.length - 1].time_ms : now;
  return newest > now || now - newest > 864e5 ? newest : now;
}

function tiles(rows) {
  const good = rows.filter((row) => row.status === 200), stayed = good.filter((row) => pathOf(row) === "edge");
  const per = rows.length / Number(minutes);
  return h("div", { class: "tiles" },
    tile("Answered on the device", good.length ? percent(stayed.length / good.length) : "–", stayed.length + " of " + good.length + " answered", "edge"),
    tile("Requests a minute", number(per, per < 10 ? 1 : 0), rows.length + " in " + WINDOWS.find(([key]) => key === minutes)[1]),
    tile("Sent to the cloud", bytes(sum(rows, (row) => row.cloud_bytes_up)), bytes(sum(rows, (row) => row.cloud_bytes_up) / Number(minutes)) + " a minute", "cloud"),
    tile("Half are answered within", good.length ? ms(quantile(good.map((row) => row.total_us / 1000), 0.5)) : "–", good.length ? "19 of 20 within " + ms(quantile(good.map((row) => row.total_us / 1000), 0.95)) : ""),
    tile("Failed", String(rows.length - good.length), rows.length ? percent((rows.length - good.length) / rows.length, 1) : "", rows.length > good.length ? "failed" : ""));
}

function perMinute(rows, end, width) {
  const span = Number(minutes) * 60000, size = span / BINS, begin = end - span;
  const bins = Array.from({ length: BINS }, (_, i) => ({ label: clock(begin + i * size, Number(minutes) <= 15), values: {} }));
  for (const row of rows) {
    const bin = bins[Math.min(BINS - 1, Math.max(0, Math.floor((row.time_ms - begin) / size)))], path = pathOf(row);
    bin.values[path] = (bin.values[path] || 0) + valueOf(row) * 60000 / size;
  }
  return stacked((unit === "bytes" ? "Bytes" : "Requests") + " a minute over the last " + WINDOWS.find(([key]) => key === minutes)[1] + ", by what became of them",
    width, bins, PATHS, format);
}

function flowsOf(rows) {
  const flows = [];
  for (const [path, of] of groupBy(rows, pathOf))
    for (const [reason, list] of groupBy(of, reasonOf)) flows.push({ path, reason, value: sum(list, valueOf) });
  return flows.filter((f) => f.value > 0);
}

const latest = (rows) => table("The newest requests", ["When", "What became of it", "Why", "Took"], rows.slice(-LATEST).reverse().map((row) => [
  h("a", { href: "#why/" + row.sequence }, ago(row.time_ms)), h("span", { class: "path " + pathOf(row) }, PATH_WORDS[pathOf(row)]), reasonOf(row), ms(row.total_us / 1000)]), [3]);

function draw(to, store) {
  const controls = h("div", { class: "controls" },
    choice("How far back", WINDOWS, minutes, (key) => { minutes = key; redraw(); }),
    choice("What is counted", [["requests", "Requests"], ["bytes", "Bytes"]], unit, (key) => { unit = key; redraw(); }));
  if (!store.journal) {
    show(to, h("h1", null, "Flow"), missing("There is no journal, so nothing is known of single requests.",
      "Set ", h("code", null, "journal.path"), " in the configuration and restart the gateway. Until then ", h("code", null, "/metrics"), " counts, and Link shows the state."));
    return;
  }
  const end = endOf(store.rows.items), rows = store.rows.items.filter((row) => row.time_ms > end - Number(minutes) * 60000);
  const width = widthOf(to), full = store.rows.items.length === store.rows.room && rows.length === store.rows.room;
  show(to, h("h1", null, "Flow"), controls, tiles(rows),
    rows.length === 0 ? missing("No request in this time.", store.rows.items.length ? "Look further back; the newest was " + ago(store.rows.last.time_ms) + "." : "The journal has none yet.")
      : [card("Where requests go, and why",
        river("Of " + rows.length + " requests: " + PATHS.map((path) => PATH_WORDS[path] + " " + rows.filter((row) => pathOf(row) === path).length).join(", "),
          width, flowsOf(rows), PATHS, { path: PATH_WORDS, value: format, all: unit === "bytes" ? "Bytes" : "Requests", middle: "What became of them", end: "Because" }),
        h("p", { class: "hint" }, "Reasons: that of the part that left the device, else of the text.")),
      card((unit === "bytes" ? "Bytes" : "Requests") + " a minute", perMinute(rows, end, width), legend(PATHS.map((path) => [path, PATH_WORDS[path] + ": " + PATH_HELP[path]]))),
      card(null, latest(rows)),
      full && h("p", { class: "hint" }, "The page remembers the newest " + store.rows.room + " requests; there were more in this time.")]);
}

export const flow = { title: "Flow", live: true, draw };
