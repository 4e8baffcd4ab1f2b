// The showpiece: the sample grid large, numbers beside it, the curves beneath; the past can be scrubbed.

import {example, goesOn, invitation, stageOf} from "./bench.js";
import {address, button, el, fill, icon} from "./dom.js";
import {Findings} from "./diagnosis.js";
import {itemActions} from "./dialog.js";
import {Companions} from "./companions.js";
import {captionsOf, ownStart} from "./own.js";
import {RunCurves} from "./run.js";
import {steered} from "./steering.js";
import {isLive, labelOf, Sweep} from "./sweep.js";
import {clock, number, t, titled} from "./words.js";

const NUMBERS = ["step", "rate", "elapsed", "left"];

const FRAME = 120; // ms

/** Plays the samples from first to last, and hands the film out as a file. */
class Player {
  constructor(scrub, job) {
    this.scrub = scrub;
    this.button = button("", {id: "training-play", class: "btn btn-small", onclick: () => (this.timer ? this.stop() : this.play())});
    this.say();
    const link = (kind) => el("a.btn.btn-small", {href: address(`/jobs/${job}/film.${kind}`), download: "", data: {film: kind}, title: t("training.film", {kind: kind.toUpperCase()})}, kind.toUpperCase());
    this.row = el("div.samples-film", {role: "group", "aria-label": t("training.film.group")}, this.button, link("mp4"), link("gif"));
  }

  say() {
    this.button.replaceChildren(icon(this.timer ? "pause" : "play"), el("span", {}, t(this.timer ? "training.film.stop" : "training.film.play")));
  }

  play() {
    if (+this.scrub.value >= +this.scrub.max) this.to(0);
    this.timer = setInterval(() => this.next(), FRAME);
    this.say();
  }

  next() {
    if (!this.scrub.isConnected || +this.scrub.value >= +this.scrub.max) this.stop();
    else this.to(+this.scrub.value + 1);
  }

  to(place) {
    this.scrub.value = String(place);
    this.scrub.dispatchEvent(new Event("input"));
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.say();
  }
}

class Board {
  /** `over()` is told when the last of a sweep has ended. */
  constructor(body, job, over) {
    Object.assign(this, {job, over, going: false});
    this.name = el("figcaption", {}, t("chart.this"));
    this.image = el("img.samples-image", {alt: ""});
    this.wait = el("p.samples-wait", {}, t("training.waiting"));
    this.caption = el("figcaption");
    this.frames = el("div.samples-frames", {data: {count: "1"}},
      el("figure.samples-frame-of", {}, el("div.samples-frame", {}, this.image, this.wait), this.name));
    this.companions = new Companions(this.frames);
    this.said = el("div.samples-said");
    this.scrub = el("input.samples-scrub", {type: "range", min: 0, max: 0, value: 0, "aria-label": t("training.scrub"), oninput: () => { this.held = +this.scrub.value < +this.scrub.max; this.sample(); }});
    this.numbers = Object.fromEntries(NUMBERS.map((name) => [name, el("dd", {id: `training-${name}`}, "–")]));
    this.player = new Player(this.scrub, job);
    this.findings = new Findings(job);
    this.download = el("div.board-download");
    this.sweep = new Sweep(job, (rows) => this.swept(rows), (other) => this.curves.colourOf(other));
    this.held = false;
    const numbers = el("dl.numbers", {}, NUMBERS.map((name) => el("div", {}, el("dt", {}, t(`training.${name}`)), this.numbers[name])));
    body.replaceChildren(
      el("div.board", {},
        el("figure.samples", {id: "training-samples"}, this.frames, this.said, this.scrub, el("div.samples-foot", {}, this.caption, this.player.row)),
        numbers, this.findings.box, this.sweep.box, el("div.curves-holder", {id: "training-curves"}), this.download));
    this.curves = new RunCurves(body.querySelector(".curves-holder"), job, (runs, fresh) => this.companions.show(runs, fresh));
    this.news = null;
  }

  /** The runs of the sweep as they stand: laid over each other, and Stop is there as long as one goes on. */
  swept(rows) {
    this.curves.sweep(rows.map((row) => ({job: row.job, label: labelOf(row), begun: row.step > 0, ink: row.number})));
    this.name.textContent = labelOf(rows.find((row) => row.job === this.job) ?? rows[0]);
    const going = rows.some((row) => isLive(row.state));
    goesOn("training", going);
    if (this.going && !going) this.over();
    this.going = going;
  }

  show(view) {
    this.sweep.show(view.sweep);
    if (!view.sweep) goesOn("training", false);
    this.samples = view.samples;
    this.words = view.caption;
    this.scrub.max = String(Math.max(0, view.samples.length - 1));
    if (!this.held) this.scrub.value = this.scrub.max;
    this.scrub.hidden = this.player.row.hidden = view.samples.length < 2;
    this.sample();
    this.tell(view);
    this.findings.show(view.findings, ["running", "paused"].includes(view.state));
    const budget = view.state === "done" ? 0 : view.budget; // once it is over, the curves fill the chart
    if (view.curves !== this.news) this.curves.news(budget);
    else if (budget !== this.budget) this.curves.settle(budget);
    [this.news, this.budget] = [view.curves, budget];
  }

  /** The samples drawn last before `step`. */
  lookAt(step) {
    const after = this.samples.findIndex((one) => one.step > step);
    this.player.to(after < 0 ? this.samples.length - 1 : Math.max(0, after - 1));
  }

  sample() {
    const one = this.samples[+this.scrub.value];
    this.image.hidden = !one;
    this.wait.hidden = Boolean(one);
    if (!one) return;
    if (this.image.getAttribute("src") !== address(one.url)) this.image.src = address(one.url);
    this.companions.at(one.seconds);
    const words = t(this.words, {step: number(one.step)});
    this.image.alt = words;
    this.caption.textContent = words;
    const captions = one.captions ?? [];
    this.image.className = captions.length ? "samples-image samples-own checker" : "samples-image";
    fill(this.said, captions.join("\n"), () => (captions.length ? captionsOf(captions) : []));
  }

  tell(view) {
    const live = ["running", "paused", "queued"].includes(view.state);
    this.numbers.step.textContent = view.steps ? `${number(view.step)} / ${number(view.steps)}` : number(view.step);
    this.numbers.rate.textContent = view.rate ? number(view.rate, 1) : "–";
    this.numbers.elapsed.textContent = view.budget ? `${clock(view.seconds)} / ${clock(view.budget)}` : clock(view.seconds);
    this.numbers.left.textContent = live ? (view.left === null ? "–" : clock(view.left)) : t(`state.${view.state}`);
    const made = view.items.find((item) => item.name.endsWith(".safetensors"));
    fill(this.download, made?.id ?? "none", () => (made ? itemActions(made, t(made.kind === "training" ? "training.download" : "item.download")) : []));
  }
}

function empty(sets) {
  const examples = sets.map((set, index) => example("training", index,
    el("img", {src: address(set.url), alt: ""}), el("span.example-title", {}, titled(set.title)), el("span.example-kind", {}, titled(set.about))));
  return invitation("training", {title: t("training.empty"), more: t("training.empty.more"), examples});
}

export function stageTraining(element, props, trigger, watch, fixed) {
  let board = null;
  let job = null;
  let own = null; // the last preview of the person's own pictures
  stageOf("training", element, props, trigger, watch, (body, view) => {
    steered(view, (step) => board?.lookAt(step));
    if (!view.samples) {
      board = null;
      goesOn("training", false);
      own = view.own ?? own;
      fill(body, `empty${own?.digest ?? ""}`, () => [el("div.start-sets", {}, empty(fixed.examples)), ownStart(own)]);
      return;
    }
    if (!board || job !== view.job) {
      const before = board?.sweep.name === view.sweep ? board.sweep.rows : null;
      body.style.minHeight = before ? `${body.offsetHeight}px` : ""; // another run of the sweep: nothing jumps
      body.dataset.key = view.job;
      board = new Board(body, view.job, () => trigger("mounted")); // what came of all of them is listed
      job = view.job;
      if (before) board.sweep.draw(before);
      for (const other of [view.steer?.parent, view.beside]) if (other) board.curves.overlay(other, true);
    }
    board.show(view);
  });
}
