// Paint over a part of a picture, with mouse, pen, finger or keys. What is painted travels as a PNG in the widget's own
// value, so it is always the one that is seen when something is made.

import {button, el} from "./dom.js";
import {Mask, REGIONS} from "./mask.js";
import {t} from "./words.js";

const EDGE = 1024; // pixels of a mask's longer side

let photo = null, regions = false; // a brush that is folded comes into the page later than either
document.addEventListener("atelier-photo", ({detail}) => { photo = detail; });
document.addEventListener("atelier-regions", ({detail}) => { regions = detail; });

/** The ring that shows where the brush is and how large. */
function ringOf(mask) {
  const ring = el("span.brush-ring", {hidden: true, "aria-hidden": "true"});
  const show = (at) => {
    const frame = mask.canvas.getBoundingClientRect(), scale = frame.width / mask.canvas.width;
    ring.style.cssText = `width:${mask.diameter * scale}px;height:${mask.diameter * scale}px;left:${at.x * scale}px;top:${at.y * scale}px`;
    ring.hidden = false;
  };
  return {ring, show, hide: () => { ring.hidden = true; }};
}

/** Mouse, pen and finger on the canvas. */
function pointing(mask, {show, hide}) {
  const {canvas} = mask;
  let last = null;
  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    return {x: ((event.clientX - frame.left) / frame.width) * canvas.width, y: ((event.clientY - frame.top) / frame.height) * canvas.height};
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({preventScroll: true});
    last = place(event);
    mask.lower(last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") hide();
    else show(place(event));
    if (!last || !event.isPrimary) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const one of moves.length ? moves : [event]) {
      const next = place(one);
      mask.stroke(last, next);
      last = next;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
    if (!event.isPrimary) return;
    if (last) mask.lift();
    last = null;
  });
  canvas.addEventListener("pointerleave", hide);
}

/** Arrows move the brush, space lowers and lifts it; letters do what the buttons do. */
function typing(mask, {ring, show, hide}, acts) {
  const {canvas} = mask;
  const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  let at = null, down = false;
  const lift = () => {
    if (down) mask.lift();
    down = false;
    delete ring.dataset.down;
  };
  const move = ([x, y], far) => {
    const step = Math.max(2, mask.diameter * (far ? 1 : 0.25)), inside = (value, most) => Math.min(most, Math.max(0, value));
    const next = {x: inside(at.x + x * step, canvas.width), y: inside(at.y + y * step, canvas.height)};
    if (down) mask.stroke(at, next);
    at = next;
  };
  canvas.addEventListener("keydown", (event) => {
    const held = event.ctrlKey || event.metaKey;
    const act = held ? (event.key === "z" ? acts.undo : null) : {e: acts.erase, i: acts.invert, "[": () => acts.size(-1), "]": () => acts.size(1)}[event.key];
    if (!act && (held || !(event.key in arrows || event.key === " "))) return;
    event.preventDefault();
    event.stopPropagation();
    at ??= {x: canvas.width / 2, y: canvas.height / 2};
    if (act) act();
    else if (event.key in arrows) move(arrows[event.key], event.shiftKey);
    else if (down) lift();
    else {
      down = true;
      ring.dataset.down = "";
      mask.lower(at);
    }
    show(at);
  });
  canvas.addEventListener("blur", () => { lift(); hide(); });
}

/** A row of choices of which one is taken. */
function picks(label, kind, all, choose) {
  const buttons = all.map(({name, words, ...look}, index) => el(`button.${kind}`, {type: "button", role: "radio", "aria-checked": String(!index), "aria-label": name, title: name, onclick: () => take(index), ...look}, words));
  const take = (index) => {
    buttons.forEach((one, place) => one.setAttribute("aria-checked", String(place === index)));
    choose(index);
  };
  return {row: el(`div.${kind}s`, {role: "radiogroup", "aria-label": label}, buttons), take};
}

/** Brush or eraser, its size and edge, the regions' colours, and what is done to all of it at once. */
function tools(mask, id, larger) {
  const tool = picks(t("brush.tool"), "brush-pick", [{name: t("brush.paint"), words: t("brush.paint")}, {name: t("brush.erase"), words: t("brush.erase"), id: `${id}-erase`}], (index) => { mask.erasing = index === 1; });
  const slider = (name, low, high, value, set) => {
    const input = el("input", {type: "range", min: low, max: high, value, id: `${id}-${name}`, title: t(`brush.${name}.more`), oninput: () => set(input.value / 100)});
    return {input, label: el("label.brush-size", {}, el("span", {}, t(`brush.${name}`)), input)};
  };
  const size = slider("size", 1, 40, 100 * mask.share, (value) => { mask.share = value; });
  const soft = slider("soft", 0, 100, 0, (value) => { mask.soft = value; });
  const small = (name, act, glyph) => button(t(`brush.${name}`), {class: "btn btn-quiet btn-small", id: `${id}-${name}`, onclick: act}, glyph);
  const colours = picks(t("brush.colors"), "brush-colour", REGIONS.map((colour, index) => ({name: t("brush.color", {number: index + 1}), style: `--color:${colour}`})), (index) => {
    mask.colour = REGIONS[index];
    tool.take(0);
  });
  const acts = {
    undo: () => mask.undo(), invert: () => mask.invert(), erase: () => tool.take(mask.erasing ? 0 : 1),
    size: (steps) => { size.input.value = Number(size.input.value) + 2 * steps; mask.share = size.input.value / 100; },
  };
  const all = el("div.brush-tools", {}, el("div.brush-row", {}, tool.row, colours.row), el("div.brush-row", {}, size.label, soft.label),
    el("div.brush-row", {}, small("undo", acts.undo, "reset"), small("invert", acts.invert), small("clear", () => mask.clear()), small("larger", larger)));
  return {all, acts, colours: colours.row};
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
  const box = element.querySelector(".widget"), home = el("div.brush-home");
  const picture = el("img", {alt: "", draggable: "false"});
  const hint = el("p.brush-hint", {}, t(fixed.hint ?? "brush.hint"));
  let shown = "", painted = "";
  const mask = new Mask(() => {
    painted = mask.png();
    hint.hidden = Boolean(painted);
    props.value = {...props.value, mask: painted};
    if (fixed.tells) trigger("select");
  }, fixed.regions);
  mask.canvas.setAttribute("aria-label", `${t("brush.label")}. ${t("brush.keys")}`);
  const ring = ringOf(mask), used = tools(mask, fixed.id, () => { if (board.parentElement === home) enlarge(board, home); });
  const board = el("div.brush-board", {}, el("div.brush-stack", {}, picture, mask.canvas, ring.ring), used.all, hint, el("p.brush-keys", {}, t("brush.keys")));
  home.append(board);
  pointing(mask, ring);
  typing(mask, ring, used.acts);
  const show = async () => {
    const value = props.value ?? {}, wanted = value.mask ?? "";
    box.hidden = !value.url;
    if (!value.url) { shown = ""; return; }
    const fresh = shown !== value.url;
    if (fresh) {
      shown = picture.src = value.url;
      board.style.setProperty("--ratio", value.width / value.height);
      const scale = Math.min(1, EDGE / Math.max(value.width, value.height));
      mask.begin(Math.max(1, Math.round(value.width * scale)), Math.max(1, Math.round(value.height * scale)));
    }
    if (fresh || wanted !== painted) await mask.take(wanted);
    painted = wanted;
    hint.hidden = Boolean(painted);
  };
  const follow = () => { // the picture another widget shows; one that moves has no part to paint over
    const still = photo?.moving ? null : photo;
    if ((props.value?.digest ?? "") !== (still?.digest ?? "")) props.value = still ? {url: still.url, width: still.width, height: still.height, digest: still.digest} : null;
    show();
  };
  const colour = () => { used.colours.hidden = !(fixed.regions && regions); };
  const head = fixed.heading ? [el("div.choices-head", {}, el("span", {}, t(fixed.heading)), el("p", {}, t(`${fixed.heading}.more`)))] : [];
  box.replaceChildren(...head, home);
  if (fixed.follows) document.addEventListener("atelier-photo", follow);
  document.addEventListener("atelier-regions", colour);
  watch("value", show);
  colour();
  if (fixed.follows && photo) follow();
  else show();
}
