// A thing's family as a small tree: what it was made from on the left, what was made from it on the right.

import {ask, Refused} from "./desk.js";
import {address, button, el, icon} from "./dom.js";
import {has, kindOf, t, titleOf, valueOf} from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
let box = null;

/** Opens the tree of `item` over everything; `open` shows one of its things. */
export async function family(item, open) {
  if (!box) {
    box = el("dialog.dialog.family", {id: "family-dialog", tabindex: -1});
    document.getElementById("pages").parentElement.append(box);
    box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  }
  const body = el("div.family-body", {}, el("p.soft", {}, t("lineage.loading")));
  box.setAttribute("aria-label", t("lineage.of", {title: titleOf(item)}));
  box.replaceChildren(el("div.dialog-head", {}, el("h2", {}, t("lineage.of", {title: titleOf(item)})),
    button("", {class: "btn btn-quiet", "aria-label": t("item.close"), title: t("item.close"), id: "family-close", onclick: () => box.close()}, "close")), body);
  if (!box.open) box.showModal();
  try {
    const tree = await ask(`/shelf/lineage/${item.id}`);
    body.replaceChildren(...drawn(tree, (node) => { box.close(); open(node.item); }));
    joined(body, tree);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    body.replaceChildren(el("p.shelf-said", {role: "alert"}, error.message));
  }
}

function drawn(tree, open) {
  const roles = new Map();
  for (const link of tree.links) {
    const end = generation(tree, link.made) > 0 ? link.made : link.source; // the end away from the thing asked about
    roles.set(end, new Set([...(roles.get(end) ?? []), link.role]));
  }
  const generations = [...new Set(tree.nodes.map((node) => node.generation))].sort((one, other) => one - other);
  const columns = generations.map((number) => el("div.family-column", {role: "group", "aria-label": t(number < 0 ? "lineage.before" : number > 0 ? "lineage.after" : "lineage.this")},
    tree.nodes.filter((node) => node.generation === number).map((node) => member(node, node.id === tree.focus, roles.get(node.id), open))));
  const legend = tree.nodes.length === 1 ? el("p.soft", {}, t("lineage.alone")) : el("p.soft", {}, t("lineage.legend"));
  return [legend, el("div.family-scroll", {tabindex: 0, role: "region", "aria-label": t("lineage")}, el("div.family-tree", {}, document.createElementNS(SVG, "svg"), columns))];
}

const generation = (tree, id) => tree.nodes.find((node) => node.id === id)?.generation ?? 0;

function member(node, focus, roles, open) {
  const {item, state} = node;
  const name = item ? titleOf(item) : state === "set" ? valueOf("dataset", node.title) : node.title || t(`lineage.${state}.file`);
  const face = node.thumbnail_url ? el("img", {src: address(node.thumbnail_url), alt: "", onerror: (event) => event.target.replaceWith(icon("photo"))}) : icon(glyph(node));
  const kind = item ? kindOf(item) : t(`lineage.${state}`);
  const role = [...(roles ?? [])].map((one) => (has(`lineage.role.${one}`) ? t(`lineage.role.${one}`) : has(`field.${one}`) ? t(`field.${one}`) : one)).join(", ");
  const inner = [el("span.family-face", {}, face), el("span.family-name", {}, name), el("span.family-kind", {}, [kind, role].filter(Boolean).join(" · "))];
  if (node.more) inner.push(el("span.family-kind", {}, t("lineage.more", {count: node.more})));
  const options = {data: {node: node.id, state}, "aria-current": focus ? "true" : null};
  return item ? el("button.family-member", {type: "button", onclick: () => open(node), ...options}, inner) : el("div.family-member", options, inner);
}

function glyph(node) {
  if (node.kind === "text") return "text";
  if (node.state === "set" || ["training", "sticker_training"].includes(node.kind)) return "training";
  return node.state === "gone" ? "trash" : "photo";
}

/** Draws the lines once everybody has their place, and again when that changes. */
function joined(body, tree) {
  const frame = body.querySelector(".family-tree"), svg = frame.querySelector("svg");
  const lines = () => {
    const at = frame.getBoundingClientRect();
    svg.setAttribute("width", frame.scrollWidth);
    svg.setAttribute("height", frame.scrollHeight);
    svg.replaceChildren(...tree.links.flatMap((link) => {
      const [from, to] = [link.source, link.made].map((id) => frame.querySelector(`[data-node="${CSS.escape(id)}"]`)?.getBoundingClientRect());
      if (!from || !to) return [];
      const [x1, y1, x2, y2] = [from.right - at.left, from.top + from.height / 2 - at.top, to.left - at.left, to.top + to.height / 2 - at.top];
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`);
      return [path];
    }));
  };
  lines();
  new ResizeObserver(lines).observe(frame);
  frame.querySelector("[aria-current]")?.scrollIntoView({inline: "center", block: "nearest"});
}
