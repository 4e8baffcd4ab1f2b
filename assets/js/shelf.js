// Earlier results: the strip under each stage, and the library's grid.

import {address, button, el, icon} from "./dom.js";
import {isPicture, isText, openItem} from "./dialog.js";
import {roving} from "./keys.js";
import {sharedList} from "./share.js";
import {has, kindOf, t, titleOf, when} from "./words.js";

const NEEDS_CHECKER = new Set(["image/png", "image/webp"]);

function face(item) {
  if (isPicture(item)) return el("img", {src: address(item.thumbnail_url ?? item.url), alt: "", loading: "lazy"});
  if (isText(item)) return el("span.card-text", {}, item.text || item.title);
  return el("span.card-file", {}, icon("training"), el("span", {}, titleOf(item)));
}

/** One card an item, but one for all pictures of a drawing: their grid stands for them, the arrows walk through them. */
function piles(items) {
  const drawn = new Map();
  return items.filter((item) => {
    if (item.kind !== "sample") return true;
    const pile = drawn.get(item.job_id) ?? [];
    drawn.set(item.job_id, [...pile, item]);
    return !pile.length;
  }).map((item) => {
    const pile = drawn.get(item.job_id) ?? [item];
    return {item: pile.reduce((one, other) => (other.width > one.width ? other : one)), count: pile.filter((one) => one.name !== "samples.png").length};
  });
}

function card({item, count}, items) {
  const many = count > 1 ? t("tile.count", {count}) : "";
  const words = `${[kindOf(item), many].filter(Boolean).join(", ")}: ${titleOf(item)}, ${when(item.created)}`;
  const checker = NEEDS_CHECKER.has(item.media_type) ? ".checker" : "";
  return el(`button.card${checker}`, {type: "button", "aria-label": words, title: titleOf(item), data: {item: item.id, kind: item.kind}, onclick: () => openItem(item, items)},
    face(item), many ? el("span.card-count", {"aria-hidden": "true"}, String(count)) : null);
}

export function film(element, props, trigger, watch, fixed) {
  const box = element.querySelector(".widget");
  const show = () => {
    const items = props.value ?? [];
    if (!items.length) return box.replaceChildren();
    const row = el("div.film-row", {role: "group", "aria-label": t("film.label")}, piles(items).map((pile) => card(pile, items)));
    roving(row, "button");
    box.replaceChildren(el("h2.section", {}, t(has(`film.title.${fixed.kind}`) ? `film.title.${fixed.kind}` : "film.title")), row);
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

function tile(pile, items) {
  const {item} = pile;
  return el("figure.tile", {}, card(pile, items),
    el("figcaption", {}, el("span.tile-title", {}, titleOf(item)), el("span.tile-when", {}, `${kindOf(item)} · ${when(item.created)}`)));
}

export function library(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const show = () => {
    const value = props.value;
    if (!value) return;
    if (!value.items.length) return box.replaceChildren(emptyShelf(value.filter));
    const grid = el("div.grid", {role: "group"}, piles(value.items).map((pile) => tile(pile, value.items)));
    roving(grid, ".card");
    const further = value.more ? button(t("library.more"), {id: "library-more", onclick: () => trigger("further", {count: value.items.length + 60})}) : null;
    box.replaceChildren(sharedList(value.shared) ?? "", grid, further ? el("div.further", {}, further) : "");
  };
  watch("value", show);
  show();
}
