/** The canonical text of an address, by the URL parser of Node in place of our own code. */

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** WHATWG URLs write IPv6 as RFC 5952 does, mapped addresses in hexadecimal too. */
export function addressText(bytes: Uint8Array): string {
  if (MAPPED.every((byte, i) => bytes[i] === byte)) return bytes.subarray(12, 16).join(".");
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new URL(`http://[${hex.replace(/....(?=.)/g, "$&:")}]`).hostname.slice(1, -1);
}
