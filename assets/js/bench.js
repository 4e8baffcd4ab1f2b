// What all tabs share: busy or not (Make or Stop), the progress line, the notice, keys and messages to the server.

import {el, fill, icon} from "./dom.js";
import {Live} from "./live.js";
import {duration, t} from "./words.js";

const LIVE = new Set(["pending", "queued", "running", "paused"]);
const shown = {};
const others = {}; // whether something goes on that belongs to what is shown
let courier = null;

/** Marks the tab's bench, from which the style sheet shows Make or Stop. */
export function mark(kind, state) {
  shown[kind] = state;
  const bench = document.getElementById(`${kind}-bench`);
  if (!bench) return;
  bench.dataset.state = state;
  bench.toggleAttribute("data-busy", LIVE.has(state) || Boolean(others[kind]));
  document.dispatchEvent(new CustomEvent("atelier-state", {detail: {kind, state}}));
}

/** What is shown may be over while others that began with it go on: until they end, Stop stands there for them. */
export function goesOn(kind, on) {
  if (Boolean(others[kind]) === on) return;
  others[kind] = on;
  mark(kind, stateOf(kind));
}

export const stateOf = (kind) => shown[kind] ?? "idle";

/** After a handler ended, whatever became of it: a press that got no answer gives the button back. */
export function settled(kind) {
  if (stateOf(kind) === "pending") mark(kind, "idle");
}

/** Called on the click itself, before anything has gone over the wire. */
export function pressed(kind) {
  mark(kind, "pending");
  const line = document.querySelector(`#${kind}-result .progress-line`);
  if (line) progressLine(line, {state: "pending", progress: {words: t("state.pending"), done: 0, total: null}});
}

const buttonOf = (kind, name) =>
  document.getElementById(kind === "training" && name === "make" ? "training-start" : `${kind}-${name}`);

/** Presses a button of a tab where the person could press it. */
export function press(kind, name = "make") {
  const button = buttonOf(kind, name);
  if (button?.offsetParent) button.click();
}

/** Presses Make once the tab is in the page: gradio mounts a tab when it is first opened. */
export function pressSoon(kind, tries = 40) {
  const button = buttonOf(kind, "make"); // hidden already, as Stop has taken its place
  if (button) button.click();
  else if (tries) setTimeout(() => pressSoon(kind, tries - 1), 50);
}

export function visibleKind() {
  const kinds = ["text", "image", "style", "training"];
  return kinds.find((kind) => document.getElementById(`${kind}-bench`)?.offsetParent) ?? null;
}

// ------------------------------------------------------------------------------- messages to the server

export function setCourier(send) {
  courier = send;
}

export function send(message) {
  courier?.(message);
}

// ------------------------------------------------------------------------------------- shared pieces

/** A thin bar with words: what is being done, how far, how long still. Amber while it runs. */
export function progressLine(line, view) {
  const progress = LIVE.has(view.state) ? view.progress : null;
  line.hidden = !progress;
  if (!progress) return;
  if (!line.firstChild) {
    line.append(
      el("div.progress-words", {}, el("span.progress-what"), el("span.progress-left")),
      el("div.progress-bar", {role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100"}, el("div.progress-fill")),
    );
  }
  const share = progress.total ? Math.min(1, progress.done / progress.total) : null;
  line.querySelector(".progress-what").textContent = view.state === "paused" ? t("state.paused") : progress.words;
  line.querySelector(".progress-left").textContent = progress.left ? t("time.left", {time: duration(progress.left)}) : "";
  const bar = line.querySelector(".progress-bar");
  bar.classList.toggle("unknown", share === null && view.state !== "paused");
  bar.setAttribute("aria-label", progress.words);
  if (share === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", Math.round(share * 100));
  line.querySelector(".progress-fill").style.width = share === null ? "" : `${share * 100}%`;
}

/** Why it ended badly, in the person's language. */
export function notice(box, view) {
  const bad = {failed: view.error, cancelled: t(view.items?.length ? "state.cancelled.kept" : "state.cancelled.more"), interrupted: view.error || t("state.interrupted.more")};
  const words = bad[view.state] ?? "";
  box.hidden = !words;
  box.className = `notice notice-${view.state}`;
  fill(box, `${view.job}${words}`, () => [icon(view.state === "failed" ? "alert" : "info"), el("p", {}, words)]);
}

/** The frame of every stage: notice, progress, and what `draw(body, view)` puts between. Gives back what draws it again. */
export function stageOf(kind, element, props, trigger, watch, draw) {
  const box = el("div.notice", {role: "alert", hidden: true});
  const line = el("div.progress-line", {hidden: true, "aria-live": "polite"});
  const body = el("div.stage-body");
  element.querySelector(".widget").replaceChildren(line, box, body);
  let more = 0; // of what waits for this page, how much it has asked for
  const drawn = (view) => {
    if (view.more && view.more !== more) setTimeout(() => trigger("told"), 0);
    more = view.more ?? 0;
    mark(kind, view.state);
    progressLine(line, view);
    notice(box, view);
    draw(body, view);
  };
  const live = new Live(drawn);
  const show = () => {
    const view = props.value ?? {state: "idle"};
    live.follow(view);
    drawn(view);
  };
  watch("value", show);
  show();
  setTimeout(() => trigger("mounted"), 0);
  document.addEventListener("atelier-look", ({detail}) => { if (detail.kind === kind) live.turn(detail.job); });
  document.addEventListener("atelier-follow", ({detail}) => { if (detail.kind === kind) trigger("follow"); });
  return show;
}

/** An empty stage invites: a title, a line, and things to click that run at once. */
export function invitation(kind, {title, more, examples = [], extra = null}) {
  return el(
    "div.empty",
    {},
    el(`span.empty-mark.glyph-${kind}.glyph`, {"aria-hidden": "true"}),
    el("h2", {}, title),
    el("p", {}, more),
    examples.length ? el("div.examples", {}, examples) : null,
    extra,
  );
}

export function example(kind, index, ...children) {
  return el(
    "button.example",
    {type: "button", id: `${kind}-example-${index}`, onclick: () => { pressed(kind); send({action: "example", kind, index}); }},
    ...children,
  );
}
