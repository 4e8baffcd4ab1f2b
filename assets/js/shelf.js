// Earlier results: the strip under each stage, and the library's grid.

import {address, button, el, icon} from "./dom.js";
import {isPicture, isText, openItem} from "./dialog.js";
import {roving} from "./keys.js";
import {t, when} from "./words.js";

const NEEDS_CHECKER = new Set(["image/png", "image/webp"]);

function face(item) {
  if (isPicture(item)) return el("img", {src: address(item.thumbnail_url ?? item.url), alt: "", loading: "lazy"});
  if (isText(item)) return el("span.card-text", {}, item.text || item.title);
  return el("span.card-file", {}, icon("training"), el("span", {}, item.title));
}

function card(item, items) {
  const words = `${t(`kind.${item.kind}`)}: ${item.title || item.name}, ${when(item.created)}`;
  const checker = NEEDS_CHECKER.has(item.media_type) ? ".checker" : "";
  return el(`button.card${checker}`, {type: "button", "aria-label": words, title: item.title, data: {item: item.id, kind: item.kind}, onclick: () => openItem(item, items)}, face(item));
}

export function film(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const show = () => {
    const items = props.value ?? [];
    if (!items.length) return box.replaceChildren();
    const row = el("div.film-row", {role: "group", "aria-label": t("film.label")}, items.map((item) => card(item, items)));
    roving(row, "button");
    box.replaceChildren(el("h2.section", {}, t("film.title")), row);
  };
  watch("value", show);
  show();
}

function emptyShelf(filter) {
  if (filter !== "all") return el("div.empty", {}, el("h2", {}, t("library.empty.filter")));
  const tabs = ["text", "image", "style", "training"].map((kind) =>
    button(t("library.go", {tab: t(`tab.${kind}`)}), {onclick: () => document.getElementById(`page-${kind}-button`)?.click()}, kind));
  return el("div.empty", {}, el("span.empty-mark.glyph.glyph-library", {"aria-hidden": "true"}), el("h2", {}, t("library.empty")), el("p", {}, t("library.empty.more")), el("div.tools", {}, tabs));
}

function tile(item, items) {
  return el("figure.tile", {}, card(item, items),
    el("figcaption", {}, el("span.tile-title", {}, item.title || item.name), el("span.tile-when", {}, `${t(`kind.${item.kind}`)} · ${when(item.created)}`)));
}

export function library(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const show = () => {
    const value = props.value;
    if (!value) return;
    if (!value.items.length) return box.replaceChildren(emptyShelf(value.filter));
    const grid = el("div.grid", {role: "group"}, value.items.map((item) => tile(item, value.items)));
    roving(grid, ".card");
    const further = value.more ? button(t("library.more"), {id: "library-more", onclick: () => trigger("further", {count: value.items.length + 60})}) : null;
    box.replaceChildren(grid, further ? el("div.further", {}, further) : "");
  };
  watch("value", show);
  show();
}
