// Pictures: the preview coming out of the noise, then a grid; where no model is here, what can be fetched.

import {example, invitation, send, stageOf} from "./bench.js";
import {button, el, fill, icon, address} from "./dom.js";
import {roving} from "./keys.js";
import {openItem, itemActions} from "./dialog.js";
import {t, titled, titleOf, valueOf} from "./words.js";

export function modelCard(model, kind) {
  const facts = [
    model.ready ? t("model.ready") : model.size ? t("model.size", {size: model.size}) : "",
    model.memory ? t("model.memory", {size: model.memory}) : "",
    model.licence,
  ].filter(Boolean);
  return el("li.model", {}, el("div", {},
    el("h3", {}, titled(model.title)),
    el("p", {}, titled(model.summary)),
    el("p.model-facts", {}, facts.join(" · ")),
    model.gated ? el("p.model-facts", {}, t("model.gated")) : null),
    button(t("model.use"), {onclick: () => send({action: "model", kind, name: model.name})}));
}

/** Whether the chosen model draws stickers; what it has of its own stands on the bench (see `traits`). */
const drawsStickers = () => document.getElementById("image-bench").hasAttribute("data-styles");

function empty(fixed, models) {
  const kind = drawsStickers() ? "sticker." : "image.";
  const examples = fixed.examples.map((key, index) => (key.startsWith(kind) ? example("image", index, el("span", {}, t(key))) : null)).filter(Boolean);
  const invited = models.some((model) => model.ready || model.default);
  if (invited) return invitation("image", {title: t(`${kind}empty`), more: t(`${kind}empty.more`), examples});
  const list = el("ul.models", {}, models.map((model) => modelCard(model, "image")));
  return invitation("image", {title: t("image.none"), more: t("image.none.more"), extra: list});
}

/** Near the button: what pressing it fetches first, and how large it is. */
export function toFetch(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const show = () => {
    const model = props.value;
    if (!model) return box.replaceChildren();
    const title = titled(model.title);
    const words = model.size ? t("model.tofetch", {model: title, size: model.size}) : t("model.tofetch.unknown", {model: title});
    box.replaceChildren(el("p.to-fetch", {role: "status"}, icon("download"), el("span", {}, model.gated ? `${words} ${t("model.gated")}` : words)));
  };
  watch("value", show);
  show();
  setTimeout(() => trigger("mounted"), 0);
}

/** Under the settings: the size where there is only one, and whose work the model was made of. */
export function traits(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const show = () => {
    const {styles = false, size = "", credits = [], methods = null, loras = true} = props.value ?? {};
    allow(methods);
    const bench = element.closest(".bench");
    bench.toggleAttribute("data-styles", styles);
    bench.toggleAttribute("data-one-size", Boolean(size));
    bench.toggleAttribute("data-no-loras", !loras);
    box.replaceChildren(...[size ? el("p", {}, t("image.size", {size})) : "", credits.length ? thanks(credits) : ""]);
    document.dispatchEvent(new CustomEvent("atelier-model"));
  };
  watch("value", show);
  show();
  setTimeout(() => trigger("mounted"), 0);
}

/** Ways of making a picture that the chosen model does not have cannot be chosen, and a line says which. */
function allow(methods) {
  const group = document.getElementById("image-method");
  if (!group) return;
  const inputs = [...group.querySelectorAll("input")];
  const refused = inputs.filter((input) => methods && !methods.includes(input.value));
  for (const input of inputs) {
    input.disabled = refused.includes(input);
    input.closest("label").classList.toggle("off", input.disabled);
    input.closest("label").title = input.disabled ? t("image.method.cannot", {method: t(`image.method.${input.value}`)}) : "";
  }
  const chosen = inputs.find((input) => input.checked);
  if (chosen?.disabled) inputs.find((input) => !input.disabled)?.click();
  group.querySelector(".method-note")?.remove();
  const words = refused.map((input) => t(`image.method.${input.value}`)).join(t("list.and"));
  if (words) group.append(el("p.method-note", {}, t("image.method.cannot", {method: words})));
}

const thanks = (credits) => el("details.credits", {id: "image-credits"}, el("summary", {}, t("image.credits")),
  el("p", {}, t("image.credits.more")),
  el("ul", {}, credits.map((one) => el("li", {},
    el("a", {href: one.homepage, target: "_blank", rel: "noopener noreferrer"}, one.title), el("span", {}, `${one.author} · ${one.licence}`)))));

function preview(body, view) {
  const now = view.preview;
  const shape = now ? `aspect-ratio:${now.width}/${now.height};--ratio:${now.width / now.height}` : "";
  const keep = () => button(t("image.keep"), {class: "btn", id: "image-keep", title: t("image.keep.more"), onclick: (event) => { event.currentTarget.disabled = true; send({action: "finish", job: view.job}); }});
  const keeps = Boolean(now && view.keeps);
  fill(body, `preview${view.job}${keeps}`, () => el("figure.preview", {}, keeps ? keep() : null, el("img.checker", {alt: ""}), el("figcaption")));
  const image = body.querySelector("img");
  image.hidden = !now;
  if (!now) return;
  image.style.cssText = shape;
  if (image.getAttribute("src") !== address(now.url)) image.src = address(now.url);
  body.querySelector("figcaption").textContent = t("image.preview", {step: now.step, total: now.total});
}

/** What is under way, below what is finished already. */
function growing(body, view) {
  const now = view.preview;
  const figure = body.querySelector(".preview.next") ?? body.appendChild(el("figure.preview.next", {}, el("img.checker", {alt: ""}), el("figcaption")));
  figure.hidden = !now;
  if (!now) return;
  const image = figure.querySelector("img");
  if (image.getAttribute("src") !== address(now.url)) image.src = address(now.url);
  figure.querySelector("figcaption").textContent = t("image.preview", {step: now.step, total: now.total});
}

function grid(body, view) {
  const key = `grid${view.job}${view.items.map((item) => item.id).join()}`;
  fill(body, key, () => {
    const many = view.items.length > 8;
    const row = el(`div.pictures.pictures-${many ? "many" : view.items.length}`, {role: "group", style: `--natural:${view.items[0].width}px`},
      view.items.map((item) => el(`button.picture.checker${many && item.name === "samples.png" ? ".picture-large" : ""}`, {type: "button", style: `--ratio:${item.width / item.height}`, "aria-label": `${t("item.open")}: ${titleOf(item)}`, onclick: () => openItem(item, view.items)},
        el("img", {src: address(item.url), alt: titleOf(item), width: item.width, height: item.height}))));
    roving(row, "button");
    const tools = view.items.length === 1 ? itemActions(view.items[0]) : null;
    return [row, reading(view.facts ?? {}), el("div.facts", {}, el("span", {}, `${t("fact.seed")} ${view.seed}`), tools)];
  });
}

/** How a sticker model took the words, where it did not take them as they are. */
function reading({english, unknown, drawn}) {
  const lines = [
    english ? t("image.read", {words: english}) : "",
    drawn ? t("image.drawn", {style: valueOf("style", drawn)}) : "",
    unknown ? t("image.unknown", {words: unknown}) : "",
  ].filter(Boolean);
  return lines.length ? el("div.reading", {}, lines.map((words) => el("p", {}, words))) : null;
}

export function stagePictures(kind) {
  return (element, props, trigger, watch, fixed) => {
    const draw = (body, view) => {
      const pictures = (view.items ?? []).filter((item) => item.media_type.startsWith("image/"));
      const live = ["queued", "running", "paused"].includes(view.state);
      if (pictures.length) {
        grid(body, {...view, items: pictures});
        if (live) growing(body, view);
        else body.querySelector(".preview.next")?.remove();
      } else if (live) preview(body, view);
      else if (kind === "image") {
        const models = view.models ?? fixed.models;
        fill(body, `empty${view.state}${drawsStickers()}${models.map((model) => model.ready)}`, () => (view.state === "failed" && view.job ? [] : [empty(fixed, models)]));
      }
      else body.replaceChildren();
    };
    const again = stageOf(kind, element, props, trigger, watch, draw);
    if (kind === "image") document.addEventListener("atelier-model", again);
  };
}
