// The runs of a sweep: what they would come to, and a table that ranks them by Fréchet distance while they learn.
// Knows the studio's address for sweeps; their curves and grids are laid over each other by run.js.

import {send} from "./bench.js";
import {swatch} from "./curves.js";
import {address, button, el, fill} from "./dom.js";
import {duration, number, settingOf as named, t, valueOf} from "./words.js";

const EVERY = 2000; // ms between two questions while one of them learns
const LIVE = new Set(["queued", "running", "paused"]);

export const isLive = (state) => LIVE.has(state);

/** What a run has of its own: "Learning rate 0.002 · Seed 7". */
export const labelOf = (row) => Object.entries(row.differs).map(([name, value]) => `${named(name)} ${valueOf(name, value)}`).join(" · ");

/** Above what is asked for: how many would begin, where, and for how long; or why they would not. */
export function plan(element, props, trigger, watch) {
  const box = el("p.sweep-plan", {role: "status"});
  element.querySelector(".widget").replaceChildren(box);
  const show = () => {
    const found = props.value;
    box.classList.toggle("refused", Boolean(found?.why && !found.asks));
    box.classList.toggle("planned", Boolean(found?.count > 1));
    box.textContent = !found ? t("sweep.plan.none") : found.why ?? (found.count > 1 ? `${where(found)} ${howLong(found)}` : t("sweep.plan.single"));
  };
  watch("value", show);
  show();
}

function where(found) {
  if (found.limit) return t("sweep.plan.held", found);
  if (found.devices < 2) return t("sweep.plan.one", found);
  return t(found.count > found.devices ? "sweep.plan.shared" : "sweep.plan.own", found);
}

function howLong({seconds, steps}) {
  if (seconds) return t(steps ? "sweep.plan.most" : "sweep.plan.time", {time: duration(seconds)});
  return steps ? t("sweep.plan.steps", {steps: number(steps)}) : t("sweep.plan.endless");
}

export class Sweep {
  /** `found(rows)` is told of all runs each time they were asked for; `colourOf(job)` says how each is drawn. */
  constructor(job, found, colourOf) {
    Object.assign(this, {job, found, colourOf, box: el("section.sweep", {id: "training-sweep", hidden: true})});
  }

  /** The sweep that the training is of; "" where it is of none. */
  show(sweep) {
    if (!sweep || sweep === this.name) return;
    this.name = sweep;
    this.look();
  }

  async look() {
    const answer = await fetch(address(`/sweeps/${this.name}`)).catch(() => null);
    const rows = answer?.ok ? await answer.json() : null;
    if (!this.box.isConnected) return;
    if (rows) this.draw(rows);
    if (!rows || rows.some((row) => isLive(row.state))) setTimeout(() => this.look(), EVERY);
  }

  draw(rows) {
    this.rows = rows;
    this.box.hidden = rows.length < 2;
    this.found(rows);
    const own = Object.keys(rows[0].differs);
    const several = new Set(rows.map((row) => row.device).filter(Boolean)).size > 1;
    fill(this.box, JSON.stringify([rows, rows.map((row) => this.colourOf(row.job))]), () => [
      el("h3.sweep-title", {}, t("sweep.title", {count: rows.length})),
      el("div.table-frame", {}, el("table.sweep-table", {id: "sweep-rows"},
        el("thead", {}, el("tr", {}, ["", ...own.map(named), t("training.step"), t("sweep.frechet"), t("sweep.best"), t("sweep.state"), ""].map((name) => el("th", {scope: "col", class: name === t("sweep.best") ? "least" : null}, name)))),
        el("tbody", {}, rows.map((row, at) => this.row(row, at, several))))),
      el("p.sweep-note", {}, t("sweep.note"))]);
  }

  row(row, at, several) {
    const figure = (value, least) => el(`td.figure${least ? ".least" : ""}`, {}, value === null ? "–" : number(value, 3));
    const [first, ...rest] = Object.entries(row.differs).map(([name, value]) => String(valueOf(name, value)));
    return el("tr", {class: row.job === this.job ? "here" : null, data: {job: row.job, state: row.state}},
      el("td.figure", {}, row.frechet === null ? "–" : String(at + 1)),
      el("td.figure", {}, this.opener(row, first)), rest.map((value) => el("td.figure", {}, value)),
      el("td.figure", {}, number(row.step)), figure(row.frechet), figure(row.best, true),
      el("td", {}, t(`state.${row.state}`), several && row.device ? el("span.soft", {}, t("sweep.on", {device: row.device})) : null),
      el("td.last", {}, isLive(row.state) ? this.stopper(row) : null));
  }

  /** Its line in the curves and what is varied first, which shows this run. */
  opener(row, words) {
    const here = row.job === this.job, look = {kind: "training", job: row.job};
    return el("button.sweep-open", {type: "button", title: here ? null : t("sweep.show"), "aria-label": here ? labelOf(row) : `${t("sweep.show")}: ${labelOf(row)}`, "aria-current": here ? "true" : null,
      onclick: () => { if (!here) document.dispatchEvent(new CustomEvent("atelier-look", {detail: look})); }},
      swatch(this.colourOf(row.job) ?? "transparent", 0), el("b", {}, words));
  }

  stopper(row) {
    const one = button("", {class: "btn btn-small sweep-stop", title: t("sweep.stop", {what: labelOf(row)}), "aria-label": t("sweep.stop", {what: labelOf(row)}),
      onclick: () => { one.disabled = true; send({action: "finish", job: row.job}); setTimeout(() => this.box.isConnected && this.look(), 500); }}, "stop");
    return one;
  }
}
