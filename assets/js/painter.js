// What the Style tab has of its own beside the stage: further styles, what a painting will take, scores.

import {address, button, el, icon} from "./dom.js";
import {duration, size, t, titled} from "./words.js";

// --------------------------------------------------------------------------------------- bytes and seconds

/** Under the settings: how long a painting as it is asked for takes here, and how much memory. */
export function reckoned(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const show = () => {
    const found = props.value;
    if (!found) return box.replaceChildren();
    const values = {time: found.seconds === null ? "" : duration(found.seconds), size: size(found.bytes)};
    box.replaceChildren(el("p.reckoned", {role: "status"}, t(found.seconds === null ? "style.reckoned.bytes" : "style.reckoned", values)));
  };
  watch("value", show);
  show();
}

// ----------------------------------------------------------------------------------------- further styles

const MOST = 3;

/** Up to three styles beside the first: a built-in one or a picture each, its weight, and where it paints. */
export function blend(element, props, trigger, watch, fixed) {
  const list = el("div.blend-list");
  const add = button(t("style.blend.add"), {class: "btn btn-small", id: "style-blend-add"}, "plus");
  const picture = button(t("style.blend.picture"), {class: "btn btn-small", id: "style-blend-picture"}, "photo");
  const parts = () => (Array.isArray(props.value) ? props.value : []);
  const put = (next) => { props.value = next; draw(); };
  const change = (index, values, redraw = true) => {
    const next = parts().map((part, at) => (at === index ? {...part, ...values} : part));
    if (redraw) put(next);
    else props.value = next;
  };
  const row = (part, index) => {
    const style = part.picture ? null : fixed.styles.find((one) => one.id === part.style);
    const face = el("img.blend-face", {src: part.picture ? part.url : address(style?.url ?? ""), alt: ""});
    const choice = part.picture ? el("span.blend-name", {}, t("title.picture")) : el("select.blend-style", {"aria-label": t("field.style"), onchange: (event) => change(index, {style: event.target.value})},
      fixed.styles.map((one) => el("option", {value: one.id, selected: one.id === part.style}, titled(one.title))));
    const where = el("select", {"aria-label": t("style.blend.where"), onchange: (event) => change(index, {region: Number(event.target.value)})},
      [0, 1, 2, 3].map((number) => el("option", {value: number, selected: number === (part.region ?? 0)}, t(`style.region.${number}`))));
    const weight = el("input", {type: "range", min: 0.05, max: 1, step: 0.05, value: part.weight ?? 1, "aria-label": t("style.blend.weight"), title: t("style.blend.weight"), disabled: Boolean(part.region),
      onchange: (event) => change(index, {weight: Number(event.target.value)}, false)});
    const remove = button("", {class: "btn btn-quiet btn-small", "aria-label": t("style.blend.remove"), title: t("style.blend.remove"), onclick: () => put(parts().filter((_, at) => at !== index))}, "close");
    return el("div.blend-row", {}, face, el("div.blend-what", {}, choice, el("div.blend-how", {}, where, weight)), remove);
  };
  const draw = () => {
    list.replaceChildren(...parts().map(row));
    add.disabled = picture.disabled = parts().length >= MOST;
    document.dispatchEvent(new CustomEvent("atelier-regions", {detail: parts().some((part) => part.region)}));
  };
  add.addEventListener("click", () => {
    const taken = new Set(parts().map((part) => part.style));
    const next = fixed.styles.find((one, index) => index && !taken.has(one.id));
    put([...parts(), {style: next.id, weight: 0.5, region: 0}]);
  });
  picture.addEventListener("click", () => document.querySelector("#style-part input[type=file]")?.click());
  element.querySelector(".widget").replaceChildren(
    el("div.choices-head", {}, el("span", {}, t("style.blend")), el("p", {}, t("style.blend.more"))), list, el("div.blend-tools", {}, add, picture));
  watch("value", draw);
  draw();
}

// --------------------------------------------------------------------------------------------- the scores

const WIDE = 220, HIGH = 84, EDGES = 8;

function drawn(tag, options, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(options)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** What was kept of the photo and taken of the style at strengths from 0 to 1, and where this result stands. */
export function scores(facts) {
  if (facts?.content_kept === undefined) return null;
  const percent = (share) => Math.round(100 * share);
  const x = (strength) => EDGES + strength * (WIDE - 2 * EDGES);
  const y = (score) => HIGH - EDGES - score * (HIGH - 2 * EDGES);
  const points = JSON.parse(facts.among_strengths ?? "[]");
  const line = (column) => points.map((point) => `${x(point[0]).toFixed(1)},${y(point[column]).toFixed(1)}`).join(" ");
  const dot = (name, score) => drawn("circle", {class: `score-dot score-${name}`, cx: x(Number(facts.strength)), cy: y(Number(score)), r: 4});
  const curve = (name, column) => drawn("polyline", {class: `score-line score-${name}`, points: line(column)});
  const axis = drawn("path", {class: "score-axis", d: `M${EDGES} ${EDGES}V${HIGH - EDGES}H${WIDE - EDGES}`});
  const picture = drawn("svg", {viewBox: `0 0 ${WIDE} ${HIGH}`, "aria-hidden": "true"}, axis, curve("kept", 1), curve("taken", 2), dot("kept", facts.content_kept), dot("taken", facts.style_taken));
  const chart = el("div.scores-chart", {role: "img", "aria-label": t("style.scores.label"), title: t("style.scores.label")}, picture);
  return el("div.scores", {id: "style-scored"}, chart, el("div.scores-words", {},
    el("span.score-key.score-kept", {}, `${t("style.scores.kept")} ${percent(facts.content_kept)} %`),
    el("span.score-key.score-taken", {}, `${t("style.scores.taken")} ${percent(facts.style_taken)} %`)));
}

/** The sheet of all styles: a click on one chooses it and paints the photo in it. */
export function sheet(item, press) {
  const {columns, cell_width: wide, cell_height: high, gap, picture_width, picture_height, width, height} = item.recipe.facts;
  const cards = [...document.querySelectorAll("#style-style [data-value]")];
  const share = (part, whole) => `${(100 * part) / whole}%`;
  const places = cards.map((card, index) => el("button.sheet-style", {type: "button", title: card.title, "aria-label": card.title,
    style: `left:${share(gap + (index % columns) * wide, width)};top:${share(gap + Math.floor(index / columns) * high, height)};width:${share(picture_width, width)};height:${share(picture_height, height)}`,
    onclick: () => { document.querySelector("#style-source input[value=builtin]")?.click(); card.click(); press(); }}));
  return el("div.sheet-frame", {}, el("img.sheet-all", {src: address(item.url), alt: t("style.sheet")}), places);
}

// --------------------------------------------------------------------------------------------- the camera

/** A button that takes a picture with the camera and hands it over as a file. */
export function camera(hand) {
  if (!navigator.mediaDevices?.getUserMedia) return null;
  const take = async () => {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "user"}});
    } catch (error) {
      open.replaceChildren(icon("alert"), el("span", {}, t("style.webcam.none", {reason: error.name})));
      return;
    }
    const video = el("video", {autoplay: true, playsinline: true, muted: true});
    video.srcObject = stream;
    const box = el("dialog.dialog.camera", {id: "style-camera"});
    const end = () => { for (const track of stream.getTracks()) track.stop(); box.remove(); };
    const shoot = button(t("style.webcam.shoot"), {class: "btn btn-primary", id: "style-shoot", onclick: () => {
      const canvas = el("canvas", {width: video.videoWidth, height: video.videoHeight});
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob((blob) => { if (blob) hand(new File([blob], "webcam.png", {type: "image/png"})); box.close(); }, "image/png");
    }}, "photo");
    box.append(video, el("div.tools", {}, shoot, button(t("item.close"), {onclick: () => box.close()})));
    box.addEventListener("close", end);
    document.getElementById("pages").parentElement.append(box);
    box.showModal();
  };
  const open = button(t("style.webcam"), {class: "btn btn-quiet btn-small", id: "style-webcam", onclick: take}, "photo");
  return open;
}
