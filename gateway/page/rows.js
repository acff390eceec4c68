/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the journal: where each went and why, and sums over them. No element is touched here.
 */

/** What became of a request. */
export const PATHS = ["edge", "escalated", "split", "cloud", "failed"];
export const PATH_WORDS = { edge: "Edge", escalated: "Escalated", split: "Split", cloud: "Cloud", failed: "Failed" };
export const PATH_HELP = {
  edge: "answered on the device", escalated: "the edge answered, was not sure enough, and the cloud was asked",
  split: "one tier described a part for the other", cloud: "answered by the cloud alone", failed: "the client got no good answer",
};

/** "text=cloud, image0=edge" → [["text", "cloud"], ["image0", "edge"]] */
export function pairs(text) {
  return (text || "").split(", ").filter(Boolean).map((part) => {
    const at = part.indexOf("=");
    return [part.slice(0, at), part.slice(at + 1)];
  });
}

export function pathOf(row) {
  if (row.status !== 200) return "failed";
  if (row.plan.startsWith("perceive")) return "split";
  const answered = row.decision.startsWith("text=cloud") ? "cloud" : "edge";
  if (row.reasons.startsWith("text=unsure") || /(^|, )edge=unsure/.test(row.calls)) return answered === "cloud" ? "escalated" : "edge";
  if (!row.decision) return row.plan === "cloud" ? "cloud" : "edge"; // a page that is no chat
  return answered;
}

/** The reason that decided: of the part that took the request off the device, else of its text. */
export function reasonOf(row) {
  if (row.status !== 200) return row.error || (row.status === 0 ? "client left" : "status " + row.status);
  const reasons = pairs(row.reasons), tiers = Object.fromEntries(pairs(row.decision));
  const off = reasons.find(([part]) => tiers[part] === "cloud");
  return (off || reasons[0] || ["", "passed on"])[1];
}

export function sum(list, of) {
  let total = 0;
  for (const one of list) total += of(one) || 0;
  return total;
}

export function groupBy(list, of) {
  const groups = new Map();
  for (const one of list) {
    const key = of(one);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  return groups;
}

/** Nearest rank; null of nothing. */
export function quantile(values, q) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** The newest `room` of what is put in; what is older falls out. */
export class Ring {
  constructor(room) {
    this.room = room;
    this.items = [];
  }
  push(...items) {
    for (const item of items) this.items.push(item);
    if (this.items.length > this.room) this.items.splice(0, this.items.length - this.room);
  }
  get last() {
    return this.items[this.items.length - 1];
  }
}
