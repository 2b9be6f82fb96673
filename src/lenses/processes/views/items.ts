/** What the process tree is made of: processes, and connections under them. */

import { sanitise } from "../../../base/sanitise.ts";
import type { Refresh } from "../../../core/refresh.ts";
import type { Connection } from "../../flows/connection.ts";
import { matcher as connectionMatcher } from "../../flows/matcher.ts";
import { FLOWS } from "../../flows/snapshot.ts";
import { commandLine } from "../columns.ts";
import type { Process } from "../process.ts";
import { type Known, PROCESSES } from "../snapshot.ts";

export interface ProcessItem {
  readonly kind: "process";
  readonly process: Process;
  /** Key of the process that it stands under; null: none. */
  readonly parent: number | null;
  readonly known: Known | null;
}

export interface ConnectionItem {
  readonly kind: "connection";
  readonly connection: Connection;
  /** Key of the process that it stands under. */
  readonly parent: number;
}

export type TreeItem = ProcessItem | ConnectionItem;

function identity(pid: number, startNs: number): string {
  return `${pid} ${startNs}`;
}

/** All of a refresh. A connection whose owner is not among the processes is left to the other views. */
export function itemsOf(refresh: Refresh): readonly TreeItem[] {
  const snapshot = PROCESSES.of(refresh);
  const keys = new Map<string, number>();
  const items: TreeItem[] = snapshot.processes.map((process) => {
    keys.set(identity(process.pid, process.startNs), process.key);
    return {
      kind: "process",
      process,
      parent: snapshot.parentOf(process.key),
      known: snapshot.find(process),
    };
  });
  for (const connection of FLOWS.in(refresh)?.connections ?? []) {
    const { owner } = connection;
    const parent = owner?.startNs == null ? undefined : keys.get(identity(owner.pid, owner.startNs));
    if (parent !== undefined) items.push({ kind: "connection", connection, parent });
  }
  return items;
}

function wordsOf({ name, pid, arguments: words, executable }: Process): string {
  const command = words === null ? (executable ?? "") : commandLine(words);
  return sanitise(`${name} ${pid} ${command}`).toLowerCase();
}

/**
 * Those that the filter of the screen lets through, with all that they stand under; and what stands under a process
 * that it lets through. `onlyTree`: only processes of the tree that is watched.
 */
export function passingOf(items: readonly TreeItem[], words: string, onlyTree: boolean): readonly TreeItem[] {
  const wanted = words.toLowerCase().split(" ").filter(Boolean);
  const matchesConnection = connectionMatcher(words);
  if (wanted.length === 0 && !onlyTree) return items;
  const byKey = new Map<number, ProcessItem>();
  for (const item of items) if (item.kind === "process") byKey.set(item.process.key, item);
  const passing = new Set<TreeItem>();
  const passUp = (item: TreeItem) => {
    for (let at: TreeItem | undefined = item; at !== undefined && !passing.has(at); ) {
      passing.add(at);
      at = at.parent === null ? undefined : byKey.get(at.parent);
    }
  };
  const passes = (item: TreeItem): boolean => {
    const process = item.kind === "process" ? item.process : byKey.get(item.parent)?.process;
    if (process === undefined || (onlyTree && !process.isOfTree)) return false;
    const text = wordsOf(process);
    if (wanted.every((word) => text.includes(word))) return true;
    return item.kind === "connection" && matchesConnection !== null && matchesConnection(item.connection);
  };
  for (const item of items) if (passes(item)) passUp(item);
  return items.filter((item) => passing.has(item));
}
