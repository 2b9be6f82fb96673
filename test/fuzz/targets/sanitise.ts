/** Any text comes out harmless, can be told from every other, and has a width that adds up. */
import assert from "node:assert/strict";
import { sanitise } from "../../../src/base/sanitise.ts";
import { clip, displayWidth, padEnd, padStart, shorten, truncate } from "../../../src/base/width.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { assertHarmless, unsanitise } from "../oracles/text.ts";

/** UTF-8, or UTF-16 with whatever surrogates. */
function textOf(choices: Choices): string {
  return choices.flag() ? choices.rest().toString("utf16le") : choices.rest().toString();
}

export const target: Target = {
  run(input) {
    const choices = new Choices(input);
    const cells = choices.below(64);
    const text = textOf(choices);
    const shown = sanitise(text);
    assertHarmless(shown);
    assert.equal(unsanitise(shown), text);
    assert.doesNotMatch(shown, /^\p{M}/u);

    const width = displayWidth(shown);
    assert.equal(
      width,
      [...shown].reduce((sum, character) => sum + displayWidth(character), 0),
    );
    assert.equal(displayWidth(padEnd(shown, cells)), Math.max(width, cells));
    assert.equal(displayWidth(padStart(shown, cells)), Math.max(width, cells));
    for (const cut of [clip(shown, cells), truncate(shown, Math.max(1, cells)), shorten(shown, cells)]) {
      assert.ok(displayWidth(cut) <= Math.max(1, cells), JSON.stringify(cut));
      assertHarmless(cut);
      if (width <= cells) assert.equal(cut, shown);
    }
    assert.ok(shown.startsWith(clip(shown, cells)));
  },
  maxBytes: 512,
  dictionary: [
    "\x1b[",
    "\u202e",
    "\u0301",
    "日",
    "👩‍👩‍👧",
    "\u2028",
    "\\x1b",
    "\ue000",
    "\u{e0041}",
    "\u1100\u1161",
    " ",
  ],
};
