/** A capture that is recorded, and what happens when it cannot be. */
import { describe, expect, test } from "vitest";
import { run } from "../../../src/app/run.ts";
import { runScreen } from "../../../src/app/screen.ts";
import { ExitError } from "../../../src/base/errors.ts";
import { RecordingWriter } from "../../../src/recording/writer.ts";
import { flowLens, jsonStream, NO_ORDER } from "../../support/lenses.ts";
import { MemoryFile, memorySource, readAll } from "../../support/recordings.ts";
import { FakeScreen } from "../../support/screen.ts";
import { FakeWorld, outcomeOf, settle, systemError } from "../../support/world.ts";

const LIVE = {
  version: "0.1.0",
  capture: { backend: "auto", ringBytes: undefined },
  delayNs: 1e9,
  iterations: null,
  lenses: [flowLens()],
} as const;
const STREAM = { stream: jsonStream() };
const SCREEN = { order: NO_ORDER, style: "human" } as const;

const FULL =
  "cannot write to the recording x.tcptop: ENOSPC: no space left on device; what was recorded before is intact";

function recording() {
  const file = new MemoryFile();
  return { file, record: () => new RecordingWriter(file, "x.tcptop") };
}

function kept(promise: Promise<unknown>): { result: unknown } {
  const state: { result: unknown } = { result: "running" };
  const keep = (result: unknown) => {
    state.result = result;
  };
  promise.then(keep, keep);
  return state;
}

function refreshes({ stdout }: FakeWorld): number {
  return stdout.objects.filter(({ event }) => event === "summary").length;
}

async function times({ bytes }: MemoryFile): Promise<unknown[]> {
  const { calls, error } = await readAll(memorySource(bytes));
  expect(error).toBeNull();
  return calls.map((call) => call[1]);
}

describe("a recorded capture", () => {
  test("whose file cannot be made does not begin, and takes no terminal", async () => {
    const world = new FakeWorld();
    const screen = new FakeScreen();
    const failure = new ExitError(73, "cannot create x");
    const record = () => {
      throw failure;
    };
    const state = kept(runScreen(world, async () => screen, { ...LIVE, ...SCREEN, record }));
    await settle();
    expect([state.result, screen.listener, world.opened, world.stopListeners]).toEqual([
      failure,
      null,
      [],
      0,
    ]);
  });

  test("that cannot begin leaves no file behind", async () => {
    const world = new FakeWorld();
    const { file, record } = recording();
    world.openFailure = new ExitError(69, "no BTF");
    const state = kept(run(world, { ...LIVE, ...STREAM, record }).then(outcomeOf));
    await settle();
    expect([state.result, file.isClosed, file.bytes.length]).toEqual([world.openFailure, true, 0]);
  });

  test("has a file that is closed at the end, with every refresh", async () => {
    const world = new FakeWorld();
    const { file, record } = recording();
    const state = kept(run(world, { ...LIVE, ...STREAM, record, iterations: 2 }).then(outcomeOf));
    await world.advance(2000);
    expect([state.result, file.isClosed, await times(file)]).toEqual([true, true, [0, 1e9, 2e9]]);
  });

  test("as a stream ends with 74 when the disk is full, and what was seen until then is told", async () => {
    const world = new FakeWorld();
    const { file, record } = recording();
    const state = kept(run(world, { ...LIVE, ...STREAM, record }).then(outcomeOf));
    await world.advance(2000);
    file.room = file.bytes.length + 1;
    await world.advance(3000);
    expect(state.result).toMatchObject({ exitCode: 74, message: FULL });
    expect(refreshes(world)).toBe(4);
    expect([await times(file), file.isClosed, world.capture.calls.at(-1)]).toEqual([
      [0, 1e9, 2e9],
      true,
      "close",
    ]);
  });

  test("as a stream that ends with a full disk before a slow reader says both", async () => {
    const world = new FakeWorld();
    const { file, record } = recording();
    const state = kept(run(world, { ...LIVE, ...STREAM, record }).then(outcomeOf));
    await world.advance(1000);
    world.stdout.stall();
    await world.advance(1000);
    file.room = file.bytes.length + 1;
    await world.advance(1000);
    await world.advance(3000);
    expect(state.result).toEqual([
      expect.objectContaining({ exitCode: 74, message: FULL }),
      new ExitError(74, "the last lines not written to standard output, the reader was too slow"),
    ]);
  });

  test("as a stream ends at once where not even the beginning has room", async () => {
    const world = new FakeWorld();
    const { file, record } = recording();
    file.room = 5;
    const state = kept(run(world, { ...LIVE, ...STREAM, record }).then(outcomeOf));
    await world.advance(1000);
    expect([state.result, file.bytes.length]).toEqual([
      expect.objectContaining({ exitCode: 74, message: FULL }),
      0,
    ]);
  });

  test("as a stream fails with 74 if only the close fails", async () => {
    const world = new FakeWorld();
    const { file, record } = recording();
    file.closeFailure = systemError("EDQUOT", "EDQUOT: disk quota exceeded, close");
    const state = kept(run(world, { ...LIVE, ...STREAM, record, iterations: 1 }).then(outcomeOf));
    await world.advance(1000);
    expect(state.result).toMatchObject({ exitCode: 74 });
    expect(refreshes(world)).toBe(1);
  });

  test("on the screen goes on when the disk is full, says how much is missing, and ends with 74", async () => {
    const world = new FakeWorld();
    const screen = new FakeScreen();
    const { file, record } = recording();
    const state = kept(runScreen(world, async () => screen, { ...LIVE, ...SCREEN, record }));
    await world.advance(2000);
    expect([screen.lines[0], screen.lines[3]]).toEqual([expect.stringContaining(" recording "), ""]);
    file.room = file.bytes.length + 1;
    await world.advance(1000);
    expect(screen.lines[0]).not.toContain("recording");
    expect(screen.lines[3]).toBe(" 1 refresh not recorded: ENOSPC: no space left on device");
    await world.advance(2000);
    expect(screen.lines[3]).toBe(" 3 refreshes not recorded: ENOSPC: no space left on device");
    screen.type("q");
    await settle();
    expect(state.result).toMatchObject({ exitCode: 74, message: FULL });
    expect(await times(file)).toEqual([0, 1e9, 2e9]);
    expect(screen.calls).toEqual(["close"]);
  });
});
