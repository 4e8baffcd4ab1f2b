// Earlier results as cards: the strip under each stage; the Library shows the same cards.

import {address, el, icon} from "./dom.js";
import {isFilm, isPicture, isText, openItem} from "./dialog.js";
import {roving} from "./keys.js";
import {has, kindOf, t, titleOf, when} from "./words.js";

const NEEDS_CHECKER = new Set(["image/png", "image/webp"]);

function face(item) {
  if (isPicture(item) || (isFilm(item) && item.thumbnail_url)) return el("img", {src: address(item.thumbnail_url ?? item.url), alt: "", loading: "lazy"});
  if (isText(item)) return el("span.card-text", {}, item.text || item.title);
  return el("span.card-file", {}, icon("training"), el("span", {}, titleOf(item)));
}

/** One card an item, but one for all pictures of a drawing: their grid stands for them, the arrows walk through them. */
export function piles(items) {
  const drawn = new Map();
  return items.filter((item) => {
    if (item.kind !== "sample") return true;
    const pile = drawn.get(item.job_id) ?? [];
    drawn.set(item.job_id, [...pile, item]);
    return !pile.length;
  }).map((item) => {
    const pile = drawn.get(item.job_id) ?? [item];
    return {item: pile.reduce((one, other) => (other.width > one.width ? other : one)), all: pile, count: pile.filter((one) => one.name !== "samples.png").length};
  });
}

/** A card that opens its item among `items`, or does what `open` says. */
export function card({item, count}, items, open = () => openItem(item, items)) {
  const many = count > 1 ? t("tile.count", {count}) : "";
  const words = `${[kindOf(item), many].filter(Boolean).join(", ")}: ${titleOf(item)}, ${when(item.created)}`;
  const checker = NEEDS_CHECKER.has(item.media_type) ? ".checker" : "";
  return el(`button.card${checker}`, {type: "button", "aria-label": words, title: titleOf(item), data: {item: item.id, kind: item.kind}, onclick: open},
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
