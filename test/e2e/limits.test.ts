/** Full tables: what does not fit is counted as lost and shown, and what is in the table stays exact; and a large one. */
import { availableParallelism } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  backends,
  cannotRun,
  type FlowEnd,
  facts,
  NO_LOSSES,
  oddRecord,
  type Row,
  run,
  scaled,
  sharedTcptop,
  startOrSkip,
  TCPTOP,
  Traffic,
  UDP_CROWD_TIMEOUT_S,
} from "./harness.ts";
import { expectRows } from "./namespaces.ts";

/** The ends that have a row which saw them from the beginning. */
function endsSeen(ends: readonly FlowEnd[], rows: readonly Row[]): FlowEnd[] {
  return ends.filter((end) =>
    rows.some((row) => row.local_port === end.local_port && row.remote_port === end.remote_port),
  );
}

function wholeCloses(rows: readonly Row[]): Row[] {
  return rows.filter((row) => row.event === "close" && !row.partial);
}

/** How tcptop ends that may open so many files. */
async function answerWith(files: number): Promise<string> {
  const script = `ulimit -n ${files} && exec "$0" "$@"`;
  const args = ["-c", script, process.execPath, TCPTOP, "-b", "-n", "2", "-d", "0.1"];
  const { code, signal, stderr } = await run("sh", args);
  return signal ?? (code === 0 ? "works" : `${code} ${stderr}`);
}

test.skipIf(cannotRun !== null)("with few open files it works, or one line names the limit", async () => {
  // How many it needs depends on the backend and its hooks.
  const enough = 256;
  const step = scaled(10) < 10 ? 7 : 1;
  const waiting = [...Array.from({ length: Math.ceil(51 / step) }, (_, i) => 20 + i * step), enough];
  const answers = new Map<number, string>();
  const work = async () => {
    for (let files = waiting.shift(); files !== undefined; files = waiting.shift())
      answers.set(files, await answerWith(files));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const isLimit =
    /^69 error: (tcptop cannot be loaded: )?too many open files; raise the limit \(ulimit -n\)\n$/;
  expect([...answers].filter(([, answer]) => answer !== "works" && !isLimit.test(answer))).toEqual([]);
  expect(answers.get(20)).toMatch(isLimit);
  expect(answers.get(enough)).toBe("works");
});

describe.for(backends)("%s", ([backend, required]) => {
  test("a record of another size is counted", async (context) => {
    const tcptop = await startOrSkip(context, required, { env: oddRecord() }, backend);
    await tcptop.refreshed();
    expect(tcptop.losses().records_invalid).toBe(1);
    expect(await tcptop.stop()).toMatchObject({ code: 0 });
  });

  describe("a TCP table with 64 places", () => {
    const shared = sharedTcptop(backend, required, "--max-tcp-flows", "64");
    beforeAll(shared.open);
    afterAll(shared.close);

    test("600 ends at the same time", async (context) => {
      const tcptop = shared.use(context);
      const ends = await new Traffic("tcp-concurrent", { count: 300 }).ends(context);
      await tcptop.refreshed();
      await tcptop.refreshed();
      expect(tcptop.start["max_tcp_flows"]).toBe(64);
      const whole = wholeCloses(tcptop.rowsOf(ends, 0));

      expect(whole.length).toBeGreaterThan(0);
      expect(whole.length).toBeLessThanOrEqual(64);
      expect(facts(whole)).toEqual(facts(endsSeen(ends, whole)));
      expect(tcptop.losses().flows_untracked).toBeGreaterThanOrEqual(ends.length - whole.length);
    });
  });

  describe("a UDP table with 16 places", () => {
    const shared = sharedTcptop(backend, required, "--max-udp-flows", "16");
    beforeAll(shared.open);
    afterAll(shared.close);

    test("one socket with 50 peers", async (context) => {
      const tcptop = shared.use(context);
      const ends = await new Traffic("udp-many", { peers: 50 }).ends(context);
      expect(tcptop.start["max_udp_flows"]).toBe(16);
      const tracked = () => tcptop.rowsOf(ends, 0).filter((row) => row.event === "open").length;
      const closes = () => tcptop.rowsOf(ends, 0).filter((row) => row.event === "close");
      await tcptop.until(() => tracked() > 0 && closes().length === tracked());

      expect(closes().length).toBeLessThanOrEqual(16);
      expect(facts(closes())).toEqual(facts(endsSeen(ends, closes())));
      const { datagrams_untracked, bytes_untracked } = tcptop.losses();
      const lost = ends.filter((end) => !endsSeen([end], closes()).length);
      expect(datagrams_untracked).toBeGreaterThanOrEqual(
        sum(lost, (e) => (e.packets_in ?? 0) + (e.packets_out ?? 0)),
      );
      expect(bytes_untracked).toBeGreaterThanOrEqual(sum(lost, (e) => e.bytes_in + e.bytes_out));
    });
  });

  describe("stopped, with a ring buffer of 4096 bytes and a flow table of 256 places", () => {
    const shared = sharedTcptop(backend, required, "--ring-bytes", "4096", "--max-tcp-flows", "256");
    beforeAll(shared.open);
    afterAll(shared.close);

    test("each end is exact or counted as lost", async (context) => {
      const tcptop = shared.use(context);
      await tcptop.freeze();
      const ends = await new Traffic("tcp-short", { count: scaled(2000) }).ends(context);
      tcptop.signal("SIGCONT");
      await tcptop.refreshed();
      await tcptop.refreshed();

      const whole = wholeCloses(tcptop.rowsOf(ends, 0));
      const seen = endsSeen(ends, whole);
      expect(whole.length).toBeGreaterThan(0);
      expect(facts(whole)).toEqual(facts(seen));
      const { flows_untracked, closes_lost } = tcptop.losses();
      expect(flows_untracked + closes_lost).toBeGreaterThanOrEqual(ends.length - seen.length);

      const later = tcptop.rows.length;
      const after = await new Traffic("tcp-concurrent", { count: 50 }).ends(context);
      expect(facts(await tcptop.closesOf(after, later))).toEqual(facts(after));
    });
  });

  test("400 raw sockets of an ordinary user and a table of 256", async (context) => {
    const tcptop = await startOrSkip(context, required, {}, backend, "--max-tcp-flows", "256");
    const traffic = new Traffic("raw-crowd", { hold: 1 });
    await traffic.ready();
    await tcptop.refreshed();
    traffic.go();
    await expectRows(tcptop, await traffic.ends(context), 0);
  });

  test("as many sockets as ports within one refresh (udp-sockets)", async (context) => {
    const room = ["--max-udp-flows", "131072", "--ring-bytes", String(32 << 20)];
    const args = ["-d", "3", "--udp-timeout", UDP_CROWD_TIMEOUT_S, ...room];
    const tcptop = await startOrSkip(context, required, {}, backend, ...args);
    const ends = await new Traffic("udp-sockets", { count: scaled(30_000), hold: 1 }).ends(context);

    await expectRows(tcptop, ends, 0);
  });

  describe("a ring buffer of 4096 bytes", () => {
    const shared = sharedTcptop(backend, required, "--ring-bytes", "4096");
    beforeAll(shared.open);
    afterAll(shared.close);

    test("short connections come late, none is lost", async (context) => {
      const tcptop = shared.use(context);
      const ends = await new Traffic("tcp-short", { count: scaled(1000) }).ends(context);

      expect(facts(await tcptop.closesOf(ends, 0))).toEqual(facts(ends));
      const { records_deferred, ...others } = tcptop.losses();
      expect(records_deferred).toBeGreaterThan(0);
      expect({ ...others, records_deferred: 0 }).toEqual(NO_LOSSES);
    });
  });
});

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
