/** The platform of operating systems without a capture. */
import { ExitCode, ExitError } from "../../base/errors.ts";
import type { Capture, Platform } from "../platform.ts";

export function unsupportedPlatform(os: string): Platform {
  const fail = (): never => {
    throw new ExitError(ExitCode.unavailable, `tcptop captures on Linux only, not on ${os}`);
  };
  return {
    check: fail,
    open: (): Capture => fail(),
    hasReader: () => true,
    lockFile: () => true,
    outputs: null,
    close() {},
    describeProcess: () => null,
  };
}
