// The runs of a sweep: a little table that ranks them by Fréchet distance while they learn, and at the end.
// Knows the studio's address for sweeps; their curves and grids are laid over each other by run.js.

import {address, el, fill} from "./dom.js";
import {has, number, t, valueOf} from "./words.js";

const EVERY = 2000; // ms between two questions while one of them learns
const LIVE = new Set(["queued", "running", "paused"]);

const named = (name) => (has(`field.${name}`) ? t(`field.${name}`) : name);

/** What a run has of its own: "Learning rate 0.002 · Seed 7". */
export const labelOf = (row) => Object.entries(row.differs).map(([name, value]) => `${named(name)} ${valueOf(name, value)}`).join(" · ");

export class Sweep {
  /** `found(rows)` is told of all runs each time they were asked for. */
  constructor(job, found) {
    Object.assign(this, {job, found, box: el("section.sweep", {id: "training-sweep", hidden: true})});
  }

  /** The sweep that the training is of; "" where it is of none. */
  show(sweep) {
    if (!sweep || sweep === this.sweep) return;
    this.sweep = sweep;
    this.look();
  }

  async look() {
    const answer = await fetch(address(`/sweeps/${this.sweep}`)).catch(() => null);
    const rows = answer?.ok ? await answer.json() : null;
    if (rows) this.draw(rows);
    if (this.box.isConnected && (!rows || rows.some((row) => LIVE.has(row.state)))) setTimeout(() => this.look(), EVERY);
  }

  draw(rows) {
    this.box.hidden = rows.length < 2;
    this.found(rows);
    const own = Object.keys(rows[0].differs);
    fill(this.box, JSON.stringify(rows), () => [
      el("h3.sweep-title", {}, t("sweep.title", {count: rows.length})),
      el("div.table-frame", {}, el("table.sweep-table", {id: "sweep-rows"},
        el("thead", {}, el("tr", {}, ["", ...own.map(named), t("training.step"), t("sweep.frechet"), t("sweep.best"), t("sweep.state")].map((name) => el("th", {scope: "col"}, name)))),
        el("tbody", {}, rows.map((row, at) => this.row(row, at))))),
      el("p.sweep-note", {}, t("sweep.note"))]);
  }

  row(row, at) {
    const figure = (value) => el("td.figure", {}, value === null ? "–" : number(value, 3));
    return el("tr", {class: row.job === this.job ? "here" : null, data: {job: row.job}},
      el("td.figure", {}, row.frechet === null ? "–" : String(at + 1)), Object.entries(row.differs).map(([name, value]) => el("td.figure", {}, el("b", {}, String(valueOf(name, value))))),
      el("td.figure", {}, number(row.step)), figure(row.frechet), figure(row.best), el("td", {}, t(`state.${row.state}`)));
  }
}
