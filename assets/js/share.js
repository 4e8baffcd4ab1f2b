// Links to what somebody made: making one, the list of them, taking one back. Only where there are accounts.

import {send} from "./bench.js";
import {button, el} from "./dom.js";
import {linkToCopy} from "./people.js";
import {t, when} from "./words.js";

let accounts = false;
let links = [];
let open = null; // the item whose links are unfolded
let fresh = {item: "", link: ""};
const shown = new Set();

/** Called once, by the header, which knows whether anybody signs in here. */
export function withAccounts() {
  accounts = true;
}

/** The server's answer: all links that work, and the words of the one just made. */
export function linksAre(found, item = "", link = "") {
  links = found;
  fresh = {item, link};
  for (const draw of [...shown]) draw();
}

const takeBack = (one) => button(t("link.take_back"), {class: "btn btn-small", onclick: () => send({action: "take back", share: one.id})});
const lasts = (one) => (one.expires ? t("share.until", {when: when(one.expires)}) : t("share.since", {when: when(one.created)}));
const row = (one, words) => el("li", {data: {share: one.id}}, el("span", {}, words, el("span.soft", {}, lasts(one))), takeBack(one));

/** In an item's dialog: a button that unfolds its links and a form for a new one. */
export function sharing(item) {
  if (!accounts) return null;
  const box = el("div.share");
  const draw = () => {
    if (shown.has(draw) && !box.isConnected) return shown.delete(draw);
    if (open !== item.id) return box.replaceChildren(button(t("share"), {id: "item-share", onclick: unfold}, "send"));
    const mine = links.filter((one) => one.item === item.id);
    const days = el("select", {id: "share-days", "aria-label": t("share.days")}, [7, 30, 0].map((count) => el("option", {value: count}, t(`share.for.${count}`))));
    box.replaceChildren(el("h3", {}, t("share")), el("div.link-row", {}, days, button(t("share.make"), {class: "btn btn-primary", id: "share-make", onclick: () => send({action: "share", item: item.id, days: +days.value})})),
      fresh.link && fresh.item === item.id ? linkToCopy(new URL(`shared/${fresh.link}`, document.baseURI).href, t("share.link"), "share-link") : "",
      mine.length ? el("ul.share-list", {"aria-label": t("share.links")}, mine.map((one) => row(one, ""))) : "");
  };
  const unfold = () => {
    open = item.id;
    fresh = {item: "", link: ""};
    send({action: "links"});
    draw();
  };
  if (open !== item.id) open = null;
  draw();
  shown.add(draw);
  return box;
}

/** In the library: everything that is shared, folded. */
export function sharedList(found) {
  if (!found?.length) return null;
  return el("details.shared-list", {id: "shared-list"}, el("summary", {}, t("share.mine", {count: found.length})),
    el("ul.share-list", {}, found.map((one) => row(one, el("b", {}, one.title || one.name)))));
}
