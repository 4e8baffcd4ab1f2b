// Steering a training: its settings while it runs, single steps of one side, and its snapshots to go back to or to
// branch from. Knows what is asked of the courier; where things stand comes with each view of the stage.

import {send} from "./bench.js";
import {address, button, el, fill} from "./dom.js";
import {clock, number, t} from "./words.js";

const LIVE = new Set(["running", "paused"]);
const OVER = new Set(["done", "failed", "cancelled", "interrupted"]);
const PATIENCE = 1500; // ms in which what was typed stands although the training has not said it yet
const PAUSE = 3000; // ms between two questions for snapshots

let panel = null;
let latest = null;

/** Called with every view of the stage; `look(step)` shows the samples drawn nearest to a step. */
export function steered(view, look) {
  latest = {view, look};
  panel?.show(view, look);
}

export function steering(element, props, trigger, watch, fixed) {
  panel = new Panel(element.querySelector(".widget"), fixed.settings);
  if (latest) panel.show(latest.view, latest.look);
}

const short = (value) => (typeof value === "number" ? String(+value.toPrecision(3)) : value);

class Panel {
  constructor(root, settings) {
    this.settings = settings;
    this.rows = new Map();
    this.head = el("h3.steer-title");
    this.about = el("p.steer-about");
    this.dials = el("div.steer-dials");
    this.lone = el("div.steer-row", {role: "group"},
      ...["g", "d"].map((side) => button(t(`steer.only.${side}`), {class: "btn", data: {only: side}, title: t("steer.only"), onclick: () => this.ask({only: side})})));
    this.snapshots = new Snapshots((action, step) => this.go(action, step));
    this.fold = el("details.steer-fold", {}, el("summary", {}, t("steer.others")), this.dials);
    this.box = el("section.steer", {hidden: true, "aria-label": t("steer.title")}, this.head, this.about, this.fold, this.lone, this.snapshots.box);
    root.replaceChildren(this.box);
  }

  show(view, look) {
    const steer = view.kind === "training" && view.steer?.values ? view.steer : null;
    const live = LIVE.has(view.state);
    this.box.hidden = !steer || !(live || OVER.has(view.state));
    if (this.box.hidden) return;
    if (this.job !== view.job) this.wanted = {}; // what a branch is to have, collected once the training is over
    if (this.live !== live) this.fold.open = live;
    [this.job, this.steer, this.live] = [view.job, steer, live];
    this.head.textContent = t(live ? "steer.title" : "steer.over");
    this.about.textContent = t(live ? "steer.about" : "steer.over.more");
    this.fold.classList.toggle("steer-live", live);
    this.lone.hidden = !live || !steer.both;
    const names = Object.keys(this.settings).filter((name) => name in steer.values);
    fill(this.dials, `${view.job}${names}`, () => { this.rows.clear(); return names.map((name) => this.dial(name)); });
    for (const name of names) this.settle(name);
    this.snapshots.show(view, look);
  }

  dial(name) {
    const {switch: turns, choices} = this.settings[name], id = `steer-${name.replaceAll("_", "-")}`;
    const parts = turns ? this.toggle(name, id) : choices ? this.choice(name, id, choices) : this.number(name, id);
    return el("div.steer-dial", {title: t(`help.training.${name}`)}, el("label", {for: id}, t(`field.${name}`)), el("div.steer-value", {}, parts));
  }

  toggle(name, id) {
    const box = el("input", {id, type: "checkbox", role: "switch", onchange: () => this.give(name, box.checked)});
    this.rows.set(name, {box, at: 0, put: (value) => { box.checked = value; }});
    return box;
  }

  choice(name, id, choices) {
    const box = el("select", {id, onchange: () => this.give(name, box.value)}, choices.map((one) => el("option", {value: one}, t(`name.${name}.${one}`))));
    this.rows.set(name, {box, at: 0, put: (value) => { box.value = value; }});
    return box;
  }

  number(name, id) {
    const {step, scaled} = this.settings[name];
    const box = el("input", {id, type: "number", step: "any", inputmode: "decimal", onchange: () => this.set(name, box.value)});
    const by = (words, turn, key) => button(words, {class: "btn steer-turn", "aria-label": `${t(`field.${name}`)} ${t(`steer.${key}`)}`, onclick: () => this.set(name, short(turn(+box.value)))});
    const turns = scaled ? [by("÷2", (value) => value / 2, "half"), by("×2", (value) => value * 2, "double")] : [by("−", (value) => value - step, "less"), by("+", (value) => value + step, "more")];
    this.rows.set(name, {box, at: 0, typed: true, put: (value) => { box.value = short(value); }});
    return [turns[0], box, turns[1]];
  }

  /** What was typed as a number; nothing typed is nothing asked. Nothing else is checked: the answer is a sentence. */
  set(name, typed) {
    if (String(typed).trim() === "") return this.settle(name);
    this.rows.get(name).put(+typed);
    this.give(name, +typed);
  }

  /** Sends a new value at once, or keeps it for a branch. */
  give(name, value) {
    this.rows.get(name).at = performance.now();
    if (this.live) this.ask({[name]: value});
    else this.wanted[name] = value;
    setTimeout(() => this.settle(name), PATIENCE + 50);
  }

  /** The box says what the training says, unless somebody is typing or it has not had time to hear. */
  settle(name) {
    const {box, at, typed, put} = this.rows.get(name), stands = this.live ? this.steer.values[name] : this.wanted[name] ?? this.steer.values[name];
    if ((typed && document.activeElement === box) || performance.now() - at < PATIENCE) return;
    put(stands);
  }

  ask(changes) {
    send({action: "steer", job: this.job, changes});
  }

  go(action, one) {
    latest.look(Infinity);
    if (action === "rewind") return this.ask({rewind: one.step});
    const {seconds, steps} = this.steer.budget, more = this.snapshots.more;
    const longer = this.live ? {} : {seconds: seconds ? Math.round(one.seconds + more) : 0, steps: seconds ? 0 : one.step + steps};
    send({action: "branch", job: this.job, step: one.step, changes: {...this.wanted, ...longer}});
  }
}

/** The states there are to go back to, one of them chosen. */
class Snapshots {
  constructor(go) {
    this.kept = [];
    this.slider = el("input", {type: "range", min: 0, max: 0, value: 0, id: "steer-snapshot", "aria-label": t("steer.snapshots"), oninput: () => { this.chosen = this.kept[+this.slider.value]; this.say(); this.look(this.chosen.step); }});
    this.words = el("output.steer-at");
    this.seconds = el("input", {type: "number", min: 1, step: 10, value: 60, id: "steer-more"});
    this.longer = el("div.steer-longer", {}, el("label", {for: "steer-more"}, t("steer.longer")), this.seconds);
    this.rewind = button(t("steer.rewind"), {id: "steer-rewind", title: t("steer.rewind.more"), onclick: () => go("rewind", this.chosen)}, "reset");
    this.branch = button(t("steer.branch"), {id: "steer-branch", title: t("steer.branch.more"), onclick: () => go("branch", this.chosen)}, "split");
    this.on = button(t("steer.continue"), {id: "steer-continue", class: "btn btn-primary", onclick: () => go("branch", this.kept.at(-1))}, "play");
    this.box = el("div.steer-snapshots", {hidden: true}, el("div.steer-head", {}, el("h4", {}, t("steer.snapshots")), this.words), this.slider, this.longer, el("div.steer-row", {}, this.on, this.rewind, this.branch));
  }

  get more() {
    return Math.max(1, +this.seconds.value || 60);
  }

  show(view, look) {
    const live = LIVE.has(view.state);
    this.look = look;
    this.rewind.hidden = !live;
    this.on.hidden = live;
    this.longer.hidden = live || !view.steer.budget.seconds;
    if (this.job !== view.job) {
      Object.assign(this, {job: view.job, kept: [], chosen: null, asked: 0, seen: ""});
      this.seconds.value = Math.round(view.steer.budget.seconds) || 60;
    }
    const seen = `${view.state} ${view.curves}`;
    if (seen === this.seen || (view.state === "running" && performance.now() - this.asked < PAUSE)) return;
    Object.assign(this, {seen, asked: performance.now()});
    this.fetch(view.job);
  }

  async fetch(job) {
    let kept;
    try {
      const answer = await fetch(address(`/jobs/${job}/snapshots`));
      if (!answer.ok) return;
      kept = await answer.json();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return; // the network failed, which the status strip says
    }
    if (job !== this.job) return;
    const last = !this.chosen || this.chosen.step === this.kept.at(-1)?.step;
    this.kept = kept;
    this.box.hidden = !kept.length;
    if (!kept.length) return;
    this.chosen = (!last && kept.find((one) => one.step === this.chosen.step)) || kept.at(-1);
    this.slider.max = String(kept.length - 1);
    this.slider.value = String(kept.indexOf(this.chosen));
    this.say();
  }

  say() {
    const words = t("steer.at", {step: number(this.chosen.step), time: clock(this.chosen.seconds)});
    this.words.textContent = words;
    this.slider.setAttribute("aria-valuetext", words);
  }
}
