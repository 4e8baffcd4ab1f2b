// The administrators' section of devices: what runs and waits, models in memory, device seconds, caps, maintenance.

import {button, el, fill} from "./dom.js";
import {deviceState} from "./frame.js";
import {duration, has, size, t, titled, when} from "./words.js";

const LOOK_EVERY = 4000;

export function devices(element, props, trigger, watch, fixed) {
  const box = element.querySelector(".widget");
  const act = (message) => trigger("act", message);
  const parts = ["head", "fleet", "running", "queue", "models", "spent", "caps"].map((name) => el(`div.devices-${name}`));
  box.replaceChildren(...parts);
  const show = () => {
    const value = props.value;
    box.hidden = !value;
    if (!value) return;
    const drawn = [
      [head, value.worker, value.device, value.memory_used, value.memory_total, value.draining, value.devices.length],
      [fleet, value.devices],
      [running, value.running, value.devices.length], [queue, value.queue], [models, value.models], [spent, value.spent], [caps, value.caps]];
    drawn.forEach(([draw, ...seen], at) => fill(parts[at], JSON.stringify(seen), () => draw(value, act, fixed)));
  };
  watch("value", show);
  show();
  const timer = setInterval(() => {
    if (!element.isConnected) return clearInterval(timer);
    const typing = parts[6].contains(document.activeElement);
    if (props.value && element.offsetParent && !document.hidden && !typing) act({action: "look"});
  }, LOOK_EVERY);
}

const person = (who) => who || t("devices.nobody");
const thing = (kind) => (has(`thing.${kind}`) ? t(`thing.${kind}`) : kind);
const small = (words, options) => button(words, {class: "btn btn-small", ...options});
const stopper = (act, one) => small(t("devices.stop"), {onclick: () => act({action: "stop", job: one.job}), "aria-label": t("devices.stop_of", {what: thing(one.kind), who: person(one.who)})});

function table(id, title, columns, rows) {
  return el("section", {}, el("h3.devices-title", {}, title), el("div.table-frame", {}, el("table.rows-table", {id},
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", {scope: "col"}, name)))), el("tbody", {}, rows))));
}

function head(value, act) {
  const share = value.memory_total ? Math.min(1, value.memory_used / value.memory_total) : 0;
  const drain = value.draining
    ? small(t("devices.undrain"), {id: "devices-undrain", class: "btn btn-primary", onclick: () => act({action: "drain", on: false})})
    : small(t("devices.drain"), {id: "devices-drain", class: "btn", onclick: () => act({action: "drain", on: true})});
  return [
    el("div.devices-now", {},
      el("div", {}, el("b", {}, value.devices.length > 1 ? t("devices.count", {count: value.devices.length}) : value.worker === "ready" ? value.device : t(value.notice ? `notice.${value.notice}` : `strip.${value.worker}`))),
      el("div.devices-memory", {}, el("div.devices-bar", {role: "presentation"}, el("i", {style: `width:${(100 * share).toFixed(1)}%`})),
        el("span.figure", {}, t("devices.memory", {used: size(value.memory_used), total: size(value.memory_total)}))),
      drain),
    el(value.draining ? "p.devices-note.warned" : "p.devices-note", {}, t(value.draining ? "devices.drained" : "devices.drain.more"))];
}

function fleet(value, act, fixed) {
  if (value.devices.length < 2) return [];
  const idle = value.devices.every((one) => one.draining);
  const rows = value.devices.map((one) => el("tr", {class: one.draining ? "drained" : null},
    el("td", {}, el("b", {}, one.name), el("span.soft", {}, one.node)), el("td", {}, one.device || "–"),
    el("td.figure", {}, one.memory_total ? t("devices.memory", {used: size(one.memory_used), total: size(one.memory_total)}) : "–"),
    el("td", {}, counted(one.models.map((model) => (fixed.titles[model] ? titled(fixed.titles[model]) : thing(model)))) || "–"),
    el("td", {}, deviceState(one)),
    el("td.last", {}, small(t(one.draining ? "devices.undrain_one" : "devices.drain_one"), {
      onclick: () => act({action: "drain_device", device: one.name, on: !one.draining}),
      "aria-label": t(one.draining ? "devices.undrain_of" : "devices.drain_of", {device: one.name})}))));
  return [table("devices-fleet", t("devices.fleet"), [t("devices.device"), t("devices.model_of"), t("devices.memory_of"), t("devices.models"), t("devices.state"), ""], rows),
    el(idle ? "p.devices-note.warned" : "p.devices-note", {}, t(idle ? "devices.fleet.none" : "devices.fleet.more"))];
}

/** Every training is a model of its own: "Training × 2". */
function counted(names) {
  return [...new Set(names)].map((name) => [name, names.filter((one) => one === name).length]).map(([name, count]) => (count > 1 ? `${name} × ${count}` : name)).join(", ");
}

function running(value, act, fixed) {
  const several = value.devices.length > 1;
  const rows = value.running.map((one) => el("tr", {class: one.holds ? "holds" : null},
    el("td", {}, el("b", {}, person(one.who))), el("td", {}, thing(one.kind), one.model ? el("span.soft", {}, titled(fixed.titles[one.model] ?? one.model)) : null),
    el("td", {}, one.state === "paused" ? t("state.paused") : has(`stage.${one.stage}`) ? t(`stage.${one.stage}`) : one.stage,
      one.share === null ? null : el("span.soft.figure", {}, `${Math.round(100 * one.share)} %`)),
    several ? el("td", {}, one.device) : null, el("td.figure", {}, one.left ? duration(one.left) : ""), el("td.last", {}, stopper(act, one))));
  const where = several ? [t("devices.device")] : [];
  return table("devices-running", t("devices.running"), [t("people.name"), t("devices.what"), t("devices.stage"), ...where, t("devices.left"), ""], rows.length ? rows : empty(t("devices.running.none")));
}

function queue(value, act, fixed) {
  if (!value.queue.length) return [];
  const rows = value.queue.map((one, at) => el("tr", {}, el("td.figure", {}, String(at + 1)), el("td", {}, el("b", {}, person(one.who))),
    el("td", {}, thing(one.kind), one.model ? el("span.soft", {}, titled(fixed.titles[one.model] ?? one.model)) : null), el("td", {}, when(one.created)), el("td.last", {}, stopper(act, one))));
  return table("devices-queue", t("devices.queue", {count: value.queue.length}), ["", t("people.name"), t("devices.what"), t("devices.since"), ""], rows);
}

function models(value, act, fixed) {
  const rows = value.models.map((one) => el("tr", {}, el("td", {}, el("b", {}, fixed.titles[one.model] ? titled(fixed.titles[one.model]) : thing(one.model))), el("td.figure", {}, size(one.bytes)),
    el("td.last", {}, one.busy ? t("devices.busy") : small(t("devices.unload"), {onclick: () => act({action: "unload", model: one.model})}))));
  return table("devices-models", t("devices.models"), [t("devices.model"), t("devices.size"), ""], rows.length ? rows : empty(t("devices.models.none")));
}

function spent(value, act, fixed) {
  const rows = value.spent.map((one) => el("tr", {}, el("td", {}, el("b", {}, person(one.who))), el("td", {}, fixed.titles[one.model] ? titled(fixed.titles[one.model]) : thing(one.model)),
    el("td.figure", {}, one.today ? duration(one.today) : "–"), el("td.figure", {}, duration(one.week))));
  return table("devices-spent", t("devices.spent"), [t("people.name"), t("devices.model"), t("devices.today"), t("devices.week")], rows.length ? rows : empty(t("devices.spent.none")));
}

function caps(value, act, fixed) {
  const names = Object.keys(fixed.limits);
  const rows = Object.entries(value.caps).map(([role, now]) => {
    const fields = Object.fromEntries(names.map((name) => [name, el("input", {type: "number", min: 0, max: fixed.limits[name], step: 1, required: true, value: now[name], id: `cap-${role}-${name}`, "aria-label": `${t(`role.${role}`)}: ${t(`cap.${name}`)}`})]));
    const save = small(t("devices.save"), {id: `cap-${role}-save`, disabled: true, onclick: () => {
      if (!names.every((name) => fields[name].reportValidity())) return;
      save.disabled = true;
      act({action: "caps", role, values: Object.fromEntries(names.map((name) => [name, +fields[name].value]))});
    }});
    Object.values(fields).forEach((field) => field.addEventListener("input", () => { save.disabled = false; }));
    return el("tr", {}, el("td", {}, el("b", {}, t(`role.${role}`))), names.map((name) => el("td", {"data-label": t(`cap.${name}`)}, fields[name])), el("td.last", {}, save));
  });
  return [table("devices-caps", t("devices.caps"), [t("people.role"), ...names.map((name) => t(`cap.${name}`)), ""], rows), el("p.devices-note", {}, t("devices.caps.more"))];
}

const empty = (words) => [el("tr", {}, el("td.soft", {colspan: 6}, words))];
