// The samples of trainings that are compared, beside those of the one that is shown: as far as each had come in the same
// time. Knows the studio's addresses for samples; which trainings are compared is told by run.js.

import {address, el} from "./dom.js";

/** What the last samples before `seconds` are; the first ones where there are none. */
const upTo = (samples, seconds) => samples.findLast((one) => one.seconds <= seconds + 0.05) ?? samples[0];

export class Companions {
  constructor(frames) {
    this.frames = frames;
    this.all = new globalThis.Map();
  }

  /** `runs`: those compared now. Those that are new are fetched, and those that still learn again. */
  async show(runs, fresh) {
    const keys = new Set(runs.map((run) => run.key));
    for (const [key, one] of this.all) if (!keys.has(key)) { one.figure.remove(); this.all.delete(key); }
    await Promise.all(runs.map((run) => this.fetch(run, fresh)));
    this.frames.dataset.count = String(1 + this.all.size);
  }

  async fetch(run, fresh) {
    let one = this.all.get(run.key);
    if (!one) {
      const image = el("img.samples-image", {alt: ""}), name = el("figcaption");
      one = {image, name, samples: [], figure: el("figure.samples-frame-of", {data: {run: run.key}}, el("div.samples-frame", {}, image), name)};
      this.all.set(run.key, one);
      this.frames.append(one.figure);
    } else if (!fresh) return;
    one.name.textContent = run.label ?? run.title ?? "";
    const answer = await fetch(address(`/jobs/${run.key}/samples`)).catch(() => null);
    if (answer?.ok) one.samples = await answer.json();
    this.draw(one);
  }

  /** Shows what each had drawn after as many seconds. */
  at(seconds) {
    this.seconds = seconds;
    for (const one of this.all.values()) this.draw(one);
  }

  draw(one) {
    const sample = upTo(one.samples, this.seconds ?? 0);
    one.figure.hidden = !sample;
    if (sample && one.image.getAttribute("src") !== address(sample.url)) one.image.src = address(sample.url);
    if (sample) one.image.alt = `${one.name.textContent}, ${sample.step}`;
  }
}
