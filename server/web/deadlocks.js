// Holders of locks that wait for each other, above the list of the locks: who holds what, and waits for what.
import { ago, el, put } from "./dom.js";
import { many, say } from "./words.js";

const text = (data) => JSON.stringify(data, (_, value) => (typeof value === "bigint" ? String(value) : value));

// A line of one lock, which says for how long; `times` takes what writes that anew.
function line(words, name, at, since, times) {
  const time = el("span", { className: "time" });
  if (since !== null) times.push((now) => put(time, `· ${ago(now - since)}`));
  return el("span", {}, words, " ", el("a", { href: at(name) }, name), " ", time);
}

function card(deadlock, at, times) {
  const links = deadlock.links.map((link) => el("li", { className: deadlock.certain ? "broken" : "" },
    el("b", {}, link.owner),
    line(say("Holds"), link.holds, at, link.held_since, times),
    line(say("Waits for"), link.waits_for, at, link.since, times),
    link.data !== null && el("code", {}, text(link.data))));
  return el("ul", { className: "grants" }, links);
}

export function banner(at) {
  // What screen readers tell at once; the times beside it change every second.
  const told = el("p", { role: "alert" });
  const more = el("p", { className: "quiet" });
  const list = el("div", {});
  const node = el("section", { className: "card deadlocks", ariaLabel: say("Deadlocks"), hidden: true }, told, more, list);
  let drawn = "";
  let times = [];
  return { node, update(deadlocks, now) {
    const certain = deadlocks.filter((each) => each.certain).length;
    node.hidden = deadlocks.length === 0;
    node.classList.toggle("perhaps", certain === 0);
    if (text(deadlocks) !== drawn) {
      drawn = text(deadlocks);
      times = [];
      list.replaceChildren(...deadlocks.map((each) => card(each, at, times)));
      if (certain) put(told, many(certain, "{n} deadlock: its holders wait for each other.", "{n} deadlocks: their holders wait for each other."));
      else put(told, many(deadlocks.length, "{n} possible deadlock", "{n} possible deadlocks"));
      put(more, certain ? say("None of them goes on until a lock is given back or broken. Open one to break it: its holder's guarded writes are refused then, and the next one goes on.")
        : say("By their names these owners wait for each other; whether the same threads do is not known. It may end by itself."));
    }
    for (const write of times) write(now);
  } };
}
