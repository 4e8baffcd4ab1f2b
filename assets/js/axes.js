// Axes: from values to places and back, where ticks stand, and what is written at them. Knows numbers only.

/** Round numbers from `low` to `high`, about `count` of them. */
export function ticksOf(low, high, count) {
  const raw = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= raw * (1 - 1e-9));
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-6); at * step <= high + step * 1e-6; at += 1) ticks.push(+(at * step).toPrecision(12));
  return ticks;
}

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** Round times from `low` to `high` seconds, at most `most` of them. */
export function timesOf(low, high, most) {
  const span = SPANS.find((one) => (high - low) / one <= most) ?? SPANS.at(-1) * Math.ceil((high - low) / SPANS.at(-1) / most);
  if ((high - low) / span < 1) return ticksOf(low, high, Math.max(1, most));
  const ticks = [];
  for (let at = Math.ceil(low / span); at * span <= high; at += 1) ticks.push(at * span);
  return ticks;
}

/** Round steps: whole numbers. */
export const stepsOf = (low, high, most) => ticksOf(low, high, Math.max(1, most)).filter(Number.isInteger);

/** `mantissas` times powers of ten, from `low` > 0 to `high`. */
function powersOf(low, high, mantissas = [1]) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) for (const times of mantissas) ticks.push(times * 10 ** power);
  return ticks.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
}

/** Powers of ten; over less than two of them also twice and five times each. */
function decadesOf(low, high) {
  const ticks = powersOf(low, high, high / low < 100 ? [1, 2, 5] : [1]);
  return ticks.length > 1 ? ticks : ticksOf(low, high, 3).filter((tick) => tick > 0);
}

/** At most about `most` of `ticks`, evenly left out, the one at `kept` among them. */
const some = (ticks, most, kept = 0) => ticks.filter((_, index) => (index - kept) % Math.ceil(ticks.length / most) === 0);

/**
 * A scale from values to 0 (bottom) to 1 (top). `log`: powers of ten; where values are not all above `floor` > 0 it runs
 * straight through zero between -floor and floor (asinh), as losses below zero have no logarithm.
 */
export function scaleOf(low, high, log = false, floor = 0) {
  if (!log) return between(low, high, (value) => value, (count) => ticksOf(low, high, count));
  if (low > 0) return between(low, high, Math.log10, (count) => some(decadesOf(low, high), count + 1));
  const unit = floor || Math.max(high, -low) / 1000 || 1;
  const side = (edge) => (edge > unit ? powersOf(unit, edge) : []);
  const ticks = [...side(-low).map((tick) => -tick).reverse(), 0, ...side(high)];
  return between(low, high, (value) => Math.asinh(value / unit), (count) => some(ticks, count + 1, ticks.indexOf(0)));
}

function between(low, high, bend, ticks) {
  const bottom = bend(low), height = bend(high) - bottom || 1;
  return {low, high, ticks, to: (value) => (bend(Math.min(Math.max(value, low), high)) - bottom) / height};
}

/**
 * The bounds that show all but the wildest hundredth of `values` (sorted in place), so that one spike does not flatten the
 * rest. `zero`: the axis begins there. `log`: the margin is a factor.
 */
export function boundsOf(values, {zero = true, log = false} = {}) {
  if (!values.length) return [0, 1];
  values.sort();
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const cut = values.length < 60 ? 0 : 0.01;
  let low = at(cut), high = at(1 - cut);
  if (log && low > 0) return high > low ? [low / (high / low) ** 0.05, high * (high / low) ** 0.05] : [low / 2, high * 2];
  if (zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low < 0 || !zero ? low - margin : low, high > 0 || !zero ? high + margin : high];
}

/** A measured value, short: 4 digits at most. */
export function shortest(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1);
  return size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(2) : value.toPrecision(2);
}

/** What stands at a tick. */
export function label(value) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(0).replace("e+", "e");
  return size >= 1e4 ? `${+(value / 1000).toPrecision(3)}k` : String(+value.toPrecision(3));
}
