// A small chart of the last ten minutes.

import { el, mark, say, svg } from "./dom.js";
import { span } from "./format.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [340, 118, 44, 18, 8];
const SPANS = [60, 120, 300, 600];

// How much time is shown: all that is known, up to ten minutes.
const spanOf = (history) => {
  const known = history.length ? history.at(-1)[0] - history[0][0] : 0;
  return SPANS.find((span) => known <= span) ?? 600;
};

// A round number above a value.
function round(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * [1, 2, 2.5, 5, 10].find((it) => it * unit >= value);
}

export class Chart {
  // `series` are `{ name, kind, at }`: the place of its value in an entry of the history.
  constructor(title, series, format, top = null) {
    Object.assign(this, { title, series, format, top });
    this.grid = svg("g", { class: "grid" });
    this.areas = series.map((one) => svg("path", { class: `area ${one.kind}` }));
    this.paths = series.map((one) => svg("path", { class: `trace ${one.kind}` }));
    this.cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, hidden: true });
    this.drawing = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title },
      this.grid, ...this.areas, ...this.paths, this.cursor,
    );
    this.values = series.map(() => el("b", {}));
    this.when = el("span", { class: "muted" });
    const legend = series.map((one, at) => el("span", {}, el("i", { class: `swatch ${one.kind}` }), `${one.name} `, this.values[at]));
    this.root = el("figure", { class: "chart" }, el("figcaption", {}, el("span", { class: "chart-title", text: title }), ...legend, this.when), this.drawing);
    this.drawing.addEventListener("pointermove", (event) => this.point(event));
    this.drawing.addEventListener("pointerleave", () => {
      this.pointed = null;
      this.draw();
    });
    this.labels = [0, 1, 2].map(() => svg("text", { class: "axis", x: LEFT - 6, "text-anchor": "end" }));
    this.rules = [0, 1, 2].map(() => svg("line", { x1: LEFT, x2: WIDTH }));
    this.times = [0, 1, 2].map((at) =>
      svg("text", { class: "axis", x: LEFT + ((WIDTH - LEFT) * at) / 2, y: HEIGHT - 4, "text-anchor": ["start", "middle", "end"][at] }));
    this.grid.append(...this.rules, ...this.labels, ...this.times);
  }

  show(history) {
    this.history = history;
    this.draw();
  }

  draw() {
    const history = this.history ?? [];
    const last = history.at(-1);
    const end = last?.[0] ?? 0;
    const shownSpan = spanOf(history);
    [`${span(shownSpan)} ago`, span(shownSpan / 2), "now"].forEach((text, at) => say(this.times[at], text));
    const values = history.flatMap((entry) => this.series.map((one) => entry[one.at] ?? 0));
    const top = this.top ?? round(values.reduce((all, it) => Math.max(all, it), 0));
    const x = (seconds) => LEFT + (WIDTH - LEFT) * (1 - (end - seconds) / shownSpan);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    [0, 0.5, 1].forEach((part, at) => {
      const height = y(top * part).toFixed(1);
      mark(this.rules[at], "y1", height);
      mark(this.rules[at], "y2", height);
      mark(this.labels[at], "y", (Number(height) + 3.5).toFixed(1));
      say(this.labels[at], this.format(top * part));
    });
    this.series.forEach((one, at) => {
      const points = history.map((entry) => `${x(entry[0]).toFixed(1)} ${y(entry[one.at] ?? 0).toFixed(1)}`);
      const path = points.length ? `M${points.join("L")}` : "";
      mark(this.paths[at], "d", path);
      mark(this.areas[at], "d", path && `${path}L${x(end).toFixed(1)} ${y(0).toFixed(1)}L${x(history[0][0]).toFixed(1)} ${y(0).toFixed(1)}Z`);
    });
    let shown = last;
    if (this.pointed !== null && this.pointed !== undefined && history.length) {
      const at = end - shownSpan * (1 - this.pointed);
      shown = history.reduce((best, entry) => (Math.abs(entry[0] - at) < Math.abs(best[0] - at) ? entry : best));
      mark(this.cursor, "x1", x(shown[0]).toFixed(1));
      mark(this.cursor, "x2", x(shown[0]).toFixed(1));
    }
    mark(this.cursor, "hidden", shown === last || !shown);
    say(this.when, shown && shown !== last ? `${span(end - shown[0])} ago` : "");
    this.series.forEach((one, at) => say(this.values[at], this.format(shown?.[one.at] ?? null)));
    const now = this.series.map((one) => `${one.name} ${this.format(last?.[one.at] ?? null)}`).join(", ");
    mark(this.drawing, "aria-label", `${this.title}: now ${now}`);
  }

  point(event) {
    const box = this.drawing.getBoundingClientRect();
    const part = ((event.clientX - box.left) / box.width) * WIDTH;
    this.pointed = Math.min(1, Math.max(0, (part - LEFT) / (WIDTH - LEFT)));
    this.draw();
  }
}

// The course of one number, without axes.
export class Spark {
  constructor() {
    this.path = svg("path", { class: "trace in" });
    this.root = svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" }, this.path);
  }

  show(history) {
    const end = history.at(-1)?.[0] ?? 0;
    const shown = Math.min(120, spanOf(history));
    const recent = history.filter((entry) => end - entry[0] <= shown);
    const top = recent.reduce((all, entry) => Math.max(all, entry[1] ?? 0), 0) || 1;
    const points = recent.map((entry) => `${(100 * (1 - (end - entry[0]) / shown)).toFixed(1)} ${(22 - 20 * ((entry[1] ?? 0) / top)).toFixed(1)}`);
    mark(this.path, "d", points.length > 1 ? `M${points.join("L")}` : "");
  }
}
