// Rows of a training as the browser keeps them: columns that grow, their smoothed twins, and which points a line needs.
// Knows numbers only: no page, no colours.

/** The first of `count` ascending `values` that is not below `wanted`. */
export function firstFrom(values, count, wanted) {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

const grown = (column, room) => {
  const larger = new column.constructor(room);
  larger.set(column);
  return larger;
};

/** Steps, seconds, and a column a series; NaN where a series was not measured. `length` rows are in use. */
export class Rows {
  constructor() {
    this.length = 0;
    this.room = 1024;
    this.steps = new Float64Array(this.room);
    this.seconds = new Float64Array(this.room);
    this.columns = new Map();
  }

  /** Adds rows; those there are of step `begins` and later are void, as a training that went back says them anew. */
  append({begins, steps, seconds, series}) {
    if (begins === null) return;
    const kept = firstFrom(this.steps, this.length, begins);
    const past = kept + steps.length;
    if (past > this.room) this.grow(past);
    this.steps.set(steps, kept);
    this.seconds.set(seconds, kept);
    for (const name of Object.keys(series)) if (!this.columns.has(name)) this.columns.set(name, new Column(this.room));
    for (const [name, column] of this.columns) column.put(kept, past, series[name]);
    this.length = past;
  }

  grow(wanted) {
    while (this.room < wanted) this.room *= 2;
    this.steps = grown(this.steps, this.room);
    this.seconds = grown(this.seconds, this.room);
    for (const column of this.columns.values()) column.grow(this.room);
  }
}

/** Values of one series and their exponential average. */
export class Column {
  constructor(room) {
    this.values = new Float32Array(room).fill(NaN);
    this.averages = new Float32Array(room);
    this.forget();
  }

  grow(room) {
    const before = this.values.length;
    this.values = grown(this.values, room).fill(NaN, before);
    this.averages = grown(this.averages, room);
  }

  put(first, past, values) {
    for (let index = first; index < past; index += 1) this.values[index] = values?.[index - first] ?? NaN;
    if (first < this.done) this.forget();
  }

  forget() {
    this.done = 0; // so many averages are known
    this.sum = 0;
    this.share = 1; // of the weights that a longer past would have had
    this.gap = 0; // rows since the last value
    this.weight = null;
  }

  /**
   * The average m <- w m + (1 - w) x, divided by 1 - w^t so that the first values are not drawn towards 0 (Kingma and Ba
   * 2015, section 3). Only what is new is computed. w is of a row: over n rows without a value the past loses w^n, so that
   * a series measured now and then is smoothed over as much time as the others. Where there is no value there is no
   * average either.
   */
  smoothed(weight, length) {
    if (weight !== this.weight) {
      this.forget();
      this.weight = weight;
    }
    let {sum, share, gap} = this;
    for (let index = this.done; index < length; index += 1) {
      const value = this.values[index];
      gap += 1;
      this.averages[index] = NaN;
      if (!Number.isFinite(value)) continue;
      const kept = weight ** gap;
      sum = kept * sum + (1 - kept) * value;
      share *= kept;
      gap = 0;
      this.averages[index] = sum / (1 - share);
    }
    Object.assign(this, {sum, share, gap, done: Math.max(this.done, length)});
    return this.averages;
  }
}

/**
 * Which of the points `first` to `past` a line through them needs where `place(x)` is their pixel: of every pixel column
 * the first, the lowest, the highest and the last (Jugel et al. 2014), so that the line looks as if all were drawn and no
 * spike is lost. Gives ascending indices, at most four a column. Values that are no numbers are passed over.
 */
export function needed(xs, values, first, past, place, kept = []) {
  kept.length = 0;
  let column = NaN, start = -1, low = -1, high = -1, end = -1;
  const close = () => {
    if (start < 0) return;
    kept.push(start);
    const [one, other] = low < high ? [low, high] : [high, low];
    if (one > start && one < end) kept.push(one);
    if (other > one && other > start && other < end) kept.push(other);
    if (end > start) kept.push(end);
  };
  for (let index = first; index < past; index += 1) {
    const value = values[index];
    if (!Number.isFinite(value)) continue;
    const here = Math.floor(place(xs[index]));
    if (here !== column) {
      close();
      column = here;
      start = low = high = index;
    } else if (value < values[low]) low = index;
    else if (value > values[high]) high = index;
    end = index;
  }
  close();
  return kept;
}

/** The point nearest to `x` with a value, -1 where there is none. */
export function nearest(xs, values, length, x) {
  let after = firstFrom(xs, length, x), before = after - 1;
  while (after < length && !Number.isFinite(values[after])) after += 1;
  while (before >= 0 && !Number.isFinite(values[before])) before -= 1;
  if (before < 0) return after < length ? after : -1;
  return after < length && xs[after] - x < x - xs[before] ? after : before;
}
