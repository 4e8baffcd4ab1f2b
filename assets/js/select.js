// Choosing many things and doing one thing with all of them: star, tag, collect, download, delete.

import {act, downloadZip} from "./desk.js";
import {button, el} from "./dom.js";
import {number, t} from "./words.js";

const UNDO = 20_000; // milliseconds that undoing is offered; the studio keeps it for longer

/** `around`: items(), all(), facets(), done(facets), changed(), say(error). */
export function selection(around) {
  const chosen = new Set();
  const bar = el("div.choose-bar", {id: "library-chosen", role: "toolbar", "aria-label": t("library.choose"), hidden: true});
  const said = el("div.choose-bar.choose-undo", {id: "library-deleted", role: "status", hidden: true});
  let open = false, form = null, leaving = 0;

  async function tried(message) {
    try {
      const facets = await act({items: [...chosen], ...message});
      form = null;
      around.say(null);
      if (message.action === "delete") {
        chosen.clear();
        offerUndo(facets);
      }
      around.done(facets);
    } catch (error) {
      around.say(error);
    }
    draw();
  }

  /** For some seconds: what was deleted, and a button that brings it back. */
  function offerUndo({deleted, undo}) {
    clearTimeout(leaving);
    const bring = async () => {
      said.hidden = true;
      try {
        around.done(await act({action: "undelete", undo}));
      } catch (error) {
        around.say(error);
      }
    };
    said.replaceChildren(el("span", {}, t(deleted === 1 ? "library.deleted.one" : "library.deleted", {count: number(deleted)})),
      button(t("library.undelete"), {class: "btn btn-small", id: "library-undelete", onclick: bring}, "reset"));
    said.hidden = false;
    leaving = setTimeout(() => { said.hidden = true; }, UNDO);
  }

  const put = (made) => { form = made; draw(); bar.querySelector("input, select, .btn-danger")?.focus(); };
  const close = button(t("library.back"), {class: "btn btn-small", onclick: () => put(null)});

  function tagging() {
    const words = el("input", {type: "text", id: "choose-tag", maxlength: 200, placeholder: t("tag.words"), "aria-label": t("tag.words"), list: "choose-tags"});
    const known = el("datalist", {id: "choose-tags"}, around.facets().tags.map((one) => el("option", {value: one.tag})));
    const tags = () => words.value.split(",").map((one) => one.trim()).filter(Boolean);
    return el("form.choose-form", {onsubmit: (event) => { event.preventDefault(); tried({action: "tag", add: tags()}); }}, words, known,
      el("button.btn.btn-small.btn-primary", {type: "submit"}, t("tag.add")), button(t("tag.remove"), {class: "btn btn-small", onclick: () => tried({action: "tag", remove: tags()})}), close);
  }

  function collecting() {
    const {collections} = around.facets();
    const which = el("select", {id: "choose-collection", "aria-label": t("collection")}, collections.map((one) => el("option", {value: one.id}, one.name)), el("option", {value: ""}, t("collection.new")));
    const name = el("input", {type: "text", id: "choose-collection-name", maxlength: 80, placeholder: t("collection.name"), "aria-label": t("collection.name")});
    const out = button(t("collection.out"), {class: "btn btn-small", onclick: () => tried({action: "collect", collection: which.value, on: false})});
    const fit = () => { name.hidden = Boolean(which.value); out.hidden = !which.value; };
    which.addEventListener("change", fit);
    fit();
    return el("form.choose-form", {onsubmit: (event) => {
      event.preventDefault();
      tried(which.value ? {action: "collect", collection: which.value, on: true} : {action: "collection.make", name: name.value});
    }}, which, name, el("button.btn.btn-small.btn-primary", {type: "submit"}, t("collection.put")), out, close);
  }

  const deleting = () => el("span.choose-form.sure", {}, el("span", {}, t(chosen.size === 1 ? "library.delete.sure.one" : "library.delete.sure", {count: number(chosen.size)})),
    button(t("library.delete.yes", {count: number(chosen.size)}), {class: "btn btn-small btn-danger", id: "choose-delete-sure", onclick: () => tried({action: "delete", sure: chosen.size})}),
    button(t("item.keep"), {class: "btn btn-small", onclick: () => put(null)}));

  async function everything() {
    try {
      for (const id of (await around.all()).ids) chosen.add(id);
      around.say(null);
    } catch (error) {
      around.say(error);
    }
    around.changed();
    draw();
  }

  function draw() {
    bar.hidden = !open;
    if (!open) return;
    const some = chosen.size > 0;
    const stars = around.items().filter((item) => chosen.has(item.id));
    const starred = stars.length > 0 && stars.every((item) => item.starred);
    const tool = (id, words, glyph, pressed) => button(words, {class: "btn btn-small", id, disabled: !some, onclick: pressed}, glyph);
    bar.replaceChildren(el("b.choose-count", {"aria-live": "polite"}, t("library.chosen", {count: number(chosen.size)})),
      form && some ? form : el("div.choose-tools", {},
        button(t("library.choose.all"), {class: "btn btn-small", id: "choose-all", onclick: everything}),
        tool("choose-star", t(starred ? "library.unstar" : "library.star"), "star", () => tried({action: "star", on: !starred})),
        tool("choose-tags-open", t("tag"), "tag", () => put(tagging())),
        tool("choose-collect", t("collection"), "folder", () => put(collecting())),
        tool("choose-download", t("library.zip"), "download", () => downloadZip([...chosen])),
        tool("choose-delete", t("item.delete"), "trash", () => put(deleting())),
        button(t("library.done"), {class: "btn btn-small", id: "choose-done", onclick: () => toggle()})));
  }

  function toggle() {
    open = !open;
    chosen.clear();
    form = null;
    draw();
    around.changed();
  }

  return {
    element: bar,
    undo: said,
    get open() { return open; },
    toggle,
    has: (ids) => ids.every((id) => chosen.has(id)),
    flip(ids) {
      const on = !ids.every((id) => chosen.has(id));
      for (const id of ids) on ? chosen.add(id) : chosen.delete(id);
      form = null;
      draw();
      around.changed();
    },
    /** After looking anew: what is gone is not chosen any more, unless there are more than are shown. */
    keep(items) {
      const here = new Set(items.map((item) => item.id));
      if (chosen.size <= items.length) for (const id of [...chosen]) if (!here.has(id)) chosen.delete(id);
      draw();
    },
  };
}
