#!/usr/bin/env node
// Checks every file of this folder with an implementation of its own (Node 18 or newer, no packages): JSON.stringify
// prints strings and numbers, which is what RFC 8785 defines them by; names, depth and surrogates are judged here.
//
//     node check.mjs [LINES]
//
// LINES is how much of the published number sequence is made and compared (default 100000; checkpoints exist for
// every power of ten up to 10000000). Prints a summary; exit code 1 if anything is not as the corpus says.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

const DEPTH_MAX = 128;
const BYTES_MAX = 16 * 1024 * 1024;
// What JSON.parse does not tell apart.
const GRAMMAR = new Set(["syntax", "truncated", "trailing", "control", "escape"]);
const CHECKPOINTS = new Map([
  [1_000, "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687"],
  [10_000, "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"],
  [100_000, "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"],
  [1_000_000, "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16"],
  [10_000_000, "b9f8a44a91d46813b21b9602e72f112613c91408db0b8341fb94603d9db135e0"],
]);

/** A text that has no canonical form. */
class Refused extends Error {}

// --- reading --------------------------------------------------------------------------------------------------

/** The value of a JSON text given as bytes. */
function read(bytes) {
  if (bytes.length > BYTES_MAX) throw new Refused("size");
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused("utf8");
  }
  if (text.startsWith("\ufeff")) throw new Refused("byte_order_mark");
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused("syntax");
  }
  judge(text);
  return value;
}

/** Walks over the tokens of a text that is known to be JSON and refuses what JSON.parse lets pass. */
function judge(text) {
  const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[{}[\]:,]/gsu;
  // The names of every open object, and null for every open array.
  const open = [];
  let last;
  for (const [found] of text.matchAll(token)) {
    if (found === "{" || found === "[") {
      open.push(found === "{" ? new Set() : null);
      if (open.length > DEPTH_MAX) throw new Refused("depth");
    } else if (found === "}" || found === "]") {
      open.pop();
    } else if (found === ":") {
      const names = open.at(-1);
      if (names.has(last)) throw new Refused("repeated_name");
      names.add(last);
    } else if (found.startsWith('"')) {
      last = JSON.parse(found);
      if (/\p{Surrogate}/u.test(last)) throw new Refused("surrogate");
    } else if (found !== "," && !Number.isFinite(Number(found))) {
      throw new Refused("range");
    }
  }
}

// --- writing --------------------------------------------------------------------------------------------------

/** The canonical text of a value. The order of strings in ECMAScript is that of their UTF-16 code units. */
function write(value) {
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${write(value[name])}`).join(",")}}`;
}

/** The same value with its members put in sorted, to be printed as ECMAScript prints an object. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

function number(value) {
  if (!Number.isFinite(value)) throw new Refused("range");
  return JSON.stringify(value);
}

// --- fingerprints ---------------------------------------------------------------------------------------------

/** The request fingerprint of a row of fingerprints.jsonl. */
function fingerprint(row) {
  const raw = row.layout === "raw";
  let meta = "";
  if (row.meta !== null) {
    const value = read(Buffer.from(row.meta));
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Refused("no_object");
    if (raw) meta = JSON.stringify(sorted(value));
    else if (Object.keys(value).length > 0) meta = write(value);
  }
  const fields = [String(row.envelope_version), row.destination_kind, row.destination_ref];
  fields.push(row.reply_to_id, row.priority, meta);
  if (fields.some((field) => field.includes("\0"))) throw new Refused("nul");
  const body = createHash("sha256").update(row.body).digest();
  const hash = createHash("sha256");
  for (const field of fields) hash.update(field).update("\0");
  return hash.update(raw ? body : body.toString("hex")).digest("hex");
}

// --- the corpus -----------------------------------------------------------------------------------------------

const wrong = [];
const file = (name) => readFileSync(new URL(name, import.meta.url));
const lines = (name) => file(name).toString("ascii").trimEnd().split("\n");

function same(what, got, wanted) {
  if (got !== wanted) wrong.push(`${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

const refusal = (reason) => `refused: ${GRAMMAR.has(reason) ? "grammar" : reason}`;

/** What comes out, or `refused:` and the reason. */
function outcome(make) {
  try {
    return make();
  } catch (error) {
    if (error instanceof Refused) return refusal(error.message);
    throw error;
  }
}

const canonical = (bytes) => outcome(() => write(read(bytes)));

function checkPairs() {
  const names = readdirSync(new URL("input/", import.meta.url)).filter((name) => name.endsWith(".json"));
  for (const name of names) {
    const wanted = file(`output/${name}`);
    same(name, canonical(file(`input/${name}`)), wanted.toString());
    const hex = file(`outhex/${name.replace(".json", ".txt")}`).toString().replace(/\s/g, "");
    same(`outhex ${name}`, hex, wanted.toString("hex"));
  }
  return names.length;
}

function checkCases() {
  const rows = lines("edge-cases.jsonl").map((line) => JSON.parse(line));
  for (const row of rows) {
    const bytes = row.input_hex === undefined ? Buffer.from(row.input) : Buffer.from(row.input_hex, "hex");
    const wanted = row.reason === undefined ? row.expected ?? row.expected_if_accepted : refusal(row.reason);
    const got = canonical(bytes);
    same(row.id, got, wanted);
    if (row.reason === undefined) same(`${row.id}, again`, canonical(Buffer.from(got)), wanted);
  }
  return rows.length;
}

const view = new DataView(new ArrayBuffer(8));

function double(bits) {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

const numbers = lines("numbers.csv").slice(1).map((line) => line.trimEnd().split(","));

function checkNumbers() {
  for (const [, , hex, expected] of numbers) {
    const wanted = expected.startsWith("ERROR:") ? refusal("range") : expected;
    same(`number ${hex}`, outcome(() => number(double(BigInt(`0x${hex}`)))), wanted);
  }
  return numbers.length;
}

/** The bit patterns of the published sequence. */
function* sequence() {
  for (const [section, index, hex] of numbers) {
    if (section === "es6-sequence" && Number(index) <= 168) yield BigInt(`0x${hex}`);
  }
  for (let step = 0n; step < 2000n; step += 1n) yield 0x0010000000000000n + step;
  let block = Buffer.alloc(32);
  for (;;) {
    block = createHash("sha256").update(block).digest();
    for (let at = 0; at < 32; at += 8) {
      const bits = block.readBigUInt64LE(at);
      const value = double(bits);
      if (value !== 0 && Number.isFinite(value)) yield bits;
    }
  }
}

function checkSequence(wanted) {
  const hash = createHash("sha256");
  let count = 0;
  for (const bits of sequence()) {
    count += 1;
    hash.update(`${bits.toString(16)},${number(double(bits))}\n`);
    const checkpoint = CHECKPOINTS.get(count);
    if (checkpoint) same(`the first ${count} numbers`, hash.copy().digest("hex"), checkpoint);
    if (count >= wanted) break;
  }
  return count;
}

function checkFingerprints() {
  const rows = lines("fingerprints.jsonl").map((line) => JSON.parse(line));
  for (const row of rows) {
    const wanted = row.fingerprint ?? refusal(row.reason);
    same(`fingerprint ${row.id} (${row.layout})`, outcome(() => fingerprint(row)), wanted);
  }
  return rows.length;
}

const checked = {
  pairs: checkPairs(),
  "edge cases": checkCases(),
  numbers: checkNumbers(),
  "numbers of the sequence": checkSequence(Number(process.argv[2] ?? 100_000)),
  fingerprints: checkFingerprints(),
};
for (const text of wrong.slice(0, 20)) console.log("WRONG", text);
const summary = Object.entries(checked).map(([what, count]) => `${count} ${what}`).join(", ");
console.log(`check.mjs: ${summary}: ${wrong.length ? `${wrong.length} WRONG` : "all as the corpus says"}`);
process.exitCode = wrong.length || Object.values(checked).includes(0) ? 1 : 0;
