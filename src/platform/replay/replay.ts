/** The platform of a replay: it does not capture and has no facts of processes. */
import { ExitCode, ExitError } from "../../base/errors.ts";
import { loadNative } from "../linux/native.ts";
import type { Platform } from "../platform.ts";

/** Always true: without the addon only a failed write shows that the reader has gone. */
function readerCheck(): (fd: number) => boolean {
  try {
    const { hasReader } = loadNative();
    return hasReader;
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    return () => true;
  }
}

export function replayPlatform(): Platform {
  return {
    check() {},
    open() {
      throw new ExitError(ExitCode.unavailable, "a replay does not capture");
    },
    hasReader: readerCheck(),
    lockFile: () => true,
    outputs: null,
    close() {},
    describeProcess: () => null,
  };
}
