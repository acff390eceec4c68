/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved: what was done, beside what it would have been with everything in the cloud or on the edge.
 */
import { h, show, card, tile, missing, table, choice, bytes, ms, percent, money, isKnown, count } from "./dom.js";
import { PATHS, PATH_WORDS } from "./rows.js";
import { shares, gauge, legend, widthOf } from "./charts.js";
import { ask, redraw } from "./app.js";

const SPANS = [["hour", "The last hour"], ["day", "The last day"], ["week", "The last week"], ["all", "All that is kept"]];
const SECONDS = { hour: 3600, day: 86400, week: 604800 };
const ROWS = 20000;
let span = "all", said = null, trouble = null, asking = false;

async function compare() {
  asking = true;
  const since = SECONDS[span] ? "&since=" + Math.floor(Date.now() / 1000 - SECONDS[span]) : "";
  try {
    said = await ask("/v1/replay?policies=cloud;edge&limit=" + ROWS + since);
    trouble = null;
  } catch (error) {
    trouble = error.message;
  }
  asking = false;
  redraw();
}

const calls = (one) => one.escalated + one.split + one.cloud;
const less = (now, then, words) => (isKnown(now) && isKnown(then) ? (then >= now ? words(then - now) : "−" + words(now - then)) : "–");
const share = (now, then) => (isKnown(now) && then > 0 ? percent(1 - now / then) + (now <= then ? " less" : "") : "");

function budgets(state) {
  const budget = state.cloud.budget, rows = [];
  const words = { bytes, requests: count, money: (value) => money(value, budget.currency) };
  for (const window of ["hour", "day"])
    for (const what of ["bytes", "requests", "money"]) {
      const one = budget[window][what], within = window === "hour" ? " within an hour" : " within a day";
      if (!isKnown(one.limit)) continue;
      const used = one.spent / one.limit;
      rows.push([what + within, gauge(what + within + ": " + percent(used) + " used", used, 1, used > 0.9 ? "failed" : used > 0.7 ? "escalated" : "cloud"), words[what](one.spent), words[what](one.limit), percent(Math.max(0, one.left / one.limit))]);
    }
  return card("Budgets of the cloud", rows.length ? table("What was spent of what is allowed", ["Of", "Used", "Spent", "Limit", "Left"], rows, [2, 3, 4]) : h("p", null, "There is no limit. ", h("code", null, "cloud.budget"), " sets some: bytes, calls and money within an hour and a day."),
    rows.length && !budget.has_room && h("p", { class: "warn" }, "The budget is spent: the edge answers" + (isKnown(budget.room_in_s) ? ", and there is room in " + ms(budget.room_in_s * 1000) : "") + "."),
    h("p", null, "Today the cloud took " + bytes(budget.day.bytes.spent) + " in " + count(budget.day.requests.spent) + " calls: " + Object.entries(budget.day.requests.spent_for).filter(([, n]) => n > 0).map(([what, n]) => n + " for " + what + "s").join(", ") + (budget.day.money.spent > 0 ? "; " + money(budget.day.money.spent, budget.currency) : "") + "."));
}

function draw(to, store) {
  if (!store.journal) {
    show(to, h("h1", null, "Saved"), missing("There is no journal.", "What was saved is found by deciding its requests again: set ", h("code", null, "journal.path"), " and restart the gateway. Budgets are below all the same."), budgets(store.state));
    return;
  }
  const controls = h("div", { class: "controls" }, choice("Of which time", SPANS, span, (key) => { span = key; said = null; redraw(); }));
  if (!said && !trouble) {
    if (!asking) compare();
    show(to, h("h1", null, "Saved"), controls, h("p", { class: "waiting" }, "Deciding the journal's requests again …"));
    return;
  }
  if (trouble || !said.requests) {
    show(to, h("h1", null, "Saved"), controls, missing(trouble ? "It could not be found out." : "No request in this time.", trouble || "Look at a longer time."), budgets(store.state));
    trouble = null;
    return;
  }
  const [was, cloud, edge] = said.policies, currency = store.state.cloud.budget.currency, width = widthOf(to);
  const mean = (one) => (isKnown(one.mean_ms) ? ms(one.mean_ms) : "not known");
  const row = (name, one) => [name, count(calls(one)), bytes(one.bytes_up), isKnown(one.cost) ? money(one.cost, currency) : "no prices", mean(one), isKnown(one.p95_ms) ? ms(one.p95_ms) : "not known", isKnown(one.agreement) ? percent(one.agreement, 1) : "no audits"];
  show(to, h("h1", null, "Saved"), controls,
    h("p", { class: "lead" }, "Beside a gateway that asks the cloud everything, over " + count(was.requests) + " requests:"),
    h("div", { class: "tiles" },
      tile("Bytes that stayed", less(was.bytes_up, cloud.bytes_up, bytes), share(was.bytes_up, cloud.bytes_up), "edge"),
      tile("Calls of the cloud spared", less(calls(was), calls(cloud), count), share(calls(was), calls(cloud)), "edge"),
      tile("Money", isKnown(was.cost) ? less(was.cost, cloud.cost, (v) => money(v, currency)) : "–", isKnown(was.cost) ? share(was.cost, cloud.cost) : "no prices are configured", isKnown(was.cost) ? "edge" : ""),
      tile("Time a request", less(was.mean_ms, cloud.mean_ms, ms), isKnown(cloud.mean_ms) ? (cloud.mean_ms >= was.mean_ms ? "sooner, in the mean" : "the cloud alone would be sooner") : "not known what the cloud would take")),
    card("The same requests, three ways",
      ["As it was", "All to the cloud", "All on the edge"].map((name, i) => h("div", { class: "way" }, h("span", null, name), shares(name + ": " + PATHS.filter((path) => said.policies[i][path] > 0).map((path) => PATH_WORDS[path] + " " + said.policies[i][path]).join(", "), width, PATHS.filter((path) => path !== "failed").map((path) => ({ kind: path, value: said.policies[i][path], words: PATH_WORDS[path] }))))),
      legend(PATHS.filter((path) => path !== "failed").map((path) => [path, PATH_WORDS[path]])),
      table("What each takes", ["Way", "Calls of the cloud", "Sent to it", "Cost", "Mean", "19 of 20 within", "Agrees with the cloud"], [row("As it was", was), row("All to the cloud", cloud), row("All on the edge", edge)], [1, 2, 3, 4, 5, 6]),
      h("p", { class: "hint" }, "Decided again from the journal. Times that were measured: " + [["as it was", was], ["cloud", cloud], ["edge", edge]].map(([name, one]) => name + " " + one.measured + " of " + one.requests).join(", ") + "; the others are predicted, or of the nearest request that went the same way." +
        (said.requests >= ROWS ? " Only the newest " + count(ROWS) + " requests." : "") + (said.without_docket ? " " + count(said.without_docket) + " requests were not decided." : ""))),
    budgets(store.state), h("p", null, h("button", { type: "button", onclick: compare }, "Count again")));
}

export const saved = { title: "Saved", live: false, draw, chosen: () => { said = trouble = null; } };
