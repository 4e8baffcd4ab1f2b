// The latent explorer: a map of pictures to drag across, the place under the hand large beside it, and from there a morph
// or the nearest training pictures. The map is one sheet, so that dragging asks nobody.

import {stageOf} from "./bench.js";
import {address, button, el, fill} from "./dom.js";
import {itemActions} from "./dialog.js";
import {number, t} from "./words.js";

const EDGE = 288; // px of the large picture
const LIVE = ["pending", "queued", "running", "paused"];
let post = null;

/** How the map asks for more: what it sets goes to the server as it is. */
export function ask(element, props, trigger) {
  element.hidden = true;
  post = (asked) => {
    props.value = asked;
    setTimeout(() => trigger("go"), 0); // once the value has been handed over
  };
}

export function stageExplore(element, props, trigger, watch) {
  let map = null;
  stageOf("explore", element, props, trigger, watch, (body, view) => {
    const item = view.items?.[0];
    const kind = view.asked?.view;
    if (kind === "plane" && item && map?.key !== view.job) map = new Plane(view, item);
    if (!map) return body.replaceChildren();
    if (body.firstChild !== map.box) body.replaceChildren(map.box);
    map.wait(LIVE.includes(view.state));
    if (item && kind !== "plane") map.found(view, item);
  });
}

class Plane {
  constructor(view, item) {
    this.key = view.job;
    this.asked = {...view.asked, seed: view.facts.seed};
    this.cells = view.asked.cells;
    this.size = view.facts.size;
    this.sheet = el("img.explore-sheet", {src: address(item.url), alt: "", draggable: false, onload: () => this.draw()});
    this.here = el("span.explore-here", {"aria-hidden": "true"});
    this.there = el("span.explore-here.explore-there", {"aria-hidden": "true", hidden: true});
    this.area = el("div.explore-area", {tabindex: 0, role: "application", "aria-label": t("explore.map")}, this.sheet, this.there, this.here);
    this.large = el("canvas.explore-large", {width: EDGE, height: EDGE, role: "img"});
    this.place = el("figcaption");
    this.near = button(t("explore.near"), {id: "explore-near", onclick: () => this.look("near")});
    this.morph = button(t("explore.morph"), {id: "explore-morph", "aria-pressed": "false", onclick: () => this.choose(!this.choosing)});
    this.hint = el("p.explore-hint", {role: "status"}, t("explore.drag"));
    this.result = el("div.explore-result", {"aria-live": "polite"});
    this.box = el("div.explore", {},
      el("figure.explore-figure", {}, this.large, this.place),
      el("div.explore-side", {}, this.area, this.hint, el("div.tools", {}, this.near, this.morph, itemActions(item))),
      this.result);
    this.at = [0, 0];
    this.listen();
    this.move([0, 0]);
  }

  listen() {
    const go = (event) => {
      const box = this.area.getBoundingClientRect();
      const far = this.cells / (this.cells - 1); // places run to the middles of the outer cells
      this.move([far * (2 * (event.clientX - box.left) / box.width - 1), far * (1 - 2 * (event.clientY - box.top) / box.height)]);
    };
    this.area.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.area.focus({preventScroll: true});
      this.area.setPointerCapture(event.pointerId);
      go(event);
    });
    this.area.addEventListener("pointermove", (event) => { if (this.area.hasPointerCapture(event.pointerId)) go(event); });
    this.area.addEventListener("pointerup", () => { if (this.choosing) this.look("morph"); });
    this.area.addEventListener("keydown", (event) => {
      const step = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
      if (event.key === "Enter" && this.choosing) return this.look("morph");
      if (!step) return;
      event.preventDefault();
      const far = 1 / (this.cells - 1);
      this.move([this.at[0] + step[0] * far, this.at[1] + step[1] * far]);
    });
  }

  /** Goes to the place nearest to (u, v) in the plane, which reaches from -1 to 1. */
  move([u, v]) {
    const inside = (value) => Math.max(-1, Math.min(1, value));
    this.at = [inside(u), inside(v)];
    this.draw();
  }

  draw() {
    const shown = (mark, [u, v]) => {
      mark.style.left = `${50 + 50 * u * (this.cells - 1) / this.cells}%`;
      mark.style.top = `${50 - 50 * v * (this.cells - 1) / this.cells}%`;
    };
    shown(this.here, this.at);
    if (this.from) shown(this.there, this.from);
    const words = t("explore.place", {u: number(this.at[0], 2), v: number(this.at[1], 2)});
    this.place.textContent = words;
    this.large.setAttribute("aria-label", words);
    if (this.sheet.complete && this.sheet.naturalWidth) this.paint();
  }

  /** The four pictures around the place, each as strong as it is near. */
  paint() {
    const pen = this.large.getContext("2d");
    pen.imageSmoothingEnabled = false;
    const x = (this.at[0] + 1) / 2 * (this.cells - 1), y = (1 - this.at[1]) / 2 * (this.cells - 1);
    const [left, top] = [Math.min(Math.floor(x), this.cells - 2), Math.min(Math.floor(y), this.cells - 2)];
    let weight = 0;
    for (const [dx, dy] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      const share = (dx ? x - left : 1 - x + left) * (dy ? y - top : 1 - y + top);
      if (!share) continue;
      weight += share;
      pen.globalAlpha = share / weight;
      pen.drawImage(this.sheet, (left + dx) * this.size, (top + dy) * this.size, this.size, this.size, 0, 0, EDGE, EDGE);
    }
    pen.globalAlpha = 1;
  }

  /** Whether the next place is where a morph goes. */
  choose(on) {
    this.choosing = on;
    this.from = on ? [...this.at] : null;
    this.there.hidden = !on;
    this.morph.setAttribute("aria-pressed", String(on));
    this.hint.textContent = t(on ? "explore.choose" : "explore.drag");
    this.draw();
    if (on) this.area.focus();
  }

  look(view) {
    const [u, v] = view === "morph" ? this.from : this.at;
    const [to_u, to_v] = this.at;
    if (view === "morph") this.choose(false);
    post?.({...this.asked, view, u, v, to_u, to_v});
    this.wait(true);
  }

  wait(on) {
    this.near.disabled = this.morph.disabled = on;
  }

  found(view, item) {
    fill(this.result, view.job, () => {
      const near = view.asked.view === "near";
      const words = near ? t(nearness(view.facts.ratio), {ratio: number(view.facts.ratio, 2)}) : t("explore.morphed");
      return [el("figure.explore-found", {class: near ? "explore-found" : "explore-found explore-morph"}, el("img", {src: address(item.url), alt: words}), el("figcaption", {}, words)), itemActions(item)];
    });
  }
}

/** What the distance to the nearest training picture means. */
const nearness = (ratio) => (ratio < 0.35 ? "explore.copy" : ratio < 0.8 ? "explore.close" : "explore.new");
