/** Any machine that shows a recording: it need not be able to capture, and knows nothing of the processes. */
import { ExitCode, ExitError } from "../../base/errors.ts";
import { loadNative } from "../linux/native.ts";
import type { Platform } from "../platform.ts";

/** Without an addon, only a write tells that a reader has gone. */
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
      throw new ExitError(ExitCode.unavailable, "a recording is no capture");
    },
    hasReader: readerCheck(),
    lockFile: () => true,
    describeProcess: () => null,
  };
}
