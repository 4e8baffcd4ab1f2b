// Paint over a part of a picture, with mouse, pen or finger. What is painted travels as a black and white PNG in the
// widget's own value, so it is always the one that is seen when something is made.

import {button, el, icon} from "./dom.js";
import {t} from "./words.js";

const UNDONE = 20; // steps back
const COLOUR = "#0f8f86";

/** A canvas over a picture. `changed` is told of each finished stroke. */
class Mask {
  constructor(changed) {
    this.canvas = el("canvas.brush-canvas", {tabindex: 0, role: "img"});
    this.context = this.canvas.getContext("2d", {willReadFrequently: true});
    this.changed = changed;
    this.before = [];
    this.erasing = false;
    this.share = 0.08; // the brush's diameter, of the longer side
  }

  begin(width, height) {
    this.canvas.width = width;
    this.canvas.height = height;
    this.before = [];
  }

  get diameter() { return Math.max(2, this.share * Math.max(this.canvas.width, this.canvas.height)); }

  get empty() { return !this.context.getImageData(0, 0, this.canvas.width, this.canvas.height).data.some((value) => value); }

  remember() {
    this.before.push(this.context.getImageData(0, 0, this.canvas.width, this.canvas.height));
    if (this.before.length > UNDONE) this.before.shift();
  }

  undo() {
    const last = this.before.pop();
    if (last) this.context.putImageData(last, 0, 0);
    this.changed();
  }

  stroke(from, to) {
    const {context} = this;
    context.globalCompositeOperation = this.erasing ? "destination-out" : "source-over";
    context.strokeStyle = COLOUR;
    context.lineWidth = this.diameter;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }

  fill(mode) {
    const {context, canvas} = this;
    this.remember();
    context.globalCompositeOperation = mode;
    context.fillStyle = COLOUR;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
    this.changed();
  }

  clear() { this.fill("destination-out"); }

  invert() { this.fill("xor"); }

  /** White where it is painted, black elsewhere; empty where nothing is. */
  png() {
    if (this.empty) return "";
    const sheet = el("canvas", {width: this.canvas.width, height: this.canvas.height});
    const context = sheet.getContext("2d");
    context.drawImage(this.canvas, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, sheet.width, sheet.height);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, sheet.width, sheet.height);
    return sheet.toDataURL("image/png");
  }

  /** Takes a black and white picture back in. */
  async take(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const {context, canvas} = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < pixels.data.length; at += 4) pixels.data[at + 3] = pixels.data[at];
    context.putImageData(pixels, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = COLOUR;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
  }
}

/** Mouse, pen and finger on the canvas, and the ring that shows how large the brush is. */
function painting(mask, ring) {
  const {canvas} = mask;
  let last = null;
  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    return {x: ((event.clientX - frame.left) / frame.width) * canvas.width, y: ((event.clientY - frame.top) / frame.height) * canvas.height};
  };
  const show = (event) => {
    const frame = canvas.getBoundingClientRect();
    const size = (mask.diameter / canvas.width) * frame.width;
    ring.style.cssText = `width:${size}px;height:${size}px;left:${event.clientX - frame.left}px;top:${event.clientY - frame.top}px`;
    ring.hidden = event.pointerType === "touch";
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({preventScroll: true});
    mask.remember();
    last = place(event);
    mask.stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    show(event);
    if (!last) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const next = place(one);
      mask.stroke(last, next);
      last = next;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
    if (last) mask.changed();
    last = null;
  });
  canvas.addEventListener("pointerleave", () => { ring.hidden = true; });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); mask.undo(); }
  });
}

/** Brush or eraser, its size, and what is done to all of it at once. */
function tools(mask, id, larger) {
  const pick = (erasing, words) => el("button.brush-pick", {type: "button", role: "radio", "aria-checked": String(!erasing), onclick: (event) => {
    mask.erasing = erasing;
    for (const one of event.currentTarget.parentElement.children) one.setAttribute("aria-checked", String(one === event.currentTarget));
  }}, words);
  const size = el("input", {type: "range", min: 1, max: 40, value: 100 * mask.share, id: `${id}-size`, oninput: () => { mask.share = size.value / 100; }});
  const small = (words, name, act, glyph) => button(words, {class: "btn btn-quiet btn-small", id: `${id}-${name}`, onclick: act}, glyph);
  return el("div.brush-tools", {},
    el("div.brush-row", {}, el("div.brush-picks", {role: "radiogroup", "aria-label": t("brush.tool")}, pick(false, t("brush.paint")), pick(true, t("brush.erase"))),
      el("label.brush-size", {}, el("span", {}, t("brush.size")), size)),
    el("div.brush-row", {}, small(t("brush.undo"), "undo", () => mask.undo(), "reset"), small(t("brush.invert"), "invert", () => mask.invert()),
      small(t("brush.clear"), "clear", () => mask.clear()), small(t("brush.larger"), "larger", larger)));
}

/** Opens `board` in a window of its own, and puts it back where it was when that is closed. */
function enlarge(board, home) {
  const box = el("dialog.dialog.brush-dialog", {"aria-label": t("brush.label")}, el("div.dialog-head", {}, el("h2", {}, t("brush.label")),
    button(t("brush.done"), {class: "btn btn-primary", onclick: () => box.close()})), board);
  box.addEventListener("close", () => { home.append(board); box.remove(); });
  document.getElementById("pages").parentElement.append(box);
  box.showModal();
}

export function brush(element, props, trigger, watch, fixed) {
  const box = element.querySelector(".widget");
  const picture = el("img", {alt: "", draggable: "false"});
  const ring = el("span.brush-ring", {hidden: true, "aria-hidden": "true"});
  const hint = el("p.brush-hint", {}, t(fixed.hint ?? "brush.hint"));
  const mask = new Mask(() => {
    const png = mask.png();
    hint.hidden = Boolean(png);
    props.value = {...props.value, mask: png};
    if (fixed.tells) trigger("select");
  });
  const home = el("div.brush-home");
  const board = el("div.brush-board", {}, el("div.brush-stack", {}, picture, mask.canvas, ring), tools(mask, fixed.id, () => { if (board.parentElement === home) enlarge(board, home); }), hint);
  home.append(board);
  painting(mask, ring);
  let shown = "", given = "";
  const show = async () => {
    const value = props.value ?? {};
    box.hidden = !value.url;
    if (!value.url) { shown = ""; return; }
    const fresh = shown !== value.url;
    if (fresh) {
      shown = value.url;
      picture.src = value.url;
      mask.canvas.setAttribute("aria-label", t("brush.label"));
      board.style.setProperty("--ratio", value.width / value.height);
      const scale = Math.min(1, 1024 / Math.max(value.width, value.height));
      mask.begin(Math.max(1, Math.round(value.width * scale)), Math.max(1, Math.round(value.height * scale)));
    }
    if (value.mask && (fresh || value.given !== given)) await mask.take(value.mask);
    given = value.given;
    hint.hidden = Boolean(value.mask);
  };
  box.replaceChildren(home);
  watch("value", show);
  show();
}
