// Line charts of one or several runs: one chart a group of series, one axis for all, marks through all, values under the
// pointer. Knows what is shown and how it is chosen; rows come from run.js, painting is plot.js'.
//
// A run is {key, name, rows, charts, marks, budget}: `rows` as series.js has them, `charts` [{chart, series: [{name,
// title}]}], `marks` [[step, seconds, words]], `budget` the seconds it is to take. The first run's marks have words.

import {button, el} from "./dom.js";
import {DASHES, LEFT, MARK_ROW, RIGHT, across, AXIS, dot, look, paint, paintMarks, paintWords, placed, prepared} from "./plot.js";
import {firstFrom, nearest} from "./series.js";
import {shortest} from "./axes.js";
import {clock, has, number, t} from "./words.js";

const SHARES = new Set(["accuracy"]); // charts of shares: 0 to 100 %, whatever else is chosen
const HIGH = 150, LOW = 84; // pixels of the first chart and of the others
const SLACK = 5; // pixels a press may move and still be a click
const LONGEST = 1000; // steps that the strongest smoothing looks back
const SVG = "http://www.w3.org/2000/svg";

/** What a person chose, for every set of curves on this page. `window`: steps that smoothing looks back, null: it follows the length. */
const chosen = {window: null, log: false, unit: "seconds", off: new Set(), folded: new Set()};

const weightOf = (steps) => (steps <= 1 ? 0 : 1 - 1 / steps);

export class Curves {
  constructor(parent, tools = []) {
    this.runs = [];
    this.zoom = null; // [from, to] in the chosen unit
    this.at = null; // where it is read, in the chosen unit
    this.reading = 0; // the chart that is read
    this.charts = [];
    this.plots = el("div.curves-plots", {tabindex: 0, role: "application", "aria-label": t("chart.label.all"), title: ""});
    this.over = el("canvas.curves-over", {"aria-hidden": "true"});
    this.tip = el("div.curves-tip", {hidden: true, role: "status"});
    this.lane = el("canvas.curves-lane", {"aria-hidden": "true", hidden: true});
    this.none = el("p.curves-none", {}, t("chart.none"));
    this.names = el("div.curves-runs", {hidden: true});
    this.plots.append(this.lane, this.none);
    this.box = el("div.curves", {}, this.bar(tools), this.names, el("div.curves-field", {}, this.plots, this.over, this.tip));
    parent.append(this.box);
    this.listen();
  }

  // ------------------------------------------------------------------------------------------- what is chosen

  bar(tools) {
    this.slider = el("input", {type: "range", min: 0, max: 60, step: 1, "aria-label": t("chart.smoothing"), oninput: () => { chosen.window = LONGEST ** (+this.slider.value / 60); this.draw(); }});
    this.strength = el("output.curves-strength");
    const pick = (unit) => button(t(`chart.unit.${unit}`), {class: "btn", "data-unit": unit, onclick: () => this.measure(unit)});
    this.units = el("div.curves-units", {role: "group", "aria-label": t("chart.unit")}, pick("seconds"), pick("steps"));
    this.logged = button(t("chart.log"), {class: "btn curves-log", onclick: () => { chosen.log = !chosen.log; this.draw(); }});
    this.whole = button(t("chart.whole"), {class: "btn curves-whole", onclick: () => this.zoomTo(null)});
    return el("div.curves-bar", {}, el("label.curves-smoothing", {}, el("span", {}, t("chart.smoothing")), this.slider, this.strength), this.units, this.logged, ...tools, this.whole);
  }

  measure(unit) {
    if (unit === chosen.unit) return;
    const rows = this.runs[0]?.rows;
    const turned = (x) => {
      const index = Math.min(rows.length - 1, firstFrom(rows[chosen.unit], rows.length, x));
      return rows[unit][index];
    };
    if (rows?.length && this.zoom) this.zoom = this.zoom.map(turned);
    chosen.unit = unit;
    this.leave();
    this.draw();
  }

  /** Shows `range` of the axis, or all of it where that is null. */
  zoomTo(range) {
    const {from, to} = this.extent();
    if (range) {
      const least = (to - from) / Math.max(10, (this.runs[0]?.rows.length ?? 0) / 2);
      let [low, high] = range;
      if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
      const span = Math.min(high - low, to - from);
      low = Math.min(Math.max(low, from), to - span);
      range = span >= (to - from) * 0.999 ? null : [low, low + span];
    }
    this.zoom = range;
    this.draw();
  }

  /** Zooms by `factor` (below 1: closer) around `x` of the axis. */
  closer(factor, x) {
    const [from, to] = this.zoom ?? Object.values(this.extent());
    this.zoomTo([x - (x - from) * factor, x + (to - x) * factor]);
  }

  // --------------------------------------------------------------------------------------------- what there is

  /** These runs, the first of them the one that is looked at; the others are laid over it. */
  show(runs) {
    this.runs = runs;
    this.update();
  }

  /** Draws what has been added to the rows of the runs. */
  update() {
    const kinds = new Map();
    for (const run of this.runs) for (const {chart, series} of run.charts) {
      const kind = kinds.get(chart) ?? new Map();
      for (const one of series) kind.set(one.name, one.title);
      kinds.set(chart, kind);
    }
    const shape = JSON.stringify([this.runs.map((run) => [run.key, run.name]), [...kinds].map(([chart, series]) => [chart, ...series])]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.arrange(kinds);
    }
    this.draw();
  }

  arrange(kinds) {
    for (const chart of this.charts) chart.section.remove();
    this.charts = [...kinds].map(([name, series]) => this.chart(name, [...series].map(([key, title], index) => ({key, title, index}))));
    this.plots.append(...this.charts.map((chart) => chart.section));
    this.none.hidden = this.charts.length > 0;
    this.plots.setAttribute("aria-label", this.charts.map((chart) => t("chart.label", {title: chart.title, series: chart.series.map((one) => one.title).join(", ")})).join(". ") || t("chart.none"));
  }

  chart(name, series) {
    const title = has(`chart.${name}`) ? t(`chart.${name}`) : series.length === 1 ? series[0].title : name;
    const canvas = el("canvas.curves-canvas", {"aria-hidden": "true"});
    const head = button(title, {class: "curves-title", onclick: () => { flip(chosen.folded, name); this.draw(); }}, "down");
    const keys = el("div.curves-legend", {role: "group", "aria-label": title});
    const section = el("section.curves-chart", {data: {chart: name}}, el("div.curves-head", {}, head, keys), canvas);
    return {name, title, series, canvas, head, keys, section, share: SHARES.has(name)};
  }

  get unit() {
    return chosen.unit;
  }

  isOff(key) {
    return chosen.off.has(key);
  }

  get live() {
    return this.charts.filter((chart) => !chosen.folded.has(chart.name));
  }

  extent() {
    const lasts = this.runs.map((run) => (run.rows.length ? run.rows[chosen.unit][run.rows.length - 1] : 0));
    const last = Math.max(0, ...lasts);
    const budget = chosen.unit === "seconds" ? this.runs[0]?.budget ?? 0 : 0;
    return {from: 0, to: Math.max(last, Math.min(budget, last * 3), chosen.unit === "seconds" ? 1 : 10)};
  }

  window() {
    if (chosen.window !== null) return chosen.window;
    const most = Math.max(0, ...this.runs.map((run) => run.rows.length));
    return Math.min(LONGEST, 2 ** Math.round(Math.log2(Math.max(1, most / 40)))); // in powers of two, so that it rests
  }

  colourOf(inks, run, series) {
    return inks.colours[(this.runs.length > 1 ? this.runs[run].ink ?? run : series) % inks.colours.length];
  }

  // ----------------------------------------------------------------------------------------------- drawing

  /** Paints everything there is; nothing of the page's layout changes but the height of a chart that was folded. */
  draw() {
    const wide = this.plots.clientWidth;
    if (!wide || !this.box.isConnected) return;
    this.inks = look(this.box);
    const {from, to} = this.extent();
    this.axis = across(...(this.zoom ?? [from, to]), wide);
    this.settings();
    this.drawNames();
    for (const chart of this.charts) this.drawChart(chart);
    this.drawWords();
    this.drawOver();
  }

  settings() {
    const steps = this.window(), weight = weightOf(steps);
    this.weight = weight;
    if (document.activeElement !== this.slider || chosen.window === null) this.slider.value = String(Math.round((60 * Math.log(steps)) / Math.log(LONGEST)));
    this.strength.textContent = weight ? weight.toFixed(weight > 0.98 ? 3 : 2) : t("chart.off");
    this.slider.setAttribute("aria-valuetext", this.strength.textContent);
    for (const one of this.units.children) one.setAttribute("aria-pressed", String(one.dataset.unit === chosen.unit));
    this.logged.setAttribute("aria-pressed", String(chosen.log));
    this.whole.classList.toggle("away", !this.zoom); // keeps its place, so that zooming moves nothing
  }

  drawChart(chart) {
    const folded = chosen.folded.has(chart.name);
    chart.head.setAttribute("aria-expanded", String(!folded));
    this.legend(chart);
    if (chart.canvas.hidden !== folded) chart.canvas.hidden = folded;
    if (folded) return;
    const live = this.live, last = chart === live.at(-1), first = chart === live[0];
    chart.box = {top: 6, high: first ? HIGH : LOW};
    const pen = sized(chart.canvas, this.axis.wide, chart.box.high + 8 + (last ? AXIS : 4));
    chart.drawn = this.prepare(chart, this.axis);
    paintMarks(pen, chart.box, this.marks().map((mark) => mark.x), this.inks.amber);
    paint(pen, chart.box, chart.drawn, {axis: this.axis, unit: chosen.unit, share: chart.share, inks: this.inks, times: last});
  }

  prepare(chart, axis) {
    const lines = this.runs.flatMap((run, order) => chart.series.map((one) => ({run, order, one, rows: run.rows, column: run.rows.columns.get(one.key)})))
      .filter(({column, one, run}) => column && !chosen.off.has(one.key) && !chosen.off.has(run.key))
      .map((line) => ({...line, weight: this.weight, colour: this.colourOf(this.inks, line.order, line.one.index), dash: line.one.index}));
    return prepared(lines, axis, chosen.unit, {share: chart.share, log: chosen.log, zoomed: Boolean(this.zoom)});
  }

  legend(chart) {
    const many = this.runs.length > 1;
    const key = `${many}${this.inks.ink}${chart.series.map((one) => chosen.off.has(one.key))}`;
    if (chart.keys.dataset.key === key) return;
    chart.keys.dataset.key = key;
    const same = chart.series.length === 1 && chart.series[0].title === chart.title; // said already
    chart.keys.replaceChildren(...(same ? [] : chart.series).map((one) => this.entry(one.key, one.title, many ? this.inks["ink-soft"] : this.colourOf(this.inks, 0, one.index), one.index)));
  }

  /** A name in a legend, which switches what it names on and off. */
  entry(key, title, colour, dash) {
    const on = !chosen.off.has(key);
    const turn = () => { flip(chosen.off, key); this.draw(); this.focusOn(key); };
    return el("button.curves-key", {type: "button", "aria-pressed": String(on), data: {series: key}, onclick: turn}, swatch(colour, dash), el("span", {}, title));
  }

  /** The runs by name, where there are several. */
  drawNames() {
    this.names.hidden = this.runs.length < 2;
    const key = JSON.stringify([this.inks.ink, this.runs.map((run) => [run.key, run.name, chosen.off.has(run.key)])]);
    if (this.names.dataset.key === key) return;
    this.names.dataset.key = key;
    this.names.replaceChildren(...this.runs.map((run, order) => this.entry(run.key, run.name, this.colourOf(this.inks, order, 0), 0)));
  }

  focusOn(key) {
    [...this.box.querySelectorAll(".curves-key")].find((one) => one.dataset.series === key)?.focus({preventScroll: true});
  }

  marks() {
    const at = chosen.unit === "seconds" ? 1 : 0;
    const found = (this.runs[0]?.marks ?? []).map((mark) => ({x: this.axis.place(mark[at]), text: mark[2]}));
    return found.filter((mark) => mark.x >= LEFT - 1 && mark.x <= this.axis.wide - RIGHT + 1);
  }

  drawWords() {
    const marks = this.marks();
    this.lane.hidden = !marks.length || !this.live.length;
    if (this.lane.hidden) return;
    const set = placed(this.lane.getContext("2d"), marks, this.axis.wide);
    const rows = 1 + Math.max(0, ...set.map((mark) => mark.row));
    const pen = sized(this.lane, this.axis.wide, rows * MARK_ROW + 8);
    paintWords(pen, 0, rows, set, this.inks);
  }

  // ----------------------------------------------------------------------------------------------- reading

  listen() {
    new ResizeObserver(() => this.draw()).observe(this.plots);
    window.addEventListener("atelier-scheme", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(() => this.draw()));
    const {plots} = this;
    plots.addEventListener("pointerdown", (event) => this.press(event));
    plots.addEventListener("pointermove", (event) => this.move(event));
    plots.addEventListener("pointerup", (event) => this.release(event));
    plots.addEventListener("pointercancel", () => { this.from = null; this.leave(); });
    plots.addEventListener("pointerleave", () => { if (!this.from) this.leave(); });
    plots.addEventListener("dblclick", (event) => { if (chartOf(event)) this.zoomTo(null); });
    plots.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
    plots.addEventListener("blur", () => this.leave());
    plots.addEventListener("keydown", (event) => this.key(event));
  }

  xOf(event) {
    return event.clientX - this.plots.getBoundingClientRect().left;
  }

  press(event) {
    if (event.button || !chartOf(event) || !this.axis) return;
    this.from = {x: this.xOf(event)};
  }

  move(event) {
    if (!this.axis || !this.live.length) return;
    const over = this.live.findIndex((chart) => event.clientY <= chart.section.getBoundingClientRect().bottom);
    if (!this.from && !chartOf(event)) return this.leave();
    this.reading = over < 0 ? this.live.length - 1 : over;
    this.read(this.axis.value(this.xOf(event)));
    if (!this.from || Math.abs(this.xOf(event) - this.from.x) <= SLACK) return;
    this.plots.setPointerCapture(event.pointerId); // only now: a click goes to what was clicked on
    this.drawOver([this.from.x, this.xOf(event)]);
  }

  release(event) {
    const from = this.from;
    this.from = null;
    if (!from) return;
    const x = this.xOf(event);
    if (Math.abs(x - from.x) > SLACK) this.zoomTo([Math.min(x, from.x), Math.max(x, from.x)].map((pixel) => this.axis.value(Math.max(LEFT, Math.min(this.axis.wide - RIGHT, pixel)))));
    if (event.pointerType !== "mouse") return;
    this.drawOver();
  }

  /** Plain turns scroll the page until the charts were clicked into. */
  wheel(event) {
    if (!chartOf(event) || !this.axis || !(event.ctrlKey || event.metaKey || document.activeElement === this.plots)) return;
    event.preventDefault();
    this.closer(1.0015 ** event.deltaY, this.axis.value(this.xOf(event)));
  }

  key(event) {
    if (event.target !== this.plots || !this.axis || event.ctrlKey || event.metaKey || event.altKey) return;
    const {from, to} = this.axis, span = to - from;
    const middle = this.at ?? (from + to) / 2;
    const aside = {ArrowLeft: -1, ArrowRight: 1}[event.key], down = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (aside && event.shiftKey) this.zoomTo([from + (aside * span) / 10, to + (aside * span) / 10]);
    else if (aside) this.read(Math.min(to, Math.max(from, (this.at ?? to) + (aside * span) / 60)));
    else if (down && this.at !== null) { this.reading = (this.reading + down + this.live.length) % this.live.length; this.read(this.at); }
    else if (event.key === "+" || event.key === "=") this.closer(0.7, middle);
    else if (event.key === "-") this.closer(1 / 0.7, middle);
    else if (event.key === "0" || event.key === "Home") this.zoomTo(null);
    else if (event.key === "Escape" && (this.zoom || this.at !== null)) { this.leave(); this.zoomTo(null); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Says what the lines of the chart in question have at `x`. */
  read(x) {
    this.at = x;
    const chart = this.live[this.reading];
    const found = this.found(chart, x);
    if (!found.length) return this.leave();
    const {xs, index, rows} = found[0];
    this.at = xs[index];
    const mark = this.marks().find((one) => Math.abs(one.x - this.axis.place(this.at)) < 6);
    const many = this.runs.length > 1;
    this.tip.replaceChildren(
      el("div.tip-head", {}, `${clock(rows.seconds[index])} · ${t("chart.step", {step: number(rows.steps[index])})}`),
      ...found.map((one) => el("div.tip-row", {}, swatch(one.colour, one.dash), el("span", {}, many ? `${one.one.title} · ${one.run.name}` : one.one.title), this.weight ? el("i", {}, value(chart, one.values[one.index])) : "", el("b", {}, value(chart, one.averages[one.index])))),
      mark ? el("div.tip-mark", {}, mark.text) : "");
    this.tip.hidden = false;
    const place = this.axis.place(this.at), side = place > this.axis.wide / 2;
    const field = this.tip.parentElement.getBoundingClientRect(), box = chart.canvas.getBoundingClientRect();
    this.tip.style.top = `${box.top - field.top + 4}px`;
    this.tip.style.left = side ? "" : `${place + 12}px`;
    this.tip.style.right = side ? `${this.axis.wide - place + 12}px` : "";
    this.drawOver();
  }

  found(chart, x) {
    return (chart?.drawn?.traces ?? []).map((trace) => ({...trace, index: nearest(trace.xs, trace.values, trace.rows.length, x)})).filter((one) => one.index >= 0);
  }

  leave() {
    this.at = null;
    this.tip.hidden = true;
    this.drawOver();
  }

  /** The line that is read at, its points, and the range that is being marked out. */
  drawOver(range = null) {
    if (!this.axis) return;
    const pen = sized(this.over, this.axis.wide, this.plots.clientHeight);
    const field = this.plots.getBoundingClientRect();
    for (const chart of this.live) {
      const top = chart.canvas.getBoundingClientRect().top - field.top + (chart.box?.top ?? 0), high = chart.box?.high ?? 0;
      if (range) {
        pen.fillStyle = this.inks.accent;
        pen.globalAlpha = 0.16;
        pen.fillRect(Math.min(...range), top, Math.abs(range[1] - range[0]), high);
        pen.globalAlpha = 1;
      }
      if (this.at === null) continue;
      const x = Math.round(this.axis.place(this.at)) + 0.5;
      pen.strokeStyle = this.inks["ink-soft"];
      pen.beginPath();
      pen.moveTo(x, top);
      pen.lineTo(x, top + high);
      pen.stroke();
      for (const one of this.found(chart, this.at)) this.point(pen, one, top + high * (1 - chart.drawn.scale.to(one.averages[one.index])));
    }
  }

  point(pen, {xs, index, colour}, y) {
    pen.fillStyle = this.inks.surface;
    dot(pen, this.axis.place(xs[index]), y, 5);
    pen.fillStyle = colour;
    dot(pen, this.axis.place(xs[index]), y, 3.5);
  }
}

const chartOf = (event) => event.target.closest?.(".curves-canvas");
const value = (chart, one) => (Number.isFinite(one) ? (chart.share ? `${(one * 100).toFixed(0)}%` : shortest(one)) : "–");
const flip = (set, key) => { if (!set.delete(key)) set.add(key); };

/** `canvas` in device pixels, cleared; its pen draws in the page's. */
export function sized(canvas, wide, high, scale = window.devicePixelRatio || 1) {
  const [width, height] = [Math.round(wide * scale), Math.round(high * scale)];
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, {width, height});
    canvas.style.height = `${high}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, wide, high);
  return pen;
}

/** A piece of the line that a name stands for. */
export function swatch(colour, dash) {
  const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "line");
  for (const [name, set] of Object.entries({class: "swatch", viewBox: "0 0 22 4", width: 22, height: 4, "aria-hidden": "true"})) svg.setAttribute(name, set);
  for (const [name, set] of Object.entries({x1: 0, x2: 22, y1: 2, y2: 2, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": DASHES[dash % DASHES.length].join(" ")})) line.setAttribute(name, set);
  svg.append(line);
  return svg;
}
