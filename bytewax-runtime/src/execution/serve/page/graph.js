// The flow as a graph: cards of steps, and the streams between them.

import { el, mark, say, svg } from "./dom.js";
import { HEAD, ROW, WIDTH, cards as cardsOf, curve, place } from "./layout.js";
import { percent, rate, short } from "./format.js";

const LEAST = 0.25;
const NARROW = 760;

export class Graph {
  constructor(select) {
    this.select = select;
    this.rows = new Map();
    this.arcs = [];
    this.zoom = 1;
    this.isFitted = true;
    this.lines = svg("g", {});
    this.labels = el("div", { class: "labels", "aria-hidden": "true" });
    this.cards = el("div", { class: "cards" });
    this.drawing = svg("svg", { class: "lines", "aria-hidden": "true" }, this.lines);
    this.content = el("div", { class: "content" }, this.drawing, this.labels, this.cards);
    this.sized = el("div", { class: "sized" }, this.content);
    this.view = el("div", { class: "view", tabindex: "0", role: "region", "aria-label": "Graph of the flow" }, this.sized);
    const button = (text, label, act) => el("button", { class: "tool", type: "button", "aria-label": label, title: label, text, on: { click: act } });
    this.tools = el(
      "div",
      { class: "tools", role: "group", "aria-label": "Zoom" },
      button("−", "Zoom out", () => this.scale(this.zoom / 1.3)),
      button("+", "Zoom in", () => this.scale(this.zoom * 1.3)),
      button("⤢", "Show all", () => this.fit()),
    );
    this.root = el("div", { class: "graph" }, this.view, this.tools, legend());
    this.view.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.drag();
    new ResizeObserver(() => this.resized()).observe(this.view);
  }

  // Places the graph of a model anew if its steps or queues have changed.
  show(model) {
    const queues = new Set((model.report?.edges ?? []).map((edge) => edge.to));
    const isVertical = this.isVertical;
    const key = `${model.flow.flow} ${[...model.steps.keys()].join()} ${[...queues].join()}`;
    if (key !== this.key) {
      this.key = key;
      this.model = model;
      const { cards, byStep } = cardsOf([...model.steps.values()], (step) => queues.has(step));
      this.placed = cards;
      this.between = model.arcs
        .map((arc) => ({ key: arc.key, fromCard: byStep.get(arc.from).id, toCard: byStep.get(arc.to).id }))
        .filter((arc) => arc.fromCard !== arc.toCard);
      this.build();
      this.arrange();
    } else if (this.isVertical !== isVertical) this.arrange();
    this.model = model;
    this.update(model);
  }

  build() {
    this.rows.clear();
    this.cards.replaceChildren();
    for (const card of this.placed) {
      const list = el("ul", { class: "card" });
      for (const step of card.steps) {
        const name = el("span", { class: "name", text: step.name, title: step.name });
        const speed = el("span", { class: "speed" });
        const note = el("span", { class: "note" });
        const alert = el("span", { class: "badge" });
        const busy = el("i", { class: "busy" });
        const waiting = el("i", { class: "waiting" });
        const button = el(
          "button",
          { class: `step ${step.kind}`, type: "button", "data-step": step.id, "aria-pressed": "false", on: { click: () => this.select(step.id) } },
          name, speed, note, alert, el("span", { class: "meter", "aria-hidden": "true" }, busy, waiting),
        );
        list.append(el("li", {}, button));
        this.rows.set(step.id, { button, speed, note, alert, busy, waiting });
      }
      card.element = list;
      this.cards.append(list);
    }
    this.lines.replaceChildren();
    this.labels.replaceChildren();
    for (const arc of this.between) {
      arc.line = svg("path", { class: "line" });
      arc.label = el("span", { class: "flow" });
      arc.fill = el("i", {});
      arc.gauge = el("span", { class: "gauge" }, arc.fill);
      arc.text = el("span", {});
      arc.label.append(arc.text, arc.gauge);
      this.lines.append(arc.line);
      this.labels.append(arc.label);
    }
  }

  arrange() {
    const width = this.view.clientWidth || innerWidth;
    const height = this.view.clientHeight || innerHeight;
    const fits = (size) => Math.min(1, width / (size.width + 48), Math.max(height, 320) / (size.height + 48));
    this.isVertical = width < NARROW;
    if (!this.isVertical) {
      const [down, right] = [place(this.placed, this.between, true), place(this.placed, this.between, false)];
      this.isVertical = fits(down) > 1.25 * fits(right);
    }
    this.size = place(this.placed, this.between, this.isVertical);
    for (const card of this.placed) {
      card.element.style.transform = `translate(${card.x}px, ${card.y}px)`;
    }
    const taken = [];
    for (const arc of this.between) {
      arc.line.setAttribute("d", curve(arc.points, this.isVertical));
      const [x, y] = this.free(arc.points.slice(-2), taken);
      arc.label.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    }
    this.drawing.setAttribute("width", this.size.width);
    this.drawing.setAttribute("height", this.size.height);
    this.content.style.width = `${this.size.width}px`;
    this.content.style.height = `${this.size.height}px`;
    if (this.isFitted) this.fit();
    else this.scale(this.zoom);
  }

  // A place for a label in the last gap of a line, where lines that begin together have parted.
  free([[x0, y0], [x1, y1]], taken) {
    const at = (part) => {
      const ease = part * part * (3 - 2 * part);
      const along = (a, b) => a + (b - a) * (1.5 * part * (1 - part) + part ** 3);
      const across = (a, b) => a + (b - a) * ease;
      return this.isVertical ? [across(x0, x1), along(y0, y1)] : [along(x0, x1), across(y0, y1)];
    };
    const places = [0.5, 0.38, 0.62, 0.28, 0.72].map(at);
    const isFree = ([x, y]) => taken.every(([a, b]) => Math.abs(a - x) > 118 || Math.abs(b - y) > 24);
    const place = places.find(isFree) ?? places[0];
    taken.push(place);
    return place;
  }

  resized() {
    if (!this.placed || !this.view.clientWidth) return;
    const [width, height] = [this.view.clientWidth, this.view.clientHeight];
    if (width === this.width && height === this.height) return;
    [this.width, this.height] = [width, height];
    this.arrange();
  }

  fit() {
    if (!this.size) return;
    const isNarrow = this.view.clientWidth < NARROW;
    const wide = (this.view.clientWidth - 40) / this.size.width;
    const high = (this.view.clientHeight - 40) / this.size.height;
    // What is too long to be read at once is scrolled along its layers.
    const whole = Math.min(wide, high);
    const across = this.isVertical ? wide : high;
    const zoom = isNarrow ? Math.max(0.55, wide) : whole >= 0.5 ? whole : Math.max(whole, Math.min(across, 0.62));
    this.scale(Math.min(1, zoom));
    this.isFitted = true;
  }

  scale(zoom, [x, y] = [this.view.clientWidth / 2, this.view.clientHeight / 2]) {
    const before = this.zoom;
    this.zoom = Math.min(2, Math.max(LEAST, zoom));
    this.isFitted = false;
    const [left, top] = [(this.view.scrollLeft + x) / before, (this.view.scrollTop + y) / before];
    this.content.style.transform = `scale(${this.zoom})`;
    const [width, height] = [this.size.width * this.zoom, this.size.height * this.zoom];
    this.sized.style.width = `${width}px`;
    this.sized.style.height = `${height}px`;
    this.view.scrollTo(left * this.zoom - x, top * this.zoom - y);
    mark(this.root, "data-far", this.zoom < 0.6 ? "true" : null);
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.view.getBoundingClientRect();
    this.scale(this.zoom * Math.exp(-event.deltaY / 300), [event.clientX - box.left, event.clientY - box.top]);
  }

  // Drags the graph with a mouse; fingers scroll by themselves.
  drag() {
    let from = null;
    this.view.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("button")) return;
      from = [event.clientX + this.view.scrollLeft, event.clientY + this.view.scrollTop];
      this.view.setPointerCapture(event.pointerId);
    });
    this.view.addEventListener("pointermove", (event) => {
      if (from) this.view.scrollTo(from[0] - event.clientX, from[1] - event.clientY);
    });
    for (const end of ["pointerup", "pointercancel"]) this.view.addEventListener(end, () => (from = null));
  }

  update(model) {
    const stalled = new Map((model.report?.stalls ?? []).filter((stall) => stall.step).map((stall) => [stall.step, stall.kind]));
    for (const [id, row] of this.rows) {
      const numbers = model.steps.get(id)?.numbers;
      const operator = model.steps.get(id).operator;
      const busy = numbers?.busy ?? 0;
      const waiting = numbers?.waiting ?? 0;
      say(row.speed, rate(numbers?.rate));
      const shares = [];
      if (busy >= 0.01) shares.push(`${percent(busy)} busy`);
      if (waiting >= 0.01) shares.push(`${percent(waiting)} waiting`);
      say(row.note, [operator, ...shares].join(" · "));
      const alerts = [];
      if (stalled.has(id)) alerts.push("stalled");
      if (numbers?.errors) alerts.push(`${short(numbers.errors)} errors`);
      if (numbers?.late) alerts.push(`${short(numbers.late)} late`);
      say(row.alert, alerts.join(" · "));
      row.busy.style.width = `${(100 * busy).toFixed(1)}%`;
      row.waiting.style.width = `${(100 * Math.min(waiting, 1 - busy)).toFixed(1)}%`;
      mark(row.button, "data-load", busy >= 0.8 ? "high" : busy >= 0.4 ? "some" : null);
      mark(row.button, "data-waits", waiting >= 0.2 ? "true" : null);
      mark(row.button, "data-stalled", stalled.has(id) ? "true" : null);
    }
    const arcs = new Map(model.arcs.map((arc) => [arc.key, arc]));
    for (const arc of this.between) {
      const of = arcs.get(arc.key);
      const fill = of?.queue?.fill ?? 0;
      const isShown = of?.queue && (fill >= 0.005 || of.queue.waits);
      const output = of && of.output !== "down" ? `${of.output} ` : "";
      say(arc.text, `${output}${rate(of?.rate)}${isShown ? ` · ${percent(fill)} full` : ""}`);
      arc.fill.style.width = `${Math.min(100, 100 * fill).toFixed(0)}%`;
      mark(arc.gauge, "data-queue", of?.queue ? "true" : null);
      const level = fill >= 0.9 || of?.queue?.waits ? "high" : fill >= 0.5 ? "some" : null;
      mark(arc.label, "data-level", level);
      mark(arc.line, "data-level", level);
      const width = of?.rate > 0 ? Math.min(5, 1.5 + 0.5 * Math.log10(1 + of.rate)) : 1.25;
      mark(arc.line, "stroke-width", width.toFixed(1));
      mark(arc.line, "data-still", of?.rate > 0 ? null : "true");
    }
  }

  choose(id) {
    for (const [step, row] of this.rows) mark(row.button, "aria-pressed", step === id ? "true" : "false");
  }

  // Shows which steps have a name with this text; returns the first.
  find(text) {
    let first = null;
    for (const [id, row] of this.rows) {
      const step = this.model.steps.get(id);
      const is = !text || step.name.toLowerCase().includes(text) || step.operator.includes(text);
      mark(row.button, "data-other", is ? null : "true");
      if (is && text) first ??= id;
    }
    return first;
  }

  reveal(id) {
    this.rows.get(id)?.button.scrollIntoView({ block: "center", inline: "center" });
  }
}

function legend() {
  const entry = (kind, text) => el("span", {}, el("i", { class: `swatch ${kind}` }), text);
  return el(
    "p",
    { class: "legend" },
    entry("busy", "busy"),
    entry("waiting", "waiting for room (back-pressure)"),
    entry("queue", "queue"),
  );
}

export { HEAD, ROW, WIDTH };
