// "What made this?": any file dropped here is read on the server and told about in words; nothing of it is kept.

import {post, Refused} from "./desk.js";
import {button, el, icon} from "./dom.js";
import {has, size, t} from "./words.js";

//: what of a large file is sent: weights say what they are in their first bytes
const WHOLE = 48e6, HEAD = 4e6;
let box = null;

export const explainButton = () => button(t("explain"), {id: "library-explain", onclick: show}, "info");

function show() {
  if (!box) {
    box = el("dialog.dialog.explain", {id: "explain-dialog", tabindex: -1, "aria-label": t("explain")});
    document.getElementById("pages").parentElement.append(box);
    box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  }
  const answer = el("div.explain-answer", {"aria-live": "polite"});
  const input = el("input.explain-file", {type: "file", id: "explain-file", "aria-label": t("explain.drop"), onchange: () => input.files[0] && read(input.files[0], answer)});
  const zone = el("label.drop.explain-drop", {}, icon("photo"), el("span", {}, t("explain.drop")), el("span.drop-more", {}, t("explain.more")), input);
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0], answer);
  });
  box.replaceChildren(el("div.dialog-head", {}, el("h2", {}, t("explain")), button("", {class: "btn btn-quiet", "aria-label": t("item.close"), title: t("item.close"), onclick: () => box.close()}, "close")),
    el("div.explain-main", {}, zone, answer));
  if (!box.open) box.showModal();
}

async function read(file, answer) {
  answer.replaceChildren(el("p.soft", {}, t("explain.reading")));
  try {
    const cut = file.size > WHOLE;
    answer.replaceChildren(...told(await post(`/shelf/explain${cut ? "?cut=1" : ""}`, cut ? file.slice(0, HEAD) : file, file.name), file, cut));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    answer.replaceChildren(el("p.shelf-said", {role: "alert"}, error.message));
  }
}

function told(found, file, cut) {
  const head = el("p.explain-head", {}, el("b", {}, file.name), el("span.soft", {}, [found.format, size(file.size), found.width ? `${found.width} × ${found.height}` : ""].filter(Boolean).join(" · ")));
  const sentences = el("ul.explain-said", {}, found.sentences.map((one) => el("li", {data: {tone: one.tone}}, icon({good: "check", bad: "alert"}[one.tone] ?? "info"), el("span", {}, one.text))));
  return [head, cut ? el("p.soft", {}, t("explain.cut")) : "", sentences, ...found.parts.map(part)];
}

function part({name, rows}) {
  if (!rows.length) return "";
  const list = el("dl.recipe", {}, rows.map(([key, value]) => el("div", {}, el("dt", {}, has(`field.${key}`) ? t(`field.${key}`) : has(`item.${key}`) ? t(`item.${key}`) : key), el("dd", {}, value))));
  return el("details.explain-part", {open: name === "recipe" || name === "parameters"}, el("summary", {}, t(`explain.part.${name}`)), list);
}
