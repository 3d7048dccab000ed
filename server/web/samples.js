// The recorded samples as a chart's columns, and what stands at its axes.
import { number, signed } from "./dom.js";
import { locale, many, say } from "./words.js";

const GAP = 3; // ticks without a sample that make a gap
const EXACT = 12; // digits that an axis has room for
const SPELT = 1e15; // from here on a tick is written by its power of ten

const digits = (value) => `${value}`.replace("-", "").length;

// What the axis counts from: 0, or where the numbers have too many digits for it, the first value.
export function originOf(samples) {
  const long = samples.some(([, value]) => digits(value) > EXACT);
  return long ? BigInt(samples[0][1]) : 0n;
}

// Columns of uPlot; null, which breaks the line, where ticks are missing. `every` seconds there is one.
export function columns(samples, every) {
  const origin = originOf(samples);
  const ticks = [], values = [];
  samples.forEach(([tick, value], i) => {
    if (i && tick - samples[i - 1][0] > GAP * every) { ticks.push(tick - every); values.push(null); }
    ticks.push(tick);
    values.push(Number(BigInt(value) - origin));
  });
  return [ticks, values];
}

// The samples and, as the last of them, what the page shows as the counter's value now.
export function upToNow(samples, value, now) {
  const last = samples.at(-1);
  if (!last) return samples;
  return [...samples, [Math.max(now, last[0] + 1), `${value}`, last[2]]]; // clocks may differ
}

export function heightLabel(tick, origin) {
  if (Math.abs(tick) >= SPELT) return tick.toLocaleString(locale, { notation: "scientific", maximumFractionDigits: 2 });
  return origin === 0n ? number(tick) : signed(tick);
}

const HOUR = 3600, DAY = 86400;

// A time as an axis that goes over `span` seconds tells it.
export function timeLabel(tick, span) {
  const at = new Date(tick * 1000);
  if (span > 4 * DAY) return at.toLocaleDateString(locale, { month: "short", day: "numeric" });
  if (span > HOUR / 2) return at.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  return at.toLocaleTimeString(locale);
}

export const turns = (samples) => samples.filter(([, , fence], i) => i && samples[i - 1][2] !== fence).map(([tick]) => tick);

export function summary(samples) {
  const first = BigInt(samples[0][1]), last = BigInt(samples.at(-1)[1]);
  const change = last === first ? say("unchanged") : signed(last - first);
  const led = turns(samples).length;
  const words = say("{value} now, {change}", { value: number(last), change });
  return led ? `${words}, ${many(led, "{n} change of leader", "{n} changes of leader")}` : words;
}

// From ten minutes to all that is kept, in minutes.
export function ranges(kept) {
  const all = Math.floor(kept / 60);
  return [...[10, 60, 360, 1440, 10080].filter((minutes) => minutes < all), all];
}

export function rangeLabel(minutes) {
  const [size, unit] = minutes % 1440 === 0 && minutes > 1440 ? [1440, "day"] : minutes % 60 === 0 ? [60, "hour"] : [1, "minute"];
  return (minutes / size).toLocaleString(locale, { style: "unit", unit, unitDisplay: "short" });
}
