// What is painted over a picture: strokes with hard or soft edges in one colour or several, steps back, and the PNG of
// it. Knows a canvas and nothing of the page around it.

import {el} from "./dom.js";

const UNDONE = 20; // steps back
const PLAIN = "#0f8f86"; // as it is shown; as a file it is white
export const REGIONS = ["#ff0000", "#00ff00", "#0000ff"]; // what is painted in these keeps its colour

/** A canvas for a mask. `changed` is told of each finished stroke; `regions`: whether colours mean something. */
export class Mask {
  constructor(changed, regions = false) {
    this.canvas = el("canvas.brush-canvas", {tabindex: 0, role: "application"});
    this.context = this.canvas.getContext("2d", {willReadFrequently: true});
    this.line = el("canvas"); // the stroke under way, where its edge is soft
    this.changed = changed;
    this.regions = regions;
    this.colour = regions ? REGIONS[0] : PLAIN;
    this.before = [];
    this.erasing = false;
    this.share = 0.08; // the brush's diameter, of the longer side
    this.soft = 0; // of that diameter, how much is edge
  }

  begin(width, height) {
    this.canvas.width = this.line.width = width;
    this.canvas.height = this.line.height = height;
    this.before = [];
  }

  get diameter() { return Math.max(2, this.share * Math.max(this.canvas.width, this.canvas.height)); }

  get pixels() { return this.context.getImageData(0, 0, this.canvas.width, this.canvas.height); }

  get empty() { return !this.pixels.data.some((value) => value); }

  remember() {
    this.before.push(this.pixels);
    if (this.before.length > UNDONE) this.before.shift();
  }

  undo() {
    const last = this.before.pop();
    if (last) this.context.putImageData(last, 0, 0);
    this.changed();
  }

  /** A stroke begins here: what was there before it can be had back. */
  lower(at) {
    this.remember();
    this.line.getContext("2d").clearRect(0, 0, this.line.width, this.line.height);
    this.stroke(at, at);
  }

  stroke(from, to) {
    if (this.soft) {
      this.#draw(this.line.getContext("2d"), from, to, this.diameter * (1 - this.soft / 2));
      this.due ??= requestAnimationFrame(() => this.#blurred());
      return;
    }
    this.context.globalCompositeOperation = this.erasing ? "destination-out" : "source-over";
    this.#draw(this.context, from, to, this.diameter);
    this.context.globalCompositeOperation = "source-over";
  }

  lift() {
    if (this.due) this.#blurred();
    this.changed();
  }

  #draw(context, from, to, width) {
    context.strokeStyle = this.colour;
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }

  /** The whole stroke anew, so that it is nowhere denser where it crosses itself. Its shadow is what is blurred: every
   * browser can do that, and the stroke itself falls outside. */
  #blurred() {
    cancelAnimationFrame(this.due);
    this.due = null;
    const {context, canvas, line} = this, aside = 2 * canvas.width;
    context.putImageData(this.before.at(-1), 0, 0);
    context.save();
    context.globalCompositeOperation = this.erasing ? "destination-out" : "source-over";
    context.shadowColor = this.colour;
    context.shadowBlur = (this.soft * this.diameter) / 2;
    context.shadowOffsetX = aside;
    context.drawImage(line, -aside, 0);
    context.restore();
  }

  fill(mode) {
    const {context, canvas} = this;
    this.remember();
    context.globalCompositeOperation = mode;
    context.fillStyle = this.colour;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
    this.changed();
  }

  clear() { this.fill("destination-out"); }

  invert() { this.fill("xor"); }

  /** On black: white where it is painted, or the regions' colours; empty where nothing is. */
  png() {
    if (this.empty) return "";
    const sheet = el("canvas", {width: this.canvas.width, height: this.canvas.height});
    const context = sheet.getContext("2d");
    const flood = (mode, colour) => {
      context.globalCompositeOperation = mode;
      context.fillStyle = colour;
      context.fillRect(0, 0, sheet.width, sheet.height);
    };
    context.drawImage(this.canvas, 0, 0);
    if (!this.regions) flood("source-in", "#fff");
    flood("destination-over", "#000");
    return sheet.toDataURL("image/png");
  }

  /** Takes such a picture back in; of an empty one nothing is painted. */
  async take(url) {
    const {context, canvas} = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.before = [];
    if (!url) return;
    const image = new Image();
    image.src = url;
    await image.decode();
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const pixels = this.pixels, {data} = pixels;
    for (let at = 0; at < data.length; at += 4) {
      const most = Math.max(data[at], data[at + 1], data[at + 2]);
      data[at + 3] = most;
      for (let part = 0; part < 3 && most; part++) data[at + part] *= 255 / most;
    }
    context.putImageData(pixels, 0, 0);
    if (this.regions) return;
    context.globalCompositeOperation = "source-in";
    context.fillStyle = PLAIN;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
  }
}
