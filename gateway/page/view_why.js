/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: one request, and all that its decision was made from.
 */
import { h, show, card, missing, table, bytes, ms, number, count, money, clock, ago, isKnown } from "./dom.js";
import { PATH_WORDS, PATH_HELP, pathOf, reasonOf, pairs } from "./rows.js";
import { gauge, cascade, widthOf } from "./charts.js";
import { ask, redraw } from "./app.js";

const LISTED = 200;
const REASONS = {
  simple: "it is simple enough, the edge has room, and the link is slower than the limit", complex: "it is more complex than the threshold", "edge-busy": "the edge was busy",
  "uplink-fast": "the uplink was fast enough to send it", "edge-down": "the edge could not be reached", "cloud-down": "the cloud could not be reached", pinned: "it is pinned to the device",
  unsupported: "the other tier does not take it", "too-long": "it is too long for the other tier", fixed: "the policy sends everything there", unsure: "the edge was not sure enough of its answer",
  "over-budget": "the cloud's budget is spent", "cloud-busy": "too many calls wait at the cloud", memory: "the same was answered a moment ago", certified: "the edge answers by a certified threshold",
  uncertified: "nothing is certified", shadow: "nothing is certified yet, and the edge is being watched", audit: "it is audited: both tiers answer, and are compared", quicker: "the cloud was predicted to answer sooner",
  untried: "this way was not tried yet", "best-index": "the learning policy expects most of it", infeasible: "no tier kept every hard constraint",
};
const THRESHOLDS = { text: "paper.tau_text", image: "paper.tau_image", audio: "paper.tau_audio", video: "paper.tau_video", file: "paper.tau_file" };
let chosen = null, words = "", detail = null, others = null, asked = null;

/** A parameter as it was when the row was decided. */
function settingOf(row, key, store) {
  const named = pairs((row.settings || "").replaceAll(",", ", ").replaceAll(",  ", ", ")).find(([name]) => name === key);
  if (named) return Number(named[1]);
  for (const policy of store.policies ? store.policies.data : [])
    for (const param of policy.parameters) if (param.key === key) return param.default;
  return null;
}

async function fetchDetail(row, store) {
  const around = "after=" + (row.sequence - 1) + "&before=" + (row.sequence + 1) + "&since=" + Math.floor(row.time_ms / 1000);
  asked = row.sequence;
  detail = others = null;
  try {
    const found = (await ask("/v1/decisions?docket=1&limit=1&" + around)).data[0];
    if (asked === row.sequence) detail = found || row;
    redraw();
    const names = (store.policies ? store.policies.data : []).filter((policy) => !policy.research).map((policy) => policy.name);
    const again = await ask("/v1/replay?" + around + "&policies=" + encodeURIComponent(names.join(";")));
    if (asked === row.sequence) others = again.policies;
  } catch (error) {
    if (asked === row.sequence) others = error.message;
  }
  redraw();
}

function sentence(row) {
  const path = pathOf(row), tiers = Object.fromEntries(pairs(row.decision));
  const parts = pairs(row.reasons).map(([part, reason]) => h("li", null, h("strong", null, part), " → ", h("span", { class: "path " + (tiers[part] || "") }, tiers[part] || "?"), " because " + (REASONS[reason] || reason)));
  return [h("p", { class: "verdict" }, h("span", { class: "path " + path }, PATH_WORDS[path]), " ", PATH_HELP[path] + ", in " + ms(row.total_us / 1000) + "."),
    parts.length ? h("ul", { class: "reasons" }, parts) : h("p", null, "Nothing was decided: " + reasonOf(row) + "."),
    row.fallback && h("p", { class: "warn" }, "A tier failed on the way: " + row.fallback + "."), row.error && h("p", { class: "warn" }, "Error: " + row.error + ".")];
}

function scores(row, store) {
  const rows = pairs(row.scores).map(([part, score]) => {
    const kind = part.replace(/\d+$/, ""), limit = row.policy.startsWith("paper") ? settingOf(row, THRESHOLDS[kind], store) : null;
    const tier = (pairs(row.decision).find(([name]) => name === part) || [])[1];
    return [part, gauge(part + ": complexity " + score + (isKnown(limit) ? ", threshold " + number(limit) : ""), Number(score), 1, tier || "plain", limit),
      score, isKnown(limit) ? number(limit) : "–"];
  });
  if (!rows.length) return null;
  const m = detail && detail.docket && detail.docket.modalities;
  return card("Scores against thresholds", table("Complexity of each part", ["Part", "0 to 1", "Score", "Threshold", "Size"],
    rows.map((one, i) => [...one, m && m[i] ? bytes(m[i].bytes) + (isKnown(m[i].tokens) ? ", " + count(m[i].tokens) + " tokens" : "") : ""]), [2, 3, 4]),
  h("p", { class: "hint" }, row.policy.startsWith("paper") ? "A part stays on the device if its score is at most the threshold, the edge has room and the uplink is not faster than the limit."
    : "The policy " + row.policy + " does not compare these scores with thresholds."));
}

function surroundings(row, store) {
  const most = row.policy.startsWith("paper") ? settingOf(row, "paper.edge_load_max", store) : null, limit = row.policy.startsWith("paper") ? settingOf(row, "paper.uplink_max_mbps", store) : null;
  return card("What was known around it", table("The state in which it was decided", ["What", "Value", "Limit"], [
    ["Load of the edge", number(row.edge_load), isKnown(most) ? number(most) : "–"], ["Uplink", isKnown(row.uplink_mbps) ? number(row.uplink_mbps, 1) + " Mbit/s" : "unknown", isKnown(limit) ? number(limit, 1) + " Mbit/s" : "–"],
    ["Edge", row.edge_up === null ? "unknown" : row.edge_up ? "up" : "down", ""], ["Cloud", row.cloud_up === null ? "unknown" : row.cloud_up ? "up" : "down", ""]], [1, 2]));
}

function confidence(row) {
  if (!isKnown(row.confidence) && !isKnown(row.threshold)) return null;
  return card("How sure the edge was", isKnown(row.confidence) ? gauge("confidence " + number(row.confidence, 3) + ", threshold " + number(row.threshold, 3), row.confidence, 1, row.confidence >= row.threshold ? "edge" : "escalated", row.threshold) : null,
    h("p", null, isKnown(row.confidence) ? "Score " + number(row.confidence, 3) + " " + (row.confidence >= row.threshold ? "reached" : "did not reach") + " the threshold " + number(row.threshold, 3) + ": the answer was " + (pathOf(row) === "escalated" ? "not kept" : "kept") + "."
      : "The edge said nothing that could be scored; it had to reach " + number(row.threshold, 3) + "."));
}

function times(row, width) {
  let at = 0;
  const stages = pairs(row.stages).map(([name, us]) => { const took = Number(us) / 1000, stage = { words: name, begin: at, took, kind: name === "answer" || name === "relay" ? pathOf(row) : "plain" }; at += took; return stage; });
  const routing = detail && detail.docket && detail.docket.routing;
  const predicted = routing && [["edge", routing.predicted_edge_ms], ["cloud", routing.predicted_cloud_ms]].filter(([, value]) => isKnown(value));
  return card("Where the time went", stages.length ? cascade("Stages: " + stages.map((one) => one.words + " " + ms(one.took)).join(", "), width, stages, Math.max(at, row.total_us / 1000), ms) : h("p", null, "No stage took any."),
    h("p", null, "First byte after " + ms(row.first_byte_us === null ? null : row.first_byte_us / 1000) + ", all of it after " + ms(row.total_us / 1000) + ". " + (predicted && predicted.length
      ? "Predicted: " + predicted.map(([tier, value]) => tier + " " + ms(value)).join(", ") + "; seen: " + ms(row.total_us / 1000) + "." : "Nothing was predicted: only the policy adaptive does.")));
}

const took = (row, store) => card("What it took", table("Of each tier", ["What", "Edge", "Cloud"], [
  ["Bytes sent", bytes(row.edge_bytes_up), bytes(row.cloud_bytes_up)], ["Prompt tokens", count(row.edge_prompt_tokens), count(row.cloud_prompt_tokens)],
  ["Completion tokens", count(row.edge_completion_tokens), count(row.cloud_completion_tokens)], ["Cost", "–", isKnown(row.cost) ? money(row.cost, store.state.cloud.budget.currency) : "no prices"]], [1, 2]),
h("p", { class: "hint" }, "Calls: " + (row.calls || "none") + ". Key: " + (row.key || "none") + ". Trace: ", h("code", null, row.trace), "."));

function wouldHave() {
  const name = (one) => ["edge", "escalated", "split", "cloud"].find((path) => one[path] > 0);
  if (others === null) return card("What the other policies would have done", h("p", null, "Deciding again …"));
  if (typeof others === "string") return card("What the other policies would have done", h("p", { class: "warn" }, others));
  return card("What the other policies would have done", table("The same request, decided again", ["Policy", "What becomes of it", "To the cloud", "Cost", "Time"], others.map((one) => [
    one.policy, name(one) ? h("span", { class: "path " + name(one) }, PATH_WORDS[name(one)]) : "not known: the edge's score is missing", bytes(one.bytes_up), isKnown(one.cost) ? money(one.cost) : "–", isKnown(one.mean_ms) ? (one.measured ? "" : "about ") + ms(one.mean_ms) : "not known"]), [2, 3, 4]),
  h("p", { class: "hint" }, "From the journal alone; nothing was sent. Policies that learn begin with nothing here. “About”: predicted, not measured."));
}

function list(to, store) {
  const rows = store.rows.items.filter((row) => !words || [row.id, row.policy, row.plan, row.reasons, row.key, row.error, PATH_WORDS[pathOf(row)], String(row.status)].join(" ").toLowerCase().includes(words.toLowerCase())).slice(-LISTED).reverse();
  return h("ol", { class: "requests", "aria-label": rows.length + " requests, the newest first" }, rows.map((row) => h("li", null,
    h("a", { href: "#why/" + row.sequence, "aria-current": chosen === row.sequence ? "true" : null },
      h("span", { class: "path " + pathOf(row) }, PATH_WORDS[pathOf(row)]), h("span", { class: "what" }, reasonOf(row) + (row.images ? ", " + row.images + (row.images === 1 ? " picture" : " pictures") : "")), h("span", { class: "when" }, clock(row.time_ms) + " · " + ms(row.total_us / 1000))))));
}

function draw(to, store) {
  if (!store.journal) {
    show(to, h("h1", null, "Why"), missing("There is no journal.", "Single requests are kept there: set ", h("code", null, "journal.path"), " and restart the gateway."));
    return;
  }
  if (!to.querySelector(".why-view")) {
    const search = h("input", { type: "search", id: "search", oninput: (event) => { words = event.target.value; show(to.querySelector(".list"), list(to, store)); } });
    search.value = words;
    show(to, h("h1", null, "Why"), h("div", { class: "why-view" }, h("div", { class: "side" }, h("label", { for: "search" }, "Find a request by id, policy, reason, key or status"), search, h("div", { class: "list" })), h("div", { class: "detail" })));
  }
  if (chosen === null && store.rows.last) chosen = store.rows.last.sequence;
  const box = to.querySelector(".list");
  if (!box.contains(document.activeElement)) show(box, list(to, store));
  const row = store.rows.items.find((one) => one.sequence === chosen);
  if (row && asked !== chosen) fetchDetail(row, store);
  drawDetail(to, store);
}

function drawDetail(to, store) {
  const box = to.querySelector(".detail"), row = store.rows.items.find((one) => one.sequence === chosen);
  if (!row) {
    show(box, missing(store.rows.items.length ? "Not among the newest " + store.rows.room + " requests." : "The journal has no request yet.", "Choose one of the list."));
    return;
  }
  const state = chosen + "/" + (detail ? 1 : 0) + "/" + (others ? 1 : 0) + "/" + to.clientWidth + "/" + (store.policies ? 1 : 0);
  if (box.dataset.state === state) return;
  box.dataset.state = state;
  const width = widthOf(box);
  show(box, card(null, h("p", { class: "hint" }, "Request ", h("code", null, row.id), ", " + clock(row.time_ms) + " (" + ago(row.time_ms) + "), policy " + (row.policy || "none") + ", status " + (row.status || "client left") + (row.stream ? ", a stream" : "") + (row.pinned ? ", pinned" : "")), ...sentence(row)),
    confidence(row), scores(row, store), times(row, width), h("div", { class: "pair" }, surroundings(row, store), took(row, store)), row.decision ? wouldHave() : null);
}

export const why = { title: "Why", live: true, draw, chosen: ([sequence], store) => { if (sequence) chosen = Number(sequence); else if (store.rows.last) chosen = store.rows.last.sequence; } };
