// The charts as they are seen, as a picture: twice as fine as the page, with the names of runs and lines above them.

import {AXIS, DASHES, LEFT, MARK_ROW, RIGHT, paint, paintMarks, paintWords, placed} from "./plot.js";

const FINE = 2;
const PAD = 16, HEAD = 20, GAP = 10;
const WORDS = '13px "Source Sans Pro", "Noto Sans CJK SC", system-ui, sans-serif';

/** A PNG of `curves` (see curves.js), as a blob. */
export async function pictureOf(curves) {
  const {inks, axis} = curves;
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const parts = [...runsOf(curves, pen), ...marksOf(curves, pen), ...chartsOf(curves, pen)];
  const high = parts.reduce((sum, part) => sum + part.high, 0) + 2 * PAD;
  canvas.width = (axis.wide + 2 * PAD) * FINE;
  canvas.height = high * FINE;
  pen.scale(FINE, FINE);
  pen.fillStyle = inks.bg;
  pen.fillRect(0, 0, axis.wide + 2 * PAD, high);
  pen.translate(PAD, PAD);
  for (const part of parts) {
    part.draw();
    pen.translate(0, part.high);
  }
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function runsOf(curves, pen) {
  if (curves.runs.length < 2) return [];
  const entries = curves.runs.map((run, order) => ({words: run.name, colour: curves.colourOf(curves.inks, order, 0), dash: 0, off: curves.isOff(run.key)}));
  return [legendOf(pen, entries.filter((one) => !one.off), curves, 0)];
}

function marksOf(curves, pen) {
  if (curves.lane.hidden) return [];
  const set = placed(pen, curves.marks(), curves.axis.wide);
  const rows = 1 + Math.max(0, ...set.map((mark) => mark.row));
  return [{high: rows * MARK_ROW + 8, draw: () => paintWords(pen, 0, rows, set, curves.inks)}];
}

function chartsOf(curves, pen) {
  return curves.live.flatMap((chart, index, all) => {
    const last = index === all.length - 1, many = curves.runs.length > 1;
    const lines = chart.series.filter((one) => !curves.isOff(one.key)).map((one) => ({words: one.title, dash: one.index, colour: many ? curves.inks["ink-soft"] : curves.colourOf(curves.inks, 0, one.index)}));
    const draw = () => {
      paintMarks(pen, chart.box, curves.marks().map((mark) => mark.x), curves.inks.amber);
      paint(pen, chart.box, chart.drawn, {axis: curves.axis, unit: curves.unit, share: chart.share, inks: curves.inks, times: last});
    };
    return [legendOf(pen, [{words: chart.title, bold: true}, ...lines], curves, LEFT), {high: chart.box.high + (last ? AXIS : 0) + GAP, draw}];
  });
}

/** Names in rows, each with a piece of its line. */
function legendOf(pen, entries, {axis, inks}, left) {
  let x = left, row = 0;
  const set = entries.map((entry) => {
    pen.font = entry.bold ? `bold ${WORDS}` : WORDS;
    const wide = pen.measureText(entry.words).width + (entry.bold ? 0 : 30);
    if (x + wide > axis.wide - RIGHT && x > left) [x, row] = [left, row + 1];
    const place = {...entry, x, y: row * HEAD + HEAD / 2};
    x += wide + 18;
    return place;
  });
  const draw = () => set.forEach((entry) => name(pen, entry, inks));
  return {high: (row + 1) * HEAD + 4, draw};
}

function name(pen, {words, colour, dash, bold, x, y}, inks) {
  pen.font = bold ? `bold ${WORDS}` : WORDS;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillStyle = bold ? inks.ink : inks["ink-soft"];
  pen.fillText(words, bold ? x : x + 30, y);
  if (bold) return;
  pen.strokeStyle = colour;
  pen.lineWidth = 2.5;
  pen.setLineDash(DASHES[dash % DASHES.length]);
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x + 22, y);
  pen.stroke();
  pen.setLineDash([]);
  pen.lineWidth = 1;
}
