// A person's own pictures: what the model will see of them before it learns, and the network that learned from them.

import {button, el, icon} from "./dom.js";
import {number, t} from "./words.js";

/** Before anything was given: what to pack, and where the captions come from. */
function asking() {
  const line = (file, words) => el("li", {}, el("code", {}, file), el("span", {}, words));
  return el("div.empty.own-empty", {},
    el("span.empty-mark.glyph-photo.glyph", {"aria-hidden": "true"}),
    el("h2", {}, t("own.empty")), el("p.own-for-stickers", {}, t("own.empty.more")), el("p.own-for-set", {}, t("own.empty.set")),
    el("ul.own-ways.own-for-stickers", {}, line("sad-dog_3.png", t("own.way.name")), line("001.png + 001.txt", t("own.way.text")), line("captions.csv", t("own.way.list"))));
}

/** The first pictures at the size the model has, with their captions, and what could not be used. */
function seeing({name, count, pictures, warnings, plain, edge}) {
  const tile = ({url, caption, english}) => el("figure.own-tile", {},
    el("img.checker", {src: url, alt: caption, width: edge, height: edge}),
    plain ? null : el("figcaption", {title: english ? `${caption} → ${english}` : caption}, caption, english ? el("span", {lang: "en"}, english) : null));
  return el("div.own-preview", {id: "own-preview"},
    el("h2", {}, t("own.see", {name})), el("p", {}, t(plain ? "own.see.set" : "own.see.more", {edge, count: number(count), shown: number(pictures.length)})),
    warnings.length ? el("div.notice", {role: "status"}, icon("info"), el("div", {}, warnings.map((words) => el("p", {}, words)))) : null,
    el("div.own-grid", {}, pictures.map(tile)));
}

export const ownStart = (preview) => el("div.start-own", {}, preview ? seeing(preview) : asking());

/** What each picture of a grid of samples was drawn after, in the grid's own order. */
export const captionsOf = (captions) => el("ol.samples-captions", {}, captions.map((words) => el("li", {title: words}, words)));

/** On the Image tab: the network that draws in the model's place, until it is taken away. */
export function chip(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const away = () => { props.value = null; show(); };
  const show = () => {
    const own = props.value;
    box.replaceChildren(own?.digest ? el("p.chip", {}, icon("training"), el("span", {}, t("own.drawn", {name: own.name || t("title.own")})),
      button("", {class: "btn btn-quiet", id: "image-weights-away", "aria-label": t("own.away"), title: t("own.away"), onclick: away}, "close")) : "");
  };
  watch("value", show);
  show();
}
