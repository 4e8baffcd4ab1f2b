// A photo goes in by drop, paste or choice; the painting comes back beside it under a slider.

import {example, invitation, press, send, stageOf} from "./bench.js";
import {address, button, el, fill, icon} from "./dom.js";
import {isFilm, itemActions} from "./dialog.js";
import {roving} from "./keys.js";
import {camera, scores, sheet} from "./painter.js";
import {t, titled, titleOf} from "./words.js";
import {chosen, dropped, packedUp} from "./zip.js";

/** Before and after: drag anywhere, or move the handle with the arrow keys. */
export function compare(before, after, width, height) {
  const slider = el("input.compare-range", {type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": t("compare.label")});
  const box = el("div.compare", {style: `aspect-ratio:${width}/${height};--split:50%`, data: {width, height}},
    el("img.compare-after", {src: after, alt: t("compare.after"), draggable: "false"}),
    el("img.compare-before", {src: before, alt: t("compare.before"), draggable: "false"}),
    el("span.compare-tag.compare-tag-before", {}, t("compare.before")),
    el("span.compare-tag.compare-tag-after", {}, t("compare.after")),
    el("span.compare-line", {"aria-hidden": "true"}, el("span.compare-knob")),
    slider);
  const set = (value) => box.style.setProperty("--split", `${value}%`);
  slider.addEventListener("input", () => set(slider.value));
  const drag = (event) => {
    const frame = box.getBoundingClientRect();
    slider.value = String(Math.min(100, Math.max(0, ((event.clientX - frame.left) / frame.width) * 100)));
    set(slider.value);
  };
  box.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    box.setPointerCapture(event.pointerId);
    slider.focus({preventScroll: true});
    drag(event);
  });
  box.addEventListener("pointermove", (event) => { if (box.hasPointerCapture(event.pointerId)) drag(event); });
  return box;
}

/** The photo while it is painted; then what there is of the painting, which can be kept as it is. */
function running(body, view) {
  const keep = () => button(t("style.keep_best"), {class: "btn", id: "style-keep", onclick: (event) => { event.currentTarget.disabled = true; send({action: "finish", job: view.job}); }});
  fill(body, `run${view.job}${Boolean(view.preview)}`, () => (view.preview
    ? el("figure.preview", {}, el("img", {alt: t("compare.after")}), el("figcaption"), view.keeps ? keep() : null)
    : el("img.shown.painting", {src: view.before.url, alt: t("compare.before")})));
  if (!view.preview) return;
  const image = body.querySelector("img"), {url, width, height, step, total} = view.preview;
  image.style.cssText = `aspect-ratio:${width}/${height};--ratio:${width / height}`;
  if (image.getAttribute("src") !== address(url)) image.src = address(url);
  body.querySelector("figcaption").textContent = t("style.step", {step, total});
}

function empty(fixed) {
  const examples = fixed.examples.map((photo, index) =>
    example("style", index, el("img", {src: address(photo.url), alt: titled(photo.title)})));
  return invitation("style", {title: t("style.empty"), more: t("style.empty.more"), examples});
}

export function stageStyle(element, props, trigger, watch, fixed) {
  stageOf("style", element, props, trigger, watch, (body, view) => {
    const painted = (view.items ?? []).find((item) => item.media_type.startsWith("image/"));
    const film = (view.items ?? []).find(isFilm);
    if (film) return fill(body, film.id, () => [el("video.shown-film", {src: address(film.url), controls: true, autoplay: true, loop: true, muted: true, playsinline: true}), el("div.facts", {}, el("span", {}, `${film.width || view.facts.width} × ${film.height || view.facts.height}`), itemActions(film))]);
    if (painted && painted.recipe?.facts?.sheet) {
      fill(body, painted.id, () => [el("p.sheet-words", {}, t("style.sheet.pick")), sheet(painted, () => press("style")), el("div.facts", {}, itemActions(painted))]);
    } else if (painted && view.before && !painted.recipe?.facts?.frames) {
      fill(body, painted.id, () => el("div.painted", {style: `--ratio:${painted.width / painted.height};--natural:${painted.width}px`},
        compare(view.before.url, address(painted.url), painted.width, painted.height),
        el("div.facts", {}, el("span", {}, `${painted.width} × ${painted.height}`), itemActions(painted)), scores(view.facts)));
    } else if (painted) {
      fill(body, painted.id, () => [el("img.shown.checker", {src: address(painted.url), alt: titleOf(painted)}), el("div.facts", {}, itemActions(painted))]);
    } else if (["queued", "running", "paused"].includes(view.state) && view.before) {
      running(body, view);
    } else if (view.state === "idle" || view.refused) {
      fill(body, "empty", () => empty(fixed));
    }
  });
}

// ------------------------------------------------------------------------------------------ photo in

/** Puts a file into gradio's own input, which uploads it and checks where it lies. */
function hand(file, fixed, state) {
  const input = document.querySelector(`#${fixed.file} input[type=file]`);
  if (!input || !file) return;
  state(file.name || t("drop.pasted"));
  const carrier = new DataTransfer();
  carrier.items.add(file);
  input.files = carrier.files;
  input.dispatchEvent(new Event("change", {bubbles: true}));
}

/** Files and folders in the place of a zip: an input of their own, and a way to choose a folder. */
function packs(zone, fixed, state) {
  const several = el("input", {type: "file", multiple: true, hidden: true, accept: ".zip,image/*,.txt,.csv,.jsonl"});
  const folder = el("input", {type: "file", webkitdirectory: true, hidden: true});
  const take = async (files) => {
    if (!files.length) return;
    state(files[0][0].split("/")[0]);
    hand(await packedUp(files, t("title.own")), fixed, state);
  };
  for (const input of [several, folder]) input.addEventListener("change", (event) => {
    event.stopPropagation();
    take(chosen(input.files));
    input.value = "";
  });
  zone.addEventListener("click", () => several.click());
  zone.addEventListener("drop", async (event) => { event.preventDefault(); take(await dropped(event.dataTransfer.items)); });
  return el("div.drop-folder", {}, several, folder, button(t("drop.folder"), {class: "btn btn-quiet btn-small", id: `${fixed.file}-folder`, onclick: () => folder.click()}, "library"));
}

export function drop(element, props, trigger, watch, fixed) {
  const zone = el("button.drop", {type: "button", "aria-label": t(fixed.words)});
  const ours = fixed.examples.map((picture, index) =>
    el("button.drop-example", {type: "button", title: titled(picture.title), "aria-label": titled(picture.title), onclick: () => send({action: "fill", kind: "style", index: fixed.first + index})},
      el("img", {src: address(picture.url), alt: "", loading: "lazy"})));
  let last = null;
  const reading = (name) => { zone.classList.add("reading"); zone.replaceChildren(el("span.drop-words", {}, t("drop.reading", {name}))); };
  const draw = () => {
    zone.classList.remove("reading");
    if (props.value?.error !== undefined && last) return show(last, props.value.error);
    const same = last && last.digest === props.value?.digest ? last : {}; // what else was said of the same file
    last = props.value?.digest ? {...same, ...props.value} : null;
    show(last, props.value?.error);
    if (fixed.file === "style-photo") document.dispatchEvent(new CustomEvent("atelier-photo", {detail: last}));
  };
  const show = (photo, error) => {
    zone.classList.toggle("full", Boolean(photo));
    const given = (file) => (file.url ? el("img", {src: file.url, alt: file.name || t(fixed.words)}) : el("span.drop-file", {}, el("b", {}, file.name), file.count ? el("span", {}, t(file.plain ? "own.count.set" : "own.count", {count: file.count})) : null));
    const words = photo
      ? [given(photo), el("span.drop-change", {}, t("drop.change"))]
      : [icon("photo"), el("span.drop-words", {}, t(fixed.words)), el("span.drop-more", {}, t(fixed.formats ?? "drop.formats", fixed))];
    zone.replaceChildren(...words);
    if (error) zone.append(el("span.drop-error", {role: "alert"}, error));
  };
  const further = fixed.packs ? packs(zone, fixed, reading) : ours.length ? el("div.drop-examples", {}, ours) : "";
  const shot = fixed.file === "style-photo" ? camera((file) => hand(file, fixed, reading)) : null;
  element.querySelector(".widget").replaceChildren(...[zone, shot, further].filter(Boolean));
  if (!fixed.packs) zone.addEventListener("click", () => document.querySelector(`#${fixed.file} input[type=file]`)?.click());
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  if (!fixed.packs) zone.addEventListener("drop", (event) => { event.preventDefault(); hand(event.dataTransfer.files[0], fixed, reading); });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])][0];
    const wantsPicture = document.querySelector("#style-source input[value=picture]")?.checked && fixed.file === "style-picture";
    const wanted = wantsPicture || (fixed.file === "style-photo" && !document.querySelector("#style-source input[value=picture]")?.checked);
    if (file && zone.offsetParent && (wanted || fixed.file === "image-source")) hand(file, fixed, reading);
  });
  document.addEventListener("change", (event) => {
    if (event.target.closest?.(`#${fixed.file}`) && event.isTrusted && event.target.files?.[0]) reading(event.target.files[0].name);
  });
  watch("value", draw);
  draw();
}

// ------------------------------------------------------------------------------------------ choices

/** A group of cards with a picture each, of which one is chosen: a radio group to keys and screen readers. */
export function choices(element, props, trigger, watch, fixed) {
  const group = el(`div.choices.choices-${fixed.layout}`, {role: "radiogroup", "aria-label": titled(fixed.label)});
  const heading = fixed.heading ? el("div.choices-head", {}, el("span", {}, titled(fixed.label)), el("p", {}, t(fixed.heading))) : "";
  const about = el("p.choices-about", {"aria-live": "polite"});
  element.querySelector(".widget").replaceChildren(heading, group, fixed.layout === "cards" ? about : "");
  const cards = fixed.choices.map((choice) => el("button.choice", {type: "button", role: "radio", title: titled(choice.title), data: {value: choice.id}},
    choice.url ? el("img", {src: address(choice.url), alt: "", loading: "lazy"}) : choice.glyph ? el("span.choice-glyph", {}, icon(choice.glyph)) : null,
    el("span.choice-title", {}, titled(choice.title))));
  group.append(...cards);
  const show = (scroll = true) => {
    const value = props.value || fixed.choices[0]?.id; // the first may be the empty one
    about.textContent = titled(fixed.choices.find((choice) => choice.id === value)?.about);
    for (const card of cards) {
      const chosen = card.dataset.value === value;
      card.setAttribute("aria-checked", String(chosen));
      card.tabIndex = chosen ? 0 : -1;
      if (scroll && chosen && group.scrollHeight > group.clientHeight) group.scrollTop = Math.max(0, card.offsetTop - group.offsetTop - 60);
    }
  };
  for (const card of cards) card.addEventListener("click", () => {
    props.value = card.dataset.value;
    show(false);
    if (fixed.tells) setTimeout(() => trigger("select"), 0); // once the value has been handed over
  });
  roving(group, "[role=radio]");
  watch("value", () => show());
  show();
}
