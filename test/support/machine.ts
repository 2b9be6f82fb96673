/** A machine that the whole program runs on in a test: its platform is that of a `FakeWorld`. */
// Loaded beforehand: the clock of a test does not wait for modules.
import "../../src/app/screen.ts";
import "../../src/lenses/flows/parts.ts";
import "../../src/lenses/flows/shown.ts";
import type { Host } from "../../src/cli/cli.ts";
import { systemFiles } from "../../src/cli/files.ts";
import { FakeWorld } from "./world.ts";

export interface Machine {
  readonly world: FakeWorld;
  readonly host: Host;
  /** How often the platform was asked for. */
  loads(): number;
}

export function machine(environment: Host["environment"] = {}): Machine {
  const world = new FakeWorld();
  let loads = 0;
  const host: Host = {
    clock: world.clock,
    stdout: world.stdout,
    stderr: world.stderr,
    files: systemFiles,
    standardFiles: [],
    after: world.after,
    onStop: world.onStop,
    hasLostTerminal: world.hasLostTerminal,
    version: "0.1.0",
    environment,
    openScreen: null,
    async loadPlatform() {
      loads++;
      return world.platform;
    },
    createRecording() {
      throw new Error("no file is to be made");
    },
    openRecording() {
      throw new Error("no recording is to be opened");
    },
  };
  return { world, host, loads: () => loads };
}
