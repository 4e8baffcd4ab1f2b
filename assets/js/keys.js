// Ctrl+Enter makes, Esc stops, in the tab that is open. A press answers at once: Make turns into Stop before the
// server has heard of it.

import {press, pressed, stateOf, visibleKind} from "./bench.js";

document.addEventListener("keydown", (event) => {
  const kind = visibleKind();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && kind) {
    event.preventDefault();
    const inSample = document.activeElement?.closest("#sample-bench");
    if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur(); // numbers count once left
    setTimeout(() => press(inSample ? "sample" : kind), 0);
  }
  if (event.key === "Escape" && !document.querySelector("dialog[open]") && kind) {
    if (["queued", "running", "paused", "pending"].includes(stateOf(kind))) {
      press(kind, "stop");
    }
  }
});

document.addEventListener(
  "click",
  (event) => {
    const made = event.target.closest?.("button.make");
    const bench = made?.closest("[id$='-bench']");
    if (bench) pressed(bench.id.replace(/-bench$/, ""));
  },
  true,
);

/** Arrow keys walk a row of buttons; one of them is in the tab order. */
export function roving(row, selector) {
  row.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    const buttons = [...row.querySelectorAll(selector)];
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    if (next.getAttribute("role") === "radio") next.click();
  });
}
