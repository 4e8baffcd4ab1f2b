// Line charts on a canvas: one panel for each chart, one time axis, marks through all, values under the pointer.
// Colours are Okabe and Ito's, told apart by colour-blind eyes; dashes tell the lines apart without any colour.

import {el} from "./dom.js";
import {clock, t} from "./words.js";

const COLOURS = {light: ["#0072b2", "#c65a00", "#007a5a", "#a8467f"], dark: ["#56b4e9", "#e69f00", "#2fc79a", "#e08fc0"]};
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const LEFT = 48, RIGHT = 12, GAP = 30, AXIS = 24, ROW = 18;
const WORDS = '12px "Source Sans Pro", "Noto Sans CJK SC", system-ui, sans-serif';

function niceTicks(low, high, count) {
  const span = high - low || 1;
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= raw) ?? raw;
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) ticks.push(Math.abs(value) < step * 1e-6 ? 0 : value);
  return ticks;
}

/** Round times up to `end`, at most `most` of them, so that their labels do not touch. */
function timeTicks(end, most) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400].find((one) => end / one <= most) ?? 86400;
  return Array.from({length: Math.floor(end / step) + 1}, (_, index) => index * step);
}

const shortest = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(2));

/** The bounds that show all but the wildest hundredth, so that one spike does not flatten the rest. */
function bounds(lines) {
  const values = lines.flatMap((line) => line.points.map((point) => point[2])).sort((a, b) => a - b);
  if (!values.length) return [0, 1];
  const at = (share) => values[Math.min(values.length - 1, Math.max(0, Math.round(share * (values.length - 1))))];
  const low = Math.min(0, at(0)), high = Math.max(at(0.99), values.length < 60 ? at(1) : 0);
  return [low, high + (high - low || 1) * 0.08];
}

/** A moving average over about a twentieth of the curve. */
function trend(points) {
  const reach = Math.floor(points.length / 40);
  if (!reach) return points;
  const sums = [0];
  for (const point of points) sums.push(sums.at(-1) + point[2]);
  return points.map((point, index) => {
    const first = Math.max(0, index - reach), past = Math.min(points.length, index + reach + 1);
    return [point[0], point[1], (sums[past] - sums[first]) / (past - first)];
  });
}

export class Curves {
  constructor(parent) {
    this.canvas = el("canvas.curves-canvas", {role: "img", tabindex: 0});
    this.tip = el("div.curves-tip", {hidden: true});
    this.box = el("div.curves", {}, this.canvas, this.tip);
    parent.append(this.box);
    this.panels = [];
    this.at = null;
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    this.canvas.addEventListener("blur", () => this.leave());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("atelier-scheme", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(() => this.draw()));
  }

  set(data, budget) {
    this.marks = data.marks;
    this.panels = data.charts.map((chart) => {
      const lines = chart.series.map((one, index) => ({...one, index, points: data.series[one.name]}));
      return {title: chart.chart, lines, bounds: bounds(lines)};
    });
    const last = Math.max(0, ...this.panels.flatMap((panel) => panel.lines.map((line) => line.points.at(-1)?.[1] ?? 0)));
    this.last = last;
    this.end = Math.max(last, Math.min(budget || last, last * 3), 1);
    const words = this.panels.map((panel) => t("chart.label", {title: this.title(panel), series: panel.lines.map((line) => line.title).join(", ")}));
    this.canvas.setAttribute("aria-label", words.join(". "));
    this.draw();
  }

  title(panel) {
    const words = t(`chart.${panel.title}`);
    return words.startsWith("chart.") ? panel.title : words;
  }

  layout() {
    const wide = this.box.clientWidth;
    const pen = this.canvas.getContext("2d");
    let top = 0;
    this.panels.forEach((panel, index) => {
      panel.legend = this.places(pen, panel, wide);
      panel.top = top + GAP - 6 + panel.legend.at(-1).row * ROW;
      panel.height = index === 0 ? 168 : 92;
      top = panel.top + panel.height + 6;
    });
    return [wide, Math.max(120, top + AXIS)];
  }

  /** Where the names of the lines stand: beside the panel's title, in rows below it where there is no room. */
  places(pen, panel, wide) {
    pen.font = `bold ${WORDS}`;
    let x = LEFT + pen.measureText(this.title(panel)).width + 18, row = 0;
    pen.font = WORDS;
    return panel.lines.map((line) => {
      const width = 24 + pen.measureText(line.title).width;
      if (x + width > wide - RIGHT && x > LEFT) { x = LEFT; row += 1; }
      const place = {x, row};
      x += width + 18;
      return place;
    });
  }

  draw() {
    if (!this.panels.length || !this.box.isConnected) return;
    const [wide, high] = this.layout();
    if (!wide) return;
    const scale = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(wide * scale) || this.canvas.height !== Math.round(high * scale)) {
      this.canvas.width = Math.round(wide * scale);
      this.canvas.height = Math.round(high * scale);
      this.canvas.style.height = `${high}px`;
    }
    const style = getComputedStyle(this.box);
    this.ink = {text: style.getPropertyValue("--ink").trim(), soft: style.getPropertyValue("--ink-soft").trim(), line: style.getPropertyValue("--line").trim(), amber: style.getPropertyValue("--amber").trim(), surface: style.getPropertyValue("--surface").trim()};
    this.palette = COLOURS[document.body.classList.contains("dark") ? "dark" : "light"];
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, wide, high);
    this.wide = wide;
    this.x = (seconds) => LEFT + (seconds / this.end) * (wide - LEFT - RIGHT);
    this.panels.forEach((panel, index) => this.panel(pen, panel, index === this.panels.length - 1));
    this.drawMarks(pen);
    if (this.at !== null) this.crosshair(pen);
  }

  panel(pen, panel, last) {
    const [low, high] = panel.bounds;
    panel.y = (value) => panel.top + panel.height * (1 - (Math.min(Math.max(value, low), high) - low) / (high - low));
    const mono = '11px "IBM Plex Mono", ui-monospace, monospace';
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    for (const tick of niceTicks(low, high, panel.height > 120 ? 4 : 2)) {
      const y = Math.round(panel.y(tick)) + 0.5;
      pen.strokeStyle = this.ink.line;
      pen.beginPath(); pen.moveTo(LEFT, y); pen.lineTo(this.wide - RIGHT, y); pen.stroke();
      pen.fillStyle = this.ink.soft; pen.font = mono; pen.textAlign = "right";
      pen.fillText(panel.title === "accuracy" ? `${Math.round(tick * 100)}%` : String(+tick.toPrecision(3)), LEFT - 8, y);
    }
    for (const tick of timeTicks(this.end, Math.min(8, (this.wide - LEFT) / 60))) {
      const x = Math.round(this.x(tick)) + 0.5;
      pen.strokeStyle = this.ink.line;
      pen.beginPath(); pen.moveTo(x, panel.top + panel.height); pen.lineTo(x, panel.top + panel.height + 4); pen.stroke();
      if (last) { pen.fillStyle = this.ink.soft; pen.font = mono; pen.textAlign = tick === 0 ? "left" : x > this.wide - 2 * RIGHT ? "right" : "center"; pen.fillText(clock(tick), tick === 0 ? x - 2 : Math.min(x, this.wide - 2), panel.top + panel.height + 15); }
    }
    this.legend(pen, panel);
    pen.save();
    pen.beginPath(); pen.rect(LEFT, panel.top - 2, this.wide - LEFT - RIGHT, panel.height + 4); pen.clip();
    for (const line of panel.lines) this.line(pen, panel, line);
    pen.restore();
  }

  legend(pen, panel) {
    const top = panel.top - 13 - panel.legend.at(-1).row * ROW;
    pen.textAlign = "left";
    pen.font = `bold ${WORDS}`;
    pen.fillStyle = this.ink.text;
    pen.fillText(this.title(panel), LEFT, top);
    pen.font = WORDS;
    for (const [index, line] of panel.lines.entries()) {
      const x = panel.legend[index].x, y = top + panel.legend[index].row * ROW;
      pen.strokeStyle = this.palette[line.index % 4]; pen.lineWidth = 2; pen.setLineDash(DASHES[line.index % 4]);
      pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x + 18, y); pen.stroke(); pen.setLineDash([]);
      pen.fillStyle = this.ink.soft; pen.fillText(line.title, x + 24, y);
    }
    pen.lineWidth = 1;
  }

  /** What was measured faintly, its trend on top: the noise of single steps must not hide the learning. */
  line(pen, panel, line) {
    pen.strokeStyle = this.palette[line.index % 4];
    pen.lineJoin = "round";
    const trace = (points) => {
      pen.beginPath();
      points.forEach(([, seconds, value], index) => { index ? pen.lineTo(this.x(seconds), panel.y(value)) : pen.moveTo(this.x(seconds), panel.y(value)); });
      pen.stroke();
    };
    pen.globalAlpha = 0.28; pen.lineWidth = 1;
    trace(line.points);
    pen.globalAlpha = 1; pen.lineWidth = 2; pen.setLineDash(DASHES[line.index % 4]);
    trace(trend(line.points));
    pen.setLineDash([]);
    if (line.points.length === 1) { pen.fillStyle = pen.strokeStyle; pen.beginPath(); pen.arc(this.x(line.points[0][1]), panel.y(line.points[0][2]), 2.5, 0, 7); pen.fill(); }
  }

  drawMarks(pen) {
    const bottom = this.panels.at(-1).top + this.panels.at(-1).height;
    for (const [, seconds] of this.marks) {
      const x = Math.round(this.x(seconds)) + 0.5;
      pen.strokeStyle = this.ink.amber; pen.setLineDash([3, 3]); pen.beginPath(); pen.moveTo(x, this.panels[0].top); pen.lineTo(x, bottom); pen.stroke(); pen.setLineDash([]);
      pen.fillStyle = this.ink.amber; pen.beginPath(); pen.moveTo(x - 4, this.panels[0].top - 5); pen.lineTo(x + 4, this.panels[0].top - 5); pen.lineTo(x, this.panels[0].top + 1); pen.fill();
    }
  }

  crosshair(pen) {
    const bottom = this.panels.at(-1).top + this.panels.at(-1).height;
    const x = Math.round(this.x(this.at)) + 0.5;
    pen.strokeStyle = this.ink.soft; pen.beginPath(); pen.moveTo(x, this.panels[0].top); pen.lineTo(x, bottom); pen.stroke();
    for (const panel of this.panels) for (const line of panel.lines) {
      const point = this.near(line.points);
      if (!point) continue;
      pen.fillStyle = this.palette[line.index % 4]; pen.strokeStyle = this.ink.surface; pen.lineWidth = 2;
      pen.beginPath(); pen.arc(this.x(point[1]), panel.y(point[2]), 4, 0, 7); pen.fill(); pen.stroke(); pen.lineWidth = 1;
    }
  }

  near(points) {
    let low = 0, high = points.length - 1;
    while (low < high) { const middle = (low + high) >> 1; if (points[middle][1] < this.at) low = middle + 1; else high = middle; }
    const before = points[low - 1], after = points[low];
    return before && after && this.at - before[1] < after[1] - this.at ? before : after ?? null;
  }

  point(x) {
    if (!this.panels.length || !this.wide) return;
    this.at = Math.min(this.last, Math.max(0, ((x - LEFT) / (this.wide - LEFT - RIGHT)) * this.end));
    this.draw();
    const lines = this.panels.flatMap((panel) => panel.lines.map((line) => ({line, panel, point: this.near(line.points)}))).filter((one) => one.point);
    if (!lines.length) return;
    const [step, seconds] = lines[0].point;
    const mark = this.marks.find((one) => Math.abs(this.x(one[1]) - this.x(this.at)) < 6);
    this.tip.replaceChildren(
      el("div.tip-head", {}, `${clock(seconds)} · ${t("chart.step", {step})}`),
      ...lines.map(({line, panel, point}) => el("div.tip-row", {}, el("i", {style: `background:${this.palette[line.index % 4]}`}), el("span", {}, line.title), el("b", {}, panel.title === "accuracy" ? `${(point[2] * 100).toFixed(0)}%` : shortest(point[2])))),
      mark ? el("div.tip-mark", {}, mark[2]) : "");
    this.tip.hidden = false;
    const side = this.x(this.at) > this.wide / 2;
    this.tip.style.left = side ? "" : `${this.x(this.at) + 14}px`;
    this.tip.style.right = side ? `${this.wide - this.x(this.at) + 14}px` : "";
  }

  key(event) {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || !this.panels.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.point(this.x((this.at ?? this.last) + (step * this.end) / 60));
  }

  leave() {
    this.at = null;
    this.tip.hidden = true;
    this.draw();
  }
}
