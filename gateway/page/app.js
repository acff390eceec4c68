/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of the gateway: what is known (asked of this gateway and nobody else, and bounded), and
 * which view of it is shown. A view is {title, draw(to, store), live}.
 */
import { h, show, number } from "./dom.js";
import { Ring } from "./rows.js";
import { flow } from "./view_flow.js";
import { why } from "./view_why.js";
import { saved } from "./view_saved.js";
import { right } from "./view_right.js";
import { link } from "./view_link.js";
import { latency } from "./view_latency.js";
import { whatIf } from "./view_whatif.js";

const views = { flow, why, saved, right, link, latency, whatif: whatIf };
const ROWS_MAX = 2000; // requests, and
const STATES_MAX = 900; // looks at the state, that the page remembers
const EVERY_MS = 2000;
const SLOWLY = 5; // rounds between two looks at what changes slowly
const KEY = "moaoff-key";

export const store = {
  rows: new Ring(ROWS_MAX), states: new Ring(STATES_MAX),
  state: null, guarantee: null, policies: null, journal: true, trouble: "", lastSequence: 0, options: {},
};

/* ---- asking ---- */

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What the gateway says at `path`; throws Refused. */
export async function ask(path) {
  const key = sessionStorage.getItem(KEY);
  const answer = await fetch(path, { headers: key ? { authorization: "Bearer " + key } : {}, cache: "no-store", credentials: "omit" });
  const text = await answer.text();
  let said = null;
  try { said = JSON.parse(text); } catch { /* an error below */ }
  if (answer.ok && said) return said;
  throw new Refused(answer.status, (said && said.error && said.error.message) || "The gateway answered with status " + answer.status + ".");
}

/** Rows of the journal, newest first as they came, into the ring. */
export function take(rows) {
  const fresh = rows.filter((row) => row.sequence > store.lastSequence).reverse();
  if (fresh.length) store.lastSequence = fresh[fresh.length - 1].sequence;
  store.rows.push(...fresh);
  return fresh.length;
}

async function askRows() {
  if (!store.journal) return;
  try {
    take((await ask("/v1/decisions?limit=1000" + (store.lastSequence ? "&after=" + store.lastSequence : ""))).data);
  } catch (error) {
    if (error.status !== 404) throw error;
    store.journal = false;
  }
}

let round = 0, timer = null, busy = false;

async function look() {
  if (busy) return;
  busy = true;
  try {
    store.state = await ask("/v1/state");
    store.states.push({
      time: Date.now(), mbps: store.state.cloud.uplink.mbps, rtt: store.state.cloud.rtt.ms, load: store.state.edge.load,
      edge: store.state.edge.up, cloud: store.state.cloud.up,
    });
    await askRows();
    if (round % SLOWLY === 0) {
      store.guarantee = await ask("/v1/guarantee");
      store.policies = await ask("/v1/policies");
    }
    round++;
    store.trouble = "";
  } catch (error) {
    if (error.status === 401 || error.status === 403) askForKey(error.message);
    store.trouble = error.status ? error.message : "The gateway does not answer. It is asked again every two seconds.";
  }
  busy = false;
  refresh();
}

function keepLooking() {
  clearInterval(timer);
  timer = null;
  if (!paused && !document.hidden) {
    look();
    timer = setInterval(look, EVERY_MS);
  }
}

/* ---- the key ---- */

const dialog = document.getElementById("ask");

function askForKey(why) {
  if (dialog.open) return;
  document.getElementById("ask-why").textContent = why;
  document.getElementById("key").value = "";
  dialog.showModal();
}

document.getElementById("ask-form").addEventListener("submit", () => {
  sessionStorage.setItem(KEY, document.getElementById("key").value.trim());
  round = 0;
  look();
});

/* ---- what is shown ---- */

const main = document.getElementById("main"), nav = document.getElementById("nav");
const pause = document.getElementById("pause");
let shown = null, paused = false;

function drawStatus() {
  const notice = document.getElementById("notice");
  notice.hidden = !store.trouble;
  if (notice.textContent !== store.trouble) notice.textContent = store.trouble;
  if (!store.state) return;
  const { edge, cloud } = store.state;
  document.getElementById("policy").textContent = store.policies ? "policy " + store.policies.policy : "";
  const light = (name, up, words) => h("span", { class: "light " + (up ? "up" : "down") }, name + " " + (up ? "up" : "down") + (words ? ", " + words : ""));
  show(document.getElementById("tiers"),
    light("Edge", edge.up, edge.load === null ? "" : "load " + number(edge.load)),
    light("Cloud", cloud.up, cloud.uplink.mbps === null ? "" : number(cloud.uplink.mbps, 1) + " Mbit/s"));
}

const FOCUSABLE = "a, button, input, select, [tabindex]";

/** Draws, and gives what had the focus, or what stands in its place, the focus again. */
function drawKeepingFocus(view) {
  const at = document.activeElement, inside = main.contains(at) && at !== main;
  const place = inside ? [...main.querySelectorAll(FOCUSABLE)].indexOf(at) : -1, href = inside && at.getAttribute("href");
  view.draw(main, store);
  if (place < 0 || document.activeElement === at) return;
  const all = [...main.querySelectorAll(FOCUSABLE)];
  const same = (href && all.find((one) => one.getAttribute("href") === href)) || all[place];
  if (same) same.focus({ preventScroll: true });
}

/** What is known has changed. A view that says it is live is drawn again, others when they are chosen. */
export function refresh(anyway = false) {
  drawStatus();
  const view = views[shown];
  if (view && (anyway || view.live || !main.dataset.drawn) && store.state) {
    drawKeepingFocus(view);
    main.dataset.drawn = "yes";
  }
}

/** The view that is shown has something else to show. */
export const redraw = () => refresh(true);

function choose() {
  const name = location.hash.slice(1).split("/")[0];
  const next = views[name] ? name : "flow";
  for (const a of nav.children) {
    if (a.getAttribute("href") === "#" + next) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  document.title = views[next].title + " · MoA-Off";
  if (next !== shown) {
    show(main, h("p", { class: "waiting" }, "Asking the gateway …"));
    delete main.dataset.drawn;
  }
  shown = next;
  if (views[next].chosen) views[next].chosen(location.hash.slice(1).split("/").slice(1), store);
  refresh();
}

nav.append(...Object.entries(views).map(([name, view]) => h("a", { href: "#" + name }, view.title)));
addEventListener("hashchange", choose);
addEventListener("resize", redraw);
document.addEventListener("visibilitychange", keepLooking);
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  keepLooking();
});

/** For tests, and for who is curious: how much the page remembers. */
globalThis.moaoff = Object.freeze({
  store, take, refresh,
  sizes: () => ({ rows: store.rows.items.length, states: store.states.items.length, elements: document.getElementsByTagName("*").length }),
});

choose();
keepLooking();
