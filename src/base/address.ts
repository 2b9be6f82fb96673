/** IP addresses: 16 bytes to canonical text and back, and the address ranges a user may ask for. */
import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

export const ADDRESS_BYTES = 16;

/** One end of a flow. */
export interface Endpoint {
  /** Canonical text: dotted IPv4 (also for IPv4-mapped IPv6), or RFC 5952 without brackets. */
  readonly address: string;
  readonly port: number;
}

const MAPPED_PREFIX_BITS = 96;

/** Whether 16 bytes in network order are an IPv4-mapped IPv6 address, ::ffff:0:0/96. */
function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false;
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
}

/**
 * Canonical text of the 16 bytes in network order at `offset`: dotted IPv4 for mapped addresses,
 * RFC 5952 for all others (the deprecated ::a.b.c.d included, in hexadecimal).
 */
export function formatAddress(bytes: Uint8Array, offset = 0): string {
  if (isMapped(bytes, offset)) {
    return `${bytes[offset + 12]}.${bytes[offset + 13]}.${bytes[offset + 14]}.${bytes[offset + 15]}`;
  }
  const groups = new Array<number>(8);
  for (let i = 0; i < 8; i++) {
    groups[i] = ((bytes[offset + 2 * i] ?? 0) << 8) | (bytes[offset + 2 * i + 1] ?? 0);
  }
  return new ipaddr.IPv6(groups).toRFC5952String();
}

function octetsOf(dotted: string): number[] {
  return dotted.split(".").map(Number);
}

/** ipaddr.js takes `::1.2.3.4` for a mapped address and octets for octal: it is given hexadecimal only. */
function withoutDottedTail(text: string): string {
  if (!text.includes(".")) return text;
  const tail = text.lastIndexOf(":") + 1;
  const [a = 0, b = 0, c = 0, d = 0] = octetsOf(text.slice(tail));
  return `${text.slice(0, tail)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/**
 * The 16 bytes of an address in network order, IPv4 as mapped; null for anything but dotted IPv4 with
 * four decimal parts or IPv6 of RFC 4291. Brackets and zones (`%eth0`) are no part of an address.
 */
export function parseAddress(text: string): Uint8Array | null {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  if (isIPv4(text)) {
    bytes.fill(0xff, 10, 12);
    bytes.set(octetsOf(text), 12);
    return bytes;
  }
  if (!isIPv6(text) || text.includes("%")) return null;
  bytes.set(ipaddr.IPv6.parse(withoutDottedTail(text)).toByteArray());
  return bytes;
}

/** The canonical text of an address in any notation; null for other text. */
export function canonicalAddress(text: string): string | null {
  const bytes = parseAddress(text);
  return bytes && formatAddress(bytes);
}

/** All addresses that share a prefix, of one family: an IPv6 range never holds an IPv4 address. */
export interface AddressRange {
  /** Canonical: an address, followed by `/` and the prefix length unless the range is that one address. */
  readonly text: string;
  /** `address` is canonical text, as in an Endpoint; other text is in no range. */
  contains(address: string): boolean;
}

function clearHostBits(bytes: Uint8Array, prefixBits: number): Uint8Array {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(Math.max(prefixBits - 8 * i, 0), 8)));
}

/** Answers are remembered up to this many addresses: a screen asks for the same ones at each refresh. */
const REMEMBERED_ANSWERS = 65_536;

function prefixRange(address: Uint8Array, prefixBits: number, text: string): AddressRange {
  const isIpv4Range = isMapped(address, 0);
  const answers = new Map<string, boolean>();
  const isInside = (candidate: string): boolean => {
    const bytes = parseAddress(candidate);
    if (bytes === null || isMapped(bytes, 0) !== isIpv4Range) return false;
    return clearHostBits(bytes, prefixBits).every((byte, i) => byte === address[i]);
  };
  return {
    text,
    contains(candidate) {
      const known = answers.get(candidate);
      if (known !== undefined) return known;
      if (answers.size >= REMEMBERED_ANSWERS) answers.clear();
      const answer = isInside(candidate);
      answers.set(candidate, answer);
      return answer;
    },
  };
}

/**
 * Parses `ADDR` or `ADDR/PREFIX`; null when it is neither. Bits behind the prefix are ignored. A
 * mapped address with a prefix of 96 or more is the IPv4 range it stands for.
 */
export function parseAddressRange(text: string): AddressRange | null {
  const [, addressText, prefixText] = /^([^/]*)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  const address = parseAddress(addressText ?? "");
  if (addressText === undefined || address === null) return null;
  if (prefixText === undefined) {
    const only = formatAddress(address);
    return { text: only, contains: (candidate) => candidate === only };
  }
  const isDotted = isIPv4(addressText);
  const prefixBits = Number(prefixText) + (isDotted ? MAPPED_PREFIX_BITS : 0);
  if (prefixBits > 8 * ADDRESS_BYTES) return null;
  const first = clearHostBits(address, prefixBits);
  const shownBits = isMapped(first, 0) ? prefixBits - MAPPED_PREFIX_BITS : prefixBits;
  return prefixRange(first, prefixBits, `${formatAddress(first)}/${shownBits}`);
}
