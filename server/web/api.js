// Calls of the API through this page's own origin.

import { say } from "./words.js";

const PATIENCE = 8000;
const ATTEMPTS = 3;
const PASSING = [502, 503, 504];

export class Problem extends Error {
  constructor(words, status, field = null) {
    super(words);
    this.status = status;
    this.field = field; // the part of the request at fault, where it is known
  }
}

// Counters have up to 38 digits, JavaScript's numbers 15: long ones become BigInt.
export function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context.source) : value);
}

async function once(method, path, headers, body) {
  let reply, text;
  try {
    reply = await fetch(path, { method, headers, body, signal: AbortSignal.timeout(PATIENCE) });
    text = await reply.text();
  } catch {
    throw new Problem(say("The service cannot be reached."), 0);
  }
  let content = null;
  try {
    content = text ? parse(text) : null;
  } catch {
    throw new Problem(say("The answer cannot be read (status {status}).", { status: reply.status }), reply.ok ? 0 : reply.status);
  }
  if (!reply.ok) throw new Problem(content?.detail || content?.title || say("Status {status}", { status: reply.status }), reply.status, content?.field ?? null);
  return content;
}

// Repeats what failed in passing: reads, and writes whose key makes the repetition count once.
export async function call(method, path, body, key, given = {}) {
  const headers = { accept: "application/json, application/problem+json", ...given };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(method, path, headers, body);
    } catch (problem) {
      const passing = problem.status === 0 || PASSING.includes(problem.status);
      const repeatable = ["GET", "PUT", "PATCH"].includes(method) || key;
      if (!passing || !repeatable || attempt === ATTEMPTS) throw told(problem, method, attempt);
    }
    await new Promise((resolve) => { setTimeout(resolve, 250 * 2 ** attempt * Math.random()); });
  }
}

function told(problem, method, attempts) {
  if (problem.status !== 0 || method === "GET") return problem;
  return new Problem(say("{problem} It was tried {attempts} times, under one key: if any of them arrived, it counts once.", { problem: problem.message, attempts }), 0);
}

const at = (name) => `/api/counters/${encodeURIComponent(name)}`;
// Not randomUUID, which browsers withhold from pages without HTTPS.
const key = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Amounts stay text: a number would round what the API counts exactly.
const bounds = (settings) => `{${Object.entries(settings).map(([name, value]) => `"${name}":${value || "null"}`).join(",")}}`;

// Refused where the name exists; a repetition of what was done already says so too, once.
export async function create(name, settings) {
  try {
    return await call("PUT", at(name), bounds(settings), null, { "if-none-match": "*" });
  } catch (problem) {
    if (problem.status !== 412) throw problem;
    throw new Problem(say("There is a counter of this name already."), 412, "name");
  }
}

// Changes what is given, and leaves the rest.
export const configure = (name, settings) => call("PATCH", at(name), bounds(settings));
export const remove = (name) => call("DELETE", at(name));
export const reset = (name) => call("POST", `${at(name)}/reset`, "{}");
export const change = (name, verb, amount) =>
  call("POST", `${at(name)}/${verb}`, `{"amount":${amount}}`, key());
export const transfer = (from, to, amount) =>
  call("POST", "/api/transfers", `{"from":${JSON.stringify(from)},"to":${JSON.stringify(to)},"amount":${amount}}`, key());
export const jwks = () => call("GET", "/api/.well-known/jwks.json");
export const history = (name, minutes) => call("GET", `/service/history/${encodeURIComponent(name)}?minutes=${minutes}`);
export const locks = () => call("GET", "/service/locks");
export const lock = (name) => call("GET", `/service/locks/${encodeURIComponent(name)}`);
// The token, and not the name alone, says which grant is meant: one that came later stays.
export const breakLock = (name, token, because) =>
  call("POST", "/service/lock-breaks", `{"lock":${JSON.stringify(name)},"fencing_token":${token},"because":${JSON.stringify(because)}}`, key());
