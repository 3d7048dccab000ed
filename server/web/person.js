// Who is signed in, and what that person may do. The service refuses the rest; the page says so before.
import { el } from "./dom.js";
import { subscribe } from "./store.js";
import { say } from "./words.js";

const PATIENCE = 4000;
const person = { open: true, name: null, role: null, roles: [] };
const who = document.getElementById("who");
const notice = el("p", { className: "card stale", role: "alert", hidden: true });
let checking = false;

const rank = (role) => person.roles.indexOf(role);
export const may = (role) => person.open || rank(person.role) >= rank(role);

const standing = () => (person.role ? say("{name} is {role}", { name: person.name, role: say(person.role) }) : say("no group of {name} counts here", { name: person.name }));

// Disables what `node` has to press and fill in, and returns the reason to show; null where it may be used.
export function guard(role, deed, node) {
  if (may(role)) return null;
  const reason = say("{standing}: {deed} needs the role {role}.", { standing: standing(), deed, role: say(role) });
  for (const control of node.querySelectorAll("button, input, select")) {
    control.disabled = true;
    control.title = reason;
  }
  return el("p", { className: "quiet reason" }, reason);
}

async function signOut() {
  const reply = await fetch("/service/sign-out", { method: "POST", signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
  if (reply?.ok) location.assign((await reply.json()).next);
  else if (reply?.status === 401) location.reload();
  else tell(say("Signing out did not work. Try again."));
}

function tell(words, ...more) {
  notice.hidden = !words;
  notice.replaceChildren(words, ...more);
}

function show() {
  who.hidden = person.open;
  if (person.open) return;
  who.replaceChildren(
    el("span", {}, person.name, " ", el("span", { className: "tag" }, say(person.role ?? "no role"))),
    el("button", { type: "button", onclick: signOut }, say("Sign out")));
  if (!person.role) tell(say("You are signed in, but {standing}. Ask an administrator to put you into one.", { standing: standing() }));
}

// Asks once; resolves to whether something is withheld from this person.
export async function ask() {
  const reply = await fetch("/service/me", { signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
  if (reply?.status === 401) {
    tell(say("You are no longer signed in."), " ", el("button", { type: "button", onclick: () => location.reload() }, say("Sign in again")));
    return false;
  }
  if (!reply?.ok) return false;
  Object.assign(person, await reply.json());
  tell("");
  show();
  return !may(person.roles.at(-1));
}

export function watch(main) {
  main.prepend(notice);
  subscribe(async ({ connection }) => {
    // A session that has ended looks like a connection that is lost: the service is asked which it is.
    if (connection !== "down" || checking) return;
    checking = true;
    await ask();
    checking = false;
  });
  return ask();
}
