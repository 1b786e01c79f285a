// The live page of a run: asks for the report again and again while it is looked at, and shows it.

import { NeedsToken, get, ownToken, setToken, takeTokenOfAddress } from "./client.js";
import { Spark } from "./chart.js";
import { el, keyed, mark, say } from "./dom.js";
import { bytes, rate, short, span, whole } from "./format.js";
import { Graph } from "./graph.js";
import { Model } from "./model.js";
import { Panel } from "./panel.js";
import { Members, errorsTable, hasTrouble, partitionsOf, partitionsTable, snapshotsTable, stepsTable, storesTable, troublesTable, workersTable } from "./tables.js";

// How often the report is asked for, in milliseconds. One of many steps is long.
const every = () => (model?.steps.size > 100 ? 2000 : 1000);
const find = (id) => document.getElementById(id);

let model = null;
let isLost = false;
let timer = 0;
let runs = 0;

// Views -------------------------------------------------------------------------------------------------------------

const address = () => new URLSearchParams(location.hash.slice(1));

function setAddress(name, value) {
  const parameters = address();
  if (value) parameters.set(name, value);
  else parameters.delete(name);
  const text = parameters.toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

const graph = new Graph(select);
const panel = new Panel(find("panel"), () => select(null));
const steps = stepsTable(select);
const workers = workersTable(() => model);
const members = new Members();
const partitions = partitionsTable(null);
const snapshots = snapshotsTable();
const stores = storesTable();
const troubles = troublesTable(select);
const errors = errorsTable();
const spark = new Spark();

const titled = (title, root) => el("section", { class: "titled" }, el("h2", { text: title }), root);

const views = [
  { id: "graph", name: "Graph", root: graph.root, show: () => graph.show(model) },
  { id: "steps", name: "Steps", root: steps.root, show: () => steps.show(found()) },
  { id: "workers", name: "Workers", root: el("div", { class: "stack" }, titled("Workers", workers.root), members.root), show: () => (workers.show(model.workers), members.show(model)) },
  { id: "sources", name: "Sources", root: titled("Partitions of sources and of event time", partitions.root), show: () => partitions.show(partitionsOf(model)) },
  {
    id: "snapshots",
    name: "Snapshots",
    root: el("div", { class: "stack" }, titled("Complete epochs, newest first", snapshots.root), titled("Partitions of the recovery store", stores.root)),
    show: () => {
      snapshots.show(model.snapshots.map((it) => ({ ...it, now: model.report.read_at })));
      stores.show(model.report.stores);
    },
  },
  {
    id: "errors",
    name: "Errors",
    root: el("div", { class: "stack" }, titled("Steps with errors and late items", troubles.root), titled("Newest errors, a sample", errors.root)),
    show: () => troubles.show([...model.steps.values()].filter(hasTrouble)),
    ask: async () => errors.show((await get(model.report.members ? "errors?all=true" : "errors")).errors.map((it) => ({ ...it, name: model.name(it.step), now: model.report.read_at }))),
  },
];

let view = views.find((it) => it.id === address().get("view")) ?? views[0];
let chosen = address().get("step");

const tabs = new Map();
for (const it of views) {
  const tab = el("button", { role: "tab", type: "button", id: `tab-${it.id}`, "aria-controls": "view", text: it.name, on: { click: () => open(it) } });
  tabs.set(it.id, tab);
  find("tabs").append(tab);
}
find("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = views[(views.indexOf(view) + step + views.length) % views.length];
  open(next);
  tabs.get(next.id).focus();
  event.preventDefault();
});

function open(next) {
  view = next;
  setAddress("view", next === views[0] ? null : next.id);
  const root = find("view");
  mark(root, "data-view", next.id);
  mark(root, "aria-labelledby", `tab-${next.id}`);
  root.replaceChildren(next.root);
  for (const [id, tab] of tabs) {
    mark(tab, "aria-selected", id === next.id ? "true" : "false");
    tab.tabIndex = id === next.id ? 0 : -1;
  }
  show();
  lookAtView();
}

function select(id) {
  const before = chosen;
  chosen = id === chosen ? null : id;
  panel.showKeys(null);
  if (panel.isTailing) panel.switchTail();
  lookAtStep();
  setAddress("step", chosen);
  show();
  if (chosen) {
    panel.root.scrollTop = 0;
    panel.name.focus({ preventScroll: true });
  } else if (before) graph.rows.get(before)?.button.focus({ preventScroll: true });
}

// Search ------------------------------------------------------------------------------------------------------------

const wanted = () => find("find").value.trim().toLowerCase();

function found() {
  const text = wanted();
  const all = [...model.steps.values()].filter((step) => step.numbers);
  return text ? all.filter((step) => step.name.toLowerCase().includes(text) || step.operator.includes(text)) : all;
}

find("find").addEventListener("input", () => {
  if (!model) return;
  graph.find(wanted());
  show();
});
find("find").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !model) return;
  const first = graph.find(wanted());
  if (!first) return;
  if (first !== chosen) select(first);
  graph.reveal(first);
});

// Showing -----------------------------------------------------------------------------------------------------------

function show() {
  if (!model?.report) return;
  const report = model.report;
  say(find("flow"), report.flow);
  document.title = `${report.flow} – ${report.state}`;
  const state = find("state");
  say(state, isLost ? "no answer" : report.state);
  mark(state, "data-state", isLost ? "lost" : report.state);
  const count = report.workers.length;
  const parts = [`${count} worker${count === 1 ? "" : "s"}`];
  if (report.members) parts.push(`${report.processes} processes`);
  else if (report.processes > 1) parts.push(`process ${report.process}, one of ${report.processes}`);
  parts.push(`up ${span(Math.floor(report.seconds))}`);
  if (report.execution) parts.push(`restarted ${report.execution === 1 ? "once" : `${whole(report.execution)} times`}`);
  say(find("where"), parts.join(" · "));
  showTiles();
  showStalls(report.stalls);
  showAbsent(report.members ?? []);
  view.show();
  graph.choose(chosen);
  panel.show(model, chosen);
}

function showTiles() {
  const { snapshot } = model;
  const tiles = [
    { name: "Items", value: rate(model.itemRate), note: `${whole(model.items)} in all`, spark: true },
    {
      name: "Source lag",
      value: model.lagItems !== null ? short(model.lagItems) : bytes(model.lagBytes),
      note: model.lagItems !== null ? "items" : model.lagBytes !== null ? "to be read" : "not known",
    },
    { name: "Watermark", value: span(model.behind), note: model.behind === null ? "no event time" : "behind" },
    {
      name: "Last snapshot",
      value: snapshot ? span(snapshot.age) : "–",
      note: snapshot ? `ago · took ${span(snapshot.seconds)} · ${bytes(snapshot.bytes)}` : "none yet",
    },
    { name: "Late", value: short(model.late), note: "items", level: model.late ? "some" : null },
    { name: "Errors", value: short(model.errors), note: model.skipped ? `${short(model.skipped)} skipped` : "items", level: model.errors ? "high" : null },
  ];
  keyed(
    find("tiles"), tiles, (it) => it.name,
    (it) => el("div", { class: "tile" }, el("dt", { text: it.name }), el("dd", {}, el("strong", {}), el("small", {})), it.spark && spark.root),
    (element, it) => {
      const value = element.children[1];
      say(value.firstElementChild, it.value);
      say(value.lastElementChild, it.note);
      mark(element, "data-level", it.level);
      mark(element, "title", it.name);
    },
  );
  spark.show(model.total);
}

function showStalls(stalls) {
  const root = find("stalls");
  mark(root, "hidden", stalls.length === 0);
  keyed(
    root, stalls, (it) => [it.kind, it.step, it.worker, it.partition].join(" "),
    (it) => {
      const place = [it.step && model.name(it.step), it.worker !== null && `worker ${it.worker}`, it.partition && `partition ${it.partition}`];
      const title = el("button", { type: "button", class: "link", text: place.filter(Boolean).join(" · ") || "the run", on: { click: () => it.step && it.step !== chosen && select(it.step) } });
      return el("article", { class: "stall" }, el("span", { class: "pill", text: `${it.kind} stall` }), title, el("span", { class: "for" }), el("p", {}));
    },
    (element, it) => {
      say(element.children[2], `for ${span(Math.floor(it.seconds))}`);
      say(element.children[3], it.cause);
    },
  );
}

// The processes whose numbers are missing or old.
function showAbsent(members) {
  const absent = members.filter((it) => it.state !== "current");
  const root = find("absent");
  mark(root, "hidden", absent.length === 0);
  const name = (it) => (it.state === "silent" ? `Process ${it.process} has not answered yet.` : `Process ${it.process} has not answered for ${span(Math.round(it.age_seconds))}: its numbers are those of its last answer.`);
  say(root, absent.map(name).join(" "));
}

// Asking ------------------------------------------------------------------------------------------------------------

// The report: process 0 shows the whole cluster, any other its own workers.
async function ask() {
  if (model?.report?.members) return get("report?all=true");
  const report = await get("report");
  return report.processes > 1 && report.process === 0 ? get("report?all=true") : report;
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const report = await ask();
    if (!model?.isOf(report)) {
      // Another run: what is known of the one before is not of this one.
      model = new Model(await get("flow"));
      runs += 1;
      document.body.dataset.runs = String(runs);
      keepCourse(model);
      linkProcesses();
    }
    model.update(report);
    isLost = false;
    mark(find("lost"), "hidden", true);
    show();
    document.body.dataset.ready = "true";
    lookAtStep();
    lookAtView();
  } catch (error) {
    if (error instanceof NeedsToken) return askForToken();
    isLost = true;
    const lost = find("lost");
    const since = model?.report ? ` The numbers are those of ${new Date(model.report.read_at).toLocaleTimeString()}.` : "";
    say(lost, `The run does not answer: it has ended, or is starting again.${since}`);
    mark(lost, "hidden", false);
    show();
  }
  timer = setTimeout(look, every());
}

// Links to the pages of the other processes, if this machine has started them together.
function linkProcesses() {
  const root = find("processes");
  const show = ({ ports }) => {
    mark(root, "hidden", !ports);
    const links = (ports ?? []).map((port, process) => {
      const isThis = String(port) === location.port;
      const token = ownToken() ? `#token=${encodeURIComponent(ownToken())}` : "";
      const href = `${location.protocol}//${location.hostname}:${port}/${token}`;
      return el("a", { href, "aria-current": isThis ? "page" : null, text: `process ${process}` });
    });
    root.replaceChildren(...links);
  };
  get("").then(show, () => {});
}

// What the run has kept of the time before the page was opened.
function keepCourse(of) {
  get("history").then((course) => of.keep(course), () => {});
}

// What is asked for one view alone, while it is open.
function lookAtView() {
  if (model?.report) view.ask?.().catch(() => {});
}

// What is asked for one step alone, while it is looked at.
async function lookAtStep() {
  const [id, of] = [chosen, model];
  const step = of?.steps.get(id);
  if (!step) return;
  try {
    if (!step.isKept) {
      step.isKept = true;
      of.keep(await get(`history?step=${encodeURIComponent(id)}`));
    }
    const keys = step.kind === "stateful" ? await get(`keys?step=${encodeURIComponent(id)}`) : null;
    const output = panel.tailed(step);
    const items = output && (await get(`tail?step=${encodeURIComponent(id)}&output=${encodeURIComponent(output)}`));
    if (id === chosen && of === model) {
      if (items && panel.isTailing) panel.showItems(items);
      const ofProcess = of.report.members && ` They are those of process ${of.report.process}; each process has a page with its own.`;
      panel.showKeys(keys && { ...keys, ofProcess });
      panel.show(model, chosen);
    }
  } catch {
    // The next report says whether the run answers; these come again with it.
    step.isKept = false;
  }
}

function askForToken() {
  const login = find("login");
  if (ownToken()) say(find("login-fault"), "This token is not that of the run.");
  if (!login.open) login.showModal();
}

find("login-form").addEventListener("submit", () => {
  setToken(find("token").value.trim());
  find("token").value = "";
  look();
});
find("login").addEventListener("cancel", (event) => event.preventDefault());
document.addEventListener("visibilitychange", look);

panel.onTail = lookAtStep;
takeTokenOfAddress();
open(view);
look();
