// Changes that a person makes: seen at once, told when they are done, receipts kept, undone in one step.
import * as api from "./api.js";
import { number, signed } from "./dom.js";
import { keep } from "./kept.js";
import { dismiss, notice } from "./notices.js";
import { learn } from "./store.js";
import { say } from "./words.js";

const TOGETHER = 12000;
// Per counter, what was changed since its notice appeared: one Undo takes all of it back.
const recent = new Map();
// Per counter, the sum of what is sent and not yet answered, and how many changes that is.
const sent = new Map();
const listeners = new Set();

// Runs `work`; `place` shows a refusal in the problem's own words. Returns whether it was done.
export async function attempt(place, work) {
  try {
    place.clear();
    await work();
    return true;
  } catch (error) {
    place.show(error);
    return false;
  }
}

// What stands for a form where there is none: an undone change that is refused.
const foot = (subject) => ({ clear() { dismiss(`error ${subject}`); }, show(error) { notice(`error ${subject}`, error.message, { error: true }); } });

// What is on its way to a counter, as people write it; empty if nothing is.
export function onItsWay(name) {
  const now = sent.get(name);
  if (!now) return "";
  return now.sum === 0n ? "±0" : signed(now.sum);
}

export function onSent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function count(name, sum, many) {
  const before = sent.get(name) ?? { sum: 0n, many: 0 };
  const now = { sum: before.sum + sum, many: before.many + many };
  if (now.many) sent.set(name, now); else sent.delete(name);
  for (const listener of listeners) listener(name);
}

async function underWay(changes, work) {
  for (const [name, by] of changes) count(name, by, 1);
  try {
    return await work();
  } finally {
    for (const [name, by] of changes) count(name, -by, -1);
  }
}

const byOf = (verb, amount) => (verb === "increment" ? BigInt(amount) : -BigInt(amount));

async function send(name, verb, amount) {
  await underWay([[name, byOf(verb, amount)]], async () => {
    const result = await api.change(name, verb, amount);
    keep(result);
    learn(name, result.value);
  });
}

function net(name, by) {
  const before = recent.get(name);
  const past = before && Date.now() - before.at < TOGETHER ? before.sum : 0n;
  recent.set(name, { sum: past + by, at: Date.now() });
  return past + by;
}

export function step(name, verb, amount, place) {
  return attempt(place, async () => {
    await send(name, verb, amount);
    const sum = net(name, byOf(verb, amount));
    if (sum === 0n) { dismiss(name); return; }
    const [back, many] = sum > 0n ? ["decrement", sum] : ["increment", -sum];
    const words = sum > 0n ? say("Added {n} to {name}.", { n: number(many), name }) : say("Took {n} from {name}.", { n: number(many), name });
    notice(name, words, { action: { label: say("Undo"), run: () => undo(name, back, many) } });
  });
}

function undo(name, verb, amount) {
  recent.delete(name);
  return attempt(foot(name), async () => {
    await send(name, verb, amount);
    const n = number(amount);
    notice(name, verb === "decrement" ? say("Undone: took {n} back.", { n }) : say("Undone: gave {n} back.", { n }));
  });
}

export function move(from, to, amount, place = foot(from), undoing = false) {
  const by = BigInt(amount);
  return attempt(place, () => underWay([[from, -by], [to, by]], async () => {
    const result = await api.transfer(from, to, amount);
    keep(result.from, result.to);
    learn(from, result.from.value);
    learn(to, result.to.value);
    const values = { n: number(by), from, to };
    const words = undoing ? say("Undone: {n} moved back from {from} to {to}.", values) : say("Moved {n} from {from} to {to}.", values);
    notice(`${from} ${to}`, words, undoing ? {} : { action: { label: say("Undo"), run: () => move(to, from, amount, foot(to), true) } });
  }));
}

// Gives a counter other settings; what they were can be given back.
export function configure(name, settings, before, place) {
  return attempt(place, async () => {
    await api.configure(name, settings);
    const back = Object.fromEntries(Object.keys(settings).map((each) => [each, before[each]]));
    notice(`settings ${name}`, say("Settings of {name} saved.", { name }), { action: { label: say("Undo"), run: () => attempt(foot(name), async () => {
      await api.configure(name, back);
      notice(`settings ${name}`, say("Undone: {name} is set as before.", { name }));
    }) } });
  });
}
