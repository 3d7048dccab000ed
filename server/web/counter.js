// The page of one counter: its value between its bounds, what can be done to it, and its history.
import { move, step } from "./changes.js";
import { chart } from "./chart.js";
import { el, shake, state } from "./dom.js";
import { dial } from "./gauge.js";
import { kept, onKept } from "./kept.js";
import { guard } from "./person.js";
import { earned } from "./receipts.js";
import { statement } from "./verify.js";

const whole = { type: "text", inputMode: "numeric", pattern: "[1-9][0-9]{0,37}", required: true, autocomplete: "off", value: "1", title: "a whole number from 1" };
const SHOWN = 3;
const MISSING = ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z", "m20 20-4-4", "M8.5 11h5"];
const BROKEN = ["M12 3 2.5 20h19L12 3z", "M12 10v4.5", "M12 17.2v.3"];

function stepping(name, gauge) {
  const amount = el("input", { ...whole, name: "amount" });
  const form = el("form", { ariaLabel: "Change", onsubmit: async (event) => {
    event.preventDefault();
    const verb = event.submitter?.value || "increment";
    if (!await step(name, verb, amount.value)) shake(gauge.node);
  } },
  el("button", { value: "decrement" }, "Decrement"),
  el("label", {}, "Amount", amount),
  el("button", { className: "main", value: "increment" }, "Increment"));
  // Enter in the field presses the first button of a form: adding is what is meant.
  amount.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("[value=increment]"));
  });
  form.append(guard("operator", "changing a counter", form) ?? "");
  return form;
}

function transferring(name) {
  const others = el("select", { name: "to", required: true });
  const alone = el("p", { className: "quiet", hidden: true }, "Make a second counter, and you can move amounts between the two.");
  const form = el("form", { ariaLabel: "Transfer", onsubmit: (event) => {
    event.preventDefault();
    const { to, by } = Object.fromEntries(new FormData(form));
    move(name, to, by);
  } },
  el("label", {}, "To", others),
  el("label", {}, "Amount to move", el("input", { ...whole, name: "by" })),
  el("button", {}, "Transfer"));
  form.append(guard("operator", "moving an amount", form) ?? "");
  const node = el("section", { className: "card" },
    el("h2", {}, "Transfer"), el("p", { className: "quiet" }, "Both counters change, or neither."), el("div", { className: "section" }, form), alone);
  let names = null;
  return { node, update(counters) {
    const rest = counters.map((counter) => counter.name).filter((other) => other !== name);
    if (names === rest.join("\n")) return;
    names = rest.join("\n");
    const chosen = others.value;
    others.replaceChildren(...rest.map((other) => el("option", { value: other }, other)));
    if (rest.includes(chosen)) others.value = chosen;
    form.hidden = !rest.length;
    alone.hidden = Boolean(rest.length);
  } };
}

function receiptsOf(name) {
  const items = el("ul", { className: "earned" });
  const none = el("p", { className: "quiet" }, "Change the counter: a signed receipt of it appears here.");
  const node = el("section", { className: "card" }, el("h2", {}, "Receipts you just earned"), none, items);
  const made = new Map();
  const stop = onKept(() => {
    if (made.size && !node.isConnected) { stop?.(); return; }
    const mine = kept.filter((token) => statement(token).counter === name).slice(0, SHOWN);
    none.hidden = Boolean(mine.length);
    for (const token of mine) if (!made.has(token)) made.set(token, earned(token));
    items.replaceChildren(...mine.map((token) => made.get(token)));
  });
  return node;
}

export function view(name) {
  const gauge = dial();
  const transfer = transferring(name);
  // Laid out, and not seen before its value is there: it would jump.
  const content = el("div", { className: "waiting" },
    el("div", { className: "two" },
      el("section", { className: "card hero", ariaLabel: "Value" }, gauge.node, stepping(name, gauge)),
      el("div", { className: "stack" }, transfer.node, receiptsOf(name))),
    el("section", { className: "card section" }, chart(name)));
  const instead = el("div", { hidden: true });
  const node = el("div", {}, el("a", { className: "back", href: "#/" }, "← All counters"), el("h1", {}, name), content, instead);

  function only(...shown) {
    content.hidden = shown.length > 0;
    instead.hidden = !shown.length;
    instead.replaceChildren(...shown);
  }

  return { node, update({ counters, problem, connection }) {
    const counter = counters?.find((candidate) => candidate.name === name);
    if (counter) {
      content.className = "";
      only();
      gauge.update(counter);
      transfer.update(counters);
    } else if (counters) {
      only(state("", "There is no such counter", `Nobody has made ${name} yet, or somebody has deleted it.`, MISSING));
    } else if (problem) {
      only(state("bad", "The counter cannot be read", problem, BROKEN, el("p", {}, "This page keeps trying.")));
    } else if (connection === "down") {
      only(state("bad", "The service does not answer", "This page keeps trying.", BROKEN));
    }
  } };
}
