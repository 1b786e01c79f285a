// What the page shows, computed from the reports of a run: rates, shares of time, and their history.

// How far apart the two reports of a rate are, in seconds, and how long rates are kept.
const WINDOW = 3;
const KEPT = 600;

const sum = (values, of) => values.reduce((all, value) => all + of(value), 0);
const most = (values, of) => values.reduce((all, value) => Math.max(all, of(value)), 0);
const share = (value) => Math.min(1, Math.max(0, value));

const errorsOf = (numbers) => sum(numbers.outputs, (it) => (it.name === "errs" ? it.items + it.dropped : 0));
const lateOf = (numbers) => sum(numbers.outputs, (it) => (it.name.startsWith("late") ? it.items + it.dropped : 0));

// The counters of a report that rates are made of.
function counters(report) {
  const steps = new Map();
  for (const step of report.steps) {
    steps.set(step.step, {
      in: sum(step.workers, (it) => it.items_in),
      out: sum(step.workers, (it) => it.items_out),
      busy: new Map(step.workers.map((it) => [it.worker, it.busy_seconds])),
      workers: new Map(step.workers.map((it) => [it.worker, [it.items_in, it.items_out]])),
      outputs: outputs(step),
      waited: new Map(),
    });
  }
  // The edges of an operator may wait at the same time: the longest wait of a worker counts.
  const waits = new Map();
  for (const edge of report.edges) {
    const key = `${edge.from} ${edge.worker}`;
    waits.set(key, Math.max(waits.get(key) ?? 0, edge.waited_seconds));
  }
  for (const step of report.steps) {
    const of = steps.get(step.step);
    of.waited = new Map(step.workers.map((it) => [it.worker, waits.get(`${step.step} ${it.worker}`) ?? 0]));
  }
  return { seconds: report.seconds, steps, workers: new Map(report.workers.map((it) => [it.worker, it.run_seconds])) };
}

// The open windows of all workers of a step, and those of the worker whose next window closes first.
function windowsOf(step) {
  const of = step.workers.filter((it) => it.windows);
  if (!of.length) return null;
  const all = of.map((it) => ({ ...it.windows, worker: it.worker, holder: it.watermark }));
  const earliest = (field) => all.filter((it) => it[field]).sort((one, other) => one[field].localeCompare(other[field]))[0];
  const first = earliest("closes_at") ?? all.find((it) => it.open + it.waiting > 0) ?? all[0];
  return { ...first, open: sum(all, (it) => it.open), waiting: sum(all, (it) => it.waiting), oldest: earliest("oldest")?.oldest ?? null };
}

function outputs(step) {
  const all = new Map();
  for (const worker of step.workers) {
    for (const output of worker.outputs) {
      const known = all.get(output.name) ?? { name: output.name, items: 0, dropped: 0 };
      known.items += output.items;
      known.dropped += output.dropped;
      all.set(output.name, known);
    }
  }
  return all;
}

export class Model {
  constructor(flow) {
    this.flow = flow;
    this.report = null;
    this.recent = [];
    this.history = new Map();
    this.total = [];
    this.snapshots = [];
    this.steps = new Map();
    this.arcs = [];
    const readers = new Map();
    flow.steps.forEach((step, index) => {
      this.steps.set(step.id, { ...step, index, name: this.name(step.id), numbers: null, queues: [] });
      this.history.set(step.id, []);
      step.reads.forEach((read, input) => {
        this.arcs.push({ key: `${step.id} ${input}`, from: read.step, output: read.output, to: step.id, input });
        readers.set(read.step, (readers.get(read.step) ?? 0) + 1);
      });
    });
    for (const step of this.steps.values()) step.readers = readers.get(step.id) ?? 0;
  }

  // The name of a step without that of the flow.
  name(id) {
    const start = `${this.flow.flow}.`;
    return id?.startsWith(start) ? id.slice(start.length) : (id ?? "");
  }

  // When the run began, which tells it from the one before it.
  static began(report) {
    return new Date(report.read_at).getTime() / 1000 - report.seconds;
  }

  isOf(report) {
    if (!this.report) return report.flow === this.flow.flow;
    const is = report.flow === this.report.flow && report.process === this.report.process;
    return is && report.seconds >= this.report.seconds && Math.abs(Model.began(report) - Model.began(this.report)) < 2;
  }

  update(report) {
    this.report = report;
    const now = counters(report);
    this.recent.push(now);
    while (this.recent.length > 2 && now.seconds - this.recent[1].seconds >= WINDOW) this.recent.shift();
    const before = this.recent[0];
    const passed = now.seconds - before.seconds;
    this.hasRates = passed > 0;
    const rate = (one, other) => (this.hasRates ? Math.max(0, (other - one) / passed) : null);
    // The numbers of another process are of another time, and those of a slow one do not change.
    const rateOn = (worker, one, other) => {
      if (!this.hasRates) return null;
      const passedOn = (now.workers.get(worker) ?? 0) - (before.workers.get(worker) ?? 0);
      return before.workers.has(worker) && passedOn > 0 ? Math.max(0, (other - (one ?? other)) / passedOn) : 0;
    };
    const queues = new Map();
    for (const edge of report.edges) {
      const key = `${edge.to} ${edge.input}`;
      const known = queues.get(key) ?? { fill: 0, queued: 0, limit: 0, waits: false };
      // The last batch may exceed the limit.
      known.fill = Math.max(known.fill, edge.limit_bytes ? Math.min(1, edge.queued_bytes / edge.limit_bytes) : 0);
      known.queued += edge.queued_bytes;
      known.limit += edge.limit_bytes;
      known.waits ||= edge.waits;
      queues.set(key, known);
    }
    for (const step of report.steps) {
      const of = this.steps.get(step.step);
      if (!of) continue;
      const [one, other] = [before.steps.get(step.step), now.steps.get(step.step)];
      const sharesOf = (field) => [...other[field]].map(([worker, it]) => share(rateOn(worker, one?.[field].get(worker), it) ?? 0));
      const [busy, waiting] = [sharesOf("busy"), sharesOf("waited")];
      const ratesOf = (place) => [...other.workers].map(([worker, it]) => rateOn(worker, one?.workers.get(worker)?.[place], it[place]));
      const [inRates, outRates] = [ratesOf(0), ratesOf(1)];
      const watermarks = step.workers.map((it) => it.watermark).filter(Boolean);
      const partitions = step.workers.flatMap((it) => (it.partitions ?? []).map((part) => ({ ...part, worker: it.worker })));
      const known = (field) => step.workers.filter((it) => it[field] !== undefined && it[field] !== null);
      of.numbers = {
        in: other.in,
        out: other.out,
        inRate: this.hasRates ? sum(inRates, (it) => it) : null,
        outRate: this.hasRates ? sum(outRates, (it) => it) : null,
        // The worker that does most limits the step.
        busy: this.hasRates ? most(busy, (it) => it) : null,
        waiting: this.hasRates ? most(waiting, (it) => it) : null,
        workers: step.workers.map((it, at) => ({
          worker: it.worker,
          in: it.items_in,
          out: it.items_out,
          inRate: inRates[at],
          outRate: outRates[at],
          busy: busy[at],
          waiting: waiting[at],
          keys: it.keys ?? null,
          stateBytes: it.state_bytes ?? null,
        })),
        outputs: [...other.outputs.values()].map((it) => ({
          ...it,
          rate: rate(one?.outputs.get(it.name)?.items ?? it.items, it.items),
        })),
        errors: sum(step.workers, errorsOf),
        late: sum(step.workers, lateOf),
        skipped: step.operator === "skip_counted" ? other.in : 0,
        keys: known("keys").length ? sum(known("keys"), (it) => it.keys) : null,
        stateBytes: known("state_bytes").length ? sum(known("state_bytes"), (it) => it.state_bytes) : null,
        savedBytes: sum(step.workers, (it) => it.saved_bytes),
        watermark: watermarks.sort((a, b) => b.behind_seconds - a.behind_seconds)[0] ?? null,
        windows: windowsOf(step),
        partitions,
        ...lagOf(partitions),
      };
      // A source is measured by what it gives.
      of.numbers.rate = step.kind === "source" ? of.numbers.outRate : of.numbers.inRate;
      of.queues = of.reads.map((_, input) => queues.get(`${of.id} ${input}`) ?? null);
      if (this.hasRates) note(this.history.get(of.id), [now.seconds, of.numbers.inRate, of.numbers.outRate, of.numbers.busy, of.numbers.waiting]);
    }
    for (const arc of this.arcs) {
      const outputs = this.steps.get(arc.from)?.numbers?.outputs;
      arc.rate = outputs?.find((it) => it.name === arc.output)?.rate ?? null;
      arc.queue = queues.get(arc.key) ?? null;
    }
    this.sum(report);
  }

  // Adds what the run itself has kept of the time before the page was opened.
  keep(course) {
    const known = course.step ? this.history.get(course.step) : this.total;
    if (!known) return;
    const first = known[0]?.[0] ?? Infinity;
    const entry = (at) =>
      course.step
        ? [course.seconds[at], course.items_in[at], course.items_out[at], course.busy[at], course.waiting[at]]
        : [course.seconds[at], course.items_out[at]];
    known.unshift(...course.seconds.map((_, at) => entry(at)).filter((it) => it[0] < first));
  }

  // The numbers of the whole run.
  sum(report) {
    const steps = [...this.steps.values()].filter((step) => step.numbers);
    const sources = steps.filter((step) => step.kind === "source");
    this.items = sum(sources, (step) => step.numbers.out);
    this.itemRate = this.hasRates ? sum(sources, (step) => step.numbers.outRate) : null;
    this.errors = sum(steps, (step) => step.numbers.errors);
    this.skipped = sum(steps, (step) => step.numbers.skipped);
    this.late = sum(steps, (step) => step.numbers.late);
    const marks = steps.map((step) => step.numbers.watermark).filter(Boolean);
    this.behind = marks.length ? Math.max(...marks.map((mark) => mark.behind_seconds)) : null;
    const lags = sources.filter((step) => step.numbers.lagItems !== null || step.numbers.lagBytes !== null);
    this.lagItems = lags.some((step) => step.numbers.lagItems !== null) ? sum(lags, (step) => step.numbers.lagItems ?? 0) : null;
    this.lagBytes = lags.some((step) => step.numbers.lagBytes !== null) ? sum(lags, (step) => step.numbers.lagBytes ?? 0) : null;
    if (this.hasRates) note(this.total, [report.seconds, this.itemRate]);
    this.workers = report.workers.map((worker, at) => {
      const of = (field) => sum(steps, (step) => step.numbers.workers[at]?.[field] ?? 0);
      return { ...worker, busy: share(of("busy")), waiting: share(most(steps, (step) => step.numbers.workers[at]?.waiting ?? 0)), inRate: of("inRate"), items: of("in"), keys: of("keys"), stateBytes: of("stateBytes") };
    });
    const all = sum(this.workers, (worker) => worker.inRate);
    const items = sum(this.workers, (worker) => worker.items);
    for (const worker of this.workers) worker.share = all > 0 ? worker.inRate / all : items > 0 ? worker.items / items : null;
    this.noteSnapshot(report);
  }

  // The last snapshot of the cluster: the slowest worker's time, and all workers' bytes.
  noteSnapshot(report) {
    const lasts = report.workers.map((worker) => worker.last).filter(Boolean);
    this.snapshot = null;
    if (!lasts.length) return;
    const epoch = Math.max(...lasts.map((last) => last.epoch));
    const of = lasts.filter((last) => last.epoch === epoch);
    this.snapshot = {
      epoch,
      seconds: of.some((last) => last.seconds !== null) ? most(of, (last) => last.seconds ?? 0) : null,
      bytes: sum(of, (last) => last.bytes),
      age: Math.min(...of.map((last) => last.age_seconds)),
      at: report.read_at,
    };
    const newest = this.snapshots[0];
    if (newest?.epoch === epoch) {
      Object.assign(newest, this.snapshot, { at: newest.at });
    } else {
      this.snapshot.at = new Date(new Date(report.read_at).getTime() - this.snapshot.age * 1000).toISOString();
      this.snapshots.unshift({ ...this.snapshot });
      this.snapshots.length = Math.min(this.snapshots.length, 60);
    }
  }
}

function note(history, entry) {
  history.push(entry);
  while (history.length && entry[0] - history[0][0] > KEPT) history.shift();
}

function lagOf(partitions) {
  const items = partitions.filter((part) => part.lag?.items !== null && part.lag?.items !== undefined);
  const bytes = partitions.filter((part) => part.lag?.bytes !== null && part.lag?.bytes !== undefined);
  return {
    lagItems: items.length ? sum(items, (part) => part.lag.items) : null,
    lagBytes: bytes.length ? sum(bytes, (part) => part.lag.bytes) : null,
  };
}
