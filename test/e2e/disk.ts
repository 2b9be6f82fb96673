/** A disk of a few pages that only the processes started on it see, and that goes when the test ends. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./harness.ts";

export class SmallDisk {
  /** For those on the disk, and for everybody else. */
  readonly inside: string;
  readonly outside: string;
  /** Runs the command that follows with the disk in sight. */
  readonly enter: readonly string[];
  readonly #holder: ChildProcessWithoutNullStreams;

  private constructor(folder: string, holder: ChildProcessWithoutNullStreams) {
    this.#holder = holder;
    this.inside = folder;
    this.outside = `/proc/${holder.pid}/root${folder}`;
    // The root as well: it need not be the one that the mounts begin with.
    this.enter = ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`, `--root=/proc/${holder.pid}/root`];
  }

  static async make(kilobytes: number): Promise<SmallDisk> {
    const folder = mkdtempSync(join(tmpdir(), "tcptop-disk-"));
    const script = `mount -t tmpfs -o size=${kilobytes}k none "$0" && echo ready && read -r end`;
    const holder = spawn("unshare", ["--mount", "sh", "-c", script, folder]);
    const first = await Promise.race([once(holder.stdout, "data"), once(holder.stderr, "data")]);
    if (String(first) !== "ready\n") throw new Error(`no disk: ${first}`);
    return new SmallDisk(folder, holder);
  }

  /** Runs a shell script, to which the disk is `$0`; throws if it fails. */
  async do(script: string): Promise<void> {
    const [command = "", ...args] = this.enter;
    const { code, stderr } = await run(command, [...args, "sh", "-ec", script, this.inside]);
    if (code !== 0) throw new Error(stderr);
  }

  async remove(): Promise<void> {
    const exit = once(this.#holder, "exit");
    this.#holder.stdin.end();
    await exit;
    rmdirSync(this.inside);
  }
}
