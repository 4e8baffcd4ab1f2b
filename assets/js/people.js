// The administrators' section of people: accounts, invitations, and the last entries of the log.

import {button, el} from "./dom.js";
import {has, t, when} from "./words.js";

const role = (name) => t(`role.${name}`);

/** A link that is shown this once, with a button that copies it. */
export function linkToCopy(link, words, id) {
  const box = el("input.link-box", {readonly: true, value: link, id, "aria-label": words, onfocus: (event) => event.target.select()});
  const copy = button(t("link.copy"), {onclick: async () => {
    box.select();
    if (navigator.clipboard) await navigator.clipboard.writeText(link); // there over HTTPS and on this machine only
    else document.execCommand("copy");
    copy.lastChild.textContent = t("link.copied");
  }}, "copy");
  return el("div.link-made", {role: "status"}, el("p", {}, words), el("div.link-row", {}, box, copy));
}

export function people(element, props, trigger, watch, fixed) {
  const box = element.querySelector(".widget");
  const act = (message) => trigger("act", message);
  const show = () => {
    const value = props.value;
    if (!value) return box.replaceChildren();
    box.replaceChildren(
      invite(fixed.roles, act, value.link),
      openInvitations(value.invitations, act),
      accounts(value, fixed.roles, act),
      el("details.log", {}, el("summary", {}, t("people.log")), log(value.log)));
  };
  watch("value", show);
  show();
}

function table(id, columns, rows) {
  return el("div.table-frame", {}, el("table.rows-table", {id},
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", {scope: "col"}, name)))), el("tbody", {}, rows)));
}

function accounts(value, roles, act) {
  const rows = value.people.map((one) => {
    const me = one.id === value.me;
    const choice = one.ends ? role(one.role) : el("select", {"aria-label": t("people.role_of", {name: one.name}), disabled: me, onchange: (event) => act({action: "role", account: one.id, role: event.target.value})},
      roles.filter((name) => name !== "guest" || one.role === "guest").map((name) => el("option", {value: name, selected: name === one.role}, role(name))));
    const close = me ? t("people.you") : button(t(one.disabled ? "people.enable" : "people.disable"), {class: "btn btn-small", onclick: () => act({action: "disable", account: one.id, disabled: !one.disabled})});
    const ends = one.ends ? t("people.until", {when: when(one.ends)}) : "";
    return el("tr", {class: one.disabled ? "closed" : null, data: {name: one.name}}, el("td", {}, el("b", {}, one.name), ends ? el("span.soft", {}, ends) : null), el("td", {}, choice),
      el("td", {}, one.disabled ? t("people.closed") : one.seen ? when(one.seen) : t("people.never")), el("td.last", {}, close));
  });
  return table("people-table", [t("people.name"), t("people.role"), t("people.seen"), ""], rows);
}

function invite(roles, act, link) {
  const kind = el("select", {id: "invite-role"}, [...roles].reverse().map((name) => el("option", {value: name, selected: name === "member"}, role(name))));
  const number = (id, value, most) => el("input", {type: "number", id, value, min: 1, max: most, required: true});
  const uses = number("invite-uses", 1, 500);
  const days = number("invite-days", 7, 90);
  const minutes = number("invite-minutes", 60, 1440);
  const field = (words, input) => el("label", {}, el("span", {}, words), input);
  const stay = field(t("people.minutes"), minutes);
  const fit = () => { stay.hidden = kind.value !== "guest"; };
  kind.addEventListener("change", fit);
  fit();
  const form = el("form.invite", {id: "invite-form", onsubmit: (event) => {
    event.preventDefault();
    act({action: "invite", role: kind.value, uses: +uses.value, days: +days.value, minutes: kind.value === "guest" ? +minutes.value : 0});
  }}, field(t("people.invite_as"), kind), field(t("people.uses"), uses), field(t("people.days"), days), stay, el("button.btn.btn-primary", {type: "submit", id: "invite-make"}, t("people.invite")));
  const made = link ? linkToCopy(new URL(`invitation/${link}`, document.baseURI).href, t("people.link"), "invite-link") : null;
  return el("div", {}, form, made);
}

function openInvitations(invitations, act) {
  if (!invitations.length) return el("span");
  const rows = invitations.map((one) => el("tr", {},
    el("td", {}, role(one.role), one.guest_minutes ? el("span.soft", {}, t("people.stay", {minutes: one.guest_minutes})) : null), el("td", {}, t("people.left", {count: one.uses_left})),
    el("td", {}, t("people.until", {when: when(one.expires)})), el("td.last", {}, button(t("link.take_back"), {class: "btn btn-small", onclick: () => act({action: "take back", invitation: one.id})}))));
  return table("invitations-table", [t("people.invitations"), t("people.uses"), t("people.days"), ""], rows);
}

function log(entries) {
  const rows = entries.map((one) => el("tr", {}, el("td.when", {}, when(one.at)), el("td", {}, has(`log.${one.what}`) ? t(`log.${one.what}`) : one.what),
    el("td", {}, one.actor), el("td", {}, one.subject), el("td", {}, one.address)));
  return table("log-table", [t("people.when"), t("people.what"), t("people.who"), t("people.whom"), t("people.address")], rows);
}
