// One item, large: the thing itself, its recipe in words, and what can be done with it. Arrows walk to the next.

import {send} from "./bench.js";
import {address, button, el, icon} from "./dom.js";
import {organise} from "./organise.js";
import {sharing} from "./share.js";
import {has, size, t, titleOf, valueOf, when} from "./words.js";

let box = null;
let around = [];
let current = null;

export const isPicture = (item) => item.media_type.startsWith("image/");
export const isFilm = (item) => item.media_type.startsWith("video/");
export const isText = (item) => item.media_type.startsWith("text/");
export const isGenerator = (item) => item.name.endsWith(".safetensors");
/** The sticker model, trained on somebody's own pictures. */
const isOwn = (item) => isGenerator(item) && item.kind === "sticker_training";

function destinations(item) {
  if (isPicture(item)) return ["image-picture", "image-paint", "image-extend", "upscale-2", "upscale-4", "style-photo", "style-picture"];
  if (isText(item)) return ["text-prompt", "image-prompt"];
  return isGenerator(item) && !isOwn(item) ? ["training-run", "sample-generator"] : [];
}

function download(item, words = t("item.download")) {
  return el("a.btn", {href: address(item.download_url), download: item.name}, icon("download"), el("span", {}, words));
}

function sendMenu(item) {
  const menu = el("details.menu", {}, el("summary.btn", {}, icon("send"), el("span", {}, t("item.send"))),
    el("div.menu-list", {role: "menu"}, destinations(item).map((to) =>
      el("button", {type: "button", role: "menuitem", onclick: () => { menu.open = false; box?.close(); send({action: "send", item: item.id, to}); }}, t(`send.${to}`)))));
  menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; });
  return menu;
}

const drawWith = (item) => button(t("own.draw"), {class: "btn btn-primary", onclick: () => { box?.close(); send({action: "send", item: item.id, to: "image-weights"}); }}, "image");

/** The few things to do with a fresh result, in a row. */
export function itemActions(item, words) {
  return el("div.tools", {}, isOwn(item) ? drawWith(item) : null, download(item, words), destinations(item).length ? sendMenu(item) : null);
}

function deleteButton(item) {
  const holder = el("span.sure");
  const ask = () => holder.replaceChildren(
    el("span", {}, t("item.delete.sure")),
    button(t("item.delete"), {class: "btn btn-danger", id: "item-delete-sure", onclick: () => send({action: "delete", item: item.id})}),
    button(t("item.keep"), {onclick: rest}));
  const rest = () => holder.replaceChildren(button(t("item.delete"), {id: "item-delete", onclick: ask}, "trash"));
  rest();
  return holder;
}

function shown(value) {
  if (Array.isArray(value)) return value.length ? value.map(shown).join(", ") : "–";
  if (value && typeof value === "object") return Object.entries(value).map(([key, one]) => `${key} ${shown(one)}`).join(", ");
  if (typeof value === "boolean") return t(value ? "value.yes" : "value.no");
  if (typeof value === "number" && !Number.isInteger(value)) return String(+value.toFixed(4));
  return value === "" || value === null || value === undefined ? "–" : String(value);
}

/** Settings of a picture that had no part in it: those of another method, and what was left off. */
function unused(made) {
  const {method, enlarge, upscale, lines, wildcards, prompt = "", lists} = made.settings ?? {};
  if ((made.kind ?? "image") !== "image" || !method) return new Set();
  const names = [];
  if (method === "words") names.push("method", "source", "mask", "strength", "shape", "feather");
  if (method === "picture") names.push("mask", "feather");
  if (method === "extend") names.push("mask", "strength", "shape");
  if (method !== "extend") names.push("extend_left", "extend_right", "extend_top", "extend_bottom");
  if (enlarge === 1) names.push("enlarge", "enlarge_strength");
  if (upscale === 1) names.push("upscale");
  if (!lines) names.push("lines");
  if (wildcards === "each" && !lists && !prompt.includes("|")) names.push("wildcards");
  return new Set(names);
}

function recipe(item) {
  const made = item.recipe ?? {};
  const rows = [[t("item.made"), when(item.created)], [t("item.file"), `${item.name} · ${size(item.bytes)}`]];
  if (item.width) rows.push([t("item.size"), `${item.width} × ${item.height}`]);
  const idle = unused(made);
  const settings = {...made.settings, seed: made.seed ?? made.settings?.seed, model: made.model || made.settings?.model};
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined || name === "history" || shown(value) === "–") continue;
    if (idle.has(name)) continue;
    if (item.kind === "image" && ["method", "shape"].includes(name)) {
      rows.push([t(`field.${name}`), t(`image.${name}.${value}`)]);
      continue;
    }
    if (name === "mode") {
      rows.push([t("field.mode"), t(`text.${value}`)]);
      continue;
    }
    rows.push([has(`field.${name}`) ? t(`field.${name}`) : name, /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : shown(valueOf(name, value))]);
  }
  for (const name of ["english", "unknown"]) if (made.facts?.[name]) rows.push([t(`fact.${name}`), made.facts[name]]);
  if (made.model_sha256) rows.push(["sha256", `${made.model_sha256.slice(0, 16)}…`]);
  if (made.versions) rows.push([t("item.versions"), [made.studio, shown(made.versions)].filter(Boolean).join(", ")]);
  if (made.credits) rows.push([t("image.credits"), made.credits.join("; ")]);
  return el("dl.recipe", {}, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function thing(item) {
  if (isPicture(item)) return el("img.checker", {src: address(item.url), alt: titleOf(item), style: `--natural:${item.width}px`});
  if (isFilm(item)) return el("video.shown-film", {src: address(item.url), controls: true, loop: true, playsinline: true});
  if (isText(item)) return el("div.dialog-text", {}, item.text ?? "");
  return el("div.dialog-file", {}, icon("training"), el("p", {}, item.name));
}

function draw() {
  const item = current;
  const at = around.findIndex((one) => one.id === item.id);
  const walk = (step, glyph, words) => button("", {class: "btn btn-quiet", "aria-label": t(words), title: t(words), disabled: !around[at + step], onclick: () => step && openItem(around[at + step], around)}, glyph);
  const held = box.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  box.setAttribute("aria-label", titleOf(item));
  box.replaceChildren(
    el("div.dialog-head", {}, el("h2", {}, titleOf(item)), walk(-1, "left", "item.previous"), walk(1, "right", "item.next"),
      button("", {class: "btn btn-quiet", "aria-label": t("item.close"), title: t("item.close"), id: "item-close", onclick: () => box.close()}, "close")),
    el("div.dialog-main", {}, el("div.dialog-thing", {}, thing(item)),
      el("div.dialog-side", {},
        el("div.tools", {}, isOwn(item) ? drawWith(item) : null, button(t("item.again"), {class: isOwn(item) ? "btn" : "btn btn-primary", id: "item-again", onclick: () => { box.close(); send({action: "again", item: item.id}); }}, "again"),
          download(item), destinations(item).length ? sendMenu(item) : null),
        organise(item, () => box.close(), (other) => openItem(other)),
        sharing(item),
        el("h3", {}, t("item.recipe")), recipe(item), deleteButton(item))));
  if (box.open) keepFocus(held);
}

/** What held the focus was drawn anew: its successor gets it, else the dialog itself, so that the arrows go on. */
function keepFocus(label) {
  const same = [...box.querySelectorAll("button:enabled")].find((one) => one.getAttribute("aria-label") === label);
  (label && same ? same : box).focus({preventScroll: true});
}

/** Opens an item; `others` are those the arrows walk through. A text comes whole a moment later. */
export function openItem(item, others = [item]) {
  if (!box) {
    box = el("dialog.dialog", {id: "item-dialog", tabindex: -1});
    document.getElementById("pages").parentElement.append(box); // gradio narrows media rules to its own content
    box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
    box.addEventListener("keydown", (event) => {
      const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      const next = step && around[around.findIndex((one) => one.id === current.id) + step];
      if (next) openItem(next, around);
    });
  }
  current = item;
  around = others;
  draw();
  if (!box.open) box.showModal();
  if (isText(item)) send({action: "open", item: item.id});
}

/** The whole of a text that was opened. */
export function arrived(item) {
  if (box?.open && current?.id === item.id) {
    current = {...current, ...item};
    draw();
  }
}

export function gone(id) {
  if (box?.open && current?.id === id) box.close();
}
