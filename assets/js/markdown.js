// Markdown as chat models write it, built node by node. There is no way from here to raw HTML or to another host:
// pictures become their words, links are shown and open in a new tab.

import {el, icon} from "./dom.js";
import {t} from "./words.js";

const INLINE = /(`+)([\s\S]*?)\1|\*\*([^*]+?)\*\*|__([^_]+?)__|\*([^*\s][^*]*?)\*|!\[([^\]]*)\]\([^)]*\)|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

function inline(text) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > last) nodes.push(text.slice(last, match.index));
    const [, , code, strong, strong2, soft, picture, words, link] = match;
    if (code !== undefined) nodes.push(el("code", {}, code.trim()));
    else if (strong ?? strong2) nodes.push(el("strong", {}, strong ?? strong2));
    else if (soft) nodes.push(el("em", {}, soft));
    else if (picture !== undefined) nodes.push(`[${picture}]`);
    else nodes.push(el("a", {href: link, target: "_blank", rel: "noopener noreferrer nofollow"}, words));
    last = match.index + match[0].length;
  }
  if (last < text.length) nodes.push(text.slice(last));
  return nodes;
}

function lines(block) {
  return block.flatMap((line, index) => (index ? [el("br"), ...inline(line)] : inline(line)));
}

function codeBlock(language, body) {
  const copy = el("button.code-copy", {type: "button", "aria-label": t("item.copy"), title: t("item.copy")}, icon("copy"));
  copy.addEventListener("click", () => navigator.clipboard?.writeText(body));
  return el("div.code", {}, el("div.code-head", {}, el("span", {}, language || ""), copy), el("pre", {}, el("code", {}, body)));
}

function table(rows) {
  const cells = (row) => row.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const [head, , ...body] = rows;
  return el("div.table-wrap", {}, el("table", {},
    el("thead", {}, el("tr", {}, cells(head).map((cell) => el("th", {}, inline(cell))))),
    el("tbody", {}, body.map((row) => el("tr", {}, cells(row).map((cell) => el("td", {}, inline(cell))))))));
}

const KINDS = [
  [/^#{1,6}\s/, "heading"],
  [/^\s*[-*+]\s+/, "ul"],
  [/^\s*\d+[.)]\s+/, "ol"],
  [/^>\s?/, "quote"],
  [/^(---+|\*\*\*+)\s*$/, "rule"],
];
const kindOf = (line) => (line.trim() === "" ? "blank" : (KINDS.find(([rule]) => rule.test(line)) ?? [null, "p"])[1]);

function block(kind, rows) {
  const bare = (rule) => rows.map((row) => row.replace(rule, ""));
  switch (kind) {
    case "blank": return [];
    case "rule": return [el("hr")];
    case "heading": return rows.map((row) => el("h4", {}, inline(row.replace(/^#+\s*/, ""))));
    case "ul": return [el("ul", {}, bare(/^\s*[-*+]\s+/).map((row) => el("li", {}, inline(row))))];
    case "ol": return [el("ol", {start: parseInt(rows[0], 10) || 1}, bare(/^\s*\d+[.)]\s+/).map((row) => el("li", {}, inline(row))))];
    case "quote": return [el("blockquote", {}, lines(bare(/^>\s?/)))];
    default: return rows.length > 2 && /^\|?[\s:|-]+\|?$/.test(rows[1]) && rows[0].includes("|") ? [table(rows)] : [el("p", {}, lines(rows))];
  }
}

/** The nodes of a Markdown text. */
export function markdown(text) {
  const nodes = [];
  text.split(/^```(.*)$/m).reduce((state, part, index) => {
    if (index % 2) return {...state, open: !state.open, language: state.open ? "" : part.trim()};
    const body = part.replace(/^\n/, "");
    if (state.open) nodes.push(codeBlock(state.language, body.replace(/\n$/, "")));
    else {
      let rows = [];
      let kind = "blank";
      for (const row of body.split("\n")) {
        const next = kindOf(row);
        if (next !== kind) {
          nodes.push(...block(kind, rows));
          rows = [];
          kind = next;
        }
        rows.push(row);
      }
      nodes.push(...block(kind, rows));
    }
    return state;
  }, {open: false, language: ""});
  return nodes;
}
