// The conversation, or a text that goes on. Messages are rebuilt only where their words changed.

import {example, invitation, stageOf} from "./bench.js";
import {el, fill, icon} from "./dom.js";
import {markdown} from "./markdown.js";
import {number, t} from "./words.js";

function messages(view) {
  const turns = view.history.map(([role, text]) => ({role, text}));
  turns.push({role: "user", text: view.prompt});
  if (view.text || ["running", "queued", "pending"].includes(view.state)) turns.push({role: "assistant", text: view.text, growing: view.state === "running"});
  return turns;
}

function turnOf(turn) {
  const user = turn.role === "user";
  const body = el("div.turn-body", {"data-testid": user ? "user" : "bot"});
  fill(body, turn.text, () => (user ? [el("p", {}, turn.text)] : markdown(turn.text)));
  body.classList.toggle("growing", Boolean(turn.growing));
  return el(`article.turn.turn-${turn.role}`, {"aria-label": t(user ? "text.you" : "text.answer")}, body);
}

function chat(body, view) {
  const turns = messages(view);
  let list = body.querySelector(".turns");
  if (!list || list.dataset.job !== view.job) {
    list = el("div.turns", {role: "log", data: {job: view.job}}, turns.map(turnOf));
    body.replaceChildren(list, el("div.facts"));
  }
  while (list.children.length < turns.length) list.append(turnOf(turns[list.children.length]));
  const last = turns.at(-1);
  const box = list.lastElementChild.querySelector(".turn-body");
  if (last.role === "assistant") fill(box, last.text, () => markdown(last.text));
  box.classList.toggle("growing", Boolean(last.growing));
}

function page(body, view) {
  let sheet = body.querySelector(".sheet");
  if (!sheet) {
    sheet = el("div.sheet", {}, el("span.sheet-prompt"), el("span.sheet-text", {"data-testid": "bot"}));
    body.replaceChildren(sheet, el("div.facts"));
  }
  sheet.querySelector(".sheet-prompt").textContent = view.prompt;
  sheet.querySelector(".sheet-text").textContent = view.text;
  sheet.classList.toggle("growing", view.state === "running");
}

function facts(box, view) {
  const text = view.text;
  const parts = [];
  if (view.count) parts.push(el("span", {}, t("text.count", {count: number(view.count)})));
  if (view.rate) parts.push(el("span", {}, t("text.rate", {rate: number(view.rate, 1)})));
  parts.push(el("span", {}, `${t("fact.seed")} ${view.seed}`));
  if (view.state === "done" && text) parts.push(copyButton(() => (view.mode === "chat" ? text : view.prompt + text)));
  fill(box, JSON.stringify([view.count, view.rate, view.seed, view.state]), () => parts);
}

export function copyButton(text) {
  const words = el("span", {}, t("item.copy"));
  const copy = async () => {
    await navigator.clipboard?.writeText(text());
    words.textContent = t("item.copied");
    setTimeout(() => { words.textContent = t("item.copy"); }, 1500);
  };
  return el("button.btn.btn-quiet", {type: "button", onclick: copy}, icon("copy"), words);
}

/** Follows the end of the text while the reader is there, and leaves them alone once they scroll up. */
function keepEnd(body, draw) {
  const atEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 60;
  draw();
  if (atEnd) body.scrollTop = body.scrollHeight;
}

export function stageText(element, props, trigger, watch, fixed) {
  let mode = null;
  stageOf("text", element, props, trigger, watch, (body, view) => {
    if (!view.prompt) {
      mode = null;
      if (view.state === "failed") return;
      const examples = Array.from({length: fixed.examples}, (_, index) =>
        example("text", index, el("span.example-kind", {}, t(index < 2 ? "text.chat" : "text.continue")), el("span", {}, t(`text.example.${index}`))));
      body.replaceChildren(invitation("text", {title: t("text.empty"), more: t("text.empty.more"), examples}));
      return;
    }
    if (mode !== view.mode) body.replaceChildren();
    mode = view.mode;
    keepEnd(body, () => {
      (view.mode === "chat" ? chat : page)(body, view);
      facts(body.querySelector(".facts"), view);
    });
  });
}
