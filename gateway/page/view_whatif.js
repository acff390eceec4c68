/* SPDX-License-Identifier: Apache-2.0
 *
 * What if: another policy or other parameters, tried on the gateway's own journal. Nothing is sent
 * and nothing is changed.
 */
import { h, show, card, missing, table, bytes, ms, number, percent, money, count, isKnown } from "./dom.js";
import { PATHS, PATH_WORDS } from "./rows.js";
import { shares, legend, widthOf } from "./charts.js";
import { ask, redraw } from "./app.js";

const WAIT_MS = 350, AGAIN_MS = 700;
const LIMITS = [["500", "500"], ["2000", "2,000"], ["20000", "20,000"]];
let last = null, name = null, limit = "2000", values = {}, timer = null, wanted = 0;

const SLIDERS = /tau_|edge_load_max|threshold$|alpha$|delta$|cloud_share_max|audit$|lambda/;

function policyOf(store) {
  const list = store.policies.data;
  return list.find((one) => one.name === name) || list.find((one) => one.name === store.policies.policy && one.parameters.length) || list.find((one) => one.name === "paper") || list[0];
}

const spec = (policy) => {
  const set = policy.parameters.filter((param) => values[param.key] !== undefined && values[param.key] !== param.value);
  return policy.name + (set.length ? ":" + set.map((param) => param.key + "=" + values[param.key]).join(",") : "");
};

async function rerun(to, store) {
  const policy = policyOf(store), round = ++wanted, box = to.querySelector(".result");
  box.setAttribute("aria-busy", "true");
  try {
    const said = await ask("/v1/replay?limit=" + limit + "&policies=" + encodeURIComponent(policy.name + ";" + spec(policy)));
    if (round === wanted && box.isConnected) result(to, box, said, store, policy);
  } catch (error) {
    if (round !== wanted) return;
    if (error.status === 429) {
      timer = setTimeout(() => rerun(to, store), AGAIN_MS);
      return;
    }
    show(box, missing("It could not be tried.", error.message));
  }
  box.removeAttribute("aria-busy");
}

function result(to, box, said, store, policy) {
  last = said;
  const [was, now, then] = said.policies, width = widthOf(to), currency = store.state.cloud.budget.currency;
  if (!said.requests) {
    show(box, missing("The journal has no request yet."));
    return;
  }
  const name_of = ["As it was", policy.name + " as it is set", policy.name + " as you set it"];
  const delta = (value, former, words) => (isKnown(value) && isKnown(former) && value !== former ? (value > former ? "+" : "−") + words(Math.abs(value - former)) : "");
  const cell = (value, former, words, unknown) => (isKnown(value) ? h("span", null, words(value), " ", h("small", null, delta(value, former, words))) : unknown);
  const row = (title, one) => [title, cell((one.escalated + one.split + one.cloud) / (one.requests - one.score_unknown || 1), (was.escalated + was.split + was.cloud) / (was.requests || 1), (v) => percent(v, 1)), cell(one.bytes_up, was.bytes_up, bytes), cell(one.cost, was.cost, (v) => money(v, currency), "no prices"),
    cell(one.mean_ms, was.mean_ms, ms, "not known"), cell(one.p95_ms, was.p95_ms, ms, "not known"), isKnown(one.agreement) ? percent(one.agreement, 1) + " (" + percent(one.agreement_low) + " to " + percent(one.agreement_high) + ")" : "no audits", count(one.otherwise)];
  const notes = [was, now, then].flatMap((one, i) => [one.score_drawn && name_of[i] + ": how sure the edge was is not known of " + one.score_drawn + " requests; they are drawn at the rate of the others.", one.score_unknown && name_of[i] + ": how sure the edge was is known of no request; " + one.score_unknown + " are in no figure.",
    i && one.measured < one.requests && name_of[i] + ": " + one.measured + " of " + one.requests + " times were measured, the others are predicted or of the nearest request that went the same way."]).filter(Boolean);
  if (said.of_learning_policies) notes.push(said.of_learning_policies + " requests were decided by a policy that had learned something; here it begins with nothing.");
  show(box, said.policies.map((one, i) => h("div", { class: "way" }, h("span", null, name_of[i]), shares(name_of[i] + ": " + PATHS.filter((path) => one[path] > 0).map((path) => PATH_WORDS[path] + " " + one[path]).join(", "), width, PATHS.filter((path) => path !== "failed").map((path) => ({ kind: path, value: one[path], words: PATH_WORDS[path] }))))),
    legend(PATHS.filter((path) => path !== "failed").map((path) => [path, PATH_WORDS[path]])),
    table(count(said.requests) + " requests, decided again", ["Way", "Ask the cloud", "Sent to it", "Cost", "Mean", "19 of 20 within", "Agrees with the cloud", "Otherwise"], [row(name_of[0], was), row(name_of[1], now), row(name_of[2], then)], [1, 2, 3, 4, 5, 6, 7]),
    h("p", { class: "hint" }, "Differences are to what was done. To make it so: ", h("code", null, "policy: " + policy.name + policy.parameters.filter((param) => values[param.key] !== undefined && values[param.key] !== param.value).map((param) => "; " + param.key + ": " + values[param.key]).join("")), " in the configuration, and a reload."),
    notes.length ? h("ul", { class: "hint" }, notes.map((note) => h("li", null, note))) : null);
}

function slider(param, to, store) {
  const value = values[param.key] ?? param.value, id = "p-" + param.key.replaceAll(".", "-"), out = h("output", { for: id }, number(value, 3));
  const later = (event) => {
    values[param.key] = Number(event.target.value);
    out.textContent = number(values[param.key], 3);
    clearTimeout(timer);
    timer = setTimeout(() => rerun(to, store), WAIT_MS);
  };
  return h("div", { class: "slider" }, h("label", { for: id }, param.key), h("input", { type: "range", id, min: param.min, max: Math.min(param.max, 1), step: "any", value, oninput: later }), out, h("p", { class: "hint" }, param.help + (param.unit ? ", " + param.unit : "") + ". Set to " + number(param.value, 3) + "."));
}

function draw(to, store) {
  if (!store.journal || !store.policies) {
    show(to, h("h1", null, "What if"), store.journal ? h("p", { class: "waiting" }, "Asking the gateway …") : missing("There is no journal.", "Its requests are what is decided again: set ", h("code", null, "journal.path"), " and restart the gateway."));
    return;
  }
  const policy = policyOf(store), box = to.querySelector(".result");
  if (last && box) { // the window has another size
    result(to, box, last, store, policy);
    return;
  }
  const select = h("select", { id: "what-policy", onchange: (event) => { name = event.target.value; values = {}; last = null; redraw(); } }, store.policies.data.map((one) => h("option", { value: one.name, selected: one === policy }, one.name + (one.research ? " (for research)" : ""))));
  const rows = h("select", { id: "what-rows", onchange: (event) => { limit = event.target.value; rerun(to, store); } }, LIMITS.map(([key, text]) => h("option", { value: key, selected: key === limit }, text)));
  const sliders = policy.parameters.filter((param) => SLIDERS.test(param.key) && !param.choices && param.max - param.min > 0);
  show(to, h("h1", null, "What if"), h("p", { class: "lead" }, "Try other thresholds on the requests that this gateway has really had. Nothing is sent, nothing is changed."),
    card("Set", h("div", { class: "controls" }, h("label", { for: "what-policy" }, "Policy"), select, h("label", { for: "what-rows" }, "Newest requests"), rows, h("button", { type: "button", onclick: () => { values = {}; last = null; redraw(); } }, "As it is set")),
      h("p", { class: "hint" }, policy.summary + "."), sliders.length ? h("div", { class: "sliders" }, sliders.map((param) => slider(param, to, store))) : h("p", null, "It has nothing to set.")),
    card("What would have become of them", h("div", { class: "result", "aria-live": "polite" }, h("p", { class: "waiting" }, "Deciding again …"))));
  rerun(to, store);
}

export const whatIf = { title: "What if", live: false, draw, chosen: () => { last = null; } };
