/** What SIGHUP means where there is a log. */
import type { Log } from "../sinks/log.ts";
import type { World } from "./world.ts";

/** A `World` where SIGHUP reopens the log. Without its terminal SIGHUP stays a request to end. */
export function reopenedByHangup(world: World, log: Log): World {
  return {
    ...world,
    onStop: (call) =>
      world.onStop((signal) => {
        if (signal === "SIGHUP" && !world.hasLostTerminal()) log.reopen();
        else call(signal);
      }),
  };
}
