/** Recordings in memory, and what is in them. */
import { Buffer } from "node:buffer";
import type { Moment } from "../../src/base/clock.ts";
import { NewerError } from "../../src/base/errors.ts";
import type { Losses, RecordedLosses } from "../../src/lenses/flows/losses.ts";
import type { FlowOperation } from "../../src/lenses/flows/operation.ts";
import { decodeOperation } from "../../src/lenses/flows/operations.ts";
import type { SeedEntry } from "../../src/lenses/flows/record.ts";
import { FLOWS_FORM, readRecorded } from "../../src/lenses/flows/recorded.ts";
import { FlowRecorder } from "../../src/lenses/flows/recorder.ts";
import type { LensHead, RecordingInfo } from "../../src/recording/format.ts";
import { RecordingReader, type RecordingSource } from "../../src/recording/reader.ts";
import { type RecordingFile, RecordingWriter } from "../../src/recording/writer.ts";
import { systemError } from "./world.ts";

export const INFO: RecordingInfo = {
  version: "0.1.0",
  backend: "tracepoint",
  kernel: "6.18.0",
  stepDowns: [{ backend: "fentry", reason: "this kernel has no function tracing" }],
  startNs: 1e9,
};

export const FACTS = { tableSizes: { maxTcpFlows: 65_536, maxUdpFlows: 32_768 }, udpIdleNs: 5e9 };

/** Flows in the first frame. */
export const FLOWS_HEAD: LensHead = { ...FLOWS_FORM, isCritical: false, facts: FACTS };

/** A recording of flows that has begun. */
export class FlowsRecording {
  readonly writer: RecordingWriter;
  readonly #flows: FlowRecorder;

  constructor(file: RecordingFile, name: string, info = INFO, others: readonly LensHead[] = []) {
    this.writer = new RecordingWriter(file, name);
    this.#flows = new FlowRecorder(this.writer.recorderOf(FLOWS_FORM.number));
    this.writer.begin(info, [FLOWS_HEAD, ...others]);
  }

  write(operation: FlowOperation): void {
    this.#flows.write(operation);
  }

  refresh(at: Moment, losses: RecordedLosses): void {
    this.#flows.refresh(at, losses as Losses);
  }
}

/** A file that may fill up. */
export class MemoryFile implements RecordingFile {
  bytes = Buffer.alloc(0);
  isClosed = false;
  /** Room on its disk. */
  room = Number.POSITIVE_INFINITY;
  closeFailure: Error | null = null;

  append(bytes: Uint8Array): void {
    const fits = Math.min(bytes.length, this.room - this.bytes.length);
    this.bytes = Buffer.concat([this.bytes, bytes.subarray(0, fits)]);
    if (fits < bytes.length) throw systemError("ENOSPC", "ENOSPC: no space left on device, write");
  }

  truncate(length: number): void {
    this.bytes = this.bytes.subarray(0, length);
  }

  close(): void {
    this.isClosed = true;
    if (this.closeFailure) throw this.closeFailure;
  }
}

export function memorySource(bytes: Buffer, isSeekable = true): RecordingSource & { isClosed: boolean } {
  let next = 0;
  return {
    isSeekable,
    isClosed: false,
    async read(position, length) {
      if (!isSeekable && position !== next) throw new Error(`read at ${position}, not at ${next}`);
      next = Math.min(bytes.length, position + length);
      return bytes.subarray(position, next);
    },
    close() {
      this.isClosed = true;
    },
  };
}

/** What the model got once, as plain data. */
export type Call =
  | readonly ["seed", nowNs: number, ...entries: SeedEntry[]]
  | readonly ["records", bytes: string]
  | readonly ["sockets", ...entries: SeedEntry[]]
  | readonly ["unmet", nowNs: number, ...keys: number[]]
  | readonly ["silent", nowNs: number, sinceNs: number]
  | readonly ["refresh", nowNs: number, wallMs: number, losses: RecordedLosses];

/** Writes these calls to a file; returns it. */
export function record(calls: readonly Call[], info = INFO): Buffer {
  const file = new MemoryFile();
  const writer = new FlowsRecording(file, "memory", info);
  for (const call of calls) {
    if (call[0] === "seed")
      writer.write({ kind: "seed", entries: call.slice(2) as SeedEntry[], nowNs: call[1] });
    else if (call[0] === "records") writer.write({ kind: "records", bytes: Buffer.from(call[1], "hex") });
    else if (call[0] === "sockets") writer.write({ kind: "sockets", entries: call.slice(1) as SeedEntry[] });
    else if (call[0] === "unmet")
      writer.write({ kind: "unmet", keys: call.slice(2) as number[], nowNs: call[1] });
    else if (call[0] === "silent") writer.write({ kind: "silent", sinceNs: call[2], nowNs: call[1] });
    else writer.refresh({ nowNs: call[1], wallMs: call[2] }, call[3]);
  }
  return file.bytes;
}

export interface Read {
  readonly info: RecordingInfo | null;
  /** Of whole refreshes. */
  readonly calls: Call[];
  readonly isUnfinished: boolean;
  readonly error: unknown;
}

function noFlows(): never {
  throw new Error("the recording has no flows");
}

/** Reads all there is. */
export async function readAll(source: RecordingSource): Promise<Read> {
  const calls: Call[] = [];
  let pending: Call[] = [];
  let reader: RecordingReader | null = null;
  try {
    reader = await RecordingReader.open(source, "memory");
    const [flows] = reader.lenses;
    const { lossKeys } = reader.inHead(() => readRecorded(flows ?? noFlows()));
    for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
      const { nowNs, wallMs } = frame;
      frame.read(({ number, bytes }) => {
        const operation = decodeOperation(number, bytes, lossKeys);
        if (operation === null) throw new NewerError(`operation ${number}`);
        if (operation.kind === "seed") pending.push(["seed", operation.nowNs, ...operation.entries]);
        else if (operation.kind === "records") pending.push(["records", operation.bytes.toString("hex")]);
        else if (operation.kind === "sockets") pending.push(["sockets", ...operation.entries]);
        else if (operation.kind === "unmet") pending.push(["unmet", operation.nowNs, ...operation.keys]);
        else if (operation.kind === "silent") pending.push(["silent", operation.nowNs, operation.sinceNs]);
        else pending.push(["refresh", nowNs, wallMs, operation.losses]);
      });
      if (!frame.isRefresh) continue;
      calls.push(...pending);
      pending = [];
    }
    return { info: reader.info, calls, isUnfinished: reader.isUnfinished, error: null };
  } catch (error) {
    return { info: reader?.info ?? null, calls, isUnfinished: false, error };
  }
}
