// The receipts of this visit: kept by the tab, for as long as it is open.
const PLACE = "interlock.receipts";
const MOST = 50;
const listeners = new Set();

function read() {
  try {
    const found = JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(found) ? found.filter((token) => typeof token === "string") : [];
  } catch {
    return []; // storage may be denied, or hold what another program wrote
  }
}

export let kept = read();

export function keep(...changes) {
  const tokens = changes.map((change) => change?.receipt).filter(Boolean);
  if (!tokens.length) return;
  kept = [...tokens.reverse(), ...kept].slice(0, MOST);
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(kept));
  } catch { /* then they last until the page is loaded again */ }
  for (const listener of listeners) listener(kept);
}

export function onKept(listener) {
  listeners.add(listener);
  listener(kept);
  return () => listeners.delete(listener);
}
