/** Addresses and ranges as users write them, against Node's own parsers and plain arithmetic. */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import {
  canonicalAddress,
  formatAddress,
  parseAddress,
  parseAddressRange,
} from "../../../src/base/address.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { addressText } from "../oracles/address.ts";

function asNumber(bytes: Uint8Array): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

/** The bytes of an address, by the URL parser. */
function bytesOf(text: string): Uint8Array | null {
  if (isIP(text) === 0 || text.includes("%")) return null;
  if (isIP(text) === 4)
    return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...text.split(".").map(Number));
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const groups = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

function checkAddress(text: string): void {
  const bytes = parseAddress(text);
  assert.deepEqual(bytes, bytesOf(text));
  if (bytes === null) {
    assert.equal(canonicalAddress(text), null);
    return;
  }
  const shown = formatAddress(bytes);
  assert.equal(shown, addressText(bytes));
  assert.equal(canonicalAddress(text), shown);
  assert.deepEqual(parseAddress(shown), bytes);
}

const MAPPED = 0xffffn;

function checkRange(text: string, candidate: Uint8Array): void {
  const range = parseAddressRange(text);
  const [address = "", prefix, ...more] = text.split("/");
  const bytes = bytesOf(address);
  const isPrefix = prefix === undefined || /^(0|[1-9]\d{0,2})$/.test(prefix);
  const offset = isIP(address) === 4 ? 96 : 0;
  const bits = prefix === undefined ? 128 : Number(prefix) + offset;
  if (bytes === null || !isPrefix || bits > 128 || more.length > 0) {
    assert.equal(range, null);
    return;
  }
  assert.ok(range !== null);
  const host = BigInt(128 - bits);
  const first = (asNumber(bytes) >> host) << host;
  const number = asNumber(candidate);
  const isIpv4 = (value: bigint) => value >> 32n === MAPPED;
  const inside = number >> host === first >> host && isIpv4(number) === isIpv4(first);
  const shown = addressText(candidate);
  assert.equal(range.contains(shown), inside);
  assert.equal(range.contains(shown), inside);
  assert.equal(parseAddressRange(range.text)?.text, range.text);
  assert.equal(parseAddressRange(range.text)?.contains(shown), inside);
}

export const target: Target = {
  run(input) {
    const choices = new Choices(input);
    const candidate = Uint8Array.from({ length: 16 }, () => choices.byte());
    if (choices.flag()) candidate.fill(0, 0, 10).fill(0xff, 10, 12);
    const text = choices.rest().toString();
    checkAddress(text);
    checkRange(text, candidate);
    // A range that is near enough to hold the candidate.
    checkRange(`${addressText(candidate)}/${text}`, candidate);
  },
  maxBytes: 128,
  dictionary: [
    "127.0.0.1",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
    "2001:db8::7",
    "::",
    "/0",
    "/32",
    "/128",
    "/96",
    "%eth0",
    "0x7f.1",
    "010.1.1.1",
    "[::1]",
    "fe80::",
    ":0:0:",
    "255",
    "\0",
  ],
};
