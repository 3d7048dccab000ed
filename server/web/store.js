// What the service has told last, whether it still speaks, and who led while this page was open.
import { parse } from "./api.js";
import * as stream from "./stream.js";

const LATE = 2500; // the service says something every second: after this, it is missed
const SILENCE = 10000; // and after this, it is gone
const RETRY = 1000;
const MISSED = 3;
const MOST = 8; // of RETRY, that a page waits between two attempts

export const store = {
  counters: null, // null: not told yet
  problem: null, // why the counters cannot be read
  cluster: null,
  instance: null, // which instance serves this browser's stream
  connection: "connecting", // or "live", "late", "down"
  heard: 0,
  takeovers: [],
};

const listeners = new Set();
let lateness = 0;
let watchdog = 0;
let retry = 0;
let failures = 0;
let leads = null;

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener(store);
}

function become(connection) {
  if (store.connection === connection) return;
  store.connection = connection;
  tell();
}

// A reply to this page's own change, shown before the service pushes it.
export function learn(name, value) {
  const counter = store.counters?.find((candidate) => candidate.name === name);
  if (!counter || counter.shards > 1) return; // of a sharded counter a change tells one shard's value
  counter.value = value;
  tell();
}

function listenOn() {
  for (const timer of [lateness, watchdog, retry]) clearTimeout(timer);
  if (document.visibilityState === "hidden") return;
  lateness = setTimeout(() => { if (store.connection === "live") become("late"); }, LATE);
  // A paused instance keeps its connections open and says nothing on them.
  watchdog = setTimeout(lost, SILENCE);
}

function alive() {
  listenOn();
  failures = 0;
  store.heard = Date.now();
  become("live");
}

function lost() {
  stream.close();
  for (const timer of [watchdog, retry]) clearTimeout(timer);
  failures += 1;
  // One break is routine: an instance was replaced, and the next answers at once.
  const down = failures >= MISSED || store.connection === "connecting" || Date.now() - store.heard > SILENCE;
  if (down) become("down");
  if (document.visibilityState === "hidden") return;
  if (stream.holds()) stream.lament(down);
  retry = setTimeout(again, RETRY * Math.min(failures, MOST) * Math.random());
}

function again() {
  watchdog = setTimeout(lost, SILENCE);
  if (stream.holds()) stream.open();
  else stream.attend(true); // the page that holds it says nothing any more
}

// Between two leaders there is none for a while: the one before is remembered.
function noteTakeover(leader) {
  if (!leader) return;
  if (leads && leader.fence > leads.fence) store.takeovers.push({ at: Date.now(), from: leads, to: leader });
  leads = leader;
}

function take(text) {
  const { counters, problem, cluster, instance } = parse(text);
  noteTakeover(cluster?.leader);
  // What cannot be read just now stays as it was last seen; the page says so.
  Object.assign(store, { problem, instance, counters: counters ?? store.counters, cluster: cluster ?? store.cluster });
  alive();
  tell();
}

stream.listen(({ kind, text, down }) => {
  if (kind === "state") take(text);
  else if (kind === "beat") alive();
  else if (kind === "broken") lost();
  else if (kind === "lost") {
    listenOn(); // the page that holds the stream is there, and tries
    if (down) become("down");
  }
});

export function connect() {
  if (document.visibilityState === "hidden") return;
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, SILENCE);
  stream.attend();
  stream.open();
}

// A hidden page is not watched: its stream is free for those that are seen.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") { connect(); return; }
  for (const timer of [lateness, watchdog, retry]) clearTimeout(timer);
  stream.leave();
});
addEventListener("online", () => connect());
addEventListener("offline", () => { failures = MISSED; lost(); });
