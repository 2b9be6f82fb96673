/** The screen through any refreshes, keys, clicks and sizes: every frame fits the terminal to the cell. */
import assert from "node:assert/strict";
import { displayWidth } from "../../../src/base/width.ts";
import { lineText, type Size } from "../../../src/core/cells.ts";
import type { ProcessFacts } from "../../../src/core/process.ts";
import { KeyDecoder } from "../../../src/tui/keys.ts";
import { paintLine } from "../../../src/tui/paint.ts";
import { Desk } from "../../support/desk.ts";
import { Choices } from "../engine/choices.ts";
import type { Target } from "../engine/target.ts";
import { snapshotFrom } from "../inputs/connections.ts";
import { assertHarmless } from "../oracles/text.ts";

const KEYS = [
  ..."qjkgGh?/vZ rRpnstaAP<>IoFcmbL+-=",
  ...["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F", "\r", "\x1b", "\t"],
  ...[
    "\x1b[Z",
    "\x7f",
    "\x17",
    "\x15",
    "\x0c",
    "\x1b[21~",
    "\x1b[3~",
    "\x1b[17~",
    "\x1b[<64;1;1M",
    "\x1b[<65;1;1M",
  ],
];

/** The smallest that draw() takes is 3 rows. */
function sizeOf(choices: Choices): Size {
  return { columns: 1 + choices.below(256), rows: 3 + choices.below(64) };
}

function checkFrame(desk: Desk): void {
  const { frame, size, state, listing, layout } = desk;
  assert.equal(frame.lines.length, size.rows);
  for (const line of frame.lines) {
    const text = lineText(line);
    assertHarmless(text);
    assert.equal(
      displayWidth(text),
      size.columns,
      `${state.view} ${state.panel?.kind} ${JSON.stringify(text)}`,
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal without UTF-8 may get
    assert.match(paintLine(line, { colors: 256, isUtf8: false }), /^(?:\x1b\[[0-9;]*m|[ -~])*$/);
  }
  if (frame.cursor !== null) {
    assert.ok(frame.cursor.x >= 0 && frame.cursor.x < size.columns, `cursor at ${frame.cursor.x}`);
    assert.ok(frame.cursor.y >= 0 && frame.cursor.y < size.rows);
  }
  const { entries } = listing;
  assert.ok(state.selection === null || entries.indexOf(state.selection) !== -1, "the selection is no row");
  assert.ok(layout.top >= 0 && layout.top <= Math.max(0, entries.length - 1), `top ${layout.top}`);
  assert.ok([...state.filter].length <= 64);
  assert.ok(state.delayS >= 0.1 && state.delayS <= 60);
}

function type(desk: Desk, decoder: KeyDecoder, text: string): void {
  desk.press(...decoder.decode(text));
}

function processFacts(choices: Choices): ProcessFacts {
  return {
    commandLine: choices.flag() ? choices.text(64).repeat(1 + choices.below(64)) : null,
    cgroup: choices.flag() ? choices.text(64) : null,
  };
}

/** One thing that can happen to a screen. */
function happen(desk: Desk, decoder: KeyDecoder, choices: Choices, seconds: number): void {
  const kind = choices.byte();
  if (kind < 0xa0) type(desk, decoder, choices.pick(KEYS));
  else if (kind < 0xb0) type(desk, decoder, choices.text(16));
  else if (kind < 0xc0) {
    desk.press({ kind: "click", x: choices.below(256), y: choices.below(64) });
  } else if (kind < 0xd8) desk.refresh(snapshotFrom(choices, desk.newest, seconds * 1e9));
  else if (kind < 0xe8) {
    desk.size = sizeOf(choices);
    desk.redraw();
  } else if (kind < 0xf0) {
    for (const { owner } of desk.newest.connections) {
      if (owner !== null) desk.processes.set(owner.pid, processFacts(choices));
    }
    desk.redraw();
  } else {
    desk.info = {
      ...desk.info,
      backend: choices.text(16),
      kernel: choices.text(64),
      stepDowns: [{ backend: choices.text(16), reason: choices.text(127) }],
    };
    desk.losses = choices.flag() ? "closes_lost=1 ".repeat(choices.below(32)) : "";
    desk.redraw();
  }
}

export const target: Target = {
  run(input) {
    const choices = new Choices(input);
    const size = sizeOf(choices);
    const desk = new Desk(snapshotFrom(choices, null, 5e9), size);
    const decoder = new KeyDecoder();
    checkFrame(desk);
    for (let step = 0; step < 64 && !choices.isOver; step++) {
      happen(desk, decoder, choices, 6 + step);
      checkFrame(desk);
    }
  },
  maxBytes: 2048,
};
