import fc from "fast-check";
import { expect, test } from "vitest";
import type { Endpoint } from "../../../../src/base/address.ts";
import { formatEndpoint } from "../../../../src/base/format.ts";
import type { Connection } from "../../../../src/lenses/flows/connection.ts";
import { matcher } from "../../../../src/lenses/flows/matcher.ts";
import { connection } from "../../../support/connections.ts";

function named(process: string): Connection["owner"] {
  return { pid: 1, process, uid: null, cgroupId: null, startNs: null };
}

const port = fc.oneof(fc.constantFrom(0, 1, 44, 443, 4430), fc.nat(65_535));
const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  address: fc.oneof(fc.ipV4(), fc.constantFrom("10.4.4.3", "0.0.0.0", "::", "2001:db8::443", "fe80::1")),
  port,
});

/** A connection and words that are parts of its texts, or nearly. */
const searched = fc
  .record({ local: endpoint, remote: endpoint, process: fc.constantFrom("curl", "Node 44", "a:1", "*") })
  .chain((made) => {
    const texts = [formatEndpoint(made.local), formatEndpoint(made.remote), made.process];
    const part = fc
      .record({ text: fc.constantFrom(...texts), from: fc.nat(40), length: fc.integer({ min: 1, max: 12 }) })
      .map(({ text, from, length }) => text.slice(from % text.length, (from % text.length) + length));
    const word = fc.oneof(part, fc.constantFrom(":", "*", ":*", "]:", "[", "::", "1:", ":44:", "44"));
    return fc.record({ made: fc.constant(made), words: fc.array(word, { minLength: 1, maxLength: 3 }) });
  });

test("a word is found in what is shown, and nowhere else", () => {
  fc.assert(
    fc.property(searched, ({ made: { local, remote, process }, words }) => {
      const typed = words.flatMap((word) => word.toLowerCase().split(" ")).filter((word) => word !== "");
      fc.pre(typed.length > 0);
      const texts = [formatEndpoint(local), formatEndpoint(remote), process.toLowerCase()];
      const wanted = typed.every((word) => texts.some((text) => text.includes(word)));
      const row = connection({ local, remote, owner: named(process) });
      expect(matcher(words.join(" "))?.(row)).toBe(wanted);
    }),
    { numRuns: 3000 },
  );
});

test("a name is found as it is shown, however many there have been", () => {
  const matches = matcher("\\X1B evil-9999");
  const rows = Array.from({ length: 10_000 }, (_, i) => connection({ owner: named(`\x1bevil-${i}`) }));
  expect(rows.filter((row) => matches?.(row))).toEqual([rows[9999]]);
  expect(matches?.(connection({ owner: null }))).toBe(false);
});

test("no words ask for nothing", () => {
  expect([matcher(""), matcher("  ")]).toEqual([null, null]);
});
