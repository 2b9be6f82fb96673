/** The capture against a source that says what the test says. */
import { beforeEach, describe, expect, test } from "vitest";
import type { NativeSource } from "../../../../src/core/source.ts";
import { FlowCapture } from "../../../../src/lenses/flows/capture.ts";
import { decodeRecords } from "../../../../src/lenses/flows/decode.ts";
import { LOSSES, RECORD } from "../../../../src/lenses/flows/layout.gen.ts";
import { OWNERS, SWEEP_TCP, SWEEP_UDP } from "../../../../src/lenses/flows/programs.ts";
import type { TakeRecords } from "../../../../src/lenses/flows/source.ts";
import { fakeProc } from "../../../support/fake-proc.ts";
import { encodeRecords } from "../../../support/records.ts";
import { settle } from "../../../support/world.ts";

/** Delivers bytes, as many as fit at once, and counts what it is asked. */
class FakeSource implements NativeSource {
  readonly leftOut = [];
  ring: Uint8Array = new Uint8Array();
  /** What the iterators over flows write, the second list where all of TCP is asked for. */
  moved: Record<string, Uint8Array> = {};
  all: Uint8Array = new Uint8Array();
  unownedFlows = 0;
  lossBytes = new Uint8Array(LOSSES.size);
  missed: Record<string, number> = {};
  readonly variables = new Map<string, bigint>();
  readonly calls: string[] = [];
  /** Ends the walks that are under way, with or without an error. */
  readonly walks: ((failure?: Error) => void)[] = [];

  drain(to: Uint8Array): number {
    const bytes = wholeRecords(this.ring, to);
    this.ring = this.ring.slice(bytes.length);
    return bytes.length;
  }

  iterate(program: string, to: Uint8Array): number {
    const isOfAll = program === SWEEP_TCP && this.variables.get("report_all") === 1n;
    const from = (isOfAll ? this.all : this.moved[program]) ?? new Uint8Array();
    const bytes = wholeRecords(from, to);
    if (isOfAll) this.all = from.slice(bytes.length);
    else this.moved[program] = from.slice(bytes.length);
    return bytes.length;
  }

  walk(program: string): Promise<Uint8Array> {
    expect(program).toBe(OWNERS);
    this.calls.push(`walk ${this.variables.get("walks")}`);
    return new Promise((resolve, reject) => {
      this.walks.push((failure) => (failure ? reject(failure) : resolve(new Uint8Array())));
    });
  }

  has(): boolean {
    return true;
  }

  read(variable: string): Uint8Array {
    if (variable === "losses") return this.lossBytes;
    expect(variable).toBe("unowned_flows");
    return new Uint8Array(BigUint64Array.of(BigInt(this.unownedFlows)).buffer);
  }

  write(variable: string, value: bigint): void {
    this.variables.set(variable, value);
  }

  skipped(program: string): number {
    return this.missed[program] ?? 0;
  }

  tellConntrack(): null {
    return null;
  }

  close(): void {
    this.calls.push("close");
  }
}

/** Copies as many records as fit. */
function wholeRecords(from: Uint8Array, to: Uint8Array): Uint8Array {
  const bytes = from.subarray(0, to.length - (to.length % RECORD.size));
  to.set(bytes);
  return bytes;
}

let source: FakeSource;
let capture: FlowCapture;
let nowMs: number;

function captureOf(proc = fakeProc({})): FlowCapture {
  return new FlowCapture({ source, translation: null }, proc, () => nowMs);
}

beforeEach(() => {
  source = new FakeSource();
  nowMs = 10_000;
  capture = captureOf();
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
      source.ring = records(count);
      expect(idsOf((take) => capture.drain(take))).toEqual(upTo(count));
      expect(source.ring).toHaveLength(0);
    },
  );

  test.each([0, 1, 2048, 5000])("a sweep takes all %i", (count) => {
    source.moved = { [SWEEP_TCP]: records(count) };
    expect(idsOf((take) => capture.sweep(take))).toEqual(upTo(count));
  });

  test("a sweep takes the UDP flows after the TCP ones, and forgets those that were unowned before", () => {
    source.variables.set("unowned_flows", 7n);
    const udp = encodeRecords({ id: 3n });
    source.moved = { [SWEEP_UDP]: udp, [SWEEP_TCP]: records(2) };
    expect(idsOf((take) => capture.sweep(take))).toEqual([1, 2, 3]);
    expect(source.variables.get("unowned_flows")).toBe(0n);
  });

  test("a sweep of everything is another one", () => {
    source.moved = { [SWEEP_TCP]: records(1) };
    source.all = records(3000);
    expect(idsOf((take) => capture.sweepAll(take))).toEqual(upTo(3000));
    expect(source.moved[SWEEP_TCP]).toHaveLength(RECORD.size);
    expect(source.variables.get("report_all")).toBe(0n);
  });

  test("come in the batches in which the addon delivers them", () => {
    source.ring = records(2049);
    const batches: number[] = [];
    capture.drain(({ length }) => batches.push(length));
    expect(batches).toEqual([2048 * RECORD.size, RECORD.size]);
  });
});

describe("owners that no hook has met", () => {
  const sweep = () => capture.sweep(() => {});
  const walks = () => source.calls.filter((call) => call.startsWith("walk")).length;

  test("are looked for after a sweep that found such flows", () => {
    sweep();
    expect(walks()).toBe(0);
    source.unownedFlows = 1;
    sweep();
    expect(walks()).toBe(1);
  });

  test("are looked for by one walk at a time, a second apart", async () => {
    source.unownedFlows = 1;
    sweep();
    nowMs += 5000;
    sweep();
    expect(walks()).toBe(1);
    source.walks[0]?.();
    await settle();
    nowMs += 999;
    sweep();
    expect(walks()).toBe(1);
    nowMs += 1;
    sweep();
    expect(walks()).toBe(2);
  });

  test("are looked for again after a walk that failed", async () => {
    source.unownedFlows = 1;
    sweep();
    source.walks[0]?.(new Error("too many open files"));
    await settle();
    nowMs += 1000;
    sweep();
    expect(walks()).toBe(2);
  });

  test("are looked for however many there were before", async () => {
    for (const unowned of [5, 1, 1, 0, 1]) {
      source.unownedFlows = unowned;
      sweep();
      source.walks.at(-1)?.();
      await settle();
      nowMs += 1000;
    }
    expect(walks()).toBe(4);
  });
});

describe("losses", () => {
  test("have the datagrams that the kernel did not show to a program", () => {
    new DataView(source.lossBytes.buffer).setBigUint64(LOSSES.datagrams_untracked, 5n, true);
    source.missed = { send_ipv4: 1, send_ipv6: 20, consume: 300, other: 4000 };
    expect(capture.losses().datagramsUntracked).toBe(326);
  });

  test("are those of the last moment once the capture is closed", () => {
    new DataView(source.lossBytes.buffer).setBigUint64(LOSSES.closes_lost, 3n, true);
    capture.close();
    capture.close();
    source.lossBytes = new Uint8Array(LOSSES.size);
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
  const reader = captureOf(proc);
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
  expect(await captureOf(broken).connections(new Set([5]))).toBeNull();
});
