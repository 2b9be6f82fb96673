/** What a stream says of processes at the end of a refresh. */
import type { Summary } from "../../core/lens.ts";
import type { Refresh } from "../../core/refresh.ts";
import { PROCESSES, type Snapshot } from "./snapshot.ts";

function membersOf({ processes, events }: Snapshot, onlyTree: boolean): object {
  const isShown = ({ isOfTree }: { readonly isOfTree: boolean }) => !onlyTree || isOfTree;
  const count = (name: string) =>
    events.filter(({ event, process }) => event === name && isShown(process)).length;
  return {
    processes: processes.filter((process) => process.phase.kind !== "ended" && isShown(process)).length,
    forks: count("fork"),
    execs: count("exec"),
    exits: count("exit"),
  };
}

export class ProcessSummary implements Summary {
  readonly unlistedEvents = 0;
  readonly #onlyTree: boolean;
  #snapshot: Snapshot | null = null;

  /** Only processes of the tree that is watched. */
  constructor(onlyTree: boolean) {
    this.#onlyTree = onlyTree;
  }

  add(refresh: Refresh): void {
    this.#snapshot = PROCESSES.of(refresh);
  }

  get shown(): object {
    return this.#snapshot === null ? {} : membersOf(this.#snapshot, this.#onlyTree);
  }

  get everything(): object {
    return this.#snapshot === null ? {} : membersOf(this.#snapshot, false);
  }
}
