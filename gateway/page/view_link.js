/* SPDX-License-Identifier: Apache-2.0
 *
 * Link: the uplink, outages, and every endpoint with its breaker.
 */
import { h, show, card, tile, table, bytes, ms, number, count, clock, ago, isKnown } from "./dom.js";
import { lines, legend, widthOf } from "./charts.js";

const BREAKER = { closed: ["up", "closed: takes calls"], "half-open": ["half", "half-open: one call on trial"], open: ["down", "open: takes none"] };

function endpoints(state) {
  const rows = ["edge", "cloud"].flatMap((tier) => state[tier].endpoints.map((e) => {
    const [kind, words] = BREAKER[e.breaker] || ["down", e.breaker];
    return [tier, e.url, h("span", { class: "light " + kind }, words + (isKnown(e.retry_in_ms) ? ", tried in " + ms(e.retry_in_ms) : "")),
      e.misconfigured ? h("span", { class: "warn" }, "refuses our key, model or URL") : e.busy ? "busy" : "fine", count(e.in_flight), count(e.calls), count(e.failures), count(e.opened), isKnown(e.answered_age_ms) ? ago(Date.now() - e.answered_age_ms) : "never"];
  }));
  return card("Endpoints and their breakers", table("Every endpoint", ["Tier", "URL", "Breaker", "Says", "In flight", "Calls", "Failures", "Opened", "Answered"], rows, [4, 5, 6, 7]));
}

/** Times in which a tier was down: by what requests saw, and by what the page saw. */
function outages(store) {
  const found = [];
  for (const tier of ["edge", "cloud"]) {
    const seen = [...store.rows.items.filter((row) => row[tier + "_up"] !== null).map((row) => [row.time_ms, row[tier + "_up"]]), ...store.states.items.map((one) => [one.time, one[tier]])].sort((a, b) => a[0] - b[0]);
    let began = null;
    for (const [time, up] of seen) {
      if (!up && began === null) began = time;
      if (up && began !== null) { found.push({ tier, began, ended: time }); began = null; }
    }
    if (began !== null) found.push({ tier, began, ended: null });
  }
  return found.sort((a, b) => b.began - a.began).slice(0, 20);
}

function history(store, width) {
  const rows = store.rows.items.filter((row) => isKnown(row.uplink_mbps)).map((row) => [row.time_ms, row.uplink_mbps]), live = store.states.items.filter((one) => isKnown(one.mbps)).map((one) => [one.time, one.mbps]);
  const points = [...rows, ...live].sort((a, b) => a[0] - b[0]);
  if (!points.length) return card("Over time", h("p", null, "What the uplink carries is not known: nothing of 100 kB and more has gone up yet, and ", h("code", null, "cloud.uplink_mbps"), " is not set."));
  const thin = points.filter((_, i) => i % Math.ceil(points.length / 400) === 0 || i === points.length - 1);
  return card("Over time", lines("Mbit/s of the uplink over time", width, [{ kind: "cloud", points: thin, step: true }], { x: (v) => clock(v, false), y: (v) => number(v, 1) }), legend([["cloud", "Mbit/s, as decisions saw it"]]));
}

function draw(to, store) {
  const { edge, cloud } = store.state, up = cloud.uplink, width = widthOf(to), down = outages(store);
  show(to, h("h1", null, "Link"),
    h("div", { class: "tiles" }, tile("Uplink", isKnown(up.mbps) ? number(up.mbps, 1) + " Mbit/s" : "unknown", up.source === "measured" ? "measured by " + up.uploads + " uploads, " + ago(Date.now() - up.age_ms) : up.source === "configured" ? "as configured; " + up.uploads + " uploads measured" : "nothing was measured yet", "cloud"),
      tile("Round trip", isKnown(cloud.rtt.ms) ? ms(cloud.rtt.ms) : "unknown", isKnown(cloud.rtt.age_ms) ? ago(Date.now() - cloud.rtt.age_ms) : ""), tile("Edge", edge.up ? "up" : "down", "load " + number(edge.load) + " of " + count(edge.slots) + " slots, " + edge.in_flight + " in flight", edge.up ? "edge" : "failed"),
      tile("Cloud", cloud.up ? "up" : "down", cloud.in_flight + " in flight", cloud.up ? "cloud" : "failed")),
    endpoints(store.state), history(store, width),
    card("Outages", down.length ? table("Times in which a tier was down", ["Tier", "From", "Until", "Lasted"], down.map((one) => [one.tier, new Date(one.began).toLocaleString(), one.ended ? new Date(one.ended).toLocaleString() : "still", ms((one.ended || Date.now()) - one.began)]), [3])
      : h("p", null, "None that requests or this page have seen" + (store.journal ? "." : " since it was opened; there is no journal."))),
    card("What is measured", table("All that is known of the link and the edge", ["What", "Value"], [
      ["TCP's own rate over the same uploads", isKnown(up.tcp_mbps) ? number(up.tcp_mbps, 1) + " Mbit/s" : "unknown"], ["What an upload takes before it flows", isKnown(up.startup_ms) ? ms(up.startup_ms) : "unknown"], ["Uploads not counted", count(up.discarded)],
      ["Engine of the edge", edge.engine.kind + (isKnown(edge.engine.running) ? ", " + edge.engine.running + " running, " + number(edge.engine.waiting) + " waiting" : "")], ["Waiting for this machine's CPU", isKnown(edge.cpu_pressure.share) ? number(100 * edge.cpu_pressure.share, 0) + " % of the time" + (edge.cpu_pressure.counts ? "" : ", which does not count") : "unknown"],
      ["Bytes reserved of the cloud's budget", bytes(cloud.budget.reserved.bytes)]], [1])));
}

export const link = { title: "Link", live: true, draw };
