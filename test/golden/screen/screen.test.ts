/** Whole screens as plain text, compared with the files beside this one. */
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type Line, lineText, type Size } from "../../../src/core/cells.ts";
import type { Connection } from "../../../src/lenses/flows/connection.ts";
import type { PlayStatus } from "../../../src/view/play.ts";
import { connection, unlistedOf } from "../../support/connections.ts";
import { crowd, FEW, snapshotOf } from "../../support/crowd.ts";
import { Desk, type DeskFilter } from "../../support/desk.ts";

beforeAll(() => {
  vi.stubEnv("TZ", "UTC");
});

const COMMANDS: readonly (readonly [pid: number, commandLine: string | null])[] = [
  [1234, "curl -LO https://example.org/image.iso"],
  [2210, "postgres: app orders 10.0.0.9(43210) SELECT waiting"],
  [666, "\x1b[31m\u202eevil --now\n"],
  [77, "日本語プロセス --引数=とても長い引数です --and-more=of-the-same-for-a-long-time"],
  [811, null],
];

const LOST =
  "incomplete, last at 12:04:32: 2 flows not shown, the kernel's flow table was full; 3.4 kB in no row and no total";

const LIVE = { kind: "live" } as const;

/** Some refreshes, so that there are graphs, and then the one that is shown. */
function desk(size: Size, connections = FEW, filter: DeskFilter | null = null): Desk {
  const rates = [0.2, 0.5, 1.4, 0.9, 0, 0.6];
  const before = rates.map((rate, i) =>
    snapshotOf(
      connections.map((c) => ({
        ...c,
        rateIn: c.rateIn * rate,
        rateOut: c.rateOut * rate,
        phase: c.phase.kind === "closing" ? LIVE : c.phase,
      })),
      { timeNs: (i + 1) * 1e9 },
    ),
  );
  const [first = snapshotOf([]), ...rest] = before;
  const made = new Desk(first, size, {}, filter);
  for (const snapshot of rest) made.refresh(snapshot);
  for (const [pid, commandLine] of COMMANDS) made.processes.set(pid, { commandLine, cgroup: null });
  return made.refresh(snapshotOf(connections, { timeNs: 7e9 }));
}

async function expectScreen(desk: Desk, name: string): Promise<void> {
  await expect(desk.text).toMatchFileSnapshot(`${name}.txt`);
}

describe("connections", () => {
  test.for([60, 80, 120, 200, 300])("at %i columns", async (columns) => {
    await expectScreen(desk({ columns, rows: 24 }), `connections-${columns}`);
  });

  test("in ten lines", () => expectScreen(desk({ columns: 80, rows: 10 }), "connections-80x10"));
  test("none", () => expectScreen(desk({ columns: 80, rows: 12 }, []), "empty"));
  test("one", () => expectScreen(desk({ columns: 120, rows: 12 }, FEW.slice(0, 1)), "one"));
  test("ten thousand", () => expectScreen(desk({ columns: 120, rows: 40 }, crowd(10_000)), "many"));

  test.for([80, 120, 200])("with more columns at %i", async (columns) => {
    await expectScreen(desk({ columns, rows: 16 }).press("c"), `wide-${columns}`);
  });

  test("with totals, raw", () =>
    expectScreen(desk({ columns: 160, rows: 16 }).press("m", "b"), "totals-raw"));
});

describe("other views", () => {
  test.for([60, 80, 120, 200])("processes at %i columns", async (columns) => {
    await expectScreen(desk({ columns, rows: 20 }).press("v"), `processes-${columns}`);
  });

  test.for([80, 120])("processes, one unfolded, at %i columns", async (columns) => {
    const shown = desk({ columns, rows: 20 }).press("v", "down", "down", "enter");
    await expectScreen(shown, `processes-unfolded-${columns}`);
  });

  test.for([60, 80, 120])("remote hosts at %i columns", async (columns) => {
    await expectScreen(desk({ columns, rows: 20 }).press("v", "v"), `hosts-${columns}`);
  });

  test("remote hosts, one unfolded", async () => {
    await expectScreen(
      desk({ columns: 120, rows: 20 }).press("v", "v", "right", "down", "right"),
      "hosts-unfolded",
    );
  });
});

describe("states", () => {
  const size = { columns: 100, rows: 18 };

  test("typing a filter", () => expectScreen(desk(size).press("/", "p", "o", "s", "t"), "filter-typing"));
  test("filtered", () => expectScreen(desk(size).press("/", "4", "4", "3", "enter"), "filtered"));
  test("nothing matches", () => expectScreen(desk(size).press("/", "~", "enter"), "filtered-none"));

  test("paused, while the world goes on", async () => {
    const paused = desk(size).press(" ");
    const before = paused.text;
    paused.refresh(snapshotOf(FEW.slice(0, 2), { timeNs: 8e9 }));
    expect(paused.text).toBe(before);
    await expectScreen(paused, "paused");
  });

  test("with filters of the command line, which the sums follow", async () => {
    const filter = {
      accept: ({ owner }: Connection) => owner?.process === "postgres",
      options: "--process postgres --no-loopback",
    };
    const shown = desk({ columns: 120, rows: 14 }, FEW, filter);
    await expectScreen(shown, "filter-options");
    await expectScreen(shown.press("/", "5", "4", "3", "2"), "filter-options-typing");
    await expectScreen(shown.press("enter", "v"), "filter-options-processes");
    await expectScreen(desk({ columns: 60, rows: 12 }, FEW, filter), "filter-options-60");
    await expectScreen(desk({ columns: 35, rows: 12 }, FEW, filter), "filter-options-35");
  });

  test("a flood of brief connections, most of them without a row", async () => {
    const flood = Array.from({ length: 98_000 }, (_, i) =>
      connection({
        key: 100 + i,
        owner: FEW[i % 2]?.owner ?? null,
        phase: { kind: "closing", closedNs: 7e9 },
      }),
    );
    const next = snapshotOf(FEW, { timeNs: 8e9, unlisted: unlistedOf(flood) });
    const shown = desk({ columns: 120, rows: 14 }).refresh(next);
    await expectScreen(shown, "brief");
    await expectScreen(shown.press("/", "c", "u", "r", "l"), "brief-typing");
    await expectScreen(shown.press("enter", "v"), "brief-filtered-processes");
    await expectScreen(desk({ columns: 60, rows: 12 }).refresh(next), "brief-60");
    await expectScreen(shown.press("esc").refresh(snapshotOf(FEW, { timeNs: 9e9 })), "brief-over");
  });

  test("sockets without a flow", async () => {
    const socket = { owner: null, tcp: null, rateIn: 0, rateOut: 0, bytesIn: 0, bytesOut: 0 } as const;
    const nobody = { address: "0.0.0.0", port: 0 };
    const listening = connection({ ...socket, key: 20, remote: nobody, state: "LISTEN" });
    const waiting = connection({ ...socket, key: 21, state: "TIME_WAIT" });
    await expectScreen(desk(size, [listening, waiting]), "sockets");
  });

  test("what is said of the capture on the page of keys is wrapped, not cut", () => {
    const shown = desk({ columns: 44, rows: 90 });
    shown.info = {
      ...shown.info,
      stepDowns: [{ backend: "kprobe", reason: `a reason with ${"word ".repeat(20)}end` }],
    };
    const text = shown.press("?").text.replaceAll(/\n */g, " ");
    expect(text).toContain(
      "Not counted: ICMP, SCTP, DCCP, UDP-Lite, raw IP, packet sockets, outer flows of tunnels, UDP redirected by a sockmap, vsock, unix sockets. Room for 65536 TCP and 32768 UDP flows at a time;",
    );
    expect(text).toContain(` Not kprobe: a reason with ${"word ".repeat(20)}end `);
  });

  test("owners that share a socket or only hold it", async () => {
    const owner = { pid: 90, process: "a-rather-long-na", uid: 0, cgroupId: null, startNs: null };
    const rows = [
      connection({ key: 30, shared: true }),
      connection({ key: 31, shared: true, owner, rateIn: 5e5 }),
      connection({ key: 32, assumed: true, rateIn: 0, rateOut: 0, bytesIn: 0, bytesOut: 0 }),
      connection({ key: 33, shared: true, owner: null, rateIn: 0, rateOut: 0 }),
    ];
    await expectScreen(desk(size, rows), "owner-marks");
    await expectScreen(desk(size, rows).press("v", "down", "right"), "owner-marks-processes");
    await expectScreen(desk(size, rows).press("v", "v", "down", "right"), "owner-marks-hosts");
    await expectScreen(desk(size, rows).press("down", "enter"), "owner-marks-details");
    await expectScreen(desk(size, rows).press("end", "up", "enter"), "owner-marks-details-assumed");
  });

  test("losses and a limit of the backend", async () => {
    const shown = desk({ columns: 120, rows: 18 });
    shown.losses = LOST;
    shown.info = {
      ...shown.info,
      backend: "tracepoint",
      stepDowns: [{ backend: "tracepoint", reason: "no cgroup v2\x1b[2J" }],
    };
    await expectScreen(shown.redraw(), "incomplete");
  });

  test("a lesser backend that cannot do everything here, on the screen and the page of keys", async () => {
    const shown = desk({ columns: 120, rows: 34 });
    const stepDowns = [
      { backend: "fentry", reason: "load: fentry: Operation not permitted" },
      { backend: "tracepoint", reason: "UDP of unconnected sockets is not seen: cgroup v2 is not mounted" },
      { backend: "/proc", reason: "cannot be read: listening sockets and idle UDP flows are not seen" },
    ];
    shown.info = { ...shown.info, backend: "tracepoint", stepDowns };
    await expectScreen(shown.redraw(), "limited");
    await expectScreen(shown.press("?"), "limited-help");
  });

  test("a backend that was passed over stands on the page of keys, not in the title", () => {
    const shown = desk({ columns: 120, rows: 60 });
    const title = () => lineText(shown.redraw().frame.lines[0] as Line);
    shown.info = { ...shown.info, backend: "tracepoint" };
    const before = title();
    const passedOver = { backend: "fentry", reason: "used last" };
    shown.info = { ...shown.info, stepDowns: [passedOver] };
    expect(title()).toBe(before);
    expect(shown.press("?").text).toContain("Not fentry: used last");
  });

  test.for([60, 80])("while it is recorded, at %i columns", async (columns) => {
    const shown = desk({ columns, rows: 10 });
    shown.isRecorded = true;
    shown.info = { ...shown.info, backend: "tracepoint" };
    await expectScreen(shown.redraw(), `recorded-${columns}`);
  });

  test("the title never runs into what is at its right", () => {
    const titles = (change: (shown: Desk) => void) =>
      [20, 28, 35, 46, 53].map((columns) => {
        const shown = desk({ columns, rows: 10 });
        shown.info = { ...shown.info, backend: "tracepoint" };
        change(shown);
        return lineText(shown.redraw().frame.lines[0] as Line).trimEnd();
      });
    expect(titles(() => {})).toEqual([
      " tcptop · 12:04:33",
      " tcptop · 12:04:33",
      " tcptop · 12:04:33 · tracepoint",
      " tcptop · 12:04:33 · tracepoint     every 1 s",
      " tcptop · 12:04:33 · tracepoint  every 1 s  up 6.0 s",
    ]);
    const recorded = (shown: Desk) => {
      shown.isRecorded = true;
    };
    expect(titles(recorded)).toEqual([
      " tcptop         rec",
      " tcptop · 12:04:33      rec",
      " tcptop · 12:04:33       recording",
      " tcptop · 12:04:33 · tracepoint     recording",
      " tcptop · 12:04:33 · tracepoint            recording",
    ]);
    const play = {
      name: "night.tcptop",
      positionNs: 42e9,
      lengthNs: 190e9,
      speed: 4,
      mode: "playing",
    } as const;
    const replayed = (shown: Desk) => {
      shown.play = play;
    };
    expect(titles(replayed)).toEqual([
      " tcptop 00:42 / 03:1",
      " tcptop    00:42 / 03:10 ×4",
      " tcptop    replay 00:42 / 03:10 ×4",
      " tcptop · 12:04:33    replay 00:42 / 03:10 ×4",
      " tcptop · 12:04:33  replay nigh…top 00:42 / 03:10 ×4",
    ]);
  });

  test("the head of a column that is sorted by begins with its name", () => {
    const heads = (key: string) =>
      lineText(desk({ columns: 120, rows: 16 }).press(key).frame.lines[4] as Line);
    expect(heads("P")).toMatch(/^ {2}PROT▲ LOCAL /);
    expect(heads("s")).toMatch(/ STATE▲ /);
  });

  test("sorted by a column that there is no room for", () => {
    const status = desk({ columns: 60, rows: 10 }).press("t").frame.lines.at(-1) as Line;
    expect(lineText(status)).toMatch(/ sort RTT▼ /);
  });

  test("while it is recorded for months, with little room", () => {
    const shown = desk({ columns: 60, rows: 10 });
    shown.isRecorded = true;
    shown.info = { ...shown.info, backend: "tracepoint", startedNs: -1e16 };
    expect(lineText(shown.redraw().frame.lines[0] as Line)).toBe(
      " tcptop · 12:04:33 · tracepoint · Linux 6.12.0    recording ",
    );
  });

  test("losses, and a log that cannot be written", async () => {
    const shown = desk({ columns: 80, rows: 18 });
    shown.losses = LOST;
    shown.logWarning =
      "47 rows not written: cannot write to /tmp/\x1b[2J.csv: ENOSPC: no space left on device";
    await expectScreen(shown.redraw(), "log-warning");
  });
});

describe("a replay", () => {
  const play: PlayStatus = {
    name: "night-shift-of-the-web-server.tcptop",
    positionNs: 42.9e9,
    lengthNs: 3_790e9,
    speed: 4,
    mode: "playing",
  };

  function replayed(columns: number, status: Partial<PlayStatus> = {}): Desk {
    const shown = desk({ columns, rows: 10 });
    shown.info = { ...shown.info, isReplay: true };
    shown.play = { ...play, ...status };
    shown.processes.clear();
    return shown.redraw();
  }

  test.for([60, 80, 120])("at %i columns", (columns) => expectScreen(replayed(columns), `replay-${columns}`));
  test("paused, of a length that is not known", () =>
    expectScreen(replayed(80, { mode: "paused", lengthNs: null, speed: 0.25 }), "replay-paused"));
  test("at its end, with something to say; its name is hostile", async () => {
    const shown = replayed(120, { mode: "end", positionNs: 3_790e9, name: "\x1b[2J\n.tcptop" });
    shown.notice = "x: byte 7\x1b[2J: the checksum of the frame is wrong";
    await expectScreen(shown.redraw(), "replay-end");
  });
  test("its page of keys", () => expectScreen(replayed(120).press("?"), "replay-help"));
  test("its details", () => expectScreen(replayed(100).press("enter"), "replay-details"));
});

describe("pages", () => {
  test.for([60, 80, 120])("help at %i columns", async (columns) => {
    await expectScreen(desk({ columns, rows: 24 }).press("?"), `help-${columns}`);
  });

  test("every word of help in 40 columns and 8 lines, a page at a time", () => {
    const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");
    const whole = words(
      desk({ columns: 99, rows: 99 })
        .press("?")
        .text.replace(/ Esc back.*/, ""),
    );
    const shown = desk({ columns: 40, rows: 8 }).press("?");
    const seen: string[] = [];
    let top = -1;
    while (shown.state.panel?.kind === "help" && shown.state.panel.top > top) {
      ({ top } = shown.state.panel);
      const lines = shown.text.split("\n").slice(0, 7);
      for (const [i, line] of lines.entries()) seen[top + i] = line;
      shown.press("pagedown");
    }
    expect(shown.text).not.toContain("more");
    const sorted = (list: string[]) => list.sort();
    expect(sorted(words(seen.join(" ")))).toEqual(sorted(whole));
    const { panel } = shown.state;
    expect(shown.press("home", "end").state.panel).toEqual(panel);
  });

  test.for([60, 80, 120])("details of TCP at %i columns", async (columns) => {
    const shown = desk({ columns, rows: 30 });
    shown.processes.set(1234, {
      commandLine: "curl -LO https://example.org/image.iso",
      cgroup: "/user.slice/session-2.scope",
    });
    await expectScreen(shown.press("enter"), `details-${columns}`);
  });

  test("details in ten lines", () =>
    expectScreen(desk({ columns: 80, rows: 10 }).press("enter"), "details-80x10"));

  test("details of UDP, gone", async () => {
    const shown = desk({ columns: 100, rows: 24 }).press("down", "down", "enter");
    await expectScreen(shown.refresh(snapshotOf([], { timeNs: 8e9 })), "details-udp-gone");
  });
});
