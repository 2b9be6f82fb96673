/** What was recorded is replayed: the same stream, at its pace, and from anywhere. */
import { Buffer } from "node:buffer";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { Replay, type ReplayOptions } from "../../../src/app/replay.ts";
import { run, streamFeed } from "../../../src/app/run.ts";
import { showFeed } from "../../../src/app/screen.ts";
import { RecordKind } from "../../../src/lenses/flows/record.ts";
import { RecordingReader } from "../../../src/recording/reader.ts";
import { RecordingWriter } from "../../../src/recording/writer.ts";
import { flowLens, jsonStream, NO_ORDER } from "../../support/lenses.ts";
import { FlowsRecording, MemoryFile, memorySource } from "../../support/recordings.ts";
import { curlRecord, NO_LOSSES, seedEntry } from "../../support/records.ts";
import { FakeScreen } from "../../support/screen.ts";
import { FakeWorld, outcomeOf, settle } from "../../support/world.ts";

beforeAll(() => {
  vi.stubEnv("TZ", "UTC");
});

const S = 1e9;
const STREAM = { stream: jsonStream() };
const REFRESHES = 30;
const LISTENER = seedEntry({ state: 10, remotePort: 0, remoteAddress: "::", localPort: 22 });

/** A capture of 30 s with a life of its own, recorded; what its stream was, and what its file is. */
async function recorded({
  all = false,
  until = REFRESHES,
} = {}): Promise<{ live: string; file: MemoryFile }> {
  const world = new FakeWorld();
  const file = new MemoryFile();
  world.capture.seeding = Promise.resolve({
    entries: [seedEntry({ localPort: 5000 }), LISTENER],
    linesSkipped: 0,
  });
  const ended = run(world, {
    ...STREAM,
    version: "0.1.0",
    capture: { backend: "auto", ringBytes: undefined },
    delayNs: S,
    iterations: until,
    lenses: [flowLens(null, { all })],
    record: () => new RecordingWriter(file, "x.tcptop"),
  });
  await settle();
  for (let second = 0; second < until; second++) {
    const nowNs = second * S;
    const id = 1 + Math.floor(second / 4);
    const bytesIn = 1000 * second;
    const times = { timeNs: nowNs + 1, openedNs: id * S };
    if (second === 5) {
      // Its close is lost.
      world.capture.ring.push(curlRecord(99, times));
      world.capture.lossCounts = { ...world.capture.lossCounts, closesLost: 1 };
    }
    if (second % 7 === 3) world.capture.lossCounts = { ...world.capture.lossCounts, recordsDeferred: second };
    if (second % 4 === 0) world.capture.ring.push(curlRecord(id, { ...times, bytesIn }));
    else if (second % 4 === 3)
      world.capture.ring.push(curlRecord(id, { ...times, bytesIn, kind: RecordKind.close }));
    else world.capture.moved.push(curlRecord(id, { ...times, bytesIn, kind: RecordKind.totals }));
    if (all)
      world.capture.socketReads.push(async () => ({
        entries: second > 9 ? [] : [LISTENER],
        linesSkipped: 0,
      }));
    await world.advance(1000);
  }
  await ended;
  return { live: world.stdout.text, file };
}

const HOW: ReplayOptions = {
  name: "x.tcptop",
  speed: 1,
  iterations: null,
  lenses: [flowLens()],
  staysAtEnd: false,
};
const ALL = { lenses: [flowLens(null, { all: true })] };

async function open(bytes: Buffer, world: FakeWorld, how: Partial<ReplayOptions> = {}, isSeekable = true) {
  const reader = await RecordingReader.open(memorySource(bytes, isSeekable), "x.tcptop");
  return new Replay(world, { ...HOW, ...how }, reader);
}

/** A stream of the recording that has not begun to wait yet. */
async function streamed(bytes: Buffer, how: Partial<ReplayOptions> = {}, world = new FakeWorld()) {
  const state: { result: unknown } = { result: "running" };
  const keep = (result: unknown) => {
    state.result = result;
  };
  streamFeed(world, STREAM, () => open(bytes, world, how))
    .then(outcomeOf)
    .then(keep, keep);
  await settle();
  return { world, state };
}

function summaries({ stdout }: FakeWorld): number {
  return stdout.objects.filter(({ event }) => event === "summary").length;
}

describe("the stream of a replay", () => {
  test.for([false, true])("is that of the capture, to the byte, --all: %s", async (all) => {
    const { live, file } = await recorded({ all });
    expect(live.match(/"event":"close"/g)?.length).toBe(all ? 10 : 9);
    expect(live.includes("LISTEN")).toBe(all);
    const { world, state } = await streamed(file.bytes, all ? ALL : {});
    await world.advance(REFRESHES * 1000);
    expect(state.result).toBe(true);
    expect(world.stdout.text).toBe(live);
    expect(world.stderr.text).toBe("");
  });

  test("leaves out sockets without a flow unless they are asked for", async () => {
    const withSockets = await recorded({ all: true });
    const without = await recorded({ all: false });
    const { world } = await streamed(withSockets.file.bytes);
    await world.advance(REFRESHES * 1000);
    expect(world.stdout.text).toBe(without.live);
  });

  test.for([
    [1, 1000],
    [2, 500],
    [0.5, 2000],
    [1000, 1],
  ] as const)("keeps the pace it had, %d times", async ([speed, stepMs]) => {
    const { file } = await recorded();
    const { world } = await streamed(file.bytes, { speed });
    const seen = [summaries(world)];
    for (let i = 0; i < 3; i++) {
      await world.advance(stepMs - 1);
      seen.push(summaries(world));
      await world.advance(1);
      seen.push(summaries(world));
    }
    expect(seen).toEqual([0, 0, 1, 1, 2, 2, 3]);
  });

  test("ends after -n refreshes", async () => {
    const { live, file } = await recorded();
    const { world, state } = await streamed(file.bytes, { iterations: 3 });
    await world.advance(2999);
    expect(state.result).toBe("running");
    await world.advance(1);
    expect([state.result, summaries(world), world.timers]).toEqual([true, 3, 0]);
    expect(live.startsWith(world.stdout.text)).toBe(true);
  });

  test("waits for a slow reader and leaves nothing out", async () => {
    const { live, file } = await recorded();
    const { world, state } = await streamed(file.bytes, { speed: 1000 });
    world.stdout.stall();
    await world.advance(10_000);
    expect(world.stdout.attempts).toBeLessThan(5);
    for (let i = 0; i < REFRESHES; i++) {
      world.stdout.resume();
      world.stdout.stall();
      await world.advance(10);
    }
    world.stdout.resume();
    await world.advance(100);
    expect([state.result, world.stdout.text]).toEqual([true, live]);
  });

  test("ends with its reader, and at once when the end is asked for", async () => {
    const { file } = await recorded();
    const gone = await streamed(file.bytes);
    gone.world.hasReader = false;
    await gone.world.advance(1000);
    expect([gone.state.result, gone.world.timers, gone.world.stopListeners]).toEqual([true, 0, 0]);
    const stopped = await streamed(file.bytes);
    await stopped.world.advance(1500);
    stopped.world.requestStop();
    await settle();
    expect([stopped.state.result, summaries(stopped.world), stopped.world.timers]).toEqual([true, 1, 0]);
  });

  test("of a pipe that goes on for ever can be ended", async () => {
    const { file } = await recorded();
    const world = new FakeWorld();
    const source = { ...memorySource(file.bytes), isSeekable: false };
    const read = source.read;
    source.read = (position, bytes) =>
      position < file.bytes.length - 200 ? read(position, bytes) : new Promise(() => {});
    const reader = await RecordingReader.open(source, "x.tcptop");
    const ended = streamFeed(world, STREAM, () => new Replay(world, { ...HOW, speed: 1000 }, reader));
    await world.advance(1000);
    world.requestStop();
    expect(outcomeOf(await ended)).toBe(true);
  });

  test("of a recorder that was killed says so once, and is whole up to there", async () => {
    const { live, file } = await recorded();
    const { world, state } = await streamed(file.bytes.subarray(0, -1));
    await world.advance(REFRESHES * 1000);
    expect(state.result).toBe(true);
    expect(live.startsWith(world.stdout.text)).toBe(true);
    expect(summaries(world)).toBe(REFRESHES - 1);
    expect(world.stderr.text).toBe(
      "warning: the recorder was stopped while it wrote: an unfinished refresh is left out\n",
    );
  });

  test("of a damaged recording is whole up to there, then fails with 74", async () => {
    const { live, file } = await recorded();
    const bytes = Buffer.from(file.bytes);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const { world, state } = await streamed(bytes);
    await world.advance(REFRESHES * 1000);
    expect(state.result).toMatchObject({
      exitCode: 74,
      message: expect.stringMatching(/^x\.tcptop: byte \d+: the checksum of the frame is wrong$/),
    });
    expect([live.startsWith(world.stdout.text), summaries(world)]).toEqual([true, REFRESHES - 1]);
  });
});

/** A screen of the recording at its first refresh. */
async function shown(bytes: Buffer, how: Partial<ReplayOptions> = {}, isSeekable = true) {
  const world = new FakeWorld();
  const screen = new FakeScreen();
  const state: { result: unknown } = { result: "running" };
  const keep = (result: unknown) => {
    state.result = result;
  };
  const options = {
    delayNs: S,
    lenses: how.lenses ?? HOW.lenses,
    order: NO_ORDER,
    style: "human",
  } as const;
  showFeed(
    world,
    async () => screen,
    options,
    () => open(bytes, world, { staysAtEnd: true, ...how }, isSeekable),
  ).then(keep, keep);
  await settle();
  await settle();
  return { world, screen, state };
}

function place({ lines }: FakeScreen): string {
  return / replay (.*)$/.exec(lines[0] ?? "")?.[1] ?? "";
}

async function typed(at: { world: FakeWorld; screen: FakeScreen }, ...keys: string[]): Promise<void> {
  at.screen.type(...keys);
  for (let i = 0; i < 5; i++) await settle();
}

test("a recording without a refresh is refused, on the screen too", async () => {
  const file = new MemoryFile();
  new FlowsRecording(file, "x");
  const failure = { exitCode: 74, message: "x.tcptop ends before its first refresh" };
  expect((await streamed(file.bytes)).state.result).toMatchObject(failure);
  const at = await shown(file.bytes);
  expect(at.state.result).toMatchObject(failure);
  expect(at.screen.calls).toEqual(["close"]);
});

describe("the screen of a replay", () => {
  test("says what the recording has and is left out", async () => {
    const file = new MemoryFile();
    const bells = { number: 250, id: "bells", abi: 1, isCritical: false, schema: {}, facts: {} };
    const flows = new FlowsRecording(file, "x.tcptop", undefined, [bells]);
    const rings = flows.writer.recorderOf(bells.number);
    for (const second of [1, 2]) {
      const at = { nowNs: second * S, wallMs: second * 1000 };
      rings.last(1, 0, at, () => {});
      flows.refresh(at, NO_LOSSES);
    }
    const { screen } = await shown(file.bytes);
    expect(screen.lines.join("\n")).toContain(
      "the recording has what this tcptop does not know, and leaves out: bells",
    );
  });

  test("says where it is, and stays at the end until q", async () => {
    const { file } = await recorded();
    const at = await shown(file.bytes);
    expect(place(at.screen)).toBe("x.tcptop 00:00 / 00:30 ×1");
    await at.world.advance(4000);
    expect(place(at.screen)).toBe("x.tcptop 00:04 / 00:30 ×1");
    expect(at.screen.lines[0]).toMatch(/^ tcptop · 12:04:30 · fentry · Linux 6\.12\.0/);
    await at.world.advance(100_000);
    expect(place(at.screen)).toBe("x.tcptop 00:30 / 00:30 ×1 end");
    expect(at.state.result).toBe("running");
    await typed(at, "q");
    expect([at.state.result, at.screen.calls, at.world.timers]).toEqual([undefined, ["close"], 0]);
  });

  test("pauses within a refresh, and goes on from there", async () => {
    const { file } = await recorded();
    const at = await shown(file.bytes);
    await at.world.advance(2600);
    await typed(at, " ");
    expect(place(at.screen)).toBe("x.tcptop 00:02 / 00:30 ×1 paused");
    await at.world.advance(60_000);
    expect(place(at.screen)).toBe("x.tcptop 00:02 / 00:30 ×1 paused");
    await typed(at, " ");
    await at.world.advance(399);
    expect(place(at.screen)).toBe("x.tcptop 00:02 / 00:30 ×1");
    await at.world.advance(1);
    expect(place(at.screen)).toBe("x.tcptop 00:03 / 00:30 ×1");
  });

  test("plays faster and slower, from where it is", async () => {
    const { file } = await recorded();
    const at = await shown(file.bytes);
    await at.world.advance(1500);
    await typed(at, "+");
    await at.world.advance(250);
    expect(place(at.screen)).toBe("x.tcptop 00:02 / 00:30 ×2");
    await at.world.advance(1000);
    expect(place(at.screen)).toBe("x.tcptop 00:04 / 00:30 ×2");
    await typed(at, ..."+++++++++++++++");
    expect(place(at.screen)).toBe("x.tcptop 00:04 / 00:30 ×1000");
    await typed(at, ..."-------------------");
    expect(place(at.screen)).toBe("x.tcptop 00:04 / 00:30 ×0.1");
  });

  test.for([
    ["forward", 3000, "]", 13],
    ["back", 25_000, "[", 15],
    ["back, to the start", 5000, "{", 0],
    ["forward twice at once", 0, "]]", 20],
    ["forth and back", 12_000, "]]][[", 10],
    ["back from the end", 60_000, "[[", 10],
    ["forward to the end", 20_000, "}", 30],
  ] as const)("seeks %s: what it shows is what playing shows", async ([, ms, keys, second]) => {
    const { file } = await recorded({ all: true });
    const at = await shown(file.bytes, ALL);
    await at.world.advance(ms);
    await typed(at, " ", ...keys);
    const played = await shown(file.bytes, ALL);
    await played.world.advance(second * 1000);
    await typed(played, " ");
    expect(place(at.screen)).toMatch(new RegExp(`^x\\.tcptop 00:${String(second).padStart(2, "0")} /`));
    expect(at.screen.lines.slice(1)).toEqual(played.screen.lines.slice(1));
    at.screen.type({ kind: "key", name: "home" }, { kind: "key", name: "enter" });
    played.screen.type({ kind: "key", name: "home" }, { kind: "key", name: "enter" });
    expect(at.screen.lines.some((line) => line.startsWith(" Age"))).toBe(true);
    expect(at.screen.lines).toEqual(played.screen.lines);
  });

  test("plays on after a seek", async () => {
    const { file } = await recorded();
    const at = await shown(file.bytes);
    await at.world.advance(40_000);
    await typed(at, "[");
    expect(place(at.screen)).toBe("x.tcptop 00:20 / 00:30 ×1");
    await at.world.advance(2000);
    expect(place(at.screen)).toBe("x.tcptop 00:22 / 00:30 ×1");
  });

  test("ends after -n refreshes", async () => {
    const { file } = await recorded();
    const at = await shown(file.bytes, { iterations: 2 });
    await at.world.advance(2000);
    expect(at.state.result).toBeUndefined();
  });

  test("of what comes only once does not seek, and its length is not known", async () => {
    const { file } = await recorded();
    const at = await shown(file.bytes, {}, false);
    await at.world.advance(3000);
    await typed(at, "]", "[");
    expect(place(at.screen)).toBe("x.tcptop 00:00 ×1");
  });

  test("knows no more of a process than was recorded", async () => {
    const { file } = await recorded();
    const at = await shown(file.bytes);
    at.world.processes.set(7, { commandLine: "curl --secret", cgroup: "/user.slice" });
    await at.world.advance(1000);
    at.screen.type({ kind: "key", name: "enter" });
    expect(at.screen.lines).toContain(" Command      not recorded");
    expect(at.screen.lines.join("\n")).not.toMatch(/secret|user\.slice/);
  });

  test("says that an unfinished refresh is left out, or what is damaged, and goes on", async () => {
    const { file } = await recorded({ until: 3 });
    const cut = await shown(file.bytes.subarray(0, -1));
    await cut.world.advance(9000);
    expect(cut.screen.lines[3]).toContain("an unfinished refresh is left out");
    await typed(cut, "q");
    expect(cut.state.result).toBeUndefined();

    const bytes = Buffer.from(file.bytes);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const damaged = await shown(bytes);
    await damaged.world.advance(9000);
    expect([place(damaged.screen), damaged.screen.lines[3]]).toEqual([
      "x.tcptop 00:02 / 00:03 ×1 end",
      expect.stringMatching(/^ x\.tcptop: byte \d+: the checksum of the frame is wrong$/),
    ]);
    await typed(damaged, "[");
    expect(place(damaged.screen)).toBe("x.tcptop 00:00 / 00:03 ×1");
    await typed(damaged, "q");
    expect(damaged.state.result).toMatchObject({ exitCode: 74 });
  });
});
