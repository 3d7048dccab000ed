// Calls of the API through this page's own origin.

export class Problem extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

// Counters have up to 38 digits, JavaScript's numbers 15: long ones become BigInt.
export function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source
      ? BigInt(context.source) : value);
}

export async function call(method, path, body, key) {
  const headers = { accept: "application/json, application/problem+json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  let reply;
  try {
    reply = await fetch(path, { method, headers, body });
  } catch {
    throw new Problem("The service cannot be reached. Nothing is known to have changed.", 0);
  }
  const text = await reply.text();
  let content = null;
  try {
    content = text ? parse(text) : null;
  } catch {
    throw new Problem("The answer cannot be read.", reply.status);
  }
  if (!reply.ok) throw new Problem(content?.detail || content?.title || `Status ${reply.status}`, reply.status);
  return content;
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
