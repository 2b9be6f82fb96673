import fc from "fast-check";
import { expect, test } from "vitest";
import { atomicLines } from "../../../src/sinks/output.ts";

/** PIPE_BUF on Linux. */
const ATOMIC_BYTES = 4096;

const line = fc
  .tuple(fc.constantFrom("a", "é", "日", "😀"), fc.integer({ min: 0, max: 1500 }))
  .map(([letter, length]) => `${letter.repeat(length)}\n`);

test("lines are cut into whole lines that a pipe takes as a whole, as many as there is room for", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), (lines) => {
      const parts = [...atomicLines(lines.join(""))];
      expect(parts.map(({ text }) => text).join("")).toBe(lines.join(""));
      const bytes = parts.map(({ text }) => Buffer.byteLength(text));
      for (const [i, { text, count }] of parts.entries()) {
        expect([text.endsWith("\n"), text.split("\n").length - 1]).toEqual([true, count]);
        if (count > 1) expect(bytes[i]).toBeLessThanOrEqual(ATOMIC_BYTES);
        const next = parts[i + 1]?.text.split("\n")[0];
        if (next !== undefined)
          expect((bytes[i] ?? 0) + Buffer.byteLength(next) + 1).toBeGreaterThan(ATOMIC_BYTES);
      }
    }),
  );
});
