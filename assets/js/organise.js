// In an item's dialog: its star, tags and collections, what is like it, and its family.

import {act, ask, Refused} from "./desk.js";
import {button, el, icon} from "./dom.js";
import {refresh} from "./library.js";
import {family} from "./lineage.js";
import {t} from "./words.js";

/** `leave` closes the dialog, `open` opens another item in it. */
export function organise(item, leave, open) {
  const box = el("div.organise"), said = el("p.shelf-said", {role: "alert", hidden: true});
  const state = {starred: Boolean(item.starred), tags: item.tags ?? [], collections: item.collections ?? [], facets: {tags: [], collections: []}};

  async function tried(message) {
    try {
      if (message) await act(message);
      const found = await ask(`/shelf/item/${item.id}`);
      Object.assign(state, found.item, {facets: found.facets});
      Object.assign(item, {starred: state.starred, tags: state.tags, collections: state.collections});
      said.hidden = true;
      if (message) refresh();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      said.textContent = error.message;
      said.hidden = false;
    }
    draw();
  }

  const chip = (words, off, label) => el("span.facet.facet-on", {}, el("span", {}, words), el("button.facet-off", {type: "button", "aria-label": label, title: label, onclick: off}, icon("close")));

  function draw() {
    const held = document.activeElement?.id;
    const star = button(t(state.starred ? "library.unstar" : "library.star"), {class: "btn btn-small", id: "item-star", "aria-pressed": String(state.starred), onclick: () => tried({action: "star", items: [item.id], on: !state.starred})}, state.starred ? "star-full" : "star");
    const like = button(t("library.similar"), {class: "btn btn-small", id: "item-similar", onclick: () => { leave(); document.dispatchEvent(new CustomEvent("atelier-like", {detail: item})); }}, "explore");
    const tree = button(t("lineage"), {class: "btn btn-small", id: "item-family", onclick: () => family(item, open)}, "tree");
    const words = el("input", {type: "text", id: "item-tag", maxlength: 200, placeholder: t("tag.words"), "aria-label": t("tag.words"), list: "item-tags-known"});
    const tags = el("form.facets", {id: "item-tags", onsubmit: (event) => { event.preventDefault(); tried({action: "tag", items: [item.id], add: words.value.split(",").map((one) => one.trim()).filter(Boolean)}); }},
      state.tags.map((tag) => chip(tag, () => tried({action: "tag", items: [item.id], remove: [tag]}), t("tag.take_off", {tag}))),
      words, el("datalist", {id: "item-tags-known"}, state.facets.tags.map((one) => el("option", {value: one.tag}))));
    box.replaceChildren(el("div.tools", {}, star, like, tree), said, tags, collecting());
    if (held && box.querySelector(`#${held}`)) box.querySelector(`#${held}`).focus({preventScroll: true});
  }

  function collecting() {
    const inside = state.facets.collections.filter((one) => state.collections.includes(one.id));
    const others = state.facets.collections.filter((one) => !state.collections.includes(one.id));
    const which = el("select", {id: "item-collection", "aria-label": t("collection.put"), onchange: () => which.value && tried({action: "collect", collection: which.value, items: [item.id], on: true})},
      el("option", {value: ""}, t("collection.put")), others.map((one) => el("option", {value: one.id}, one.name)));
    return el("div.facets", {id: "item-collections"}, inside.map((one) => chip(one.name, () => tried({action: "collect", collection: one.id, items: [item.id], on: false}), t("collection.take_out", {name: one.name}))), others.length ? which : null);
  }

  draw();
  tried(null);
  return box;
}
