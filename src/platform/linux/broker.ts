/** Files that the broker opens once this process may not. */
import { getSystemErrorMap } from "node:util";
import type { OutputKeeper } from "../../base/output-file.ts";
import { isSourceError } from "../../core/source.ts";
import { type NativeAddon, startBroker } from "./native.ts";

/** What the broker was about, by the stage of its errors. */
const SYSCALLS = { output: "open", "output-new": "create" } as const;

/** An error as those of `node:fs`. */
function systemError(number: number, syscall: string): Error {
  const [code, message] = getSystemErrorMap().get(-number) ?? [`errno ${number}`, "unknown error"];
  return Object.assign(new Error(`${code}: ${message}`), { code, errno: -number, syscall });
}

/** Calls, and throws what the system refused as `node:fs` does. */
function asSystem<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!isSourceError(error) || !(error.stage in SYSCALLS)) throw error;
    throw systemError(error.errno, SYSCALLS[error.stage as keyof typeof SYSCALLS]);
  }
}

/** Files that are named before privileges are given up, and opened by the broker afterwards. */
export class BrokerOutputs implements OutputKeeper {
  readonly #addon: () => NativeAddon;

  constructor(addon: () => NativeAddon) {
    this.#addon = addon;
  }

  keep(folder: number, name: string, owner: number): number {
    startBroker(this.#addon());
    return asSystem(() => this.#addon().keepOutput(folder, name, owner));
  }

  open(output: number, mustBeNew: boolean): { readonly fd: number; readonly isNew: boolean } {
    return asSystem(() => this.#addon().openOutput(output, mustBeNew));
  }

  drop(output: number, fd: number): void {
    asSystem(() => this.#addon().dropOutput(output, fd));
  }

  move(output: number, fd: number, suffix: string): void {
    asSystem(() => this.#addon().moveOutput(output, fd, suffix));
  }
}
