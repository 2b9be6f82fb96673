/** The capture against a session of the addon that says what the test says. */
import { beforeEach, describe, expect, test } from "vitest";
import { decodeRecords } from "../../../src/lenses/flows/decode.ts";
import { LOSSES, RECORD } from "../../../src/lenses/flows/layout.gen.ts";
import type { TakeRecords } from "../../../src/lenses/flows/source.ts";
import { LinuxCapture } from "../../../src/platform/linux/capture.ts";
import type { Session } from "../../../src/platform/linux/native.ts";
import { fakeProc } from "../../support/fake-proc.ts";
import { encodeRecords } from "../../support/records.ts";
import { settle } from "../../support/world.ts";

/** Delivers bytes, as many as fit at once, and counts what it is asked. */
class FakeSession implements Session {
  readonly backend = "tracepoint";
  readonly stepDowns = [];
  ring: Uint8Array = new Uint8Array();
  moved: Uint8Array = new Uint8Array();
  all: Uint8Array = new Uint8Array();
  unownedFlows = 0;
  lossBytes = new Uint8Array(LOSSES.size);
  readonly calls: string[] = [];
  /** Ends the walks that are under way, with or without an error. */
  readonly walks: ((failure?: Error) => void)[] = [];

  #fill(to: Uint8Array, from: "ring" | "moved" | "all"): number {
    const bytes = this[from].subarray(0, to.length - (to.length % RECORD.size));
    this[from] = this[from].slice(bytes.length);
    to.set(bytes);
    return bytes.length;
  }

  drain(to: Uint8Array): number {
    return this.#fill(to, "ring");
  }

  sweep(to: Uint8Array): number {
    return this.#fill(to, "moved");
  }

  sweepAll(to: Uint8Array): number {
    return this.#fill(to, "all");
  }

  owners(): Promise<Uint8Array> {
    this.calls.push("owners");
    return new Promise((resolve, reject) => {
      this.walks.push((failure) => (failure ? reject(failure) : resolve(new Uint8Array())));
    });
  }

  losses(): Uint8Array {
    return this.lossBytes;
  }

  unowned(): number {
    return this.unownedFlows;
  }

  close(): void {
    this.calls.push("close");
  }
}

const FACTS = { stepDowns: [], tableSizes: { maxTcpFlows: 1, maxUdpFlows: 1 } };

let session: FakeSession;
let capture: LinuxCapture;
let nowMs: number;

beforeEach(() => {
  session = new FakeSession();
  nowMs = 10_000;
  capture = new LinuxCapture(session, FACTS, fakeProc({}), () => nowMs);
});

/** Records with ids from 1 on. */
function records(count: number): Uint8Array {
  return encodeRecords(...Array.from({ length: count }, (_, i) => ({ id: BigInt(i + 1) })));
}

function idsOf(deliver: (take: TakeRecords) => void): number[] {
  const ids: number[] = [];
  deliver((bytes) => decodeRecords(bytes, ({ id }) => ids.push(Number(id))));
  return ids;
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describe("records", () => {
  test.each([0, 1, 2047, 2048, 2049, 4096, 10_000])(
    "%i in the ring buffer are all drained at once",
    (count) => {
      session.ring = records(count);
      expect(idsOf((take) => capture.drain(take))).toEqual(upTo(count));
      expect(session.ring).toHaveLength(0);
    },
  );

  test.each([0, 1, 2048, 5000])("a sweep takes all %i", (count) => {
    session.moved = records(count);
    expect(idsOf((take) => capture.sweep(take))).toEqual(upTo(count));
  });

  test("a sweep of everything is another one", () => {
    session.moved = records(1);
    session.all = records(3000);
    expect(idsOf((take) => capture.sweepAll(take))).toEqual(upTo(3000));
    expect(session.moved).toHaveLength(RECORD.size);
  });

  test("come in the batches in which the addon delivers them", () => {
    session.ring = records(2049);
    const batches: number[] = [];
    capture.drain(({ length }) => batches.push(length));
    expect(batches).toEqual([2048 * RECORD.size, RECORD.size]);
  });
});

describe("owners that no hook has met", () => {
  const sweep = () => capture.sweep(() => {});
  const walks = () => session.calls.filter((call) => call === "owners").length;

  test("are looked for after a sweep that found such flows", () => {
    sweep();
    expect(walks()).toBe(0);
    session.unownedFlows = 1;
    sweep();
    expect(walks()).toBe(1);
  });

  test("are looked for by one walk at a time, a second apart", async () => {
    session.unownedFlows = 1;
    sweep();
    nowMs += 5000;
    sweep();
    expect(walks()).toBe(1);
    session.walks[0]?.();
    await settle();
    nowMs += 999;
    sweep();
    expect(walks()).toBe(1);
    nowMs += 1;
    sweep();
    expect(walks()).toBe(2);
  });

  test("are looked for again after a walk that failed", async () => {
    session.unownedFlows = 1;
    sweep();
    session.walks[0]?.(new Error("too many open files"));
    await settle();
    nowMs += 1000;
    sweep();
    expect(walks()).toBe(2);
  });

  test("are looked for however many there were before", async () => {
    for (const unowned of [5, 1, 1, 0, 1]) {
      session.unownedFlows = unowned;
      sweep();
      session.walks.at(-1)?.();
      await settle();
      nowMs += 1000;
    }
    expect(walks()).toBe(4);
  });
});

describe("losses", () => {
  test("are those of the last moment once the capture is closed", () => {
    new DataView(session.lossBytes.buffer).setBigUint64(LOSSES.closes_lost, 3n, true);
    capture.close();
    capture.close();
    session.lossBytes = new Uint8Array(LOSSES.size);
    expect(capture.losses().closesLost).toBe(3);
  });
});

test("connections are read from /proc, of the namespaces that are asked for", async () => {
  const line = (inode: number, state: string) =>
    `   0: 0100007F:03E8 0200007F:0050 ${state} 00000000:00000000 00:00000000 00000000  0 0 ${inode} 1 0 20 4 30 10 -1\n`;
  const proc = fakeProc({
    "self/ns/net": { link: "net:[5]" },
    "self/net/tcp": line(1, "01") + line(2, "0A") + line(3, "02"),
    "self/net/udp": line(4, "01"),
    "9/ns/net": { link: "net:[6]" },
    "9/net/tcp": line(7, "01"),
  });
  const reader = new LinuxCapture(session, FACTS, proc, () => nowMs);
  const inodes = async (...namespaces: number[]) =>
    (await reader.connections(new Set(namespaces)))?.map(({ netns, inode }) => [netns, inode]);
  expect(await inodes(5)).toEqual([
    [5, 1],
    [5, 3],
  ]);
  expect(await inodes(6, 7)).toEqual([[6, 7]]);
  const broken = fakeProc({
    "self/ns/net": { link: "net:[5]" },
    "self/net/tcp": `${line(1, "01")}nonsense\n`,
  });
  expect(await new LinuxCapture(session, FACTS, broken).connections(new Set([5]))).toBeNull();
});
