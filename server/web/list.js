// All counters, each with a step up and down, and the form for a new one.
import * as api from "./api.js";
import { attempt, onItsWay, onSent, step } from "./changes.js";
import { el, number, pop, shake, state } from "./dom.js";
import { busy, faults } from "./forms.js";
import { bar, breakable, isFull, length } from "./gauge.js";
import { guard, may } from "./person.js";
import { say } from "./words.js";

const bound = { type: "text", inputMode: "numeric", pattern: "0|-?[1-9][0-9]{0,37}", autocomplete: "off", title: say("a whole number, or nothing") };
const EMPTY = ["M5.5 5v14", "M10 5v14", "M14.5 5v14", "M19 5v14", "M3 15.5 21.5 8.5"];
const BROKEN = ["M12 3 2.5 20h19L12 3z", "M12 10v4.5", "M12 17.2v.3"];

function card(counter) {
  const { name } = counter;
  const gauge = bar();
  const value = el("span", {});
  const line = el("div", {}, value);
  const way = el("span", { className: "way" });
  line.append(way);
  const change = async (verb) => { if (!await step(name, verb, 1, place)) shake(article); };
  const article = el("article", { className: "card counter" },
    el("h2", {}, el("a", { href: `#/c/${encodeURIComponent(name)}` }, name)),
    el("div", { className: "steps" },
      el("button", { type: "button", ariaLabel: say("Take 1 from {name}", { name }), onclick: () => change("decrement") }, "−1"),
      el("button", { type: "button", ariaLabel: say("Add 1 to {name}", { name }), onclick: () => change("increment") }, "+1")),
    line, gauge.node);
  const place = faults(article);
  guard("operator", say("changing a counter"), article);
  return {
    sent() { way.textContent = onItsWay(name); },
    node: el("li", {}, article),
    update(now) {
      const text = number(now.value);
      if (value.textContent && value.textContent !== text) pop(value);
      value.replaceChildren(...breakable(text));
      line.className = `value${length(text)}`;
      article.classList.toggle("full", isFull(now));
      gauge.update(now);
    },
  };
}

function facts() {
  const names = [say("Instances"), say("Leader"), say("Fencing token")];
  const values = names.map(() => el("dd", {}, "–"));
  const node = el("section", { className: "card facts", ariaLabel: say("The group") },
    el("dl", {}, names.map((name, i) => el("div", {}, el("dt", {}, name), values[i]))),
    el("a", { href: "#/cluster" }, say("See who leads, and why")));
  return { node, update({ cluster }) {
    if (!cluster) return;
    const answering = cluster.instances.filter((instance) => !instance.silent).length;
    const told = [number(answering), cluster.leader?.id ?? (cluster.lease ? say("being elected") : say("none")), cluster.fence ? String(cluster.fence) : "–"];
    told.forEach((text, i) => { values[i].textContent = text; });
  } };
}

function newCounter() {
  const create = el("button", { className: "main" }, say("Create"));
  const form = el("form", { ariaLabel: say("New counter"), onsubmit: async (event) => {
    event.preventDefault();
    const { name, ...settings } = Object.fromEntries(new FormData(form));
    const done = await busy(create, () => attempt(place, () => api.create(name, settings)));
    if (done) location.hash = `#/c/${encodeURIComponent(name)}`;
  } },
  el("label", {}, say("Name"), el("input", { id: "new-name", name: "name", required: true, maxLength: 128, pattern: "[A-Za-z0-9._~:@\\-]+", title: say("letters, digits, and . _ ~ : @ -"), placeholder: "seats-sold", autocomplete: "off", spellcheck: false })),
  el("label", {}, say("Floor"), el("input", { ...bound, name: "floor", value: "0" })),
  el("label", {}, say("Ceiling"), el("input", { ...bound, name: "ceiling", placeholder: say("none") })),
  create);
  const place = faults(form, { otherwise: "name" });
  form.append(guard("administrator", say("making a counter"), form) ?? "");
  return el("section", { className: "card section" }, el("h2", {}, say("New counter")), form);
}

const bones = () => el("ul", { className: "grid", ariaHidden: "true" }, [1, 2, 3].map(() => el("li", {},
  el("div", { className: "card" }, ["line", "big", "slim"].map((kind) => el("div", { className: `bone ${kind}` }))))));

export function view() {
  const group = facts();
  const grid = el("ul", { className: "grid" });
  const shelf = el("div", {}, el("p", { className: "quiet", role: "status" }, say("Loading the counters…")), bones());
  const cards = new Map();
  // Not before it is known how tall the list above it is: it would jump down.
  const making = newCounter();
  making.hidden = true;
  const node = el("div", {},
    el("h1", {}, say("Every click counts, exactly once.")),
    el("p", { className: "lead" }, say("Many machines change these numbers at the same time. No bound is ever crossed, no retry counts twice, and each change earns a signed receipt that your browser can check.")),
    group.node, shelf, making);

  const stop = onSent((name) => cards.get(name)?.sent());

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

  return { node, close: stop, update(now) {
    group.update(now);
    making.hidden &&= !now.counters;
    if (now.counters?.length) lay(now.counters);
    else if (now.counters) {
      shelf.replaceChildren(state("", say("No counter yet"), say("Make the first one: a name, and bounds if it has any. It is there for everybody at once."), EMPTY,
        may("administrator") && el("button", { type: "button", className: "main", onclick: () => document.getElementById("new-name").focus() }, say("Make a counter"))));
    } else if (now.problem) {
      shelf.replaceChildren(state("bad", say("The counters cannot be read"), now.problem, BROKEN, el("p", {}, say("This page keeps trying."))));
    } else if (now.connection === "down") {
      shelf.replaceChildren(state("bad", say("The service does not answer"), say("Your network, or the service behind this page, is not there just now. This page keeps trying."), BROKEN));
    }
  } };
}
