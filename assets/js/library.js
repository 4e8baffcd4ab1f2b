// The Library: what is asked for above, what fits it below, and what is done with many things at once.

import {ask, act, Refused} from "./desk.js";
import {button, el, icon} from "./dom.js";
import {openItem} from "./dialog.js";
import {explainButton} from "./explain.js";
import {roving} from "./keys.js";
import {selection} from "./select.js";
import {sharedList} from "./share.js";
import {card, piles} from "./shelf.js";
import {kindOf, number, t, titleOf, when} from "./words.js";

const KINDS = ["all", "pictures", "films", "texts", "generators"];
const SORTS = ["newest", "oldest", "title", "largest"];
const PAGE = 60;
const nothing = () => ({words: "", meaning: false, kind: "all", starred: false, tag: "", collection: "", sort: "newest", like: null});

let redraw = null; // the library's own, once it is in the page

/** Looks again, as something was made, marked or deleted elsewhere. */
export const refresh = () => redraw?.();

export function library(element, props, trigger, watch) {
  const state = {query: nothing(), items: [], after: null, count: null, facets: {tags: [], collections: [], meaning: false}, loaded: false, asked: 0};
  const top = el("div.shelf-top"), said = el("p.shelf-said", {role: "alert", hidden: true}), body = el("div.shelf-body"), shared = el("div");
  const bar = selection({items: () => state.items, all: () => ask("/shelf/ids", wanted()), facets: () => state.facets, done: (facets) => { if (facets) state.facets = facets; look(true); }, changed: () => paint(), say: complain});
  element.querySelector(".widget").replaceChildren(top, shared, said, body, el("div.choose-dock", {}, bar.undo, bar.element));

  const wanted = () => ({...state.query, like: state.query.like?.id ?? "", sort: state.query.words && state.query.sort === "newest" && !state.query.meaning ? "best" : state.query.sort});

  function complain(error) {
    if (error && !(error instanceof Refused)) throw error;
    said.textContent = error?.message ?? "";
    said.hidden = !error;
  }

  /** Asks anew; `again` keeps as much as is shown now. A late answer to an earlier question is dropped. */
  async function look(again = false) {
    const asked = ++state.asked;
    const limit = again ? Math.min(200, Math.max(PAGE, state.items.length)) : PAGE;
    try {
      const [found, facets] = await Promise.all([ask("/shelf/items", {...wanted(), limit}), ask("/shelf/facets")]);
      if (asked !== state.asked) return;
      Object.assign(state, {items: found.items, after: found.after, count: found.count, facets, loaded: true});
      complain(null);
    } catch (error) {
      if (asked !== state.asked) return;
      complain(error);
      if (!state.loaded) return;
    }
    bar.keep(state.items);
    paint();
  }

  async function further() {
    const asked = state.asked;
    try {
      const found = await ask("/shelf/items", {...wanted(), after: JSON.stringify(state.after), limit: PAGE});
      if (asked !== state.asked) return;
      state.items = [...state.items, ...found.items];
      state.after = found.after;
      paint();
    } catch (error) {
      complain(error);
    }
  }

  const change = (values) => {
    Object.assign(state.query, values);
    look();
  };

  function paint() {
    controls();
    if (!state.loaded) return;
    if (!state.items.length) return body.replaceChildren(empty());
    const grid = el("div.grid", {role: "group", "aria-label": t("tab.library")}, piles(state.items).map((pile) => tile(pile, state.items, bar, change)));
    roving(grid, ".card");
    body.replaceChildren(grid, state.after ? el("div.further", {}, button(t("library.more"), {id: "library-more", onclick: further})) : "");
  }

  // ------------------------------------------------------------------------------------------ above the grid

  const box = el("input", {type: "search", id: "library-words", placeholder: t("library.search"), "aria-label": t("library.search"), autocomplete: "off", maxlength: 400});
  let typing = 0;
  box.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => change({words: box.value.trim(), like: null}), 250); });
  const meaning = el("button.facet", {type: "button", id: "library-meaning", onclick: () => change({meaning: !state.query.meaning, like: null})}, t("library.meaning"));
  const kinds = el("div.segmented", {id: "library-filter", role: "radiogroup", "aria-label": t("library.filter")}, el("div.wrap", {}, KINDS.map((kind) =>
    el("label", {data: {kind}}, el("input", {type: "radio", name: "library-kind", value: kind, checked: kind === "all", onchange: () => change({kind})}), el("span", {}, t(`library.${kind}`))))));
  const sort = el("select", {id: "library-sort", "aria-label": t("library.sort"), onchange: () => change({sort: sort.value})}, SORTS.map((one) => el("option", {value: one}, t(`library.sort.${one}`))));
  const star = el("button.facet", {type: "button", id: "library-starred", onclick: () => change({starred: !state.query.starred})}, icon("star"), el("span", {}, t("library.starred")));
  const choose = button(t("library.choose"), {id: "library-choose", onclick: () => bar.toggle()}, "check");
  const note = el("p.shelf-note"), heaps = el("div.facets", {id: "library-heaps"}), count = el("p.shelf-count", {"aria-live": "polite"});
  top.append(el("div.shelf-find", {}, el("label.search-box", {}, icon("search"), box), meaning, choose, explainButton()), note,
    el("div.shelf-row", {}, kinds, star, sort), heaps, count);

  function controls() {
    const {query, facets} = state;
    meaning.setAttribute("aria-pressed", query.meaning);
    meaning.disabled = !facets.meaning;
    meaning.title = facets.meaning ? t("library.meaning.help") : t("library.meaning.missing");
    note.textContent = query.words && !facets.meaning && state.loaded ? t("library.meaning.missing") : "";
    note.hidden = !note.textContent;
    star.setAttribute("aria-pressed", query.starred);
    choose.setAttribute("aria-pressed", bar.open);
    sort.disabled = Boolean(query.like || (query.meaning && query.words));
    const films = kinds.querySelector("[data-kind=films]");
    films.hidden = query.kind !== "films" && !state.items.some((item) => item.media_type.startsWith("video/"));
    heaps.replaceChildren(...chips());
    heaps.hidden = !heaps.children.length;
    count.textContent = state.loaded && state.count !== null && state.items.length ? t(state.count === 1 ? "library.count.one" : "library.count", {count: number(state.count)}) : "";
  }

  function chips() {
    const {query, facets} = state;
    const found = [];
    if (query.like) found.push(chip(t("library.like", {title: titleOf(query.like)}), true, () => change({like: null}), "explore"));
    for (const one of facets.collections) found.push(collectionChip(one));
    const tags = facets.tags.slice(0, 24);
    if (query.tag && !tags.some((one) => one.tag === query.tag)) tags.unshift({tag: query.tag, count: 0});
    for (const one of tags) found.push(chip(`${one.tag} ${one.count}`, query.tag === one.tag, () => change({tag: query.tag === one.tag ? "" : one.tag}), "tag"));
    return found;
  }

  const chip = (words, on, pressed, glyph) => el("button.facet", {type: "button", "aria-pressed": String(on), onclick: pressed}, icon(glyph), el("span", {}, words));

  function collectionChip(one) {
    const on = state.query.collection === one.id;
    const main = chip(`${one.name} ${one.count}`, on, () => change({collection: on ? "" : one.id}), "folder");
    return on ? el("span.facet-group", {}, main, renaming(one), forgetting(one)) : main;
  }

  const renaming = (one) => el("button.facet", {type: "button", onclick: (event) => {
    const name = el("input", {type: "text", value: one.name, maxlength: 80, "aria-label": t("collection.name")});
    const form = el("form.facet-form", {onsubmit: async (submitted) => { submitted.preventDefault(); await tried({action: "collection.rename", collection: one.id, name: name.value}); }}, name, el("button.btn.btn-small", {type: "submit"}, t("collection.rename")));
    event.currentTarget.replaceWith(form);
    name.select();
  }}, t("collection.rename"));

  const forgetting = (one) => el("button.facet", {type: "button", onclick: (event) => {
    event.currentTarget.replaceWith(el("span.sure", {}, el("span", {}, t("collection.delete.sure")),
      button(t("collection.delete"), {class: "btn btn-small btn-danger", onclick: async () => { if (await tried({action: "collection.delete", collection: one.id})) change({collection: ""}); }}),
      button(t("item.keep"), {class: "btn btn-small", onclick: paint})));
  }}, t("collection.delete"));

  async function tried(message) {
    try {
      state.facets = await act(message);
      complain(null);
      paint();
      return true;
    } catch (error) {
      complain(error);
      return false;
    }
  }

  function empty() {
    const {words, kind, starred, tag, collection, like, meaning: by} = state.query;
    if (!(words || starred || tag || collection || like || kind !== "all")) return invitation();
    const clear = button(t("library.clear"), {id: "library-clear", onclick: () => { box.value = ""; kinds.querySelector("[value=all]").checked = true; sort.value = "newest"; change(nothing()); }});
    const why = words ? t(by ? "library.empty.meaning" : "library.empty.words", {words}) : like ? t("library.empty.like") : t("library.empty.filter");
    return el("div.empty", {}, el("h2", {}, why), clear);
  }

  document.addEventListener("atelier-like", ({detail}) => { box.value = ""; document.getElementById("page-library-button")?.click(); change({...nothing(), like: detail}); });
  document.addEventListener("atelier-tag", ({detail}) => { document.getElementById("page-library-button")?.click(); change({tag: detail}); });
  redraw = () => look(true);
  const show = () => {
    if (!props.value) return;
    shared.replaceChildren(sharedList(props.value.shared) ?? "");
    look(true);
  };
  watch("value", show);
  controls();
  show();
}

function invitation() {
  const tabs = ["text", "image", "style", "training"].map((kind) =>
    button(t("library.go", {tab: t(`tab.${kind}`)}), {onclick: () => document.getElementById(`page-${kind}-button`)?.click()}, kind));
  return el("div.empty", {}, el("span.empty-mark.glyph.glyph-library", {"aria-hidden": "true"}), el("h2", {}, t("library.empty")), el("p", {}, t("library.empty.more")), el("div.tools", {}, tabs));
}

function tile(pile, items, bar) {
  const {item, all} = pile;
  const ids = all.map((one) => one.id);
  const chosen = bar.has(ids);
  const open = () => (bar.open ? bar.flip(ids) : openItem(item, items));
  const made = el("figure.tile", {data: bar.open ? {chosen: String(chosen)} : {}}, card(pile, items, open));
  if (bar.open) made.querySelector(".card").setAttribute("aria-pressed", String(chosen));
  if (item.starred) made.append(el("span.tile-star", {title: t("library.starred")}, icon("star-full")));
  made.append(el("figcaption", {}, el("span.tile-title", {}, titleOf(item)), el("span.tile-when", {}, `${kindOf(item)} · ${when(item.created)}`)));
  return made;
}
