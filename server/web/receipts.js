// Receipts (JWS, ES256): kept for this visit, verified here with WebCrypto against the JWKS.
import { el, moment } from "./dom.js";
import { jwks } from "./api.js";

const kept = [];
const decoder = new TextDecoder();

export function keep(...changes) {
  for (const change of changes) {
    if (!change?.receipt) continue;
    kept.unshift({ token: change.receipt, counter: change.name, amount: change.amount, at: Date.now() / 1000 });
  }
  kept.length = Math.min(kept.length, 50);
}

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

export async function verify(token, keys) {
  const [head, payload, signature] = token.split(".");
  const { kid, alg } = JSON.parse(decoder.decode(bytes(head)));
  if (alg !== "ES256") return { valid: false, words: `The algorithm ${alg} is not the one agreed on.` };
  const jwk = keys.find((candidate) => candidate.kid === kid);
  if (!jwk) return { valid: false, words: `No published key has the id ${kid}.` };
  const key = await crypto.subtle.importKey(
    "jwk", { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y },
    { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  const valid = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" }, key, bytes(signature), new TextEncoder().encode(`${head}.${payload}`));
  return valid
    ? { valid, words: "Verified in this browser: signed by the published key, and not a byte changed." }
    : { valid, words: "Refused: this is not what the key signed." };
}

// Another character in the middle of the payload: one byte, at most, is different.
export function alter(token) {
  const [head, payload, signature] = token.split(".");
  const middle = Math.floor(payload.length / 2);
  const other = payload[middle] === "A" ? "B" : "A";
  return [head, payload.slice(0, middle) + other + payload.slice(middle + 1), signature].join(".");
}

function card(receipt) {
  const verdict = el("p", { className: "verdict", role: "status" });
  const check = async (token) => {
    try {
      if (!crypto.subtle) throw new Error("this browser checks signatures on pages with HTTPS only.");
      const { keys } = await jwks();
      const { valid, words } = await verify(token, keys);
      verdict.className = `verdict ${valid ? "good" : "bad"}`;
      verdict.textContent = `${valid ? "✓" : "✗"} ${words}`;
    } catch (error) {
      verdict.className = "verdict bad";
      verdict.textContent = `It could not be checked: ${error.message}`;
    }
  };
  return el("li", {}, el("article", { className: "card" },
    el("h2", {}, `${receipt.counter}: ${receipt.amount > 0 ? "+" : ""}${receipt.amount}`),
    el("p", { className: "quiet" }, moment(receipt.at)),
    el("details", {}, el("summary", {}, "The signed statement"), el("code", {}, receipt.token)),
    el("p", { className: "row" },
      el("button", { type: "button", className: "main", onclick: () => check(receipt.token) }, "Verify in your browser"),
      el("button", { type: "button", onclick: () => check(alter(receipt.token)) }, "Change one byte")),
    verdict));
}

export function view(main) {
  main.replaceChildren(
    el("h1", {}, "Receipts"),
    el("p", { className: "quiet" }, "Every change that you make here is signed. The check runs in your browser, without asking us."),
    kept.length
      ? el("ul", { className: "grid" }, kept.map(card))
      : el("p", { className: "card" }, "No receipt yet. Change a counter, and its receipt appears here."));
  return () => {};
}
