/** Processes that leave no time to anybody of low priority. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export class BusyProcessors {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** One busy process per processor; resolves once all of them run. */
  static async start(count: number): Promise<BusyProcessors> {
    const children = Array.from({ length: count }, () => spawn("sh", ["-c", "while :; do :; done"]));
    await Promise.all(children.map((child) => once(child, "spawn")));
    return new BusyProcessors(children);
  }

  async stop(): Promise<void> {
    const ends = this.#children.map((child) => once(child, "exit"));
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(ends);
  }
}
