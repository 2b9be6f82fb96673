import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canonicalAddress,
  formatAddress,
  parseAddress,
  parseAddressRange,
} from "../../../src/base/address.ts";

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

describe("formatAddress", () => {
  test.each([
    ["00000000000000000000000000000000", "::"],
    ["00000000000000000000000000000001", "::1"],
    ["00000000000000000000ffff01020304", "1.2.3.4"],
    ["00000000000000000000ffff00000000", "0.0.0.0"],
    ["00000000000000000000ffffffffffff", "255.255.255.255"],
    ["00000000000000000000000001020304", "::102:304"],
    ["0000000000000000ffff000001020304", "::ffff:0:102:304"],
    ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
    ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
    ["20010000000000010000000000000001", "2001:0:0:1::1"],
    ["00010000000200000003000000040000", "1:0:2:0:3:0:4:0"],
    ["0000000000000001000000000000ABCD", "::1:0:0:0:abcd"],
    ["00010002000300040005000600070000", "1:2:3:4:5:6:7:0"],
    ["fe800000000000000000000000000000", "fe80::"],
  ])("%s is %s", (hex, text) => {
    expect(formatAddress(fromHex(hex))).toBe(text);
  });

  test("reads at an offset", () => {
    expect(formatAddress(fromHex(`ffff${"00".repeat(15)}01ff`), 2)).toBe("::1");
  });
});

describe("parseAddress", () => {
  test.each([
    ["1.2.3.4", "00000000000000000000ffff01020304"],
    ["::ffff:1.2.3.4", "00000000000000000000ffff01020304"],
    ["::FFFF:0102:0304", "00000000000000000000ffff01020304"],
    ["::1.2.3.4", "00000000000000000000000001020304"],
    ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
    ["1:2:3:4:5:6:7.8.9.10", "0001000200030004000500060708090a"],
    ["2001:DB8::7", "20010db8000000000000000000000007"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
  ])("%s", (text, hex) => {
    expect(Buffer.from(parseAddress(text) ?? []).toString("hex")).toBe(hex);
  });

  test.each([
    "",
    "1",
    "1.2.3",
    "127.1",
    "0x7f.0.0.1",
    "010.1.1.1",
    "256.1.1.1",
    "1.2.3.4.5",
    " 1.2.3.4",
    "1.2.3.4\n",
    "::ffff:0x7f.0.0.1",
    "::ffff:010.1.1.1",
    "1::2::3",
    ":::",
    "12345::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "[::1]",
    "fe80::1%eth0",
    "::1%",
    "localhost",
    "1.2.3.4/8",
  ])("%j is no address", (text) => {
    expect(parseAddress(text)).toBeNull();
    expect(canonicalAddress(text)).toBeNull();
  });

  test("every 16 bytes survive the way to text and back, in canonical form", () => {
    const sparse = fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .chain((bytes) =>
        fc
          .uint8Array({ minLength: 16, maxLength: 16, max: 1 })
          .map((mask) => bytes.map((b, i) => b * (mask[i] ?? 0))),
      );
    fc.assert(
      fc.property(sparse, (bytes) => {
        const text = formatAddress(bytes);
        expect(parseAddress(text)).toEqual(bytes);
        expect(canonicalAddress(text.toUpperCase())).toBe(text);
      }),
    );
  });

  test("arbitrary text never throws and is canonical once understood", () => {
    const nearlyAddress = fc.string({ unit: fc.constantFrom(..."0123456789abF::../%[]") });
    fc.assert(
      fc.property(fc.oneof(nearlyAddress, fc.string({ unit: "binary-ascii" })), (text) => {
        const canonical = canonicalAddress(text);
        if (canonical !== null) expect(canonicalAddress(canonical)).toBe(canonical);
        const range = parseAddressRange(text);
        if (range !== null) expect(parseAddressRange(range.text)?.text).toBe(range.text);
      }),
    );
  });
});

describe("parseAddressRange", () => {
  test.each([
    ["10.1.2.3", "10.1.2.3", ["10.1.2.3"], ["10.1.2.4", "::ffff:a01:203", "::a01:203"]],
    ["::ffff:10.1.2.3", "10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]],
    ["10.1.2.3/8", "10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255", "::a01:203"]],
    ["10.1.2.3/32", "10.1.2.3/32", ["10.1.2.3"], ["10.1.2.2"]],
    ["192.168.7.130/25", "192.168.7.128/25", ["192.168.7.128", "192.168.7.255"], ["192.168.7.127"]],
    ["0.0.0.0/0", "0.0.0.0/0", ["1.2.3.4", "255.255.255.255"], ["::1"]],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8", ["10.9.9.9"], ["11.0.0.0"]],
    ["2001:DB8::1", "2001:db8::1", ["2001:db8::1"], ["2001:db8::2"]],
    ["2001:db8::7/32", "2001:db8::/32", ["2001:db8:ffff::", "2001:db8::"], ["2001:db9::", "32.1.13.184"]],
    ["2001:db8::/33", "2001:db8::/33", ["2001:db8:7fff::"], ["2001:db8:8000::"]],
    ["::/0", "::/0", ["::1", "fe80::1"], ["1.2.3.4"]],
    ["::1/128", "::1/128", ["::1"], ["::2", "0.0.0.1"]],
  ])("%s", (text, canonical, inside, outside) => {
    const range = parseAddressRange(text);
    expect(range?.text).toBe(canonical);
    for (const address of [...inside, ...inside])
      expect([address, range?.contains(address)]).toEqual([address, true]);
    for (const address of [...outside, ...outside])
      expect([address, range?.contains(address)]).toEqual([address, false]);
    expect(range?.contains("nonsense")).toBe(false);
  });

  test.each([
    "",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "::/129",
    "::/0x1",
    "10/8",
    "10.0.0.0/1e1",
  ])("%j is no range", (text) => {
    expect(parseAddressRange(text)).toBeNull();
  });
});
