// The grants of locks that this page has seen. The table keeps the last grant of a lock and its last
// break, and no history: what is told here is what was looked at, and how much was not.
const MOST = 20; // grants of one lock
const MOST_LOCKS = 500;

const seen = new Map(); // by the lock's name: {top, grants}, the newest grant last

export const grantsOf = (name) => seen.get(name)?.grants ?? [];

function entryOf(name) {
  const entry = seen.get(name) ?? { top: null, grants: [] };
  seen.delete(name); // the one that was looked at last is the last to be forgotten
  seen.set(name, entry);
  while (seen.size > MOST_LOCKS) seen.delete(seen.keys().next().value);
  return entry;
}

function end(grant, how, at) {
  if (!grant || grant.end) return;
  grant.end = how;
  grant.ended = at;
}

// Notes a lock as it was found: `at` is when, in milliseconds.
export function note(lock, at) {
  const token = lock.fencing_token;
  if (token === undefined) return; // a corrupt record tells none
  const entry = entryOf(lock.name);
  if (entry.top !== null && token < entry.top) return; // an older look that came late
  const last = entry.grants.at(-1);
  const free = lock.state === "free";
  if (last && lock.broken?.fencing_token === last.token) end(last, "broken", lock.broken.at * 1000);
  if (last && last.token !== token) end(last, "followed", at);
  if (free) end(last, "given back", at);
  else if (last?.token === token) {
    Object.assign(last, { owner: lock.owner, end: null, ended: null });
  } else {
    // Each grant raises the token by one, and each break does.
    const missed = entry.top === null ? 0 : Number(BigInt(token) - BigInt(entry.top)) - 1;
    entry.grants.push({ token, owner: lock.owner, since: lock.since, at, missed, end: null, ended: null });
    entry.grants = entry.grants.slice(-MOST);
  }
  entry.top = token;
}

// Notes a whole list of the locks that were held at a time: those that are not in it, are not.
export function noteAll(locks, at) {
  const held = new Set(locks.map((lock) => lock.name));
  for (const lock of locks) note(lock, at);
  for (const [name, { grants }] of seen) {
    const last = grants.at(-1);
    if (last && !held.has(name) && last.at < at) end(last, "over", at);
  }
}
