// Changes that a person makes: told at once, receipts kept, and undone in one step.
import * as api from "./api.js";
import { number } from "./dom.js";
import { keep } from "./kept.js";
import { dismiss, notice } from "./notices.js";
import { learn } from "./store.js";

const TOGETHER = 12000;
// Per counter, what was changed since its notice appeared: one Undo takes all of it back.
const recent = new Map();

// Runs `work`; a refusal is told in the problem's own words. Returns whether it was done.
export async function attempt(subject, work) {
  try {
    await work();
    return true;
  } catch (error) {
    notice(`error ${subject}`, error.message, { error: true });
    return false;
  }
}

async function send(name, verb, amount) {
  const result = await api.change(name, verb, amount);
  keep(result);
  learn(name, result.value);
  dismiss(`error ${name}`);
}

function net(name, verb, amount) {
  const before = recent.get(name);
  const past = before && Date.now() - before.at < TOGETHER ? before.sum : 0n;
  const sum = past + (verb === "increment" ? BigInt(amount) : -BigInt(amount));
  recent.set(name, { sum, at: Date.now() });
  return sum;
}

export function step(name, verb, amount) {
  return attempt(name, async () => {
    await send(name, verb, amount);
    const sum = net(name, verb, amount);
    if (sum === 0n) { dismiss(name); return; }
    const back = sum > 0n ? "decrement" : "increment";
    notice(name, `${sum > 0n ? "Added" : "Took"} ${number(sum > 0n ? sum : -sum)} ${sum > 0n ? "to" : "from"} ${name}.`,
      { action: { label: "Undo", run: () => undo(name, back, sum > 0n ? sum : -sum) } });
  });
}

function undo(name, verb, amount) {
  recent.delete(name);
  return attempt(name, async () => {
    await send(name, verb, amount);
    notice(name, `Undone: ${verb === "decrement" ? "took" : "gave"} ${number(amount)} back.`);
  });
}

export function move(from, to, amount, undoing = false) {
  return attempt(from, async () => {
    const result = await api.transfer(from, to, amount);
    keep(result.from, result.to);
    learn(from, result.from.value);
    learn(to, result.to.value);
    const words = undoing ? `Undone: ${number(BigInt(amount))} moved back from ${from} to ${to}.` : `Moved ${number(BigInt(amount))} from ${from} to ${to}.`;
    notice(`${from} ${to}`, words, undoing ? {} : { action: { label: "Undo", run: () => move(to, from, amount, true) } });
  });
}
