import { describe, expect, test } from "vitest";
import { paintLine } from "../../../src/tui/paint.ts";
import { colorDepth, usesUtf8 } from "../../../src/tui/renderer.ts";

const LINE = {
  spans: [
    { text: "curl ", tone: "plain" },
    { text: "▼…日", tone: "heat4" },
    { text: "0", tone: "quiet" },
  ],
  reversed: false,
} as const;

describe("a line", () => {
  test.for([
    [256, "curl \x1b[1;38;5;203m▼…日\x1b[0m\x1b[38;5;244m0\x1b[0m"],
    [16, "curl \x1b[1;31m▼…日\x1b[0m\x1b[90m0\x1b[0m"],
    [8, "curl \x1b[1;31m▼…日\x1b[0m\x1b[2m0\x1b[0m"],
    [0, "curl \x1b[1m▼…日\x1b[0m\x1b[2m0\x1b[0m"],
  ] as const)("in %i colours", ([colors, painted]) => {
    expect(paintLine(LINE, { colors, isUtf8: true })).toBe(painted);
  });

  test("reversed has one look all over", () => {
    expect(paintLine({ ...LINE, reversed: true }, { colors: 256, isUtf8: true })).toBe(
      "\x1b[7mcurl ▼…日0\x1b[0m",
    );
  });

  test("without UTF-8 keeps its width", () => {
    expect(paintLine({ ...LINE, reversed: true }, { colors: 0, isUtf8: false })).toBe(
      "\x1b[7mcurl v~??0\x1b[0m",
    );
  });
});

describe("colours", () => {
  test.for([
    [{ TERM: "xterm-256color" }, true, 256],
    [{ TERM: "screen-256color" }, true, 256],
    [{ TERM: "xterm-kitty" }, true, 256],
    [{ TERM: "foot" }, true, 256],
    [{ TERM: "xterm", COLORTERM: "truecolor" }, true, 256],
    [{ TERM: "linux" }, true, 8],
    [{ TERM: "vt100" }, true, 0],
    [{ TERM: "no-such-terminal" }, true, 8],
    [{ TERM: "../../../etc/passwd" }, true, 8],
    [{}, true, 8],
    [{ TERM: "xterm-256color" }, false, 0],
  ] as const)("%j", ([environment, wanted, depth]) => {
    expect(colorDepth(environment, wanted)).toBe(depth);
  });
});

test.for([
  [{ LANG: "en_US.UTF-8" }, true],
  [{ LANG: "C.utf8" }, true],
  [{ LANG: "en_US.UTF-8", LC_ALL: "C" }, false],
  [{ LC_CTYPE: "de_DE.UTF-8", LANG: "C" }, true],
  [{}, false],
] as const)("UTF-8 by %j", ([environment, expected]) => {
  expect(usesUtf8(environment)).toBe(expected);
});
