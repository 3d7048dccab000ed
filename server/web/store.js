// What the service has told last, whether it still speaks, and who led while this page was open.
import { parse } from "./api.js";

const SILENCE = 10000; // the service says something every 3 s: after this, it is gone
const RETRY = 1000;
const MISSED = 3;
const MOST = 8; // of RETRY, that a page waits between two attempts

export const store = {
  counters: null, // null: not told yet
  problem: null, // why the counters cannot be read
  cluster: null,
  instance: null, // which instance serves this page's stream
  connection: "connecting", // or "live", "down"
  heard: 0,
  takeovers: [],
};

const listeners = new Set();
let source = null;
let watchdog = 0;
let failures = 0;
let leads = null;

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener(store);
}

// A reply to this page's own change, shown before the service pushes it.
export function learn(name, value) {
  const counter = store.counters?.find((candidate) => candidate.name === name);
  if (!counter || counter.shards > 1) return; // of a sharded counter a change tells one shard's value
  counter.value = value;
  tell();
}

function alive() {
  clearTimeout(watchdog);
  // A paused instance keeps its connections open and says nothing on them.
  watchdog = setTimeout(lost, SILENCE);
  failures = 0;
  store.heard = Date.now();
  if (store.connection !== "live") {
    store.connection = "live";
    tell();
  }
}

function lost() {
  source?.close();
  source = null;
  clearTimeout(watchdog);
  failures += 1;
  // One break is routine: an instance was replaced, and the next answers at once.
  if (failures >= MISSED || store.connection === "connecting" || Date.now() - store.heard > SILENCE) {
    store.connection = "down";
    tell();
  }
  if (document.visibilityState === "visible") setTimeout(connect, RETRY * Math.min(failures, MOST) * Math.random());
}

// Between two leaders there is none for a while: the one before is remembered.
function noteTakeover(leader) {
  if (!leader) return;
  if (leads && leader.fence > leads.fence) store.takeovers.push({ at: Date.now(), from: leads, to: leader });
  leads = leader;
}

export function connect() {
  if (source || document.visibilityState === "hidden") return;
  source = new EventSource("/events");
  watchdog = setTimeout(lost, SILENCE);
  source.addEventListener("state", (event) => {
    const { counters, problem, cluster, instance } = parse(event.data);
    noteTakeover(cluster?.leader);
    // What cannot be read just now stays as it was last seen; the page says so.
    Object.assign(store, { problem, instance, counters: counters ?? store.counters, cluster: cluster ?? store.cluster });
    alive();
    tell();
  });
  source.addEventListener("beat", alive);
  // Not left to EventSource, which gives up for good at an answer other than 200.
  source.addEventListener("error", lost);
}

// Nobody watches a hidden page: its stream is free for those that are seen.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") { connect(); return; }
  source?.close();
  source = null;
  clearTimeout(watchdog);
});
addEventListener("online", () => connect());
addEventListener("offline", () => { failures = MISSED; lost(); });
