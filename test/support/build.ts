/** Where the build puts what the tests run. */
import { fileURLToPath } from "node:url";

/** Absolute path of a file of the build, such as `test/traffic/traffic`. */
export function built(path: string): string {
  return fileURLToPath(new URL(`../../build/cmake/${path}`, import.meta.url));
}
