/** What text may be sent to a terminal, said in other words than src/view/sanitise.ts says it. */
import assert from "node:assert/strict";

/** Controls, format characters, lone surrogates, private use, unassigned; separators other than the space. */
const HARMFUL = /\p{Cc}|\p{Cf}|\p{Cs}|\p{Co}|\p{Cn}|\p{Zl}|\p{Zp}|(?! )\p{Zs}/u;

const ASCII = /^[ -~]*$/;

/** Throws if a text could move, hide or reorder anything. */
export function assertHarmless(text: string): void {
  if (ASCII.test(text)) return;
  const harmful = HARMFUL.exec(text);
  assert.equal(
    harmful,
    null,
    `harmful character ${JSON.stringify(harmful?.[0])} in ${JSON.stringify(text.slice(0, 200))}`,
  );
}

/** The lines of a text, which must be whole and harmless. */
export function harmlessLines(text: string): string[] {
  if (text === "") return [];
  assert.ok(text.endsWith("\n"), "the last line has no end");
  const lines = text.slice(0, -1).split("\n");
  lines.forEach(assertHarmless);
  return lines;
}

const ESCAPE = /\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]{5,6})\})/gu;

/** What was sanitised, from what came out: no two texts may look the same. */
export function unsanitise(text: string): string {
  return text.replace(ESCAPE, (_, x?: string, u?: string, long?: string) => {
    const code = x ?? u ?? long;
    return code === undefined ? "\\" : String.fromCodePoint(Number.parseInt(code, 16));
  });
}
