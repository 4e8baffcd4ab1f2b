// What the Library's scripts ask the server for, and say when it says no.

import {address} from "./dom.js";
import {t} from "./words.js";

async function answered(answer) {
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(found.error ?? found.detail ?? t("library.unreachable"));
  return found;
}

/** A sentence from the server, or that there is none. */
export class Refused extends Error {}

async function reached(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof TypeError) throw new Refused(t("library.unreachable")); // no network
    throw error;
  }
}

/** GET with an object as the query; empty values are left out. */
export async function ask(path, values = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== "" && value !== false && value !== null && value !== undefined) query.set(name, value === true ? "1" : value);
  return answered(await reached(fetch(address(`${path}?${query}`))));
}

/** POST of a message as JSON, or of a file's bytes as they are. */
export async function post(path, body, name = "") {
  const bytes = body instanceof Blob;
  const headers = bytes ? {"content-type": "application/octet-stream", "x-file-name": encodeURIComponent(name)} : {"content-type": "application/json"};
  return answered(await reached(fetch(address(path), {method: "POST", headers, body: bytes ? body : JSON.stringify(body)})));
}

export const act = (message) => post("/shelf/act", message);

/** A download that begins at once and is never held in this page. */
export function downloadZip(items) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = address("/shelf/download");
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "items";
  field.value = items.join(",");
  form.append(field);
  document.body.append(form);
  form.submit();
  form.remove();
}
