// A job that the page looks at as it is now, again and again: a training, which changes all the time.
// Knows the address it is asked at; what is drawn of it is for the stage.

import {address} from "./dom.js";

const FIRST = 100; // ms
const EVERY = 800; // ms: more often shows no more, and the page may be drawn by the cores that train
const UNSEEN = 20000; // ms, while nobody sees the page: only so that a job that ends with it knows that it is there
const PATIENCE = 3000; // ms, where the studio does not answer

export class Live {
  constructor(draw) {
    this.draw = draw;
    this.job = null;
    document.addEventListener("visibilitychange", () => { if (this.job && !document.hidden) this.soon(0); });
  }

  /** From now on looks at the job of `view` as long as that is live, and at no other. */
  follow(view) {
    this.job = view.live ? view.job : null;
    this.ends = view.ends;
    this.soon(FIRST);
  }

  /** Shows another job, and goes on with that. */
  async turn(job) {
    this.job = job;
    clearTimeout(this.timer);
    const view = await this.ask(job);
    if (!view || this.job !== job) return;
    this.follow(view);
    this.draw(view);
  }

  soon(ms) {
    clearTimeout(this.timer);
    if (this.job) this.timer = setTimeout(() => this.look(), ms);
  }

  /** A page that nobody sees asks nothing, unless its job ends with it. */
  async look() {
    if (document.hidden && !this.ends) return;
    const job = this.job;
    const view = await this.ask(job);
    if (this.job !== job) return; // meanwhile it looks at another
    if (view) {
      if (!view.live) this.job = null;
      this.draw(view);
    }
    this.soon(document.hidden ? UNSEEN : view ? EVERY : PATIENCE);
  }

  async ask(job) {
    try {
      const answer = await fetch(address(`/jobs/${job}/view`));
      return answer.ok ? await answer.json() : null;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return null; // the network failed, which the status strip says
    }
  }
}
