// The locks that are held, as the table has them: who holds each, by which token, and for how long.
import * as api from "./api.js";
import { banner } from "./deadlocks.js";
import { ago, el, number, pop, put, state } from "./dom.js";
import { noteAll } from "./grants.js";
import { looking } from "./looking.js";
import { many, say } from "./words.js";

const LOCK = ["M6 11h12v9H6z", "M8.5 11V7.5a3.5 3.5 0 0 1 7 0V11", "M12 14.5v2"];
const BROKEN = ["M12 3 2.5 20h19L12 3z", "M12 10v4.5", "M12 17.2v.3"];
const OLD = 5; // seconds after which a list is said to be old
const ALONE = ["M4 6h16v12H4z", "M9 21h6"];

export const NONE = "–";
export const at = (name) => `#/locks/${encodeURIComponent(name)}`;

function tags({ state: kind }) {
  if (kind === "expired") return [el("span", { className: "tag gold" }, say("lease over"))];
  return kind === "corrupt" ? [el("span", { className: "tag bad" }, say("corrupt"))] : [];
}

// The service's words have no full stop, and this page's own have one.
export const reason = (problem) => problem.message.replace(/\.$/, "");

export const held = (lock, now) => (lock.since === null || lock.since === undefined ? NONE : ago(now - lock.since));

function card(name) {
  const title = el("a", { href: at(name) }, name);
  const marks = el("div", { className: "tags" });
  const values = {};
  const fact = (key, word, kind = "") => el("div", { className: kind }, el("dt", {}, word), values[key] = el("dd", {}));
  const facts = el("dl", {}, fact("owner", say("Holder"), "wide"), fact("since", say("Held for")), fact("lease", say("Lease")), fact("token", say("Fencing token"), "wide"));
  const corrupt = el("p", { className: "quiet", hidden: true }, say("Its record cannot be relied upon: until it is mended, no client gets this lock."));
  const article = el("article", { className: "card lock" }, el("h2", {}, title), marks, facts, corrupt);
  return { node: el("li", {}, article), update(lock, now) {
    const { token } = values;
    const text = String(lock.fencing_token ?? NONE);
    if (token.textContent && token.textContent !== text) pop(article);
    put(token, text);
    put(values.owner, lock.owner ?? NONE);
    put(values.since, held(lock, now));
    put(values.lease, lock.lease ? say("{n} s", { n: number(lock.lease) }) : NONE);
    facts.hidden = lock.state === "corrupt";
    corrupt.hidden = !facts.hidden;
    const drawn = marks.dataset.state ?? "";
    if (drawn !== lock.state) marks.replaceChildren(...tags(lock));
    marks.dataset.state = lock.state;
  } };
}

const hint = (table) => el("p", { className: "hint" }, say("Take one yourself, and see it here:"), " ", el("code", {}, `interlock --table ${table} locks run demo -- sleep 60`));

function finding() {
  const name = el("input", { name: "name", required: true, autocomplete: "off", spellcheck: false, placeholder: "orders/42" });
  return el("form", { className: "find", ariaLabel: say("Find a lock"), onsubmit: (event) => {
    event.preventDefault();
    location.hash = at(name.value);
  } }, el("label", {}, say("Look at a lock by its name, held or not"), name), el("button", {}, say("Look")));
}

const bones = () => el("ul", { className: "grid", ariaHidden: "true" }, [1, 2, 3].map(() => el("li", {},
  el("div", { className: "card" }, ["line", "big", "slim"].map((kind) => el("div", { className: `bone ${kind}` }))))));

// How much of all there is stands here, in words that screen readers tell as they change.
function summary(found) {
  if (!found.whole) return many(found.scanned, "Reading the table: {n} record so far…", "Reading the table: {n} records so far…");
  if (found.held > found.locks.length) return say("{n} locks are held; {shown} of them are shown.", { n: number(found.held), shown: number(found.locks.length) });
  return many(found.held, "{n} lock is held.", "{n} locks are held.");
}

export function view() {
  const told = el("p", { className: "quiet", role: "status" }, say("Reading the locks…"));
  const stale = el("p", { className: "card stale", role: "alert", hidden: true });
  const grid = el("ul", { className: "grid" });
  const shelf = el("div", { className: "shelf" }, bones());
  const foot = el("div", { className: "section" });
  const old = el("p", { className: "quiet" });
  const circles = banner(at);
  const empty = state("", say("No lock is held"), say("Locks appear here as soon as any process takes one."), LOCK);
  const cards = new Map();
  let found = null;
  let ahead = 0; // milliseconds by which the service's clock is ahead of this one's

  function draw() {
    const now = (Date.now() + ahead) / 1000;
    circles.update(found.deadlocks ?? [], now); // an instance of an earlier version says nothing of them
    found.locks.forEach((lock, i) => {
      if (!cards.has(lock.name)) cards.set(lock.name, card(lock.name));
      const made = cards.get(lock.name);
      made.update(lock, now);
      // Moved only when it must be: what is moved loses the focus.
      if (grid.children[i] !== made.node) grid.insertBefore(made.node, grid.children[i] ?? null);
    });
  }

  function hear(heard) {
    found = heard;
    ahead = found.now * 1000 - Date.now();
    if (found.whole && found.held <= found.locks.length) noteAll(found.locks, Date.now() - found.age * 1000);
    stale.hidden = true;
    put(told, summary(found));
    put(old, found.age < OLD ? "" : say("As it was {time} ago: to read a table of this size takes that long.", { time: ago(found.age) }));
    for (const [name, made] of cards) {
      if (!found.locks.some((lock) => lock.name === name)) { made.node.remove(); cards.delete(name); }
    }
    draw();
    if (found.locks.length || !found.whole) { if (shelf.firstElementChild !== grid) shelf.replaceChildren(grid); }
    else if (shelf.firstElementChild !== empty) shelf.replaceChildren(empty);
    if (!foot.firstChild) foot.replaceChildren(finding(), hint(found.table));
  }

  function fail(problem) {
    if (problem.status === 404) {
      told.textContent = "";
      shelf.replaceChildren(state("", say("This instance is alone"), say("It runs without a table, so there are no locks."), ALONE));
    } else if (found) {
      stale.hidden = false;
      put(stale, say("The locks cannot be read just now: {problem}. What you see is what was read last.", { problem: reason(problem) }));
    } else {
      told.textContent = "";
      shelf.replaceChildren(state("bad", say("The locks cannot be read"), problem.message, BROKEN, el("p", {}, say("This page keeps trying."))));
    }
  }

  const looks = looking(api.locks, hear, fail);
  const ticks = setInterval(() => { if (found) draw(); }, 1000);
  const node = el("div", {},
    el("h1", {}, say("Locks")),
    el("p", { className: "lead" }, say("Who holds what just now, and for how long. Each grant has a higher fencing token than the one before it, by which the table refuses whatever a holder of the past still writes.")),
    stale, circles.node, told, old, shelf, foot);
  return { node, update() {}, close() { looks.stop(); clearInterval(ticks); } };
}
