/**
 * A sweep reads flows that end, and whose sockets and places in the table are others', while it reads them. An
 * interrupt holds it up wherever it is, so that this happens often.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { afterEach, expect, type TestContext, test } from "vitest";
import { FlowCapture } from "../../src/lenses/flows/capture.ts";
import { decodeRecords } from "../../src/lenses/flows/decode.ts";
import { openPrograms } from "../../src/lenses/flows/programs.ts";
import { type FlowRecord, RecordKind } from "../../src/lenses/flows/record.ts";
import { loadNative, nativeHost } from "../../src/platform/linux/native.ts";
import { thisProcessMayCapture } from "../../src/platform/linux/privilege.ts";
import { built } from "../support/build.ts";

/** Records of the sweep that are looked at. */
const TOLD = { tcp: 20_000, udp: 8000 };
/** Of each connection, each way. */
const MESSAGE = 100;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Tables of few places: a sweep walks all of them, and most of its time has to go to flows. */
function start(): FlowCapture {
  const small = { maxTcpFlows: 512, maxUdpFlows: 64 };
  const options = { backend: "auto", udpIdleNs: 5e9, ringBytes: 16 << 20, ...small };
  const capture = new FlowCapture(openPrograms(nativeHost(loadNative()), options));
  closing.push(() => capture.close());
  return capture;
}

/** Traffic without pause in a network namespace of this number, until the test is over. */
async function startRestless(context: TestContext, scenario: string) {
  const traffic = spawn(built("traffic/traffic"), [scenario, `task=${process.pid}`, "timeout=120"]);
  closing.push(() => traffic.kill("SIGKILL"));
  const [line] = (await once(createInterface({ input: traffic.stdout }), "line")) as [string];
  const { skip } = JSON.parse(line) as { skip?: string };
  if (skip !== undefined) context.skip(skip);
  const netns = Number(/\d+/.exec(readlinkSync(`/proc/${traffic.pid}/ns/net`))?.[0]);
  return { netns, hasEnded: () => traffic.exitCode !== null };
}

/** Sweeps until it is told often enough of the traffic, each record of which is passed on. */
async function sweep(context: TestContext, proto: "tcp" | "udp", check: (record: FlowRecord) => void) {
  const capture = start();
  const { netns, hasEnded } = await startRestless(context, `${proto}-restless`);
  let told = 0;
  let invalid = 0;
  const take = (each: (record: FlowRecord) => void) => (records: Uint8Array) => {
    invalid += decodeRecords(records, (record) => {
      if (record.netns === netns) each(record);
    });
  };
  while (told < TOLD[proto] && !hasEnded()) {
    await setImmediate();
    capture.drain(take(check));
    for (let i = 0; i < 100; i++) {
      capture.sweepAll(
        take((record) => {
          check(record);
          told++;
        }),
      );
    }
  }
  expect([hasEnded(), invalid]).toEqual([false, 0]);
}

test.skipIf(!thisProcessMayCapture())(
  "what a sweep tells of a flow is never another's",
  async (context) => {
    const ports = new Map<bigint, string>();
    const wrong: object[] = [];
    await sweep(context, "tcp", ({ id, kind, state, bytesIn, bytesOut, localPort, remotePort }) => {
      const now = `${localPort} ${remotePort}`;
      const before = ports.get(id) ?? now;
      ports.set(id, now);
      const isPossible = [bytesIn, bytesOut].every((bytes) => bytes === 0 || bytes === MESSAGE);
      if (!isPossible || before !== now) wrong.push({ kind, state, bytesIn, bytesOut, before, now });
    });
    expect(wrong).toEqual([]);
  },
  120_000,
);

test.skipIf(!thisProcessMayCapture())(
  "a UDP flow that moves all the time does not end, whenever the clock ticks",
  async (context) => {
    const ends: object[] = [];
    await sweep(context, "udp", ({ kind, bytesIn, bytesOut }) => {
      if (kind === RecordKind.close) ends.push({ bytesIn, bytesOut });
    });
    expect(ends).toEqual([]);
  },
  120_000,
);
