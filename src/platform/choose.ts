/** Picks the platform of the machine tcptop runs on. */
import { linuxPlatform } from "./linux/linux.ts";
import type { Platform } from "./platform.ts";
import { unsupportedPlatform } from "./unsupported/unsupported.ts";

export function choosePlatform(os: NodeJS.Platform = process.platform): Platform {
  return os === "linux" ? linuxPlatform() : unsupportedPlatform(os);
}
