import { beforeAll, describe, expect, test, vi } from "vitest";
import { runScreen, type ScreenOptions } from "../../../src/app/screen.ts";
import { ExitError } from "../../../src/base/errors.ts";
import type { Seed } from "../../../src/lenses/flows/record.ts";
import { flowLens, NO_ORDER } from "../../support/lenses.ts";
import { curlRecord, NO_LOSSES, seedEntry } from "../../support/records.ts";
import { FakeScreen } from "../../support/screen.ts";
import { FakeWorld, settle } from "../../support/world.ts";

beforeAll(() => {
  vi.stubEnv("TZ", "UTC");
});

const LISTEN = 10;

function options(fields: Partial<ScreenOptions> = {}): ScreenOptions {
  return {
    version: "0.1.0",
    capture: { backend: "auto", ringBytes: undefined },
    delayNs: 1e9,
    iterations: null,
    lenses: [flowLens()],
    order: NO_ORDER,
    style: "human",
    ...fields,
  };
}

async function started(fields: Partial<ScreenOptions> = {}, world = new FakeWorld()) {
  const screen = new FakeScreen();
  const state: { result: unknown } = { result: "running" };
  const keep = (result: unknown) => {
    state.result = result;
  };
  runScreen(world, async () => screen, options(fields)).then(keep, keep);
  await settle();
  return { world, screen, state };
}

/** The rows on the screen, their cells one space apart. */
function rows({ lines }: FakeScreen): string[] {
  return lines
    .slice(5, -1)
    .filter((line) => line !== "")
    .map((line) => line.trim().replaceAll(/ +/g, " "));
}

describe("the start", () => {
  test("shows what existed before at once", async () => {
    const world = new FakeWorld();
    world.capture.seeding = Promise.resolve({ entries: [seedEntry({ localPort: 5000 })], linesSkipped: 0 });
    const { screen } = await started({}, world);
    expect(screen.frames).toHaveLength(1);
    expect(rows(screen)).toEqual(["* tcp 192.0.2.1:5000 198.51.100.2:443 - - ESTABLISHED 0 B/s 0 B/s -"]);
  });

  test("takes the terminal only once the capture is open", async () => {
    const world = new FakeWorld();
    world.openFailure = new ExitError(69, "no BTF");
    const { screen, state } = await started({}, world);
    expect(state.result).toBe(world.openFailure);
    expect([screen.listener, world.timers, world.stopListeners]).toEqual([null, 0, 0]);
  });

  test("gives the terminal back if seeding fails", async () => {
    const world = new FakeWorld();
    const failure = new Error("no /proc");
    world.capture.seeding = Promise.reject(failure);
    const { screen, state } = await started({}, world);
    expect([state.result, screen.calls, world.capture.calls]).toEqual([
      failure,
      ["close"],
      ["seed", "close"],
    ]);
  });

  test.for(["q", { kind: "key", name: "ctrl-c" } as const])("can be left while seeding", async (key) => {
    const world = new FakeWorld();
    world.capture.seeding = new Promise<Seed>(() => {});
    const { screen, state } = await started({}, world);
    screen.type("j", key);
    await settle();
    expect([state.result, screen.calls, screen.frames]).toEqual([undefined, ["close"], []]);
    expect(world.capture.calls).toEqual(["seed", "close"]);
  });
});

describe("while it runs", () => {
  test("each refresh is a frame with its rates", async () => {
    const { world, screen } = await started();
    world.capture.moved.push(curlRecord(1, { bytesIn: 1_200_000 }));
    await world.advance(1000);
    expect(screen.frames).toHaveLength(2);
    expect(rows(screen)).toEqual([
      "+ tcp 192.0.2.1:40001 198.51.100.2:443 7 curl ESTABLISHED 1.2 MB/s 0 B/s -",
    ]);
    expect(screen.lines[1]).toMatch(/^ in {4}1\.2 MB\/s .*▁? .*TCP 1 {2}1 established$/);
  });

  test("a key is answered at once, without a refresh", async () => {
    const { world, screen } = await started();
    const calls = world.capture.calls.length;
    screen.type("?");
    expect(screen.lines[0]).toMatch(/^ tcptop 0\.1\.0: /);
    expect(world.capture.calls).toHaveLength(calls);
  });

  test("another size is drawn at once", async () => {
    const { screen } = await started();
    screen.size = { columns: 60, rows: 10 };
    screen.listener?.changed();
    expect(screen.lines).toHaveLength(10);
  });

  test("the command line's filter and order hold", async () => {
    const { world, screen } = await started({
      lenses: [{ ...flowLens(({ local }) => local.port !== 40_002), filterOptions: "--port 40001,40003" }],
      order: { key: "local", reverse: true },
    });
    world.capture.ring.push(...[1, 2, 3].map((id) => curlRecord(id, { bytesIn: 1000 * id })));
    await world.advance(1000);
    expect(
      rows(screen)
        .slice(1)
        .map((line) => line.split(" ")[2]),
    ).toEqual(["192.0.2.1:40003", "192.0.2.1:40001"]);
    expect(screen.lines.at(-1)).toMatch(/^ 2 of 3 connections: --port 40001,40003 {2}sort LOCAL▼/);
    const header = () => screen.lines.slice(1, 4).map((line) => line.trim().replaceAll(/ +/g, " "));
    expect(header()).toEqual([
      "in 4 kB/s █ peak 4 kB/s 4 kB TCP 2 2 established",
      "out 0 B/s peak 0 B/s 0 B UDP 0 2 new",
      "machine: in 6 kB/s, 6 kB out 0 B/s, 0 B TCP 3 UDP 0",
    ]);
    screen.type("/", "40003");
    world.capture.moved.push(curlRecord(1, { bytesIn: 2000 }), curlRecord(3, { bytesIn: 3500 }));
    await world.advance(1000);
    expect(header()).toEqual([
      "in 500 B/s █▁ peak 3 kB/s 3.5 kB TCP 1 1 established",
      "out 0 B/s peak 0 B/s 0 B UDP 0",
      "machine: in 1.5 kB/s, 7.5 kB out 0 B/s, 0 B TCP 3 UDP 0",
    ]);
  });

  test("+ and - change the time between refreshes from now on", async () => {
    const { world, screen } = await started();
    const sweeps = () => world.capture.calls.filter((call) => call.startsWith("sweep"));
    await world.advance(1300);
    screen.type("+");
    await world.advance(4700);
    screen.type("-", "-");
    await world.advance(1000);
    expect(sweeps()).toEqual([
      "sweep 0",
      "sweep 1000",
      "sweep 3300",
      "sweep 5300",
      "sweep 6500",
      "sweep 7000",
    ]);
  });

  test("L shows listening sockets, and hides them again", async () => {
    const { world, screen } = await started();
    const listener = seedEntry({ state: LISTEN, remotePort: 0, remoteAddress: "::", localPort: 22 });
    world.capture.socketReads.push(async () => ({ entries: [listener], linesSkipped: 0 }));
    screen.type("L");
    await world.advance(1000);
    expect(rows(screen)).toHaveLength(1);
    expect(rows(screen)[0]).toContain("LISTEN");
    screen.type("L");
    await world.advance(2000);
    expect(rows(screen)).toEqual(["no connections"]);
  });

  test("details tell the owner's command line, also when it has ended", async () => {
    const { world, screen } = await started();
    world.processes.set(7, { commandLine: "curl -s\x1b[2J x", cgroup: "/user.slice" });
    world.capture.ring.push(curlRecord(1));
    await world.advance(1000);
    screen.type({ kind: "key", name: "enter" });
    expect(screen.lines).toContain(" Command      curl -s\\x1b[2J x");
    world.processes.clear();
    await world.advance(1000);
    expect(screen.lines).toContain(" Command      curl -s\\x1b[2J x");
  });

  test("losses are told in the header", async () => {
    const { world, screen } = await started();
    const told = " incomplete, last at 12:04:27: 2 flows not shown, the kernel's flow table was full";
    world.capture.lossCounts = { ...NO_LOSSES, flowsUntracked: 2 };
    await world.advance(1000);
    expect(screen.lines[3]).toBe(told);
    await world.advance(1000);
    expect(screen.lines[3]).toBe(told);
  });

  test("what was only late is not told in the header", async () => {
    const { world, screen } = await started();
    world.capture.lossCounts = { ...NO_LOSSES, recordsDeferred: 200_113 };
    await world.advance(1000);
    expect(screen.lines.slice(3, 5)).toEqual(["", expect.stringMatching(/^ {2}PROTO /)]);
  });

  test("paused, figures and graphs stay too, in the details as well, and go on without a gap", async () => {
    const { world, screen } = await started();
    const move = async (bytesIn: number) => {
      world.capture.moved.push(curlRecord(1, { bytesIn }));
      await world.advance(1000);
    };
    await move(1000);
    screen.type(" ");
    const paused = screen.lines;
    screen.type({ kind: "key", name: "enter" });
    const details = screen.lines;
    await move(5000);
    await move(5500);
    expect(screen.lines).toEqual(details);
    screen.type({ kind: "key", name: "escape" });
    expect(screen.lines).toEqual(paused);
    screen.type(" ");
    expect(screen.lines[1]?.replaceAll(/ +/g, " ")).toBe(
      " in 500 B/s ▂█▁ peak 4 kB/s 5.5 kB TCP 1 1 established",
    );
  });

  test("a filter that is typed while it is paused sums up what was there", async () => {
    const { world, screen } = await started();
    world.capture.ring.push(curlRecord(1, { bytesIn: 10 }), curlRecord(2, { bytesIn: 70 }));
    await world.advance(1000);
    screen.type(" ");
    world.capture.moved.push(curlRecord(2, { bytesIn: 1070 }));
    await world.advance(1000);
    screen.type("/", "40002");
    expect(screen.lines[1]).toMatch(/^ in +70 B\/s .* 70 B +TCP 1 /);
    screen.type({ kind: "key", name: "enter" }, " ");
    expect(screen.lines[1]).toMatch(/^ in +1 kB\/s .* 1.07 kB +TCP 1 /);
  });

  test("paused, it shows what was; the capture goes on", async () => {
    const { world, screen } = await started();
    await world.advance(1000);
    screen.type(" ");
    world.capture.moved.push(curlRecord(1, { bytesIn: 5 }));
    await world.advance(2000);
    expect([screen.lines[0]?.slice(0, 18), rows(screen)]).toEqual([" tcptop · 12:04:27", ["no connections"]]);
    expect(world.capture.calls.at(-1)).toBe("sweep 3000");
    screen.type(" ");
    expect(rows(screen)[0]).toContain("192.0.2.1:40001");
  });

  test("Ctrl-Z suspends, Ctrl-L draws anew", async () => {
    const { screen } = await started();
    screen.type({ kind: "key", name: "ctrl-z" }, { kind: "key", name: "ctrl-l" });
    expect(screen.calls).toEqual(["suspend", "forget"]);
  });
});

describe("the end", () => {
  test.for([
    ["q", (screen: FakeScreen) => screen.type("q")],
    ["Ctrl-C", (screen: FakeScreen) => screen.type({ kind: "key", name: "ctrl-c" })],
    ["a terminal that has gone", (screen: FakeScreen) => screen.listener?.ended()],
    ["a signal", (_: FakeScreen, world: FakeWorld) => world.requestStop()],
  ] as const)("comes with %s", async ([, end]) => {
    const { world, screen, state } = await started();
    await world.advance(500);
    end(screen, world);
    await settle();
    expect([state.result, screen.calls]).toEqual([undefined, ["close"]]);
    expect(world.capture.calls.at(-1)).toBe("close");
    expect([world.timers, world.stopListeners]).toEqual([0, 0]);
  });

  test("comes after the last iteration", async () => {
    const { world, screen, state } = await started({ iterations: 2 });
    await world.advance(2000);
    expect([state.result, screen.frames.length, screen.calls]).toEqual([undefined, 3, ["close"]]);
  });

  test("with a failure gives the terminal back first", async () => {
    const { world, screen, state } = await started();
    world.capture.drainFailure = new Error("ring");
    await world.advance(1000);
    expect([state.result, screen.calls]).toEqual([world.capture.drainFailure, ["close"]]);
  });
});
