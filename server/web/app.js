// Chooses the view by the address, and keeps the frame around it up to date.
import { el, clock } from "./dom.js";
import { connect, store, subscribe } from "./store.js";
import { number } from "./dom.js";
import { onKept } from "./kept.js";
import { watch } from "./person.js";
import * as list from "./list.js";
import * as counter from "./counter.js";
import * as receipts from "./receipts.js";
import * as cluster from "./cluster.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
const stale = el("p", { className: "card stale", role: "alert", hidden: true });
const body = el("div", {});
const words = { connecting: "Connecting…", live: "Live", down: "Offline" };
let show = () => {};

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; } // nobody has such a name
}

function viewOf(path) {
  if (path.startsWith("/c/")) return { title: decoded(path.slice(3)), tab: "#/", open: () => counter.view(decoded(path.slice(3))) };
  if (path === "/receipts") return { title: "Receipts", tab: "#/receipts", open: receipts.view };
  if (path === "/cluster") return { title: "Cluster", tab: "#/cluster", open: cluster.view };
  if (path === "/") return { title: "Counters", tab: "#/", open: list.view };
  return null;
}

function route(first = false) {
  const view = viewOf(location.hash.slice(1) || "/");
  if (!view) { main.focus(); return; } // the skip link
  for (const anchor of document.querySelectorAll("nav a")) {
    if (anchor.getAttribute("href") === view.tab) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  document.title = `${view.title} · Interlock`;
  const { node, update } = view.open();
  body.replaceChildren(node);
  show = update;
  show(store);
  if (first !== true) { main.focus(); scrollTo(0, 0); }
}

function frame({ connection, heard, counters, problem }) {
  link.textContent = words[connection];
  link.className = connection;
  stale.hidden = connection !== "down" || !counters;
  if (problem && counters && connection === "live") {
    stale.hidden = false;
    stale.textContent = `The counters cannot be read just now: ${problem}. What you see is what was read last.`;
  } else if (!stale.hidden) {
    stale.textContent = `No connection to the service since ${clock(heard)}. What you see may be old; this page keeps trying.`;
  }
}

function badge(kept) {
  const count = document.getElementById("receipt-count");
  count.hidden = kept.length === 0;
  count.textContent = number(kept.length);
}

main.replaceChildren(stale, body);
onKept(badge);
subscribe(frame);
subscribe((now) => show(now));
addEventListener("hashchange", () => route());
route(true);
connect();
// What a person may not do is drawn anew, disabled; for all others nothing changes.
watch(main).then((withheld) => { if (withheld) route(true); });
