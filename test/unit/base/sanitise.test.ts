import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sanitise } from "../../../src/base/sanitise.ts";

/** Undoes sanitise(): it must be possible, or two names could look the same. */
function restore(text: string): string {
  return text.replace(
    /\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]+)\})/g,
    (_, ...groups: unknown[]) => {
      const code = groups.slice(0, 3).find((group) => typeof group === "string");
      return typeof code === "string" ? String.fromCodePoint(Number.parseInt(code, 16)) : "\\";
    },
  );
}

describe("sanitise", () => {
  test.each([
    ["plain ASCII with spaces", "Web Content (2)", "Web Content (2)"],
    ["letters of other scripts", "naïve-Größe-日本-สวัสดี", "naïve-Größe-日本-สวัสดี"],
    ["an emoji", "🚀", "🚀"],
    ["a colour sequence", "\x1b[31mred", "\\x1b[31mred"],
    ["line ends, tab, NUL, DEL", "a\r\n\t\0\x7f", "a\\x0d\\x0a\\x09\\x00\\x7f"],
    ["C1 controls", "\x9b31m\x85", "\\x9b31m\\x85"],
    ["bidi overrides and isolates", "a\u202eb\u2066c\u2069", "a\\u202eb\\u2066c\\u2069"],
    ["zero-width characters", "a\u200bb\u200dc\ufeffd\u00ade", "a\\u200bb\\u200dc\\ufeffd\\xade"],
    ["line and paragraph separators", "\u2028\u2029", "\\u2028\\u2029"],
    ["spaces that are not the space", "a\u00a0b\u3000c", "a\\xa0b\\u3000c"],
    ["lone surrogates", "\ud83d-\ude80", "\\ud83d-\\ude80"],
    ["tags above the BMP", "\u{e0041}", "\\u{e0041}"],
    ["variation selectors", "❤\ufe0f", "❤\\ufe0f"],
    ["fillers without ink", "\u3164\u115f", "\\u3164\\u115f"],
    ["a mark with nothing to combine with", "\u0301a\u0301 \u0301", "\\u0301a\u0301 \\u0301"],
    ["private use and noncharacters", "\ue000\uffff", "\\ue000\\uffff"],
    ["a backslash", "a\\x1b", "a\\\\x1b"],
    ["the replacement character", "\ufffd", "\ufffd"],
  ])("%s", (_, text, expected) => {
    expect(sanitise(text)).toBe(expected);
  });

  test("never lets through what acts on a terminal, and loses nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const shown = sanitise(text);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u00a0]/u);
        expect(restore(shown)).toBe(text);
      }),
    );
  });
});
