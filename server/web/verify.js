// Checks receipts (JWS, ES256) with WebCrypto against the published keys, and forges them for show.
import { jwks, parse } from "./api.js";

const decoder = new TextDecoder();
const TYPE = "interlock-receipt+jwt";
// What a person wants to know comes first.
const ORDER = ["counter", "amount", "value", "previous", "shard", "iat", "iss"];

function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

function encoded(text) {
  const raw = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const textOf = (part) => decoder.decode(bytes(part));

export function statement(token) {
  const claims = parse(textOf(token.split(".")[1]));
  const known = ORDER.filter((name) => claims[name] !== undefined && claims[name] !== null);
  return Object.fromEntries(known.map((name) => [name, claims[name]]));
}

export async function verify(token) {
  if (!globalThis.crypto?.subtle) {
    return { valid: false, words: "Not checked: browsers do this on pages with HTTPS only." };
  }
  const [head, payload, signature] = token.split(".");
  const { kid, alg, typ } = JSON.parse(textOf(head));
  // What the token says of itself decides nothing: one algorithm, one type, the published keys.
  if (alg !== "ES256" || typ !== TYPE) return { valid: false, words: "Refused: this is no receipt." };
  const { keys } = await jwks();
  const jwk = keys.find((candidate) => candidate.kid === kid);
  if (!jwk) return { valid: false, words: `Refused: no published key has the id ${kid}.` };
  const key = await crypto.subtle.importKey(
    "jwk", { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y },
    { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  const valid = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" }, key, bytes(signature), new TextEncoder().encode(`${head}.${payload}`));
  return valid
    ? { valid, words: `Genuine. Key ${kid.slice(0, 8)}… signed exactly this, as your browser has just computed.` }
    : { valid, words: "Refused: this is not what the key signed." };
}

// The same receipt with the last digit of its value made another: one byte of the statement.
export function alter(token) {
  const [head, payload, signature] = token.split(".");
  const forged = textOf(payload).replace(/("value":-?\d*)(\d)/, (_, before, digit) => `${before}${(Number(digit) + 1) % 10}`);
  return `${head}.${encoded(forged)}.${signature}`;
}
