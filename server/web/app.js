// Chooses the view by the address, and feeds it the state that the service pushes.
import { parse } from "./api.js";
import * as counters from "./counters.js";
import * as receipts from "./receipts.js";
import * as cluster from "./cluster.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
let state = {};
let show = () => {};

function route(first = false) {
  const path = location.hash.replace(/^#/, "") || "/";
  if (path.startsWith("/c/")) {
    let name = path.slice(3);
    try { name = decodeURIComponent(name); } catch { /* shown as it stands: nobody has that name */ }
    show = counters.page(main, name);
  } else if (path === "/receipts") show = receipts.view(main);
  else if (path === "/cluster") show = cluster.view(main);
  else if (path === "/") show = counters.list(main);
  else { main.focus(); return; } // the skip link
  for (const a of document.querySelectorAll("nav a")) {
    const here = a.getAttribute("href") === `#${path.startsWith("/c/") ? "/" : path}`;
    if (here) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  show(state);
  if (first !== true) { main.focus(); scrollTo(0, 0); }
}

function connection(words, kind) {
  link.textContent = words;
  link.className = kind;
}

const events = new EventSource("/events");
events.addEventListener("state", (event) => {
  state = parse(event.data);
  connection("Live", "live");
  show(state);
});
events.addEventListener("error", () => connection("Offline: trying again. Values may be old.", "down"));
addEventListener("hashchange", () => route());
route(true);
