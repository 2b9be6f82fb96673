/** What SIGHUP means where there are logs. */
import type { Log } from "../sinks/log.ts";
import type { World } from "./world.ts";

/** A `World` where SIGHUP reopens the logs. Without its terminal SIGHUP stays a request to end. */
export function reopenedByHangup(world: World, logs: readonly Log[]): World {
  return {
    ...world,
    onStop: (call) =>
      world.onStop((signal) => {
        if (signal !== "SIGHUP" || world.hasLostTerminal()) call(signal);
        else for (const log of logs) log.reopen();
      }),
  };
}
