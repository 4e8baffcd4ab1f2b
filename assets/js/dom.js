// Builds elements. Text is always set as text, so nothing a person or a model wrote can become markup.

/** el("div.card.wide", {onclick, title, data: {…}}, child, "text", …) */
export function el(tag, options = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "data") Object.assign(element.dataset, value);
    else if (key === "style") element.style.cssText = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const icon = (name) => el(`span.glyph.glyph-${name}`, {"aria-hidden": "true"});

/** Replaces the children of `parent` only where `key` has changed since the last time. */
export function fill(parent, key, make) {
  if (parent.dataset.key === key) return;
  parent.dataset.key = key;
  parent.replaceChildren(...[make()].flat().filter(Boolean));
}

/** Served paths begin with a slash; the page may be mounted below a prefix. */
export const address = (url) => (url.startsWith("/") ? url.slice(1) : url);

export function button(words, options, glyph) {
  return el("button.btn", {type: "button", ...options}, glyph ? icon(glyph) : null, words ? el("span", {}, words) : null);
}
