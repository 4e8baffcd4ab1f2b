// Paints one chart on a canvas: axes, lines, marks. The page and the exported picture are painted by the same code.
// Knows a pen, places and inks; what is shown and how it is chosen is in curves.js.

import {boundsOf, label, scaleOf, stepsOf, timesOf} from "./axes.js";
import {firstFrom, needed} from "./series.js";
import {clock, number} from "./words.js";

// Okabe and Ito's colours, darkened or lightened to stand off their ground: told apart by colour-blind eyes
const COLOURS = {
  light: ["#0072b2", "#c65a00", "#007a5a", "#a8467f", "#7a6a00", "#3b3b3b", "#56558f", "#a3262a"],
  dark: ["#56b4e9", "#e69f00", "#2fc79a", "#e08fc0", "#f0e442", "#d8d2c8", "#a9a8e6", "#ff8f86"],
};
export const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
export const LEFT = 50, RIGHT = 14;
export const AXIS = 22; // pixels under a chart for what is written at its time axis
const TICKS = '12px "IBM Plex Mono", ui-monospace, monospace';
const WORDS = '12px "Source Sans Pro", "Noto Sans CJK SC", system-ui, sans-serif';
const INKS = ["ink", "ink-soft", "line", "line-strong", "amber", "surface", "bg", "accent"];

/** The page's colours as they are now. */
export function look(element) {
  const style = getComputedStyle(element);
  const dark = document.body.classList.contains("dark");
  const ink = Object.fromEntries(INKS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return {...ink, colours: COLOURS[dark ? "dark" : "light"]};
}

/** From the values of the time axis (seconds or steps) to pixels of a chart that is `wide`. */
export function across(from, to, wide) {
  const room = wide - LEFT - RIGHT, span = to - from || 1;
  return {from, to, wide, place: (x) => LEFT + ((x - from) / span) * room, value: (pixel) => from + ((pixel - LEFT) / room) * span};
}

/**
 * What a chart draws of each line, and its bounds. Only points within the axis and their neighbours are looked at.
 * `lines`: {rows, column, weight}; `chart`: {share, log, zoomed}.
 */
export function prepared(lines, axis, unit, chart) {
  const extremes = [];
  const traces = lines.map((line) => {
    const xs = line.rows[unit], {length} = line.rows, {values} = line.column;
    const averages = line.weight > 0 ? line.column.smoothed(line.weight, length) : values;
    const first = Math.max(0, firstFrom(xs, length, axis.from) - 1), past = Math.min(length, firstFrom(xs, length, axis.to) + 1);
    const raw = needed(xs, values, first, past, axis.place);
    for (const index of raw) extremes.push(values[index]);
    return {...line, xs, values, averages, raw, trend: line.weight > 0 ? needed(xs, averages, first, past, axis.place) : raw};
  });
  return {traces, scale: scaleFor(Float64Array.from(extremes), chart)};
}

function scaleFor(values, {share, log, zoomed}) {
  if (share) return scaleOf(0, 1);
  const [low, high] = boundsOf(values, {zero: !zoomed && !log, log});
  const sizes = log && low <= 0 ? values.filter((value) => value !== 0).map(Math.abs).sort() : [];
  return scaleOf(low, high, log, sizes.length ? 10 ** Math.floor(Math.log10(sizes[sizes.length >> 2])) : 0);
}

/** Paints lines and axes into the box {top, high} of `pen`, whose width is the axis'. */
export function paint(pen, box, {traces, scale}, {axis, unit, share, inks, times}) {
  const y = (value) => box.top + box.high * (1 - scale.to(value));
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.font = TICKS;
  paintValues(pen, box, scale, {axis, share, inks, y});
  paintTimes(pen, box, {axis, unit, inks, times});
  pen.save();
  pen.beginPath();
  pen.rect(LEFT - 1, box.top - 2, axis.wide - LEFT - RIGHT + 3, box.high + 4);
  pen.clip();
  for (const trace of traces) paintLine(pen, trace, axis, y);
  pen.restore();
}

function paintValues(pen, box, scale, {axis, share, inks, y}) {
  pen.textAlign = "right";
  for (const tick of scale.ticks(box.high > 110 ? 4 : 2)) {
    const at = Math.round(y(tick)) + 0.5;
    if (at < box.top - 1 || at > box.top + box.high + 1) continue;
    rule(pen, inks.line, LEFT, at, axis.wide - RIGHT, at);
    pen.fillStyle = inks["ink-soft"];
    pen.fillText(share ? `${Math.round(tick * 100)}%` : label(tick), LEFT - 7, Math.min(at, box.top + box.high - 2));
  }
}

function paintTimes(pen, box, {axis, unit, inks, times}) {
  const most = Math.max(2, Math.min(8, Math.floor((axis.wide - LEFT) / 70)));
  const bottom = box.top + box.high;
  for (const tick of unit === "seconds" ? timesOf(axis.from, axis.to, most) : stepsOf(axis.from, axis.to, most)) {
    const x = Math.round(axis.place(tick)) + 0.5;
    rule(pen, inks.line, x, bottom, x, bottom + 4);
    if (!times) continue;
    const words = unit === "seconds" ? (Number.isInteger(tick) ? clock(tick) : `${tick} s`) : number(tick);
    const half = pen.measureText(words).width / 2;
    pen.textAlign = "center";
    pen.fillStyle = inks["ink-soft"];
    pen.fillText(words, Math.min(Math.max(x, LEFT - 6 + half), axis.wide - half - 1), bottom + 14);
  }
}

function rule(pen, colour, x, y, toX, toY) {
  pen.strokeStyle = colour;
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(toX, toY);
  pen.stroke();
}

/** What was measured faintly, its average on top: the noise of single steps must not hide the learning. */
function paintLine(pen, {xs, values, averages, raw, trend, colour, dash, weight}, axis, y) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineJoin = "round";
  if (weight > 0) {
    pen.globalAlpha = 0.26;
    stroke(pen, xs, values, raw, axis, y);
    pen.globalAlpha = 1;
  }
  pen.lineWidth = 2;
  pen.setLineDash(DASHES[dash % DASHES.length]);
  stroke(pen, xs, averages, trend, axis, y);
  pen.setLineDash([]);
  pen.lineWidth = 1;
  if (raw.length === 1) dot(pen, axis.place(xs[raw[0]]), y(values[raw[0]]), 2.5);
}

function stroke(pen, xs, values, indices, axis, y) {
  pen.beginPath();
  for (const index of indices) pen.lineTo(axis.place(xs[index]), y(values[index]));
  pen.stroke();
}

export function dot(pen, x, y, size) {
  pen.beginPath();
  pen.arc(x, y, size, 0, 7);
  pen.fill();
}

/** Where the words of marks stand: two rows, and none where neither has room. Marks are {x, text}, from left to right. */
export function placed(pen, marks, wide) {
  pen.font = WORDS;
  const ends = [-Infinity, -Infinity];
  return marks.map((mark) => {
    const width = Math.min(pen.measureText(mark.text).width, 190);
    const left = Math.min(mark.x + 7, wide - width - 2);
    const row = ends.findIndex((end) => left > end + 10);
    if (row >= 0) ends[row] = left + width;
    return {...mark, left, row, width};
  });
}

export const MARK_ROW = 16;

/** Dashed lines through a chart at its marks. */
export function paintMarks(pen, box, xs, colour) {
  pen.setLineDash([3, 3]);
  for (const x of xs) rule(pen, colour, Math.round(x) + 0.5, box.top, Math.round(x) + 0.5, box.top + box.high);
  pen.setLineDash([]);
}

/** The words of marks above the first chart, each beside the arrow at its line. */
export function paintWords(pen, top, rows, marks, inks) {
  pen.font = WORDS;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillStyle = inks.amber;
  const bottom = top + rows * MARK_ROW;
  for (const {x, left, row, text, width} of marks) {
    pen.beginPath();
    pen.moveTo(x - 4, bottom);
    pen.lineTo(x + 4, bottom);
    pen.lineTo(x, bottom + 6);
    pen.fill();
    if (row >= 0) pen.fillText(fitted(pen, text, width), left, top + row * MARK_ROW + MARK_ROW / 2);
  }
}

function fitted(pen, text, width) {
  if (pen.measureText(text).width <= width + 0.5) return text;
  let length = text.length;
  while (length && pen.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length)}…`;
}
