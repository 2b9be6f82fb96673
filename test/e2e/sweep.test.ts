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
import { decodeRecords } from "../../src/lenses/flows/decode.ts";
import type { FlowRecord } from "../../src/lenses/flows/record.ts";
import { loadNative, type Session } from "../../src/platform/linux/native.ts";
import { thisProcessMayCapture } from "../../src/platform/linux/privilege.ts";
import { built } from "../support/build.ts";

const TOLD = 20_000;
/** Of each connection, each way. */
const MESSAGE = 100;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Tables of few places: a sweep walks all of them, and most of its time has to go to flows. */
function start(): Session {
  const small = { maxTcpFlows: 512, maxUdpFlows: 64 };
  const session = new (loadNative().Session)({
    backend: "auto",
    udpIdleNs: 5e9,
    ringBytes: 16 << 20,
    ...small,
  });
  closing.push(() => session.close());
  return session;
}

/** Connections without pause in a network namespace of this number, until the test is over. */
async function startRestless(context: TestContext) {
  const traffic = spawn(built("traffic/traffic"), ["tcp-restless", `task=${process.pid}`, "timeout=120"]);
  closing.push(() => traffic.kill("SIGKILL"));
  const [line] = (await once(createInterface({ input: traffic.stdout }), "line")) as [string];
  const { skip } = JSON.parse(line) as { skip?: string };
  if (skip !== undefined) context.skip(skip);
  const netns = Number(/\d+/.exec(readlinkSync(`/proc/${traffic.pid}/ns/net`))?.[0]);
  return { netns, hasEnded: () => traffic.exitCode !== null };
}

test.skipIf(!thisProcessMayCapture())(
  "what a sweep tells of a flow is never another's",
  async (context) => {
    const session = start();
    const { netns, hasEnded } = await startRestless(context);
    const ports = new Map<bigint, string>();
    const wrong: object[] = [];
    let told = 0;
    let invalid = 0;
    const check = (record: FlowRecord) => {
      const { id, kind, state, bytesIn, bytesOut, localPort, remotePort } = record;
      if (record.netns !== netns) return;
      const now = `${localPort} ${remotePort}`;
      const before = ports.get(id) ?? now;
      ports.set(id, now);
      const isPossible = [bytesIn, bytesOut].every((bytes) => bytes === 0 || bytes === MESSAGE);
      if (!isPossible || before !== now) wrong.push({ kind, state, bytesIn, bytesOut, before, now });
    };
    const buffer = new Uint8Array(1 << 20);
    const take = (read: (to: Uint8Array) => number, each: (record: FlowRecord) => void) => {
      for (let bytes = read(buffer); bytes > 0; bytes = read(buffer))
        invalid += decodeRecords(buffer.subarray(0, bytes), each);
    };
    while (told < TOLD && !hasEnded()) {
      await setImmediate();
      take((to) => session.drain(to), check);
      for (let i = 0; i < 100; i++) {
        take(
          (to) => session.sweepAll(to),
          (record) => {
            check(record);
            if (record.netns === netns) told++;
          },
        );
      }
    }
    expect([hasEnded(), invalid]).toEqual([false, 0]);
    expect(wrong).toEqual([]);
  },
  120_000,
);
