// The list of counters, and the page of one.
import { el, notice, number } from "./dom.js";
import * as api from "./api.js";
import { keep } from "./receipts.js";
import { chart } from "./chart.js";

const whole = { type: "text", inputMode: "numeric", pattern: "[1-9][0-9]{0,37}", required: true };
const bound = { type: "text", inputMode: "numeric", pattern: "0|-?[1-9][0-9]{0,37}" };

function gauge({ value, floor, ceiling }) {
  const low = floor ?? 0;
  const bounds = el("div", { className: "bounds" },
    el("span", {}, floor === null ? "no floor" : number(floor)),
    el("span", {}, ceiling === null ? "no ceiling" : number(ceiling)));
  if (ceiling === null) return bounds;
  const meter = el("meter", { ariaLabel: `${value} of at most ${ceiling}` });
  Object.assign(meter, { min: Number(low), max: Number(ceiling) });
  meter.value = Number(value);
  return el("div", {}, meter, bounds);
}

// Runs one submission: the button rests meanwhile, and a refusal is told in its own words.
async function attempt(form, work) {
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  try {
    await work();
  } catch (error) {
    notice(error.message, { error: true });
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

export function list(main) {
  const cards = el("div", {}, el("p", { className: "quiet", role: "status" }, "Loading the counters…"));
  const form = el("form", { onsubmit: (event) => {
    event.preventDefault();
    const { name, floor, ceiling } = Object.fromEntries(new FormData(form));
    attempt(form, async () => {
      await api.create(name, { floor, ceiling });
      location.hash = `#/c/${encodeURIComponent(name)}`;
    });
  } },
  el("label", {}, "Name", el("input", { name: "name", required: true, maxLength: 128, autocomplete: "off" })),
  el("label", {}, "Floor", el("input", { ...bound, name: "floor", value: "0" })),
  el("label", {}, "Ceiling", el("input", { ...bound, name: "ceiling", placeholder: "none" })),
  el("button", { className: "main" }, "Create"));
  main.replaceChildren(
    el("h1", {}, "Counters"),
    el("p", { className: "quiet" }, "Exact under any concurrency. A bound is never crossed, and every change earns a signed receipt."),
    cards,
    el("section", { className: "card" }, el("h2", {}, "New counter"), form));
  return ({ counters, problem }) => {
    if (problem) cards.replaceChildren(el("p", { className: "card bad" }, problem));
    else if (!counters) return;
    else if (!counters.length) cards.replaceChildren(el("p", { className: "card" }, "No counter yet. Create the first one below."));
    else {
      const focused = document.activeElement?.getAttribute("href");
      cards.replaceChildren(el("ul", { className: "grid" }, counters.map((counter) => el("li", {},
        el("a", { className: "card", href: `#/c/${encodeURIComponent(counter.name)}` },
          el("div", { className: "name" }, counter.name),
          el("div", { className: "value" }, number(counter.value)), gauge(counter))))));
      if (focused?.startsWith("#/c/")) [...cards.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
    }
  };
}

export function page(main, name) {
  const value = el("div", { className: "value hero", id: "value", ariaLive: "polite" }, "…");
  const bounds = el("div");
  const amount = el("input", { ...whole, name: "amount", value: "1" });
  const others = el("select", { name: "to", required: true });
  const opposite = { increment: "decrement", decrement: "increment" };

  async function change(verb, by, undoing = false) {
    const result = await api.change(name, verb, by);
    keep(result);
    const words = undoing ? "Undone." : `${verb === "increment" ? "Added" : "Took"} ${by}.`;
    notice(words, undoing ? {} : { action: { label: "Undo", run: () => attempt(steps, () => change(opposite[verb], by, true)) } });
  }
  const steps = el("form", { onsubmit: (event) => {
    event.preventDefault();
    const verb = event.submitter?.value || "increment";
    attempt(steps, () => change(verb, amount.value));
  } },
  el("label", {}, "Amount", amount),
  el("button", { className: "main", value: "increment" }, "Increment"),
  el("button", { value: "decrement" }, "Decrement"));

  async function move(from, to, by, undoing = false) {
    const result = await api.transfer(from, to, by);
    keep(result.from, result.to);
    notice(undoing ? "Undone." : `Moved ${by} to ${to}.`,
      undoing ? {} : { action: { label: "Undo", run: () => attempt(moving, () => move(to, from, by, true)) } });
  }
  const moving = el("form", { onsubmit: (event) => {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(moving));
    attempt(moving, () => move(name, data.to, data.by));
  } },
  el("label", {}, "To", others),
  el("label", {}, "Amount to move", el("input", { ...whole, name: "by", value: "1" })),
  el("button", {}, "Transfer"));

  main.replaceChildren(
    el("h1", {}, name),
    el("div", { className: "two" },
      el("section", { className: "card" }, el("h2", {}, "Value"), value, bounds),
      el("div", {},
        el("section", { className: "card" }, el("h2", {}, "Change"), steps),
        el("section", { className: "card" }, el("h2", {}, "Transfer"), moving))),
    el("section", { className: "card" }, el("h2", {}, "History"), chart(name)));

  let names = "";
  return ({ counters, problem }) => {
    if (problem) { bounds.replaceChildren(el("p", { className: "bad" }, problem)); return; }
    if (!counters) return;
    const counter = counters.find((candidate) => candidate.name === name);
    value.textContent = counter ? number(counter.value) : "–";
    bounds.replaceChildren(counter ? gauge(counter) : el("p", { className: "quiet" }, "There is no counter of this name."));
    const rest = counters.map((candidate) => candidate.name).filter((other) => other !== name);
    if (names !== rest.join("\n")) {
      names = rest.join("\n");
      others.replaceChildren(...rest.map((other) => el("option", { value: other }, other)));
    }
  };
}
