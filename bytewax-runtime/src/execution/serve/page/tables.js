// The views beside the graph: tables of steps, workers, sources, snapshots and errors.

import { el, keyed, mark, say } from "./dom.js";
import { bytes, percent, rate, short, span, time, whole } from "./format.js";

// A table whose rows are made once and then updated. A column is `{ name, text, value, kind }`.
export class Table {
  constructor(title, columns, { key, select, empty, sortable = true }) {
    Object.assign(this, { columns, key, select });
    this.sorted = null;
    this.body = el("tbody", {});
    this.heads = columns.map((column, at) => {
      const inside = sortable && column.value
        ? el("button", { type: "button", class: "sort", text: column.name, on: { click: () => this.sort(at) } })
        : el("span", { text: column.name });
      return el("th", { scope: "col", class: column.kind ?? "" }, inside);
    });
    const table = el("table", {}, el("caption", { class: "hidden", text: title }), el("thead", {}, el("tr", {}, this.heads)), this.body);
    this.empty = el("p", { class: "empty", text: empty, hidden: true });
    this.root = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table, this.empty);
  }

  sort(at) {
    const isSame = this.sorted?.at === at;
    // Numbers begin with the greatest.
    const first = this.columns[at].kind === "number" ? -1 : 1;
    this.sorted = { at, sign: isSame ? -this.sorted.sign : first };
    this.heads.forEach((head, place) => {
      mark(head, "aria-sort", place !== at ? null : this.sorted.sign > 0 ? "ascending" : "descending");
    });
    this.show(this.rows);
  }

  show(rows) {
    this.rows = rows;
    let shown = rows;
    if (this.sorted) {
      const { value } = this.columns[this.sorted.at];
      const compare = (one, other) => {
        const [a, b] = [value(one), value(other)];
        if (typeof a === "string") return a.localeCompare(b);
        return (a ?? -Infinity) - (b ?? -Infinity);
      };
      shown = [...rows].sort((one, other) => this.sorted.sign * compare(one, other));
    }
    keyed(this.body, shown, this.key, (row) => this.make(row), (element, row) => this.update(element, row));
    mark(this.empty, "hidden", rows.length > 0);
    mark(this.root.firstElementChild, "hidden", rows.length === 0);
  }

  make(row) {
    const cells = this.columns.map((column, at) => {
      const cell = el(at === 0 ? "th" : "td", { class: column.kind ?? "", scope: at === 0 ? "row" : null });
      if (at === 0 && this.select) {
        cell.append(el("button", { type: "button", class: "link", on: { click: () => this.select(this.key(row)) } }));
      }
      return cell;
    });
    return el("tr", {}, cells);
  }

  update(element, row) {
    this.columns.forEach((column, at) => {
      const cell = element.cells[at];
      say(cell.firstElementChild ?? cell, column.text(row));
      if (column.level) mark(cell, "data-level", column.level(row));
    });
  }
}

const number = (name, text, value) => ({ name, kind: "number", text, value });

const loadOf = (share) => (share >= 0.8 ? "high" : share >= 0.4 ? "some" : null);

const hasIn = (step) => step.kind !== "source";
const hasOut = (step) => step.numbers.outputs.length > 0;

export function stepsTable(select) {
  const of = (read) => (step) => read(step.numbers) ?? null;
  return new Table(
    "Steps",
    [
      { name: "Step", text: (step) => step.name, value: (step) => step.name },
      { name: "Operator", text: (step) => step.operator, value: (step) => step.operator },
      number("In", (step) => (hasIn(step) ? rate(step.numbers.inRate) : ""), of((it) => it.inRate)),
      number("Out", (step) => (hasOut(step) ? rate(step.numbers.outRate) : ""), of((it) => it.outRate)),
      number("Items in", (step) => (hasIn(step) ? whole(step.numbers.in) : ""), of((it) => it.in)),
      number("Items out", (step) => (hasOut(step) ? whole(step.numbers.out) : ""), of((it) => it.out)),
      { ...number("Busy", (step) => percent(step.numbers.busy), of((it) => it.busy)), level: (step) => loadOf(step.numbers.busy) },
      { ...number("Waiting", (step) => percent(step.numbers.waiting), of((it) => it.waiting)), level: (step) => (step.numbers.waiting >= 0.2 ? "waits" : null) },
      number("Watermark behind", (step) => (step.numbers.watermark ? span(step.numbers.watermark.behind_seconds) : ""), of((it) => it.watermark?.behind_seconds)),
      number("Keys", (step) => (step.numbers.keys === null ? "" : whole(step.numbers.keys)), of((it) => it.keys)),
      number("State", (step) => (step.numbers.stateBytes === null ? "" : bytes(step.numbers.stateBytes)), of((it) => it.stateBytes)),
      { ...number("Late", (step) => (step.numbers.late ? whole(step.numbers.late) : ""), of((it) => it.late)), level: (step) => (step.numbers.late ? "some" : null) },
      { ...number("Errors", (step) => (step.numbers.errors ? whole(step.numbers.errors) : ""), of((it) => it.errors)), level: (step) => (step.numbers.errors ? "high" : null) },
    ],
    { key: (step) => step.id, select, empty: "The flow is being built." },
  );
}

export function workersTable(model) {
  return new Table(
    "Workers",
    [
      { name: "Worker", text: (it) => `worker ${it.worker}`, value: (it) => it.worker },
      number("Process", (it) => String(it.process), (it) => it.process),
      { name: "Runs", text: (it) => (it.running ? model().name(it.running) : it.runs ? "idle" : "starting") },
      number("Share of the work", (it) => percent(it.share), (it) => it.share),
      { ...number("Busy", (it) => percent(it.busy), (it) => it.busy), level: (it) => loadOf(it.busy) },
      { ...number("Waiting", (it) => percent(it.waiting), (it) => it.waiting), level: (it) => (it.waiting >= 0.2 ? "waits" : null) },
      number("Items", (it) => rate(it.inRate), (it) => it.inRate),
      number("Keys", (it) => whole(it.keys), (it) => it.keys),
      number("State", (it) => bytes(it.stateBytes), (it) => it.stateBytes),
      number("Epoch", (it) => (it.epoch === null ? "–" : `${it.epoch}, ${span(it.epoch_seconds)}`), (it) => it.epoch),
      number("Saved", (it) => bytes(it.saved_bytes), (it) => it.saved_bytes),
    ],
    { key: (it) => it.worker, empty: "No worker has started." },
  );
}

// The processes of the cluster with their share of the work, where one shows the others.
export class Members {
  constructor() {
    this.table = new Table(
      "Processes",
      [
        { name: "Process", text: (it) => `process ${it.process}`, value: (it) => it.process },
        { name: "Numbers", text: (it) => ({ current: "current", slow: `${span(Math.round(it.age_seconds))} old`, silent: "none yet" })[it.state] ?? it.state, level: (it) => (it.state === "current" ? null : "high") },
        number("Workers", (it) => whole(it.workers), (it) => it.workers),
        number("Share of the work", (it) => percent(it.share), (it) => it.share),
        number("Items", (it) => rate(it.inRate), (it) => it.inRate),
        number("Keys", (it) => whole(it.keys), (it) => it.keys),
        number("State", (it) => bytes(it.stateBytes), (it) => it.stateBytes),
      ],
      { key: (it) => it.process, empty: "The run has one process." },
    );
    this.root = el("section", { class: "titled", hidden: true }, el("h2", { text: "Processes" }), this.table.root);
  }

  show(model) {
    const { members } = model.report;
    mark(this.root, "hidden", !members);
    if (!members) return;
    this.table.show(members.map((member) => {
      const of = model.workers.filter((it) => it.process === member.process);
      const sum = (field) => of.reduce((all, it) => all + (it[field] ?? 0), 0);
      return { ...member, workers: of.length, share: of.some((it) => it.share !== null) ? sum("share") : null, inRate: sum("inRate"), keys: sum("keys"), stateBytes: sum("stateBytes") };
    }));
  }
}

const lag = (part) => {
  if (part.lag?.items !== null && part.lag?.items !== undefined) return `${short(part.lag.items)} items`;
  if (part.lag?.bytes !== null && part.lag?.bytes !== undefined) return bytes(part.lag.bytes);
  return "–";
};

export function partitionsTable(select) {
  return new Table(
    "Partitions",
    [
      { name: "Partition", text: (part) => part.name, value: (part) => part.name },
      { name: "Step", text: (part) => part.step, value: (part) => part.step },
      number("Worker", (part) => String(part.worker), (part) => part.worker),
      number("Items", (part) => whole(part.items), (part) => part.items),
      number("Lag", lag, (part) => part.lag?.items ?? part.lag?.bytes ?? null),
      { name: "Newest event", text: (part) => (part.newest ? time(part.newest, part.now) : "–"), value: (part) => part.newest ?? "" },
      { name: "Watermark", text: (part) => (part.watermark ? time(part.watermark, part.now) : "–"), value: (part) => part.watermark ?? "" },
      { name: "State", text: (part) => (part.ended ? "ended" : part.holds ? "holds the watermark back" : part.waited_for ? "waited for" : "open"), level: (part) => (part.holds ? "some" : null) },
    ],
    { key: (part) => part.key, select, empty: "No step has partitions." },
  );
}

// The partitions of all steps. The one that holds a watermark back is marked.
export function partitionsOf(model) {
  return [...model.steps.values()].flatMap((step) =>
    (step.numbers?.partitions ?? []).map((part) => ({
      ...part,
      key: `${step.id} ${part.worker} ${part.name}`,
      step: step.name,
      now: model.report.read_at,
      holds: [...model.steps.values()].some((it) => {
        const mark = it.numbers?.watermark;
        return mark?.partition === part.name && mark.behind_seconds > 1 && part.watermark === mark.at;
      }),
    })),
  );
}

export function snapshotsTable() {
  return new Table(
    "Epochs",
    [
      { name: "Epoch", text: (it) => `epoch ${it.epoch}`, value: (it) => it.epoch },
      { name: "Complete at", text: (it) => time(it.at, it.now) },
      number("Took", (it) => span(it.seconds), (it) => it.seconds),
      number("Saved", (it) => bytes(it.bytes), (it) => it.bytes),
    ],
    { key: (it) => it.epoch, empty: "No epoch is complete yet. An epoch lasts as long as the snapshot interval says." },
  );
}

// The mean, and the bound below which most values are.
function times(of) {
  const count = of.counts.reduce((all, it) => all + it, 0);
  if (!count) return { count, mean: null, most: null };
  let left = 0.95 * count;
  const at = of.counts.findIndex((it) => (left -= it) <= 0);
  return { count, mean: of.sum / count, most: of.bounds[at] ?? null };
}

export function storesTable() {
  const most = (it) => (it.count ? (it.most === null ? "> 10 s" : `≤ ${span(it.most)}`) : "–");
  return new Table(
    "Recovery partitions",
    [
      { name: "Partition", text: (it) => `partition ${it.partition}`, value: (it) => it.partition },
      number("Worker", (it) => String(it.worker), (it) => it.worker),
      number("Writes", (it) => whole(times(it.write_seconds).count), (it) => times(it.write_seconds).count),
      number("Mean", (it) => span(times(it.write_seconds).mean), (it) => times(it.write_seconds).mean),
      number("95 % of them", (it) => most(times(it.write_seconds)), (it) => times(it.write_seconds).most),
      number("Slots loaded", (it) => whole(times(it.load_seconds).count), (it) => times(it.load_seconds).count),
    ],
    { key: (it) => it.partition, empty: "The run saves nothing: it has no recovery directory (-r)." },
  );
}

export function troublesTable(select) {
  return new Table(
    "Steps with errors and late items",
    [
      { name: "Step", text: (step) => step.name, value: (step) => step.name },
      number("Errors", (step) => whole(step.numbers.errors), (step) => step.numbers.errors),
      number("Skipped", (step) => whole(step.numbers.skipped), (step) => step.numbers.skipped),
      number("Late", (step) => whole(step.numbers.late), (step) => step.numbers.late),
      number("Dropped, as nothing reads them", (step) => whole(step.numbers.outputs.reduce((all, it) => all + it.dropped, 0)), (step) => step.numbers.outputs.reduce((all, it) => all + it.dropped, 0)),
    ],
    { key: (step) => step.id, select, empty: "No errors and no late items so far." },
  );
}

export function errorsTable() {
  return new Table(
    "Newest errors",
    [
      { name: "Time", text: (it) => time(it.at, it.now), value: (it) => it.at },
      { name: "Step", text: (it) => it.name, value: (it) => it.name },
      number("Worker", (it) => String(it.worker), (it) => it.worker),
      number("Epoch", (it) => String(it.epoch), (it) => it.epoch),
      { name: "Key", text: (it) => it.key ?? "–", value: (it) => it.key ?? "" },
      { name: "Error", kind: "long", text: (it) => it.error, value: (it) => it.error },
    ],
    { key: (it) => `${it.at} ${it.step} ${it.worker} ${it.error}`, empty: "No error since the run began." },
  );
}

export const hasTrouble = (step) => {
  const it = step.numbers;
  return it && (it.errors || it.skipped || it.late || it.outputs.some((output) => output.dropped));
};
