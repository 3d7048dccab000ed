// One lock: what its record says, the grants that this page has seen, and how it is broken.
import * as api from "./api.js";
import { attempt } from "./changes.js";
import { clock, confirmed, el, number, pop, put, state } from "./dom.js";
import { busy, faults } from "./forms.js";
import { grantsOf, note } from "./grants.js";
import { NONE, held, reason } from "./locks.js";
import { looking } from "./looking.js";
import { notice } from "./notices.js";
import { guard } from "./person.js";
import { locale, many, say } from "./words.js";

const MISSING = ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z", "m20 20-4-4", "M8.5 11h5"];
const BROKEN = ["M12 3 2.5 20h19L12 3z", "M12 10v4.5", "M12 17.2v.3"];
const LEADER = "service/leader"; // the lock whose waiter is known: it stands by

const date = (seconds) => new Date(seconds * 1000).toLocaleString(locale);
const isHeld = (lock) => lock.state === "held" || lock.state === "expired";

function throne() {
  const token = el("dd", { className: "token", id: "token" });
  const values = [token, ...["holder", "held", "lease"].map((id) => el("dd", { id }))];
  const words = [say("Fencing token"), say("Holder"), say("Held for"), say("Lease")];
  const late = el("p", { className: "quiet late", hidden: true }, el("span", { className: "tag gold" }, say("lease over")), " ", say("No renewal came in time: its holder is gone or late, and the next who asks may take it over."));
  const node = el("section", { className: "card now", ariaLabel: say("The lock now") }, el("dl", { className: "throne" }, words.map((word, i) => el("div", {}, el("dt", {}, word), values[i]))), late);
  return { node, update(lock, now) {
    const text = String(lock.fencing_token ?? NONE);
    if (token.textContent && token.textContent !== text) pop(token);
    const lease = lock.lease ? say("{n} s", { n: number(lock.lease) }) : NONE;
    const told = [text, isHeld(lock) ? lock.owner ?? NONE : say("free"), held(lock, now), lease];
    if (lock.state === "corrupt") told[1] = NONE;
    values.forEach((value, i) => put(value, told[i]));
    late.hidden = lock.state !== "expired";
  } };
}

function waiters(lock, cluster) {
  const queue = (lock.waiters ?? []).map(({ owner, since }) => `${owner}, ${say("since {time}", { time: date(since) })}\n`);
  if (lock.name === LEADER && cluster?.standby) queue.push(say("{id} stands by for it.", { id: cluster.standby }), " ");
  return [...queue, say("Recorded are those alone who wait in turn: the others look at the lock, and write nothing.")];
}

function data(lock) {
  if (lock.data_withheld) return say("There are some; only administrators are shown them.");
  if (lock.data === null || lock.data === undefined) return say("none");
  const text = JSON.stringify(lock.data, (_, value) => (typeof value === "bigint" ? String(value) : value), 2);
  return el("pre", { className: "mono", tabIndex: 0 }, text);
}

function lastBreak({ broken }) {
  if (!broken) return say("none, as far back as the record goes");
  const { owner, because } = broken;
  return [`“${because}”`, "\n", say("{by}, {time}: it ended the grant {token} of {owner}", { by: broken.by, time: date(broken.at), token: broken.fencing_token, owner: owner ?? NONE })];
}

function about() {
  const rows = [say("Data of its holder"), say("Waiters"), say("Last break")].map((word) => [el("dt", {}, word), el("dd", {})]);
  const node = el("section", { className: "card" }, el("h2", {}, say("What the record says")), el("dl", { className: "about" }, rows.map((row) => el("div", {}, row))));
  let drawn = "";
  return { node, update(lock, cluster) {
    const text = JSON.stringify([lock.data, lock.data_withheld, lock.broken, lock.waiters, cluster?.standby], (_, value) => (typeof value === "bigint" ? String(value) : value));
    if (text === drawn) return; // or what is selected to be copied would be lost
    drawn = text;
    [data(lock), waiters(lock, cluster), lastBreak(lock)].forEach((value, i) => rows[i][1].replaceChildren(...[value].flat()));
  } };
}

function outcome(grant) {
  const time = grant.ended ? clock(grant.ended) : "";
  if (grant.end === "broken") return say("broken at {time}", { time });
  if (grant.end === "given back") return say("given back, seen at {time}", { time });
  if (grant.end === "followed") return say("followed by another grant, seen at {time}", { time });
  return grant.end ? say("no longer held, seen at {time}", { time }) : say("held now");
}

function entry(grant) {
  const kind = grant.end === "broken" ? "broken" : grant.end ? "" : "now";
  const since = grant.since ? say("since {time}", { time: date(grant.since) }) : "";
  const line = el("li", { className: kind }, el("b", {}, grant.owner ?? NONE), ` · ${say("token {token}", { token: grant.token })}`, el("span", {}, [since, outcome(grant)].filter(Boolean).join(" · ")));
  const gap = grant.missed > 0 && el("li", { className: "gap" }, el("span", {}, many(grant.missed, "{n} grant or break before it was not seen", "{n} grants or breaks before it were not seen")));
  return [line, gap].filter(Boolean);
}

function timeline(name) {
  const list = el("ol", { className: "grants" });
  const none = el("p", { className: "quiet section" }, say("None yet."));
  const node = el("section", { className: "card" }, el("h2", {}, say("Grants that this page has seen")),
    el("p", { className: "quiet" }, say("The table keeps the last grant and the last break, and no history. Here is what was seen since this page was loaded, looking every other second.")), none, list);
  let drawn = "";
  return { node, update() {
    const entries = grantsOf(name).toReversed().flatMap(entry);
    const text = entries.map((each) => each.outerHTML).join("");
    if (text !== drawn) list.replaceChildren(...entries);
    drawn = text;
    none.hidden = entries.length > 0;
  } };
}

function breaking(name, shown, hear) {
  const because = el("input", { name: "because", required: true, maxLength: 500, autocomplete: "off", placeholder: say("INC-7: its host is gone") });
  const button = el("button", { className: "danger" }, say("Break…"));
  const words = el("p", { className: "quiet", tabIndex: -1 });
  const field = el("label", { className: "why" }, say("Why: the next holder is shown it"), because);
  const form = el("form", { ariaLabel: say("Break"), className: "section", onsubmit: (event) => { event.preventDefault(); busy(button, submit); } },
    field, button);
  const place = faults(form, { otherwise: "because" });
  const node = el("section", { className: "card", ariaLabel: say("Breaking") }, el("h2", {}, say("Break this grant")), words, form);
  form.append(guard("administrator", say("breaking a lock"), node) ?? "");

  async function submit() {
    const lock = shown(); // what is asked about is what is broken, whatever comes meanwhile
    const token = lock.fencing_token ?? null;
    const question = lock.state === "corrupt"
      ? say("Its record is mended, and the lock is free.")
      : say("{owner} holds it by the token {token}. What it does without a guard until it hears of the break is done; a later grant stays.", { owner: lock.owner ?? NONE, token });
    if (!await confirmed(say("Break {name}?", { name }), question, say("Break"))) return;
    await attempt(place, async () => {
      hear(await api.breakLock(name, token, because.value));
      because.value = "";
      words.focus(); // the button that had it is gone
      notice(`lock ${name}`, say("{name} was broken: it is free.", { name }));
    });
  }

  return { node, update(lock) {
    const corrupt = lock.state === "corrupt";
    field.hidden = button.hidden = lock.newer || (!isHeld(lock) && !corrupt);
    if (lock.newer) words.textContent = say("Its record was written by a newer version, and is left alone.");
    else if (field.hidden) words.textContent = say("It is free: there is nothing to break.");
    else if (corrupt) words.textContent = say("Its record is not as clients write it ({attribute}): until it is mended, no client gets this lock.", { attribute: lock.attribute });
    else words.textContent = say("Ends the grant that is shown, and no later one. The token rises, and the table refuses what its holder writes under the guard.");
  } };
}

function summary(lock) {
  if (lock.newer) return say("Its record was written by a newer version, and is left alone.");
  if (lock.state === "corrupt") return say("Its record is corrupt.");
  if (!isHeld(lock)) return say("It is free.");
  return lock.since ? say("{owner} has held it since {time}.", { owner: lock.owner ?? NONE, time: date(lock.since) }) : say("{owner} holds it.", { owner: lock.owner ?? NONE });
}

export function view(name) {
  // Screen readers tell what it says, as it changes.
  const told = el("p", { className: "lead", role: "status" }, say("Reading the lock…"));
  const stale = el("p", { className: "card stale", role: "alert", hidden: true });
  const [top, record, seen] = [throne(), about(), timeline(name)];
  const breaks = breaking(name, () => lock, (heard) => { hear(heard); looks.look(); });
  const content = el("div", { hidden: true }, top.node, el("div", { className: "two section" }, el("div", { className: "stack" }, record.node, breaks.node), seen.node));
  const instead = el("div", {});
  let lock = null;
  let ahead = 0; // milliseconds by which the service's clock is ahead of this one's
  let cluster = null;

  function tell(words) {
    put(told, words);
    told.hidden = !words;
  }

  function draw() {
    top.update(lock, (Date.now() + ahead) / 1000);
    record.update(lock, cluster);
    seen.update();
    breaks.update(lock);
  }

  function hear(heard) {
    lock = heard;
    ahead = lock.now * 1000 - Date.now();
    note(lock, Date.now());
    tell(summary(lock));
    stale.hidden = true;
    content.hidden = false;
    instead.replaceChildren();
    draw();
  }

  function fail(problem) {
    if (problem.status === 404 || !lock) tell("");
    if (problem.status === 404) {
      content.hidden = true;
      instead.replaceChildren(state("", say("No such lock"), say("{name} was never taken, or so long ago that its record is gone.", { name }), MISSING));
    } else if (lock) {
      stale.hidden = false;
      put(stale, say("The lock cannot be read just now: {problem}. What you see is what was read last.", { problem: reason(problem) }));
    } else {
      instead.replaceChildren(state("bad", say("The lock cannot be read"), problem.message, BROKEN, problem.status !== 400 && el("p", {}, say("This page keeps trying."))));
    }
  }

  const looks = looking(() => api.lock(name), hear, fail);
  const ticks = setInterval(() => { if (lock) draw(); }, 1000);
  const node = el("div", {}, el("a", { className: "back", href: "#/locks" }, say("All locks")), el("h1", {}, name), told, stale, content, instead);
  return { node, update(now) {
    ({ cluster } = now);
    if (lock) draw();
  }, close() { looks.stop(); clearInterval(ticks); } };
}
