// Checks receipts (JWS) with WebCrypto against the published keys, and forges them for show.
import { jwks, parse } from "./api.js";
import { say } from "./words.js";

const decoder = new TextDecoder();
const TYPE = "interlock-receipt+jwt";
const CERTIFICATE = "interlock-delegation+jwt";
const LONGEST = 3600; // seconds that a key of a process may be vouched for
const SLACK = 1; // seconds by which clocks may differ
// What a person wants to know comes first.
const ORDER = ["counter", "amount", "value", "sub", "previous", "shard", "iat", "iss"];

// Of each algorithm: the members of its keys, and what WebCrypto calls it.
const curve = (namedCurve, hash) => ({ members: ["crv", "kty", "x", "y"], is: { kty: "EC", crv: namedCurve }, key: { name: "ECDSA", namedCurve }, scheme: { name: "ECDSA", hash } });
const lattice = (name) => ({ members: ["alg", "kty", "pub"], is: { kty: "AKP", alg: name }, key: { name }, scheme: { name } });
const rsa = (name, more) => ({ members: ["e", "kty", "n"], is: { kty: "RSA" }, key: { name, hash: "SHA-256" }, scheme: { name, ...more } });
const ALGORITHMS = {
  ES256: curve("P-256", "SHA-256"),
  ES384: curve("P-384", "SHA-384"),
  ES512: curve("P-521", "SHA-512"),
  ES256K: curve("secp256k1", "SHA-256"), // which browsers do not have: they say so
  PS256: rsa("RSA-PSS", { saltLength: 32 }),
  RS256: rsa("RSASSA-PKCS1-v1_5"),
  Ed25519: { members: ["crv", "kty", "x"], is: { kty: "OKP", crv: "Ed25519" }, key: { name: "Ed25519" }, scheme: { name: "Ed25519" } },
  "ML-DSA-44": lattice("ML-DSA-44"),
  "ML-DSA-65": lattice("ML-DSA-65"),
  "ML-DSA-87": lattice("ML-DSA-87"),
};

class Refused extends Error {}

function refuse(words) {
  throw new Refused(words);
}

function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

function encodedBytes(raw) {
  return btoa(String.fromCharCode(...raw)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const encoded = (text) => encodedBytes(new TextEncoder().encode(text));
const textOf = (part) => decoder.decode(bytes(part));

export function statement(token) {
  const claims = parse(textOf(token.split(".")[1]));
  const known = ORDER.filter((name) => claims[name] !== undefined && claims[name] !== null);
  return Object.fromEntries(known.map((name) => [name, claims[name]]));
}

// RFC 7638: the id that follows from a key.
async function thumbprint(jwk, members) {
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return encodedBytes(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical))));
}

async function imported({ members, key }, jwk, alg) {
  const own = Object.fromEntries(members.map((name) => [name, jwk[name]]));
  if (own.kty === "RSA" && bytes(own.n).length < 256) refuse(say("Refused: the published key cannot be used."));
  try {
    return await crypto.subtle.importKey("jwk", own, key, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") refuse(say("Not checked: this browser cannot verify {alg} yet.", { alg }));
    return refuse(say("Refused: the published key cannot be used."));
  }
}

// Refuses unless this key signed the token, by its own algorithm.
async function checkSignature(token, jwk) {
  const [head, payload, signature] = token.split(".");
  const { alg } = JSON.parse(textOf(head));
  const algorithm = Object.hasOwn(ALGORITHMS, alg) ? ALGORITHMS[alg] : refuse(say("Refused: this is no receipt."));
  const fits = Object.entries(algorithm.is).every(([name, value]) => jwk[name] === value) && (jwk.alg ?? alg) === alg;
  if (!fits) refuse(say("Refused: this is not what the key signs by."));
  const key = await imported(algorithm, jwk, alg);
  const valid = await crypto.subtle.verify(algorithm.scheme, key, bytes(signature), new TextEncoder().encode(`${head}.${payload}`));
  if (!valid) refuse(say("Refused: this is not what the key signed."));
}

async function publishedKey(kid) {
  const { keys } = await jwks();
  return keys.find((candidate) => candidate.kid === kid) ?? refuse(say("Refused: no published key has the id {kid}.", { kid }));
}

// A key of a process, for which a published key vouches in the receipt's header.
async function delegatedKey(certificate, kid, claims) {
  const { kid: by, typ, crit } = JSON.parse(textOf(certificate.split(".")[0]));
  if (typ !== CERTIFICATE || crit !== undefined) refuse(say("Refused: the key is vouched for by something else."));
  await checkSignature(certificate, await publishedKey(by));
  const { iat, exp, scope, iss, cnf } = JSON.parse(textOf(certificate.split(".")[1]));
  const known = Object.values(ALGORITHMS).find(({ is }) => is.crv && is.crv === cnf.jwk.crv);
  if (!known || await thumbprint(cnf.jwk, known.members) !== kid) refuse(say("Refused: another key is vouched for."));
  if (!scope.split(" ").includes(TYPE) || (iss !== undefined && iss !== claims.iss)) refuse(say("Refused: the key is not vouched for to sign this."));
  if (!(iat < exp && exp <= iat + LONGEST && iat - SLACK <= claims.iat && claims.iat <= exp + SLACK)) refuse(say("Refused: the key was not vouched for then."));
  return [cnf.jwk, by];
}

async function judged(token) {
  const [head, payload] = token.split(".");
  const { kid, typ, crit, delegation } = JSON.parse(textOf(head));
  // What the token says of itself decides nothing: one type, the published keys, their algorithms.
  if (typ !== TYPE) refuse(say("Refused: this is no receipt."));
  if (crit === undefined) {
    await checkSignature(token, await publishedKey(kid));
    return say("Genuine. Key {kid}… signed exactly this, as your browser has just computed.", { kid: kid.slice(0, 8) });
  }
  if (JSON.stringify(crit) !== '["delegation"]') refuse(say("Refused: this is no receipt."));
  const [jwk, by] = await delegatedKey(delegation, kid, parse(textOf(payload)));
  await checkSignature(token, jwk);
  return say("Genuine. Key {by}… vouches for key {kid}…, which signed exactly this, as your browser has just computed.", { by: by.slice(0, 8), kid: kid.slice(0, 8) });
}

export async function verify(token) {
  if (!globalThis.crypto?.subtle) {
    return { valid: false, words: say("Not checked: browsers do this on pages with HTTPS only.") };
  }
  try {
    return { valid: true, words: await judged(token) };
  } catch (error) {
    if (error instanceof Refused) return { valid: false, words: error.message };
    throw error;
  }
}

// The same receipt with the last digit of its value made another: one byte of the statement.
export function alter(token) {
  const [head, payload, signature] = token.split(".");
  const forged = textOf(payload).replace(/("value":-?\d*)(\d)/, (_, before, digit) => `${before}${(Number(digit) + 1) % 10}`);
  return `${head}.${encoded(forged)}.${signature}`;
}
