// What surrounds the tabs: header, status strip, footer, and the courier between results and the server.

import {press, pressSoon, setCourier} from "./bench.js";
import {arrived, gone} from "./dialog.js";
import {address, el, icon} from "./dom.js";
import {linksAre, withAccounts} from "./share.js";
import {duration, has, language, size, t, titled} from "./words.js";

/** Who is signed in, which leads to their account, and the way out: a form, since leaving changes something. */
function whoami() {
  const box = el("div.whoami");
  fetch(address("/account/me"), {headers: {accept: "application/json"}}).then(async (answer) => {
    if (!answer.ok) return;
    const me = await answer.json();
    box.replaceChildren(
      el("a.whoami-name", {href: "account", id: "account-link", title: t("header.account")}, me.name),
      el("form", {method: "post", action: "sign-out"}, el("button.btn.btn-small", {type: "submit", id: "sign-out"}, t("header.sign_out"))));
  }).catch((error) => { if (!(error instanceof TypeError)) throw error; }); // no network: the strip says so
  return box;
}

export function header(element, props, trigger, watch, fixed) {
  if (fixed.accounts) withAccounts();
  const scheme = el("button.icon-button", {type: "button", id: "scheme-toggle"});
  const name = () => {
    const words = t(window.atelierScheme.dark() ? "header.light" : "header.dark");
    scheme.setAttribute("aria-label", words);
    scheme.title = words;
    scheme.replaceChildren(icon(window.atelierScheme.dark() ? "sun" : "moon"));
  };
  scheme.addEventListener("click", () => window.atelierScheme.toggle());
  window.addEventListener("atelier-scheme", name);
  name();
  element.querySelector(".widget").replaceChildren(
    el("header.top", {}, el("img.brand-mark", {src: "assets/studio/icons/favicon.svg", alt: "", width: 30, height: 30}), el("span.brand", {}, "Atelier"), el("span.tagline", {}, t("header.tagline")), fixed.accounts ? whoami() : null, scheme));
}

export function footer(element, props, trigger, watch, fixed) {
  const api = () => { const url = new URL(location.href); url.searchParams.set("view", "api"); return url.pathname + url.search; };
  element.querySelector(".widget").replaceChildren(el("footer.bottom", {},
    el("span", {}, `Atelier · ${t("footer.version", {version: fixed.version})}`), el("span", {}, t("footer.licence")),
    el("a", {href: api(), id: "footer-api"}, t("footer.api")), el("span.bottom-keys", {}, t("footer.keys"))));
}

// ----------------------------------------------------------------------------------------- the courier

export function courier(element, props, trigger, watch) {
  setCourier((message) => trigger("deliver", message));
  watch("value", () => {
    const answer = props.value;
    if (answer?.do === "make") pressSoon(answer.kind);
    if (answer?.do === "open") arrived(answer.item);
    if (answer?.do === "deleted") gone(answer.item);
    if (answer?.do === "shared") linksAre(answer.links, answer.item, answer.link);
    if (answer?.do === "follow") document.dispatchEvent(new CustomEvent("atelier-follow", {detail: answer}));
    if (answer?.do === "focus") setTimeout(() => document.querySelector(`#${answer.kind}-bench`)?.scrollIntoView({block: "start", behavior: "smooth"}), 120);
  });
}

// ------------------------------------------------------------------------------------- the status strip

function stageWords(job) {
  const name = has(`stage.${job.stage}`) ? t(`stage.${job.stage}`) : t("stage.starting");
  if (!job.total || !job.unit) return name;
  if (job.unit === "byte") return t("stage.bytes", {stage: name, done: size(job.done), total: size(job.total)});
  const unit = has(`unit.${job.unit}`) ? t(`unit.${job.unit}`) : job.unit;
  return t("stage.count", {stage: name, unit, done: Math.round(job.done), total: Math.round(job.total)});
}

const LONG = new Set(["training", "sticker_training"]);

/** What is said of the work, and how much more of one's own goes on: the second is never cut off. */
function doing(now) {
  if (now.worker !== "ready") return [t(now.notice ? `notice.${now.notice}` : `strip.${now.worker}`)];
  const mine = now.running.filter((one) => one.mine && one.state === "running");
  if (!mine.length) return [t(now.doing ? "strip.others" : "strip.idle")];
  const soon = mine.filter((one) => !LONG.has(one.kind)); // what somebody waits for
  const holder = soon.find((one) => one.job_id === now.doing?.job_id); // of long ones always the first: they take turns
  const words = stageWords(holder ?? soon[0] ?? mine[0]);
  return mine.length > 1 ? [words, ` · ${t("strip.more", {count: mine.length - 1})}`] : [words];
}

function place(now) {
  const first = [...now.mine].sort((a, b) => a.position - b.position)[0];
  if (!first) return "";
  const thing = t(`thing.${first.kind}`);
  const words = first.position <= 1 ? t("place.next", {thing}) : t("place.behind", {thing, ahead: first.position - 1});
  return first.seconds === null ? words : t("place.about", {words, time: duration(first.seconds)});
}

const shortName = (device) => device.replace(/\((R|TM)\)|NVIDIA | CPU| Processor| \d+-Core| @.*$/gi, "").trim();

const inMemory = (model, titles) => titled(titles[model] ?? (has(`memory.${model}`) ? `memory.${model}` : model));
const shortTitle = (title) => title.split(/[:：]/)[0];

/** Several devices: how many, how many are at work, and on a click each of them. */
function companions(box) {
  const list = el("ul.strip-list", {id: "strip-list", hidden: true});
  const button = el("button.strip-devices", {type: "button", id: "strip-devices", "aria-expanded": "false", "aria-controls": "strip-list", hidden: true});
  const open = (on) => { list.hidden = !on; button.setAttribute("aria-expanded", String(on)); };
  button.addEventListener("click", () => open(list.hidden));
  document.addEventListener("click", (event) => { if (!box.contains(event.target)) open(false); });
  box.addEventListener("keydown", (event) => { if (event.key === "Escape" && !list.hidden) { open(false); button.focus(); event.stopPropagation(); } });
  box.append(button, list);
  const show = (devices) => {
    button.hidden = devices.length < 2;
    if (button.hidden) return open(false);
    button.textContent = t("strip.devices", {count: devices.length, busy: devices.filter((one) => one.busy).length});
    list.replaceChildren(...devices.map(companion));
  };
  return {show};
}

export function deviceState(one) {
  if (one.worker !== "ready") return t(`device.${one.worker}`);
  if (one.draining) return one.running ? t("device.draining", {count: one.running}) : t("device.drained");
  return one.running ? t("device.running", {count: one.running}) : t("device.idle");
}

const companion = (one) => el("li", {class: one.worker !== "ready" ? "away" : one.busy ? "busy" : null},
  el("span.strip-dot"), el("b", {}, one.name), el("span.strip-what", {}, [one.node, one.device && shortName(one.device)].filter(Boolean).join(" · ")),
  el("span.strip-state", {}, deviceState(one)));

export function strip(element, props, trigger, watch, fixed) {
  const parts = Object.fromEntries(["doing", "place", "model", "device"].map((name) => [name, el(`span.strip-${name}`, {id: `strip-${name}`})]));
  parts.doing.append(el("span"), el("span"));
  const say = (words, more = "") => { [parts.doing.firstChild.textContent, parts.doing.lastChild.textContent] = [words, more]; };
  const fillBar = el("span.strip-fill");
  const memory = el("span.strip-memory", {id: "strip-memory"}, el("span.strip-bar", {}, fillBar), el("span.strip-bytes"));
  const box = el("div.strip", {role: "status", "aria-live": "off", "aria-label": t("strip.label")}, el("span.strip-dot"), parts.doing, parts.place, el("span.strip-space"), parts.model, memory, parts.device);
  const several = companions(box);
  element.querySelector(".widget").replaceChildren(box);
  const show = (now) => {
    const busy = Boolean(now.doing) || (now.worker !== "ready" && now.notice !== "resting");
    box.classList.toggle("busy", busy);
    box.classList.remove("away");
    say(...doing(now));
    parts.place.textContent = place(now);
    parts.device.hidden = now.devices.length > 1;
    several.show(now.devices);
    parts.device.textContent = now.device ? shortName(now.device) : t("strip.no_device");
    parts.device.title = language === "en" ? now.device_reason ?? "" : ""; // the engine gives its reason in English only
    const models = now.resident.map((one) => inMemory(one.model, fixed.titles)); // the last used first
    parts.model.textContent = models.length > 1 ? `${shortTitle(models[0])} +${models.length - 1}` : models.length ? shortTitle(models[0]) : t("strip.no_model");
    parts.model.title = models.join("\n");
    memory.hidden = !now.memory_total;
    fillBar.style.width = `${now.memory_total ? (100 * now.memory_used) / now.memory_total : 0}%`;
    memory.lastChild.textContent = t("strip.memory", {used: size(now.memory_used), total: size(now.memory_total)});
    memory.title = t("strip.memory.label");
  };
  const away = () => {
    box.classList.add("away");
    say(t("strip.away"));
  };
  let waiting = false;
  const poll = async () => {
    if (document.hidden || waiting) return;
    waiting = true;
    try {
      const answer = await fetch(address("/status"), {headers: {accept: "application/json"}});
      answer.ok ? show(await answer.json()) : away();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      away(); // the network failed, which is what the strip then says
    } finally {
      waiting = false;
    }
  };
  setInterval(poll, 1000);
  document.addEventListener("visibilitychange", poll);
  poll();
}
