// Calls of the API through this page's own origin.

const PATIENCE = 8000;
const ATTEMPTS = 3;
const PASSING = [502, 503, 504];

export class Problem extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
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
    throw new Problem("The service cannot be reached.", 0);
  }
  let content = null;
  try {
    content = text ? parse(text) : null;
  } catch {
    throw new Problem(`The answer cannot be read (status ${reply.status}).`, reply.ok ? 0 : reply.status);
  }
  if (!reply.ok) throw new Problem(content?.detail || content?.title || `Status ${reply.status}`, reply.status);
  return content;
}

// Repeats what failed in passing: reads, and writes whose key makes the repetition count once.
export async function call(method, path, body, key) {
  const headers = { accept: "application/json, application/problem+json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(method, path, headers, body);
    } catch (problem) {
      const passing = problem.status === 0 || PASSING.includes(problem.status);
      const repeatable = method === "GET" || method === "PUT" || key;
      if (!passing || !repeatable || attempt === ATTEMPTS) throw told(problem, method, attempt);
    }
    await new Promise((resolve) => { setTimeout(resolve, 250 * 2 ** attempt * Math.random()); });
  }
}

function told(problem, method, attempts) {
  if (problem.status !== 0 || method === "GET") return problem;
  return new Problem(`${problem.message} It was tried ${attempts} times, under one key: if any of them arrived, it counts once.`, 0);
}

const at = (name) => `/api/counters/${encodeURIComponent(name)}`;
// Not randomUUID, which browsers withhold from pages without HTTPS.
const key = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Amounts stay text: a number would round what the API counts exactly.
export const create = (name, { floor, ceiling }) =>
  call("PUT", at(name), `{"floor":${floor || "null"},"ceiling":${ceiling || "null"}}`);
export const change = (name, verb, amount) =>
  call("POST", `${at(name)}/${verb}`, `{"amount":${amount}}`, key());
export const transfer = (from, to, amount) =>
  call("POST", "/api/transfers", `{"from":${JSON.stringify(from)},"to":${JSON.stringify(to)},"amount":${amount}}`, key());
export const jwks = () => call("GET", "/api/.well-known/jwks.json");
export const history = (name) => call("GET", `/service/history/${encodeURIComponent(name)}?minutes=10`);
