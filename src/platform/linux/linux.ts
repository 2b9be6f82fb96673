/** Linux: what lenses capture with, by the addon, and facts of processes from /proc. */
import { release } from "node:os";
import { ExitCode, ExitError } from "../../base/errors.ts";
import { procWorld } from "../../base/proc-world.ts";
import type { LensSource } from "../../core/lens.ts";
import { isSourceError, NothingWorks } from "../../core/source.ts";
import type { Capture, CaptureOptions, Platform, StepDown } from "../platform.ts";
import { loadNative, type NativeAddon, nativeHost } from "./native.ts";
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

/** Gives up privileges. A failure becomes a step-down that the user sees; the capture goes on. */
function confine(native: NativeAddon, { opensFilesLater = false }: CaptureOptions): StepDown[] {
  try {
    native.confine(opensFilesLater);
    return [];
  } catch (error) {
    if (!isSourceError(error)) throw error;
    return [{ backend: "privileges", reason: `could not be given up: ${error.message}` }];
  }
}

export const linuxPlatform: Platform = {
  hasReader: (fd) => loadNative().hasReader(fd),
  lockFile: (fd) => loadNative().lockFile(fd),
  describeProcess: (process) => readProcessFacts(procWorld(), process),

  check(): void {
    if (!thisProcessMayCapture()) throw new ExitError(ExitCode.noPermission, whyRefusedHere());
  },

  open(options: CaptureOptions): Capture {
    const native = loadNative();
    const host = nativeHost(native);
    const sources = new Map<string, LensSource>();
    try {
      for (const lens of options.lenses) sources.set(lens.id, lens.open(host, options));
      native.endLoading();
      const stepDowns = [...limits(), ...pidRemarksHere(), ...confine(native, options)];
      return { kernel: release(), stepDowns, sources };
    } catch (error) {
      for (const source of sources.values()) source.close();
      throw openFailure(error);
    }
  },
};
