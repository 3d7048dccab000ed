// Chooses the view by the address, and keeps the frame around it up to date.
import { clock, el, number, state } from "./dom.js";
import { connect, store, subscribe } from "./store.js";
import { onKept } from "./kept.js";
import { watch } from "./person.js";
import * as list from "./list.js";
import * as counter from "./counter.js";
import * as receipts from "./receipts.js";
import * as cluster from "./cluster.js";
import * as lock from "./lock.js";
import * as locks from "./locks.js";
import { say, translate } from "./words.js";

const FIRST = 400; // milliseconds
const LOST = ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z", "m20 20-4-4", "M8.5 11h5"];

const main = document.getElementById("main");
const link = document.getElementById("link");
const stale = el("p", { className: "card stale", role: "alert", hidden: true });
const body = el("div", {});
const words = { connecting: say("Connecting…"), live: say("Live"), late: say("Delayed"), down: say("Offline") };
let show = () => {};
let leave = () => {};

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; } // no counter has such a name
}

function viewOf(path) {
  if (path.startsWith("/c/")) return { title: decoded(path.slice(3)), tab: "#/", open: () => counter.view(decoded(path.slice(3))) };
  if (path.startsWith("/locks/")) return { title: decoded(path.slice(7)), tab: "#/locks", open: () => lock.view(decoded(path.slice(7))) };
  if (path === "/locks") return { title: say("Locks"), tab: "#/locks", open: locks.view };
  if (path === "/receipts") return { title: say("Receipts"), tab: "#/receipts", open: receipts.view };
  if (path === "/cluster") return { title: say("Cluster"), tab: "#/cluster", open: cluster.view };
  if (path === "/") return { title: say("Counters"), tab: "#/", open: list.view };
  return { title: say("Not found"), tab: null, open: () => unknown(path) };
}

function unknown(path) {
  const words = state("", say("There is no such view"), say("Nothing is at {path}: the address may be mistyped, or from another version of this page.", { path: `#${path}` }), LOST, el("a", { href: "#/" }, say("Go to the counters")));
  return { node: el("div", {}, el("h1", {}, say("Not found")), words), update() {} };
}

function route(first = false) {
  const path = location.hash.slice(1) || "/";
  if (path === "main") { main.focus(); return; } // the skip link
  const view = viewOf(path);
  for (const anchor of document.querySelectorAll("nav a")) {
    if (anchor.getAttribute("href") === view.tab) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  document.title = `${view.title} · Interlock`;
  leave();
  const { node, update, close = () => {} } = view.open();
  body.replaceChildren(node);
  [show, leave] = [update, close];
  show(store);
  if (first !== true) { main.focus(); scrollTo(0, 0); }
}

function frame({ connection, heard, counters, problem }) {
  // A service that speaks and cannot read the counters is as late as one that says nothing.
  const shown = connection === "live" && problem ? "late" : connection;
  link.textContent = words[shown];
  link.className = shown;
  stale.hidden = connection !== "down" || !counters;
  if (problem && counters && connection === "live") {
    stale.hidden = false;
    stale.textContent = say("The counters cannot be read just now: {problem}. What you see is what was read last.", { problem });
  } else if (!stale.hidden) {
    stale.textContent = say("No connection to the service since {time}. What you see may be old; this page keeps trying.", { time: clock(heard) });
  }
}

function badge(kept) {
  const count = document.getElementById("receipt-count");
  count.hidden = kept.length === 0;
  count.textContent = number(kept.length);
}

translate(document);
main.replaceChildren(stale, body);
onKept(badge);
subscribe(frame);
subscribe((now) => show(now));
addEventListener("hashchange", () => route());
connect();
// Who is signed in stands above the view, and decides what it withholds: told later, the view would
// jump down, and be drawn again. A service that does not answer is not waited for.
const asked = watch(main);
const waited = await Promise.race([asked.then(() => true), new Promise((resolve) => { setTimeout(resolve, FIRST, false); })]);
route(true);
if (!waited && await asked) route(true);
