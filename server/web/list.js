// All counters, each with a step up and down, and the form for a new one.
import * as api from "./api.js";
import { attempt, step } from "./changes.js";
import { el, number, pop, shake, state } from "./dom.js";
import { bar, isFull } from "./gauge.js";
import { guard, may } from "./person.js";

const bound = { type: "text", inputMode: "numeric", pattern: "0|-?[1-9][0-9]{0,37}", autocomplete: "off", title: "a whole number, or nothing" };
const EMPTY = ["M5.5 5v14", "M10 5v14", "M14.5 5v14", "M19 5v14", "M3 15.5 21.5 8.5"];
const BROKEN = ["M12 3 2.5 20h19L12 3z", "M12 10v4.5", "M12 17.2v.3"];

function card(counter) {
  const { name } = counter;
  const gauge = bar();
  const value = el("div", { className: "value" });
  const change = async (verb) => { if (!await step(name, verb, 1)) shake(article); };
  const article = el("article", { className: "card counter" },
    el("h2", {}, el("a", { href: `#/c/${encodeURIComponent(name)}` }, name)),
    el("div", { className: "steps" },
      el("button", { type: "button", ariaLabel: `Take 1 from ${name}`, onclick: () => change("decrement") }, "−1"),
      el("button", { type: "button", ariaLabel: `Add 1 to ${name}`, onclick: () => change("increment") }, "+1")),
    value, gauge.node);
  guard("operator", "changing a counter", article);
  return {
    node: el("li", {}, article),
    update(now) {
      const text = number(now.value);
      if (value.textContent && value.textContent !== text) pop(value);
      value.textContent = text;
      article.classList.toggle("full", isFull(now));
      gauge.update(now);
    },
  };
}

function facts() {
  const names = ["Instances", "Leader", "Fencing token"];
  const values = names.map(() => el("dd", {}, "–"));
  const node = el("section", { className: "card facts", ariaLabel: "The group" },
    el("dl", {}, names.map((name, i) => el("div", {}, el("dt", {}, name), values[i]))),
    el("a", { href: "#/cluster" }, "See who leads, and why"));
  return { node, update({ cluster }) {
    if (!cluster) return;
    const answering = cluster.instances.filter((instance) => !instance.silent).length;
    const told = [number(answering), cluster.leader?.id ?? (cluster.lease ? "being elected" : "none"), cluster.fence ? String(cluster.fence) : "–"];
    told.forEach((text, i) => { values[i].textContent = text; });
  } };
}

function newCounter() {
  const form = el("form", { ariaLabel: "New counter", onsubmit: async (event) => {
    event.preventDefault();
    const { name, floor, ceiling } = Object.fromEntries(new FormData(form));
    const done = await attempt("new counter", () => api.create(name, { floor, ceiling }));
    if (done) location.hash = `#/c/${encodeURIComponent(name)}`;
  } },
  el("label", {}, "Name", el("input", { id: "new-name", name: "name", required: true, maxLength: 128, pattern: "[A-Za-z0-9._~:@\\-]+", title: "letters, digits, and . _ ~ : @ -", placeholder: "seats-sold", autocomplete: "off", spellcheck: false })),
  el("label", {}, "Floor", el("input", { ...bound, name: "floor", value: "0" })),
  el("label", {}, "Ceiling", el("input", { ...bound, name: "ceiling", placeholder: "none" })),
  el("button", { className: "main" }, "Create"));
  form.append(guard("administrator", "making a counter", form) ?? "");
  return el("section", { className: "card section" }, el("h2", {}, "New counter"), form);
}

const bones = () => el("ul", { className: "grid", ariaHidden: "true" }, [1, 2, 3].map(() => el("li", {},
  el("div", { className: "card" }, ["line", "big", "slim"].map((kind) => el("div", { className: `bone ${kind}` }))))));

export function view() {
  const group = facts();
  const grid = el("ul", { className: "grid" });
  const shelf = el("div", {}, el("p", { className: "quiet", role: "status" }, "Loading the counters…"), bones());
  const cards = new Map();
  // Not before it is known how tall the list above it is: it would jump down.
  const making = newCounter();
  making.hidden = true;
  const node = el("div", {},
    el("h1", {}, "Every click counts, exactly once."),
    el("p", { className: "lead" }, "Many machines change these numbers at the same time. No bound is ever crossed, no retry counts twice, and each change earns a signed receipt that your browser can check."),
    group.node, shelf, making);

  function lay(counters) {
    for (const [name, made] of cards) {
      if (!counters.some((counter) => counter.name === name)) { made.node.remove(); cards.delete(name); }
    }
    counters.forEach((counter, i) => {
      if (!cards.has(counter.name)) cards.set(counter.name, card(counter));
      const made = cards.get(counter.name);
      made.update(counter);
      // Moved only when it must be: what is moved loses the focus.
      if (grid.children[i] !== made.node) grid.insertBefore(made.node, grid.children[i] ?? null);
    });
    if (shelf.firstElementChild !== grid) shelf.replaceChildren(grid);
  }

  return { node, update(now) {
    group.update(now);
    making.hidden &&= !now.counters;
    if (now.counters?.length) lay(now.counters);
    else if (now.counters) {
      shelf.replaceChildren(state("", "No counter yet", "Make the first one: a name, and bounds if it has any. It is there for everybody at once.", EMPTY,
        may("administrator") && el("button", { type: "button", className: "main", onclick: () => document.getElementById("new-name").focus() }, "Make a counter")));
    } else if (now.problem) {
      shelf.replaceChildren(state("bad", "The counters cannot be read", now.problem, BROKEN, el("p", {}, "This page keeps trying.")));
    } else if (now.connection === "down") {
      shelf.replaceChildren(state("bad", "The service does not answer", "Your network, or the service behind this page, is not there just now. This page keeps trying.", BROKEN));
    }
  } };
}
