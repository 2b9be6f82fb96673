/** Linux: the BPF capture of the addon, and /proc for the existing connections. */
import { readFileSync } from "node:fs";
import { ExitCode, ExitError } from "../../base/errors.ts";
import { procWorld } from "../../base/proc-world.ts";
import type { Capture, CaptureOptions, Platform, StepDown } from "../platform.ts";
import { LinuxCapture } from "./capture.ts";
import { isNativeError, loadNative, type NativeAddon, type NativeError } from "./native.ts";
import { pidRemarksHere } from "./pid-namespace.ts";
import { thisProcessMayCapture, whatIsHiddenHere, whyRefusedHere } from "./privilege.ts";
import { readProcessFacts } from "./process-facts.ts";
import { tcpTableSize } from "./table-size.ts";

const DEFAULT_MAX_UDP_FLOWS = 32_768;
/** Some 11,000 events between two drains; the mapping counts twice as resident memory. */
const DEFAULT_RING_BYTES = 2 << 20;

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
    if (!isNativeError(error)) throw error;
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
      const stepDowns = [...session.stepDowns, ...limits(), ...pidRemarksHere(), ...confine(native, options)];
      return new LinuxCapture(session, { stepDowns, tableSizes });
    } catch (error) {
      throw isNativeError(error) ? openFailure(error) : error;
    }
  },
};
