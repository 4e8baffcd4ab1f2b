// Strings, numbers, times and sizes in the person's language. The strings are those gradio was given.

export const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";

function strings() {
  return window.gradio_config?.i18n_translations?.[language] ?? {};
}

export function t(key, values = {}) {
  const template = strings()[key];
  if (template === undefined) return key;
  return template.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const has = (key) => strings()[key] !== undefined;

/** A title from Python: {en, zh}, or the name of a string, or plain text. */
export const titled = (value) =>
  value && typeof value === "object" ? value[language] ?? value.en : has(value) ? t(value) : value ?? "";

/** What an item is, in one word: a training leaves a generator and the samples it drew last. */
const TRAINED = ["training", "sticker_training"];
export const kindOf = (item) => t(`kind.${TRAINED.includes(item.kind) && item.media_type.startsWith("image/") ? "sample" : item.kind}`);

function named(field, value) {
  const key = `name.${field}.${value}`; // from Python, which knows styles, data sets and recipes
  return has(key) ? t(key) : value;
}

/** The value of a setting as people call it. */
export const valueOf = (field, value) => (typeof value === "string" ? named(field, value) : value);

/** What a setting of a training is called. */
export const settingOf = (name) => [`field.training.${name}`, `field.${name}`].filter(has).map((key) => t(key))[0] ?? name;

/** What one of several trainings that were begun together has of its own. */
const ofSweep = ({sweep, varied, seed, ...settings}) =>
  sweep ? [varied ? `${settingOf(varied)} ${settings[varied]}` : "", `${settingOf("seed")} ${seed}`].filter(Boolean) : [];

/** An item's title in the person's language where its recipe says what it is; else the words it was made from. */
export function titleOf(item) {
  const {settings = {}, facts = {}} = item.recipe ?? {};
  if (item.kind === "upscale") return t("title.upscale", {factor: settings.factor ?? ""});
  if (item.kind === "style") return settings.style ? named("style", settings.style) : t("title.picture");
  if (item.kind === "training" && settings.dataset === "own" && settings.name) return settings.name;
  if (item.kind === "training" && settings.dataset) return [named("dataset", settings.dataset), ...ofSweep(settings)].join(" · ");
  if (item.kind === "sticker_training") return settings.name || t("title.own");
  if (item.kind === "explore" && settings.view) return named("view", settings.view);
  if (item.kind === "sample" && facts.dataset) return named("dataset", facts.dataset);
  return item.title || item.name;
}

/** Fills every element below `root` that names a string. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
}

const numbers = new Intl.NumberFormat(language === "zh" ? "zh-CN" : "en-GB");
export const number = (value, digits = 0) =>
  digits ? Number(value).toFixed(digits) : numbers.format(Math.round(value));

export function size(bytes) {
  for (const [unit, scale] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= scale) return `${(bytes / scale).toFixed(bytes / scale < 10 ? 1 : 0)} ${unit}`;
  }
  return `${bytes} B`;
}

export function duration(seconds) {
  if (seconds < 90) return t("time.seconds", {count: Math.max(1, Math.round(seconds))});
  if (seconds < 5400) return t("time.minutes", {count: Math.round(seconds / 60)});
  return t("time.hours", {hours: Math.floor(seconds / 3600), minutes: Math.round((seconds % 3600) / 60)});
}

/** 0:42, 12:07, 1:02:33: for clocks that run. */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const tail = `${two(whole % 60)}`;
  return hours ? `${hours}:${two(Math.floor((whole % 3600) / 60))}:${tail}` : `${Math.floor(whole / 60)}:${tail}`;
}

export function when(seconds) {
  const at = new Date(seconds * 1000);
  const today = new Date().toDateString() === at.toDateString();
  const options = today ? {hour: "2-digit", minute: "2-digit"} : {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"};
  return new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", options).format(at);
}
