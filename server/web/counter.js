// The page of one counter: its value between its bounds, what can be done to it, and its history.
import { administering } from "./administer.js";
import { move, onItsWay, onSent, step } from "./changes.js";
import { chart } from "./chart.js";
import { el, shake, state } from "./dom.js";
import { busy, faults } from "./forms.js";
import { dial } from "./gauge.js";
import { kept, onKept } from "./kept.js";
import { guard } from "./person.js";
import { earned } from "./receipts.js";
import { statement } from "./verify.js";
import { say } from "./words.js";

const whole = { type: "text", inputMode: "numeric", pattern: "[1-9][0-9]{0,37}", required: true, autocomplete: "off", value: "1", title: say("a whole number from 1") };
const SHOWN = 3;
const MISSING = ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z", "m20 20-4-4", "M8.5 11h5"];
const BROKEN = ["M12 3 2.5 20h19L12 3z", "M12 10v4.5", "M12 17.2v.3"];

function stepping(name, gauge) {
  const amount = el("input", { ...whole, name: "amount" });
  const form = el("form", { ariaLabel: say("Change"), onsubmit: async (event) => {
    event.preventDefault();
    const verb = event.submitter?.value || "increment";
    if (!await step(name, verb, amount.value, place)) shake(gauge.node);
  } },
  el("button", { value: "decrement" }, say("Decrement")),
  el("label", {}, say("Amount"), amount),
  el("button", { className: "main", value: "increment" }, say("Increment")));
  const place = faults(form, { otherwise: "amount" });
  // Enter in the field presses the first button of a form: adding is what is meant.
  amount.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("[value=increment]"));
  });
  form.append(guard("operator", say("changing a counter"), form) ?? "");
  return form;
}

function transferring(name) {
  const others = el("select", { name: "to", required: true });
  const alone = el("p", { className: "quiet", hidden: true }, say("Make a second counter, and you can move amounts between the two."));
  const send = el("button", {}, say("Transfer"));
  const form = el("form", { ariaLabel: say("Transfer"), onsubmit: (event) => {
    event.preventDefault();
    const { to, by } = Object.fromEntries(new FormData(form));
    busy(send, () => move(name, to, by, place));
  } },
  el("label", {}, say("To"), others),
  el("label", {}, say("Amount to move"), el("input", { ...whole, name: "by" })),
  send);
  const place = faults(form, { amount: "by", otherwise: "by" });
  form.append(guard("operator", say("moving an amount"), form) ?? "");
  const node = el("section", { className: "card" },
    el("h2", {}, say("Transfer")), el("p", { className: "quiet" }, say("Both counters change, or neither.")), el("div", { className: "section" }, form), alone);
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
  const none = el("p", { className: "quiet" }, say("Change the counter: a signed receipt of it appears here."));
  const node = el("section", { className: "card" }, el("h2", {}, say("Receipts you just earned")), none, items);
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
  const admin = administering(name);
  const history = chart(name);
  const way = el("p", { className: "way", role: "status" });
  const stop = onSent((changed) => {
    if (changed !== name) return;
    const by = onItsWay(name);
    way.textContent = by && say("{by} on its way…", { by });
    gauge.node.classList.toggle("busy", Boolean(by));
  });
  // Laid out, and not seen before its value is there: it would jump.
  const content = el("div", { className: "waiting" },
    el("div", { className: "two" },
      el("section", { className: "card hero", ariaLabel: say("Value") }, gauge.node, way, stepping(name, gauge)),
      el("div", { className: "stack" }, transfer.node, receiptsOf(name))),
    el("section", { className: "card section" }, history.node),
    el("div", { className: "section" }, admin.node));
  const instead = el("div", { hidden: true });
  const node = el("div", {}, el("a", { className: "back", href: "#/" }, say("All counters")), el("h1", {}, name), content, instead);

  function only(...shown) {
    content.hidden = shown.length > 0;
    instead.hidden = !shown.length;
    instead.replaceChildren(...shown);
  }

  return { node, close() { stop(); history.close(); }, update({ counters, problem, connection }) {
    const counter = counters?.find((candidate) => candidate.name === name);
    if (counter) {
      content.className = "";
      only();
      gauge.update(counter);
      transfer.update(counters);
      admin.update(counter);
      history.update(counter);
    } else if (counters) {
      only(state("", say("There is no such counter"), say("Nobody has made {name} yet, or somebody has deleted it.", { name }), MISSING));
    } else if (problem) {
      only(state("bad", say("The counter cannot be read"), problem, BROKEN, el("p", {}, say("This page keeps trying."))));
    } else if (connection === "down") {
      only(state("bad", say("The service does not answer"), say("This page keeps trying."), BROKEN));
    }
  } };
}
