// What is known of one step.

import { Chart } from "./chart.js";
import { el, keyed, mark, say } from "./dom.js";
import { bytes, percent, rate, short, span, time, whole } from "./format.js";
import { Table } from "./tables.js";

const [IN, OUT, BUSY, WAITING] = [1, 2, 3, 4];

// What the next window to close waits for.
function whyOpen(windows, now) {
  if (!windows.closes_at) return "at the end of the input";
  const { partition, worker } = windows.holder ?? {};
  const holders = {
    partition: [partition && `partition ${partition}`, Number.isInteger(worker) && `worker ${worker}`].filter(Boolean).join(" of "),
    key: `the newest value of key ${windows.key}, and passes with time`,
    clock: "the clock",
  };
  const parts = [`at the watermark ${time(windows.closes_at, now)}`];
  if (windows.key && windows.held_by !== "key") parts.push(`key ${windows.key}`);
  parts.push(windows.watermark ? `it is ${time(windows.watermark, now)}` : "there is none yet");
  const holder = holders[windows.held_by];
  if (holder) parts.push(`held back by ${holder}`);
  return parts.join("; ");
}

export class Panel {
  constructor(root, close) {
    this.root = root;
    this.name = el("h2", { tabindex: "-1" });
    this.kind = el("p", { class: "muted" });
    this.place = el("code", { class: "place", title: "Where the step is in the source" });
    const button = el("button", { class: "tool close", type: "button", "aria-label": "Close", title: "Close", text: "×", on: { click: close } });
    this.rates = new Chart("Items a second", [
      { name: "in", kind: "in", at: IN },
      { name: "out", kind: "out", at: OUT },
    ], short);
    this.load = new Chart("Share of time", [
      { name: "busy", kind: "busy", at: BUSY },
      { name: "waiting", kind: "waiting", at: WAITING },
    ], percent, 1);
    this.facts = el("dl", { class: "facts" });
    this.workers = new Table("Workers of the step", [
      { name: "Worker", text: (it) => String(it.worker) },
      { name: "In", kind: "number", text: (it) => rate(it.inRate) },
      { name: "Out", kind: "number", text: (it) => rate(it.outRate) },
      { name: "Busy", kind: "number", text: (it) => percent(it.busy) },
      { name: "Waiting", kind: "number", text: (it) => percent(it.waiting) },
    ], { key: (it) => it.worker, empty: "No worker has started.", sortable: false });
    this.outputs = new Table("Outputs of the step", [
      { name: "Output", text: (it) => it.name },
      { name: "Items", kind: "number", text: (it) => whole(it.items) },
      { name: "A second", kind: "number", text: (it) => rate(it.rate) },
      { name: "Dropped", kind: "number", text: (it) => whole(it.dropped) },
    ], { key: (it) => it.name, empty: "The step has no output.", sortable: false });
    this.queues = new Table("Queues before the step", [
      { name: "From", text: (it) => it.from },
      { name: "Full", kind: "number", text: (it) => percent(it.fill) },
      { name: "Bytes", kind: "number", text: (it) => `${bytes(it.queued)} of ${bytes(it.limit)}` },
    ], { key: (it) => it.input, empty: "It runs in the operator of the step before it, without a queue.", sortable: false });
    this.tail = el("ol", { class: "tail", tabindex: "0", "aria-label": "Items" });
    this.tailHint = el("p", { class: "muted small" });
    this.tailButton = el("button", { type: "button", class: "switch", "aria-pressed": "false", on: { click: () => this.switchTail() } });
    this.isTailing = false;
    this.items = el("section", { class: "items" }, el("h3", { text: "Items" }), this.tailButton, this.tailHint, this.tail);
    this.hotKeys = new Table("Hottest keys", [
      { name: "Key", text: (it) => it.key },
      { name: "Share", kind: "number", text: (it) => `${(100 * it.share).toFixed(it.share < 0.1 ? 1 : 0)} %` },
      { name: "Worker", kind: "number", text: (it) => String(it.worker) },
    ], { key: (it) => `${it.worker} ${it.key}`, empty: "No item has come since they are counted.", sortable: false });
    this.sampled = el("p", { class: "muted small" });
    this.hot = el("section", { class: "hot" }, el("h3", { text: "Hottest keys" }), this.hotKeys.root, this.sampled);
    const part = (title, table) => el("section", {}, el("h3", { text: title }), table.root);
    this.root.replaceChildren(
      el("div", { class: "panel-top" }, el("div", {}, this.name, this.kind), button),
      this.place, this.rates.root, this.load.root, this.facts,
      part("Queues before it", this.queues), part("Outputs", this.outputs), part("Workers", this.workers), this.hot, this.items,
    );
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && close());
  }

  // Starts or stops to show items; nothing is shown unless somebody asks.
  switchTail() {
    this.isTailing = !this.isTailing;
    this.tail.replaceChildren();
    this.tail.known = null;
    this.onTail?.();
  }

  // The output whose items are asked for, if any.
  tailed(step) {
    return this.isTailing ? (step.shown ?? [])[0] : undefined;
  }

  showItems(report) {
    keyed(this.tail, report.items, (it) => `${it.at} ${it.worker} ${it.item}`, (it) =>
      el("li", {}, el("span", { class: "muted", text: `${it.at.slice(11, 19)} · worker ${it.worker}` }), el("code", { text: it.item })));
  }

  // Shows the most frequent keys, which are counted while the step is looked at.
  showKeys(keys) {
    mark(this.hot, "hidden", !keys);
    if (!keys) return;
    this.hotKeys.show(keys.keys);
    say(this.sampled, `Estimated from a sample of ${short(keys.items)} items in ${span(Math.round(keys.seconds))}. Keys are counted only while this is open.${keys.ofProcess ?? ""}`);
  }

  show(model, id) {
    const step = model.steps.get(id);
    mark(this.root, "hidden", !step);
    if (!step) return;
    say(this.name, step.name);
    say(this.kind, `${step.operator} · ${step.kind}${step.promise ? ` · ${step.promise}` : ""}`);
    say(this.place, step.location);
    const shown = step.shown ?? [];
    mark(this.tailButton, "hidden", shown.length === 0);
    mark(this.tailButton, "aria-pressed", this.isTailing ? "true" : "false");
    say(this.tailButton, this.isTailing ? "Stop showing items" : "Show items as they come");
    mark(this.tail, "hidden", !this.isTailing || shown.length === 0);
    say(this.tailHint, shown.length === 0 ? "The program does not allow to show items of this step; `.shown()` on its stream does." : this.isTailing ? "A sample: at most ten items a second of each worker." : "");
    const numbers = step.numbers;
    if (!numbers) return;
    this.rates.show(model.history.get(id));
    this.load.show(model.history.get(id));
    const held = numbers.watermark;
    const holder = [held?.partition && `partition ${held.partition}`, Number.isInteger(held?.worker) && `worker ${held.worker}`].filter(Boolean).join(" of ");
    const windows = numbers.windows;
    const facts = [
      ["Items in", whole(numbers.in)],
      ["Items out", whole(numbers.out)],
      ["Watermark", held && `${time(held.at, model.report.read_at)}, ${span(held.behind_seconds)} behind`],
      ["Held back by", held && holder],
      ["Open windows", windows && [whole(windows.open), windows.oldest && `the oldest since ${time(windows.oldest, model.report.read_at)}`].filter(Boolean).join(", ")],
      ["Next to close", windows?.open > 0 && whyOpen(windows, model.report.read_at)],
      ["Values that wait", windows?.waiting > 0 && whole(windows.waiting)],
      ["Keys in memory", numbers.keys !== null && whole(numbers.keys)],
      ["State in memory", numbers.stateBytes !== null && bytes(numbers.stateBytes)],
      ["Saved so far", numbers.savedBytes > 0 && bytes(numbers.savedBytes)],
      ["Lag", numbers.lagItems !== null ? `${whole(numbers.lagItems)} items` : numbers.lagBytes !== null && bytes(numbers.lagBytes)],
      ["Late items", numbers.late > 0 && whole(numbers.late)],
      ["Errors", numbers.errors > 0 && whole(numbers.errors)],
      ["Errors skipped", numbers.skipped > 0 && whole(numbers.skipped)],
    ].filter(([, value]) => value);
    keyed(this.facts, facts, ([name]) => name, ([name]) => el("div", {}, el("dt", { text: name }), el("dd", {})), (element, [, value]) => say(element.lastElementChild, value));
    this.workers.show(numbers.workers);
    this.outputs.show(numbers.outputs);
    const queues = step.reads.map((read, input) => ({ input, from: model.name(read.step), ...step.queues[input] })).filter((it) => it.limit);
    this.queues.show(queues);
  }
}
