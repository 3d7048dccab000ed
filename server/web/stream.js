// One stream a browser, not a page: one page holds it, and passes on what it hears. Over HTTP/1.1 a
// browser has six connections to a service: eight pages with a stream each leave none to ask by.
const NAME = "interlock.stream";
const LEASE = 3000; // milliseconds after which a page that has not renewed its hold is gone
const RENEW = 1000;

const me = `${Date.now()}.${Math.random()}`;
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(NAME) : null;
let hear = () => {};
let source = null;
let last = null; // state that was heard, for pages that come later
let attending = false; // this page is seen
let holding = false; // the stream is this page's
let turn = 0; // counts the requests for the lock: only the newest matters
let quit = () => {};
let renewal = 0;

export const holds = () => holding;

// `listener` hears {kind: "state", text}, {kind: "beat"}, and {kind: "lost", down} of a stream that broke.
export function listen(listener) {
  hear = listener;
  channel?.addEventListener("message", ({ data }) => {
    if (data.kind === "ask") { if (holding && last) channel.postMessage(last); } else if (!holding) hear(data);
  });
}

function told(message) {
  if (message.kind === "state") last = message;
  hear(message);
  channel?.postMessage(message);
}

// Lets the other pages know that the stream is away, and that this one looks after it.
export const lament = (down) => channel?.postMessage({ kind: "lost", down });

export function open() {
  if (source || !holding) return;
  source = new EventSource("/events");
  source.addEventListener("state", (event) => told({ kind: "state", text: event.data }));
  source.addEventListener("beat", () => told({ kind: "beat" }));
  // Not left to EventSource, which gives up for good at an answer other than 200.
  source.addEventListener("error", () => hear({ kind: "broken" }));
}

export function close() {
  source?.close();
  source = null;
}

function hold() {
  holding = true;
  open();
}

function yieldHold() {
  holding = false;
  last = null;
  close();
}

function holdByLock(steal) {
  quit();
  const mine = turn += 1;
  const leaving = new AbortController();
  quit = () => leaving.abort();
  const kept = () => new Promise((resolve) => {
    if (mine !== turn || !attending) { resolve(); return; }
    quit = resolve;
    hold();
  });
  navigator.locks.request(NAME, steal ? { steal } : { signal: leaving.signal }, kept)
    .catch(() => {}) // this page was left before its turn, or another took the lock
    .finally(() => {
      if (mine !== turn) return;
      yieldHold();
      if (attending) holdByLock(false);
    });
}

// Where there are no locks, as on pages without HTTPS. Two that begin at once are one after a second.
function holdByLease() {
  clearTimeout(renewal);
  if (!attending) return;
  let held = null;
  try {
    held = JSON.parse(localStorage.getItem(NAME));
    if (!held || held.id === me || Date.now() - held.at > LEASE) {
      localStorage.setItem(NAME, JSON.stringify({ id: me, at: Date.now() }));
      held = null;
    }
  } catch { /* storage is denied: then each page has a stream of its own */ }
  if (held && holding) yieldHold();
  if (!held && !holding) hold();
  renewal = setTimeout(holdByLease, RENEW);
}

// Waits for the stream and holds it, for as long as this page is seen. `steal` takes it from
// a page that fell silent.
export function attend(steal = false) {
  if (attending && !steal) return;
  attending = true;
  channel?.postMessage({ kind: "ask" });
  if (!channel) hold();
  else if (navigator.locks) holdByLock(steal);
  else holdByLease();
}

export function leave() {
  attending = false;
  quit();
  if (holding && channel && !navigator.locks) {
    try { localStorage.removeItem(NAME); } catch { /* as above */ }
  }
  yieldHold();
}
