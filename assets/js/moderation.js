// The administrators' section of moderation: for whom, by what, and how often it refused.

import {button, el} from "./dom.js";
import {number, t, titled} from "./words.js";

export function moderation(element, props, trigger, watch) {
  const box = element.querySelector(".widget");
  const show = () => {
    const value = props.value;
    if (!value) return box.replaceChildren();
    const roles = value.roles.map((role) => t(`role.${role}`)).join(", ");
    box.replaceChildren(
      el("p", {id: "moderation-roles"}, roles ? t("moderation.on", {roles}) : t("moderation.off")),
      value.problem ? el("p.shelf-said", {role: "alert"}, t("moderation.problem"), " ", titled(value.problem)) : "",
      el("p.soft", {}, t(value.own ? "moderation.rules.own" : "moderation.rules.example", {count: value.rules})),
      el("ul.moderation-list", {}, value.classifiers.map((one) => el("li", {}, `${one.title}: `, t(one.ready ? "moderation.ready" : "moderation.missing")))),
      value.counts.length ? counts(value.counts) : el("p.soft", {}, t("moderation.none")),
      button(t("moderation.look"), {class: "btn btn-small", onclick: () => trigger("act", {action: "look"})}, "again"));
  };
  watch("value", show);
  show();
}

function counts(rows) {
  const cells = rows.map((one) => el("tr", {}, el("td", {}, t(`log.${one.what}`)), el("td", {}, one.rule), el("td.last", {}, number(one.count))));
  return el("div.table-frame", {}, el("table.rows-table", {id: "moderation-counts"},
    el("thead", {}, el("tr", {}, [t("people.what"), t("moderation.rule"), t("moderation.week")].map((name) => el("th", {scope: "col"}, name)))), el("tbody", {}, cells)));
}
