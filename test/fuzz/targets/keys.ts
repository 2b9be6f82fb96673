/** What a terminal sends, in reads of any size: well-formed inputs, and the same however it is cut. */
import assert from "node:assert/strict";
import { StringDecoder } from "node:string_decoder";
import { KeyDecoder } from "../../../src/tui/keys.ts";
import type { Input } from "../../../src/view/update.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";

function checkInput(input: Input): void {
  switch (input.kind) {
    case "key":
      assert.match(input.name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
      break;
    case "text":
      assert.match(input.text, /^[^\p{Cc}]+$/u);
      break;
    case "click":
      assert.ok(Number.isSafeInteger(input.x) && input.x >= 0, `click at ${input.x}`);
      assert.ok(Number.isSafeInteger(input.y) && input.y >= 0, `click at ${input.y}`);
      break;
    case "wheel":
      assert.ok(Math.abs(input.lines) === 3);
      break;
  }
}

/** Inputs of reads, text that follows text put together. */
function decode(reads: readonly string[]): Input[] {
  const decoder = new KeyDecoder();
  const inputs: Input[] = [];
  for (const input of reads.flatMap((text) => decoder.decode(text))) {
    checkInput(input);
    const last = inputs.at(-1);
    if (input.kind === "text" && last?.kind === "text") {
      inputs[inputs.length - 1] = { kind: "text", text: last.text + input.text };
    } else inputs.push(input);
  }
  return inputs;
}

/** Reads as a terminal gives them; never cut behind an ESC, which would be the key. */
function readsOf(choices: Choices): string[] {
  const decoder = new StringDecoder("utf8");
  const reads: string[] = [];
  let waiting = "";
  while (!choices.isOver) {
    waiting += decoder.write(choices.bytes(1 + choices.below(24)));
    if (waiting.endsWith("\x1b")) continue;
    reads.push(waiting);
    waiting = "";
  }
  return [...reads, waiting];
}

export const target: Target = {
  run(input) {
    const reads = readsOf(new Choices(input));
    const inputs = decode(reads);
    assert.deepEqual(decode([reads.join("")]), inputs);
    // Whatever came before, a key is a key again after a screenful of it.
    const decoder = new KeyDecoder();
    for (const read of reads) decoder.decode(read);
    decoder.decode("\n".repeat(2));
    assert.deepEqual(decoder.decode("q"), [{ kind: "text", text: "q" }]);
  },
  maxBytes: 1024,
  dictionary: [
    "\x1b[",
    "\x1b[A",
    "\x1bOP",
    "\x1b[<0;12;3M",
    "\x1b[<64;1;1M",
    "\x1b[<0;9999999999999999999999;1M",
    "\x1b[[A",
    "\x1b[1;5D",
    "\x1b[15~",
    "\x1b[?",
    "\x1b",
    "\r",
    "\x7f",
    "日",
    "\xf0\x9f\x91\xa9",
    "\x1b[200~",
    ";;;;",
  ],
};
