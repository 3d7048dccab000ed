// The receipts of this visit: verified here, and what a forged one looks like.
import { el, signed, state } from "./dom.js";
import { kept, onKept } from "./kept.js";
import { alter, statement, verify } from "./verify.js";
import { locale, say } from "./words.js";

const EMPTY = ["M6 3h12v18l-3-2-3 2-3-2-3 2z", "M9 8h6", "M9 12h6"];

async function judge(verdict, token) {
  let found;
  try {
    found = await verify(token);
  } catch (error) {
    found = { valid: false, words: say("It could not be checked: {reason}", { reason: error.message }) };
  }
  verdict.className = `verdict ${found.valid ? "good" : "bad"}`;
  verdict.textContent = `${found.valid ? "✓" : "✗"} ${found.words}`;
}

// One line, for the page of a counter.
export function earned(token) {
  const { amount } = statement(token);
  const verdict = el("p", { className: "verdict", role: "status" });
  return el("li", {},
    el("span", {}, described(token)),
    el("button", { type: "button", className: "text", ariaLabel: say("Verify the receipt of {amount} in your browser", { amount: signed(amount) }), onclick: () => judge(verdict, token) }, say("Verify in your browser")),
    verdict);
}

function described(token) {
  const { amount, value, iat } = statement(token);
  return say("{amount} made {value}, {time}", { amount: signed(amount), value, time: new Date(iat * 1000).toLocaleTimeString(locale) });
}

// The statement as JSON, with what differs from the genuine one marked.
function printed(token, genuine) {
  const lines = (of) => JSON.stringify(statement(of), (_, value) => (typeof value === "bigint" ? String(value) : value), 2);
  const [mine, real] = [lines(token), lines(genuine)];
  const at = [...mine].findIndex((character, i) => character !== real[i]);
  return at < 0 ? [mine] : [mine.slice(0, at), el("mark", {}, mine[at]), mine.slice(at + 1)];
}

function ticket(genuine) {
  const { counter, amount } = statement(genuine);
  const verdict = el("p", { className: "verdict", role: "status" });
  const text = el("pre", { className: "mono" });
  const parts = ["head", "payload", "sign"].map((kind) => el("span", { className: kind }));
  const toggle = el("button", { type: "button" });
  let shown = genuine;

  function show(token) {
    shown = token;
    text.replaceChildren(...printed(token, genuine));
    token.split(".").forEach((part, i) => { parts[i].textContent = part; });
    toggle.textContent = token === genuine ? say("Change one byte") : say("Put it back");
    verdict.textContent = "";
  }
  toggle.addEventListener("click", async () => {
    show(shown === genuine ? alter(genuine) : genuine);
    await judge(verdict, shown);
  });
  show(genuine);
  return el("li", {}, el("article", { className: "card receipt" },
    el("h2", {}, counter, el("span", {}, signed(amount))),
    text,
    el("div", { className: "row" },
      el("button", { type: "button", className: "main", onclick: () => judge(verdict, shown) }, say("Verify in your browser")), toggle),
    verdict,
    el("details", {}, el("summary", {}, say("As it was sent: header, statement, signature")), el("code", {}, parts[0], ".", parts[1], ".", parts[2]))));
}

export function view() {
  const grid = el("ul", { className: "grid wide" });
  const shelf = el("div", {});
  const node = el("div", {},
    el("h1", {}, say("Receipts")),
    el("p", { className: "lead" }, say("Each change that you make is signed with a key that never leaves AWS KMS. Your browser checks the signature against the published key by itself; a receipt in which one byte was changed is refused.")),
    shelf);
  const made = new Map();
  const stop = onKept(() => {
    if (made.size && !node.isConnected) { stop?.(); return; }
    for (const token of kept) if (!made.has(token)) made.set(token, ticket(token));
    grid.replaceChildren(...kept.map((token) => made.get(token)));
    shelf.replaceChildren(kept.length ? grid : state("", say("No receipt yet"), say("Change a counter, and the proof of it appears here."), EMPTY, el("a", { href: "#/" }, say("Go to the counters"))));
  });
  return { node, update() {} };
}
