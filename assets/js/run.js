// The curves of one training, fetched as they grow; others to lay over them; what can be taken away of them.
// Knows the studio's addresses for trainings; how curves look is curves.js'.

import {Curves} from "./curves.js";
import {address, button, el, icon} from "./dom.js";
import {pictureOf} from "./export.js";
import {Rows} from "./series.js";
import {has, t, valueOf, when} from "./words.js";

const MOST = 48_000; // rows after which all are asked for anew, thinned
const OVERLAID = 7;
const LIVE = new Set(["queued", "running", "paused"]);
const AGAIN = 2000; // ms between two questions about another training that still learns

/** What has been fetched of the training `job`. */
class Run {
  constructor(job) {
    Object.assign(this, {key: job, name: t("chart.this"), charts: [], marks: [], budget: 0, file: "curves", tensorboard: false});
    this.begin();
  }

  begin() {
    this.rows = new Rows();
    this.marks = [];
    this.last = 0;
  }

  /** Asks for what is new and calls `told`; while an answer is on its way one further question is remembered. */
  async pull(told) {
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    try {
      do {
        this.again = false;
        await this.ask(told);
      } while (this.again);
    } finally {
      this.asking = false;
    }
  }

  async ask(told) {
    let text;
    try {
      const answer = await fetch(address(`/jobs/${this.key}/curves?after=${this.last}`));
      if (!answer.ok) return;
      text = await answer.text();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return; // the network failed, which the status strip says; the next news ask again
    }
    const began = performance.now();
    this.take(JSON.parse(text));
    told();
    performance.clearMeasures("curves");
    performance.measure("curves", {start: began, end: performance.now()});
  }

  take(news) {
    if (this.rows.length + news.steps.length > MOST && this.last) {
      this.begin();
      this.again = true;
      return;
    }
    this.rows.append(news);
    this.marks.push(...news.marks);
    for (const chart of news.charts) merge(this.charts, chart);
    Object.assign(this, {last: news.last, tensorboard: news.tensorboard, file: news.file, state: news.state, title: titleOf(news)});
  }
}

/** A chart that is new, or new series of one that is there. */
function merge(charts, {chart, series}) {
  const there = charts.find((one) => one.chart === chart);
  if (!there) charts.push({chart, series});
  else for (const one of series) if (!there.series.some((known) => known.name === one.name)) there.series.push(one);
}

/** What a training is called beside others. */
function titleOf({kind, settings, created}) {
  const words = kind === "training" ? ["dataset", "recipe"].map((name) => valueOf(name, settings[name])) : [settings.name || t("title.own")];
  return [...words, when(created)].join(" · ");
}

/** Every setting in which a training may differ from another, in a line. */
const settingsOf = ({settings, seed}) =>
  Object.entries({...settings, seed}).map(([name, value]) => `${has(`field.${name}`) ? t(`field.${name}`) : name}: ${valueOf(name, value)}`).join("\n");

export class RunCurves {
  /** `compared(runs, fresh)` is told which trainings lie over this one, and whether they may have something new. */
  constructor(parent, job, compared = () => {}) {
    this.own = new Run(job);
    this.others = [];
    this.compared = compared;
    this.box = parent;
    this.list = el("div.menu-list.curves-menu", {role: "group", "aria-label": t("chart.compare")});
    this.files = el("div.menu-list.curves-menu", {role: "menu"});
    this.compare = menu("chart.compare", "curves-compare", this.list, () => this.offer());
    this.exports = menu("chart.export", "curves-export", this.files, () => this.offerFiles());
    this.curves = new Curves(parent, [this.compare, this.exports]);
  }

  /** There is news of the training; `budget` is the seconds it is to take, 0 once it is over. */
  news(budget = 0) {
    this.own.budget = budget;
    return this.own.pull(() => this.draw());
  }

  /** Draws again for a reason of its own: the training is over, so that its curves may fill the charts. */
  settle(budget) {
    this.own.budget = budget;
    this.draw();
  }

  draw() {
    const shown = this.others.filter((run) => run.rows.length);
    this.own.name = shown.length ? `${t("chart.this")} · ${this.own.label ?? this.own.title ?? ""}` : t("chart.this");
    for (const run of shown) run.name = run.label ?? run.title;
    this.curves.show(this.own.rows.length ? [this.own, ...shown] : []);
  }

  /** The trainings there are, to be laid over this one. */
  async offer() {
    const answer = await fetch(address("/trainings"));
    const found = answer.ok ? (await answer.json()).filter((one) => one.job !== this.own.key) : [];
    const chosen = new Set(this.others.map((run) => run.key));
    const choice = (one) => {
      const box = el("input", {type: "checkbox", checked: chosen.has(one.job), onchange: () => this.overlay(one.job, box.checked)});
      return el("label", {title: settingsOf(one)}, box, el("span", {}, titleOf(one)));
    };
    this.list.replaceChildren(...(found.length ? found.map(choice) : [el("p", {}, t("chart.compare.none"))]));
    this.limit();
  }

  /** The runs of a sweep, called by what each has of its own; those that have begun are laid over this one once. */
  sweep(runs) {
    for (const {job, label, begun, ink} of runs) {
      if (job === this.own.key) Object.assign(this.own, {label, ink});
      else if (begun && !this.swept?.has(job)) {
        this.swept = (this.swept ?? new Set()).add(job);
        this.overlay(job, true, {label, ink});
      }
    }
  }

  /** `look`: what it is called, and the number of its colour, where these are given. */
  overlay(job, on, look = {}) {
    this.others = this.others.filter((run) => run.key !== job);
    if (on) {
      const run = Object.assign(new Run(job), look);
      this.others.push(run);
      this.follow(run);
    }
    this.limit();
    this.compared(this.others, false);
    this.draw();
  }

  /** The colour in which a training is drawn; undefined before it is. */
  colourOf(job) {
    const order = this.curves.runs.findIndex((run) => run.key === job);
    return order < 0 ? undefined : this.curves.colourOf(this.curves.inks, order, 0);
  }

  /** Fetches another training, and again as long as it learns and is compared. */
  async follow(run) {
    await run.pull(() => this.draw());
    this.compared(this.others, true);
    const on = LIVE.has(run.state) && this.box.isConnected && this.others.includes(run);
    if (on) setTimeout(() => this.follow(run), AGAIN);
  }

  /** No more can be told apart. */
  limit() {
    for (const box of this.list.querySelectorAll("input:not(:checked)")) box.disabled = this.others.length >= OVERLAID;
  }

  offerFiles() {
    const runs = [this.own, ...this.others.filter((run) => run.rows.length)];
    const link = (run, path, words) => el("a", {href: address(`/jobs/${run.key}/${path}`), download: "", role: "menuitem", data: {file: path}}, runs.length > 1 ? `${words} · ${run.name}` : words);
    this.files.replaceChildren(
      ...runs.map((run) => link(run, "curves.csv", t("chart.csv"))),
      button(t("chart.png"), {class: "", role: "menuitem", data: {file: "png"}, onclick: () => this.save()}),
      ...runs.filter((run) => run.tensorboard).map((run) => link(run, "tensorboard.zip", t("chart.tensorboard"))));
  }

  async save() {
    this.exports.open = false;
    const blob = await pictureOf(this.curves);
    const link = el("a", {href: URL.createObjectURL(blob), download: `${this.own.file}.png`});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

/** A button that opens a list, filled when it is opened; it closes when the focus leaves it. */
function menu(words, id, list, fill) {
  const made = el("details.menu", {data: {menu: id}}, el("summary.btn", {}, el("span", {}, t(words)), icon("down")), list);
  made.addEventListener("toggle", () => { if (made.open) fill(); });
  made.addEventListener("focusout", (event) => { if (event.relatedTarget && !made.contains(event.relatedTarget)) made.open = false; });
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !made.open) return;
    event.stopPropagation();
    made.open = false;
    made.querySelector("summary").focus();
  });
  document.addEventListener("pointerdown", (event) => { if (made.open && !made.contains(event.target)) made.open = false; });
  return made;
}
