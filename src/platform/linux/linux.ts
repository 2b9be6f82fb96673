/** Linux: the BPF capture of the addon, and /proc for what existed before. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { ExitCode, ExitError } from "../../base/errors.ts";
import type { TableSizes } from "../../model/bounds.ts";
import type { Losses } from "../../model/losses.ts";
import type { FlowRecord } from "../../model/record.ts";
import { procWorld } from "../../seed/proc-world.ts";
import { readProcessFacts } from "../../seed/process-facts.ts";
import { readSeed } from "../../seed/seed.ts";
import { decodeLosses, decodeOwners, decodeRecords } from "../../wire/decode.ts";
import { RECORD } from "../../wire/layout.gen.ts";
import type { Capture, CaptureOptions, Platform, Seed, StepDown } from "../platform.ts";
import { isNativeError, loadNative, type NativeAddon, type NativeError, type Session } from "./native.ts";
import { thisProcessMayCapture, whatIsHiddenHere, whyRefusedHere } from "./privilege.ts";
import { tcpTableSize } from "./table-size.ts";

const DEFAULT_MAX_UDP_FLOWS = 32_768;
/** Some 11,000 events between two drains; the mapping counts twice as resident memory. */
const DEFAULT_RING_BYTES = 2 << 20;

/** Records that cross from the addon in one call. */
const BATCH_RECORDS = 2048;

/** Least time between two walks of all processes' files for owners that no hook has met. */
const OWNER_WALK_INTERVAL_MS = 1000;

function readSockstat(): string {
  try {
    return readFileSync("/proc/net/sockstat", "latin1");
  } catch {
    return "";
  }
}

/** The one line a user gets for a capture that cannot be opened. */
function openFailure(error: NativeError): ExitError {
  if (error.code === "NO_PERMISSION")
    return new ExitError(ExitCode.noPermission, whyRefusedHere(), { cause: error });
  const tried = error.stepDowns.map(({ backend, reason }) => `${backend}: ${reason}`).join("; ");
  const message = tried === "" ? error.message : `${error.message} (${tried})`;
  return new ExitError(ExitCode.unavailable, message, { cause: error });
}

/** What an ordinary user cannot see, and nobody without `/proc`. */
function limits(): StepDown[] {
  const reason = whatIsHiddenHere();
  return reason === null ? [] : [{ backend: "/proc", reason }];
}

/** Gives up privileges; where that fails the capture goes on, and the user is told. */
function confine(native: NativeAddon, { opensFilesLater = false }: CaptureOptions): StepDown[] {
  try {
    native.confine(opensFilesLater);
    return [];
  } catch (error) {
    if (!isNativeError(error)) throw error;
    return [{ backend: "privileges", reason: `could not be given up: ${error.message}` }];
  }
}

class LinuxCapture implements Capture {
  readonly backend: string;
  readonly kernel = release();
  readonly stepDowns: readonly StepDown[];
  readonly tableSizes: TableSizes;
  readonly #session: Session;
  readonly #batch = new Uint8Array(BATCH_RECORDS * RECORD.size);
  #recordsInvalid = 0;
  #seedLinesSkipped = 0;
  #ownerWalk = false;
  #ownerWalkedMs = 0;
  /** Flows that stayed without an owner after the last walk: no process holds them. */
  #unownable = 0;
  #closed = false;
  #lastLosses: Losses | null = null;
  readonly #tap: CaptureOptions["tap"];

  constructor(
    session: Session,
    stepDowns: readonly StepDown[],
    tableSizes: TableSizes,
    tap: CaptureOptions["tap"],
  ) {
    this.#session = session;
    this.#tap = tap;
    this.backend = session.backend;
    this.stepDowns = stepDowns;
    this.tableSizes = tableSizes;
  }

  async seed(): Promise<Seed> {
    const seed = await this.sockets();
    this.#seedLinesSkipped += seed.linesSkipped;
    return seed;
  }

  async sockets(): Promise<Seed> {
    const owners = decodeOwners(await this.#session.owners());
    return readSeed(procWorld(), owners);
  }

  drain(take: (record: FlowRecord) => void): void {
    let bytes: number;
    do {
      bytes = this.#session.drain(this.#batch);
      this.#deliver(bytes, take);
    } while (bytes + RECORD.size > this.#batch.length);
  }

  sweep(take: (record: FlowRecord) => void): void {
    for (let bytes = this.#session.sweep(this.#batch); bytes > 0; bytes = this.#session.sweep(this.#batch)) {
      this.#deliver(bytes, take);
    }
    this.#findOwners();
  }

  losses(): Losses {
    if (!this.#closed || this.#lastLosses === null) {
      this.#lastLosses = {
        ...decodeLosses(this.#session.losses()),
        recordsInvalid: this.#recordsInvalid,
        seedLinesSkipped: this.#seedLinesSkipped,
      };
    }
    return this.#lastLosses;
  }

  close(): void {
    if (!this.#closed) this.losses();
    this.#closed = true;
    this.#session.close();
  }

  #deliver(bytes: number, take: (record: FlowRecord) => void): void {
    if (bytes === 0) return;
    const batch = this.#batch.subarray(0, bytes);
    this.#tap?.(batch);
    this.#recordsInvalid += decodeRecords(batch, take);
  }

  /**
   * An accepted connection on which no call was made yet has no owner where accept cannot be hooked: the
   * kernel side looks through the files of all processes, and the next sweep delivers what it found.
   */
  #findOwners(): void {
    const unowned = this.#session.unowned();
    if (unowned <= this.#unownable) this.#unownable = unowned;
    if (unowned === this.#unownable || this.#ownerWalk) return;
    const now = performance.now();
    if (now - this.#ownerWalkedMs < OWNER_WALK_INTERVAL_MS) return;
    this.#ownerWalk = true;
    this.#unownable = unowned;
    this.#session.owners().then(
      () => {
        this.#ownerWalk = false;
        this.#ownerWalkedMs = performance.now();
      },
      () => {
        this.#ownerWalk = false;
      },
    );
  }
}

export const linuxPlatform: Platform = {
  hasReader: (fd) => loadNative().hasReader(fd),
  lockFile: (fd) => loadNative().lockFile(fd),
  describeProcess: (pid) => readProcessFacts(procWorld(), pid),

  check(): void {
    if (!thisProcessMayCapture()) throw new ExitError(ExitCode.noPermission, whyRefusedHere());
  },

  open(options: CaptureOptions): Capture {
    const native = loadNative();
    try {
      const tableSizes = {
        maxTcpFlows: options.maxTcpFlows ?? tcpTableSize(readSockstat()),
        maxUdpFlows: options.maxUdpFlows ?? DEFAULT_MAX_UDP_FLOWS,
      };
      const session = new native.Session({
        backend: options.backend,
        udpIdleNs: options.udpIdleNs,
        ...tableSizes,
        ringBytes: options.ringBytes ?? DEFAULT_RING_BYTES,
      });
      const stepDowns = [...session.stepDowns, ...limits(), ...confine(native, options)];
      return new LinuxCapture(session, stepDowns, tableSizes, options.tap);
    } catch (error) {
      throw isNativeError(error) ? openFailure(error) : error;
    }
  },
};
