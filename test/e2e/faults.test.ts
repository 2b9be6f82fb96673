/** What goes wrong around tcptop: it is stopped, starved, killed, half blind, not alone, or time jumps. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { BusyProcessors } from "./busy.ts";
import {
  afterMounting,
  asUserWith,
  backends,
  cannotRun,
  eventually,
  type FlowEnd,
  facts,
  leftInKernel,
  NO_LOSSES,
  OWN_NETNS,
  run,
  scaled,
  sharedTcptop,
  shiftedClock,
  startOrSkip,
  Traffic,
  trueLosses,
} from "./harness.ts";

type Scenario = readonly [scenario: string, args?: Readonly<Record<string, number>>];

/** All kinds of ends, more events than the ring buffer holds, and streams past the 32 bits of a position. */
const LOAD: readonly Scenario[] = [
  ["tcp-bulk", { size: scaled(4_600_000_000), timeout: 90 }],
  ["tcp-splice", { size: scaled(4_600_000_000), timeout: 90 }],
  ["tcp-short", { count: scaled(6000), timeout: 90 }],
  ["tcp-concurrent", { count: scaled(300) }],
  ["tcp-reset"],
  ["tcp-reconnect"],
  ["tcp-killed"],
  ["udp-connected", { count: scaled(5000) }],
  ["udp-many", { peers: 50 }],
];

/** Debian's kernels know a level 3, which asks for CAP_SYS_ADMIN where others ask for CAP_PERFMON. */
function probesNeedRoot(): boolean {
  return Number(readFileSync("/proc/sys/kernel/perf_event_paranoid", "utf8")) > 2;
}

/** Ends of all scenarios, one after the other. */
async function endsOf(scenarios: readonly Scenario[], context: TestContext): Promise<FlowEnd[]> {
  const ends: FlowEnd[] = [];
  for (const [scenario, args] of scenarios) ends.push(...(await new Traffic(scenario, args).ends(context)));
  return ends;
}

describe.skipIf(cannotRun).for(backends)(`%s${cannotRun ? `: ${cannotRun}` : ""}`, ([backend, required]) => {
  describe("stopped and continued (SIGSTOP, SIGCONT)", () => {
    const shared = sharedTcptop(backend, required, "--ring-bytes", "262144");
    beforeAll(shared.open);
    afterAll(shared.close);

    test("what happened meanwhile comes late and exact", async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      await tcptop.freeze();
      const ends = await endsOf(LOAD, context);
      expect(tcptop.rowsOf(ends, since)).toEqual([]);
      tcptop.signal("SIGCONT");

      expect(facts(await tcptop.closesOf(ends, since))).toEqual(facts(ends));
      expect(tcptop.losses().records_deferred).toBeGreaterThan(0);
      expect(trueLosses(tcptop.losses())).toEqual(NO_LOSSES);
    });
  });

  describe("starved of the processor", () => {
    const shared = sharedTcptop(backend, required, "--ring-bytes", "65536");
    beforeAll(shared.open);
    afterAll(shared.close);

    test("a burst comes late and exact", async (context) => {
      const tcptop = shared.use(context);
      const since = tcptop.rows.length;
      expect((await run("chrt", ["--all-tasks", "--idle", "--pid", "0", `${tcptop.pid}`])).stderr).toBe("");
      const busy = await BusyProcessors.start(availableParallelism());
      let ends: FlowEnd[];
      try {
        ends = await endsOf(
          [
            ["tcp-short", { count: scaled(3000), timeout: 90 }],
            ["udp-many", { peers: 50 }],
          ],
          context,
        );
      } finally {
        await busy.stop();
      }
      expect(facts(await tcptop.closesOf(ends, since))).toEqual(facts(ends));
      expect(tcptop.losses().records_deferred).toBeGreaterThan(0);
      expect(trueLosses(tcptop.losses())).toEqual(NO_LOSSES);
    });
  });

  test("kill -9 under load leaves no program, link or map in the kernel", async (context) => {
    const tcptop = await startOrSkip(context, required, {}, backend);
    const traffic = new Traffic("tcp-short", { count: scaled(3000) });
    expect(await tcptop.until(() => tcptop.rows.length > 0)).toBe(true);
    const ids = tcptop.bpfIds();
    for (const held of Object.values(ids)) expect(held).not.toEqual([]);
    expect(await tcptop.stop("SIGKILL")).toMatchObject({ code: null, signal: "SIGKILL" });
    const left = async () => Object.values(await leftInKernel(ids)).flat();
    await eventually(async () => (await left()).length === 0);
    expect(await left()).toEqual([]);
    await traffic.ends(context);
  });

  test("two at once are both exact, and one outlives the other", async (context) => {
    const first = await startOrSkip(context, required, {}, backend);
    const second = await startOrSkip(context, required, {}, backend);
    const ends = await endsOf(LOAD.slice(2), context);
    for (const tcptop of [first, second]) {
      expect(facts(await tcptop.closesOf(ends, 0))).toEqual(facts(ends));
      expect(trueLosses(tcptop.losses())).toEqual(NO_LOSSES);
    }
    await first.stop("SIGKILL");
    const since = second.rows.length;
    const after = await endsOf(LOAD.slice(3), context);
    expect(facts(await second.closesOf(after, since))).toEqual(facts(after));
    expect(trueLosses(second.losses())).toEqual(NO_LOSSES);
    expect((await second.stop()).code).toBe(0);
  });

  describe("half blind", () => {
    const ORDINARY_USER = asUserWith("bpf", "perfmon");
    const onEach = (types: string, action: string) =>
      `for m in $(findmnt -rno TARGET -t ${types}); do ${action}; done`;
    // As in a container: another cgroup than the root is the root of what it sees.
    const cgroup = `tcptop-test-${process.pid}`;
    const enterCgroup = `c="$m/${cgroup}"; mkdir -p "$c"; echo $$ >"$c/cgroup.procs"; umount -l "$m"`;
    const seeOwnCgroup = 'exec unshare --cgroup sh -ec \'mount -t cgroup2 none "$0"; exec "$@"\' "$m" "$@"';
    afterAll(() => run("sh", ["-c", onEach("cgroup2", `rmdir "$m/${cgroup}"`)]));
    const BLINDFOLDS: readonly (readonly [title: string, ...commands: string[]])[] = [
      ["nothing hidden", "true"],
      ["/proc with hidepid", "mount -t proc -o hidepid=2 proc /proc"],
      ["no tracefs and no debugfs", onEach("tracefs,debugfs", 'umount -l "$m"')],
      ["no cgroup v2", onEach("cgroup2", 'umount -l "$m"')],
      ["an empty folder over cgroup v2", onEach("cgroup2", 'mount -t tmpfs none "$m"')],
      ["a cgroup namespace", onEach("cgroup2", enterCgroup), seeOwnCgroup],
    ];
    const EVERYBODY = [
      ["root", []],
      ["a user with CAP_BPF and CAP_PERFMON", ORDINARY_USER],
    ] as const;
    const CASES = BLINDFOLDS.flatMap(([title, ...commands]) =>
      EVERYBODY.map(
        ([who, wrapper]) => [`${title}, ${who}`, [...afterMounting(...commands), ...wrapper]] as const,
      ),
    );

    function skipWhatProbesRefuse(wrapper: readonly string[], context: TestContext): void {
      if (backend === "kprobe" && wrapper.includes("setpriv") && probesNeedRoot()) {
        context.skip("kernel.perf_event_paranoid keeps kprobes for CAP_SYS_ADMIN");
      }
    }

    test.concurrent.for(CASES)(
      "%s: TCP is exact, what cannot be seen is said",
      async ([, wrapper], context) => {
        skipWhatProbesRefuse(wrapper, context);
        const existing = new Traffic("existing-tcp", OWN_NETNS);
        await existing.ready();
        const tcptop = await startOrSkip(context, required, { wrapper }, backend);
        await tcptop.refreshed();
        existing.go();
        const tcp = [
          ...(await existing.ends(context)),
          ...(await endsOf(
            [
              ["tcp-short", { count: scaled(200), ...OWN_NETNS }],
              ["tcp-ipv6", OWN_NETNS],
            ],
            context,
          )),
        ];
        expect(facts(await tcptop.closesOf(tcp, 0))).toEqual(facts(tcp));

        const since = tcptop.rows.length;
        const udp = await endsOf([["udp-wildcard", OWN_NETNS]], context);
        if (JSON.stringify(tcptop.start["step_downs"]).includes("UDP of unconnected sockets is not seen")) {
          const isCounted = () => tcptop.losses().datagrams_untracked > 0;
          await tcptop.until(isCounted);
          expect(isCounted()).toBe(true);
        } else {
          expect(facts(await tcptop.closesOf(udp, since))).toEqual(facts(udp));
          expect(trueLosses(tcptop.losses())).toEqual(NO_LOSSES);
        }
        expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
      },
    );

    test.concurrent.for(EVERYBODY)(
      "nothing at /proc, %s: it runs, says so, and TCP is exact",
      async ([, user], context) => {
        skipWhatProbesRefuse(user, context);
        const wrapper = [...afterMounting("mount -t tmpfs none /proc"), ...user];
        const tcptop = await startOrSkip(context, required, { wrapper }, backend);
        expect(tcptop.start["step_downs"]).toContainEqual({
          backend: "/proc",
          reason: "cannot be read: listening sockets and idle UDP flows are not seen",
        });
        const ends = await endsOf([["tcp-short", { count: scaled(200), ...OWN_NETNS }]], context);
        expect(facts(await tcptop.closesOf(ends, 0))).toEqual(facts(ends));
        expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
      },
    );
  });

  describe("a wall clock that is set", () => {
    const HOUR_S = 3600n;
    const folder = mkdtempSync(join(tmpdir(), "tcptop-clock-"));
    const file = join(folder, "shift");
    const set = (seconds: bigint) => {
      writeFileSync(file, new BigInt64Array([seconds]), { flag: "r+" });
    };
    beforeAll(() => writeFileSync(file, new BigInt64Array([0n])));
    afterAll(() => rmSync(folder, { recursive: true }));

    test("times follow it; totals, rates and ages do not", async (context) => {
      const tcptop = await startOrSkip(context, required, { env: shiftedClock(file) }, backend);
      const timesMs: number[] = [];
      const ends: FlowEnd[] = [];
      for (const seconds of [-HOUR_S, 24n * HOUR_S, -24n * 365n * HOUR_S, 0n]) {
        set(seconds);
        const beforeMs = Date.now() + Number(seconds) * 1000;
        ends.push(...(await endsOf([["tcp-tiny", { count: scaled(500) }], ["udp-connected"]], context)));
        await tcptop.refreshed();
        const afterMs = Date.now() + Number(seconds) * 1000;
        timesMs.push(Date.parse(String(tcptop.summaries.at(-1)?.["time"])));
        expect(timesMs.at(-1)).toBeGreaterThanOrEqual(beforeMs);
        expect(timesMs.at(-1)).toBeLessThanOrEqual(afterMs);
      }
      expect(facts(await tcptop.closesOf(ends, 0))).toEqual(facts(ends));
      expect(trueLosses(tcptop.losses())).toEqual(NO_LOSSES);
      for (const row of tcptop.rows) {
        expect(row.rate_in).toBeGreaterThanOrEqual(0);
        expect(row.rate_out).toBeGreaterThanOrEqual(0);
        expect(row.age_ms).toBeLessThan(Number(HOUR_S) * 1000);
      }
      for (const summary of tcptop.summaries) {
        expect(summary["interval_s"]).toBeGreaterThan(0);
        expect(summary["interval_s"]).toBeLessThan(Number(HOUR_S));
      }
      expect((await tcptop.stop()).code).toBe(0);
    });
  });

  describe("churn", () => {
    const ROUNDS = 4;
    const ROUND: readonly Scenario[] = [
      ["tcp-short", { count: scaled(5000), size: 100, timeout: 90 }],
      ["udp-many", { peers: 400 }],
    ];
    const HEAP_LIMIT_BYTES = 1e6;
    /** Of entries more than is shown: what other programs of this machine have opened or closed meanwhile. */
    const OTHERS = { tcp: 100, udp: 320 };

    test("holds no more memory after it, and empties its tables", async (context) => {
      const tcptop = await startOrSkip(context, required, { reportsMemory: true }, backend);
      const heaps: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const since = tcptop.rows.length;
        const ends = await endsOf(ROUND, context);
        expect(await tcptop.closesOf(ends, since)).toHaveLength(ends.length);
        const isEmpty = async () => {
          const { tcp_flows, udp_flows } = await tcptop.tableEntries();
          const { tcp, udp } = tcptop.summaries.at(-1) ?? {};
          return (
            Number(tcp_flows) <= Number(tcp) + OTHERS.tcp && Number(udp_flows) <= Number(udp) + OTHERS.udp
          );
        };
        expect(await eventually(isEmpty)).toBe(true);
        heaps.push((await tcptop.memory()).heapUsed);
      }
      const [, afterWarmUp = 0, , last = 0] = heaps;
      expect(last - afterWarmUp).toBeLessThan(HEAP_LIMIT_BYTES);
      expect(trueLosses(tcptop.losses())).toEqual(NO_LOSSES);
      expect((await tcptop.stop()).code).toBe(0);
    });
  });
});
