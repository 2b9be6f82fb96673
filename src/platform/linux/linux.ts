/** Linux: what lenses capture with, by the addon, and facts of processes from /proc. */
import { release } from "node:os";
import { ExitCode, ExitError } from "../../base/errors.ts";
import { procWorld } from "../../base/proc-world.ts";
import type { LensSource } from "../../core/lens.ts";
import type { ProcessFacts, ProcessId } from "../../core/process.ts";
import { isSourceError, NothingWorks } from "../../core/source.ts";
import type { Capture, CaptureOptions, Platform, StepDown } from "../platform.ts";
import { BrokerOutputs } from "./broker.ts";
import { chooseUser, confine } from "./confinement.ts";
import { loadNative, type NativeAddon, nativeHost, startBroker } from "./native.ts";
import { pidRemarksHere } from "./pid-namespace.ts";
import { thisProcessMayCapture, whatIsHiddenHere, whyRefusedHere } from "./privilege.ts";
import { readProcessFacts } from "./process-facts.ts";

/** The one line a user gets for a capture that cannot be opened; other errors as they are. */
function openFailure(error: unknown): unknown {
  if (error instanceof NothingWorks) {
    const tried = error.stepDowns.map(({ backend, reason }) => `${backend}: ${reason}`).join("; ");
    return new ExitError(ExitCode.unavailable, `${error.message} (${tried})`, { cause: error });
  }
  if (!isSourceError(error)) return error;
  if (error.code === "NO_PERMISSION")
    return new ExitError(ExitCode.noPermission, whyRefusedHere(), { cause: error });
  return new ExitError(ExitCode.unavailable, error.message, { cause: error });
}

/** Sockets that cannot be seen: as an ordinary user, and without `/proc`. */
function limits(): StepDown[] {
  const reason = whatIsHiddenHere();
  return reason === null ? [] : [{ backend: "/proc", reason }];
}

class LinuxPlatform implements Platform {
  #addon: NativeAddon | null = null;
  readonly outputs = new BrokerOutputs(() => this.#native);

  get #native(): NativeAddon {
    this.#addon ??= loadNative();
    return this.#addon;
  }

  hasReader(fd: number): boolean {
    return this.#native.hasReader(fd);
  }

  lockFile(fd: number): boolean {
    return this.#native.lockFile(fd);
  }

  describeProcess(process: ProcessId): ProcessFacts | null {
    return readProcessFacts(procWorld(), process);
  }

  check(): void {
    if (!thisProcessMayCapture()) throw new ExitError(ExitCode.noPermission, whyRefusedHere());
  }

  open(options: CaptureOptions): Capture {
    const native = this.#native;
    const isRoot = process.geteuid?.() === 0;
    const user = chooseUser(native, options.user ?? null, { isRoot, environment: process.env });
    const sources = new Map<string, LensSource>();
    try {
      const host = nativeHost(native);
      for (const lens of options.lenses) sources.set(lens.id, lens.open(host, options));
      const remarks = [...limits(), ...pidRemarksHere()];
      native.endLoading();
      const broker = startBroker(native);
      const confinement = confine(native, { user, broker });
      const stepDowns = [...remarks, ...confinement.stepDowns];
      return { kernel: release(), stepDowns, privileges: confinement.privileges, sources };
    } catch (error) {
      for (const source of sources.values()) source.close();
      throw openFailure(error);
    }
  }

  close(): void {
    this.#addon?.stopBroker();
  }
}

export function linuxPlatform(): Platform {
  return new LinuxPlatform();
}
