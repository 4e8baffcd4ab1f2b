// What is going on in a training, in words, with a button for each thing that can be done about it.
// Knows the findings of the view; the studio's courier takes a fix to the training.

import {send} from "./bench.js";
import {button, el, fill, icon} from "./dom.js";
import {t} from "./words.js";

const GLYPHS = {warning: "alert", note: "info"};

export class Findings {
  constructor(job) {
    this.job = job;
    this.list = el("ul.findings-list", {"aria-live": "polite"});
    this.box = el("section.findings", {id: "training-findings", hidden: true, "aria-label": t("findings.title")}, el("h3", {}, t("findings.title")), this.list);
  }

  /** `live`: it runs, so that something can still be done. */
  show(findings, live) {
    this.box.hidden = !findings.length;
    fill(this.list, JSON.stringify([findings, live]), () => findings.map((one) => this.finding(one, live)));
  }

  finding({key, severity, title, text, fixes}, live) {
    const glyph = GLYPHS[severity] ? icon(GLYPHS[severity]) : el("span.finding-dot", {"aria-hidden": "true"});
    const next = !live && fixes.length ? el("p.finding-next", {}, t("findings.next", {fixes: fixes.map((fix) => fix.text).join(" · ")})) : null;
    const row = live && fixes.length ? el("div.finding-fixes", {}, fixes.map((fix) => this.fix(fix))) : null;
    return el(`li.finding.finding-${severity}`, {data: {finding: key}}, glyph, el("div", {}, el("p", {}, el("b", {}, title), el("span", {}, text)), row, next));
  }

  fix({text, changes}) {
    const made = button(text, {class: "btn btn-small", onclick: () => { made.disabled = true; send({action: "steer", job: this.job, changes}); }});
    return made;
  }
}
