/** Whether a kernel preempts its tasks, by what it says of itself. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { built } from "../support/build.ts";

const DYNAMIC = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.57-1 (2025-11-05)";

const KERNELS: readonly (readonly [
  title: string,
  facts: { version?: string; mode?: string; command?: string; config?: string },
  isPreemptible: boolean,
])[] = [
  ["without the word in its version", { version: "#1 SMP Debian 5.10.244-1 (2025-09-29)" }, false],
  ["built with PREEMPT", { version: "#1 SMP PREEMPT Tue Jan 2" }, true],
  ["built with PREEMPT_RT", { version: "#1 SMP PREEMPT_RT Debian 6.12.57-1" }, true],
  ["dynamic, none at work", { version: DYNAMIC, mode: "(none) voluntary full lazy \n" }, false],
  ["dynamic, voluntary at work", { version: DYNAMIC, mode: "none (voluntary) full \n" }, false],
  ["dynamic, full at work", { version: DYNAMIC, mode: "none voluntary (full) \n" }, true],
  ["dynamic, lazy at work", { version: DYNAMIC, mode: "full (lazy) \n" }, true],
  [
    "the mode at work, whatever was asked for",
    { version: DYNAMIC, mode: "(none) voluntary full", command: "quiet preempt=full" },
    false,
  ],
  ["dynamic, asked for none", { version: DYNAMIC, command: "ro preempt=full preempt=none quiet\n" }, false],
  ["dynamic, asked for lazy", { version: DYNAMIC, command: "ro preempt=lazy\n" }, true],
  ["another parameter", { version: DYNAMIC, command: "xpreempt=none" }, true],
  [
    "dynamic, built to be voluntary",
    { version: DYNAMIC, config: "CONFIG_A=y\nCONFIG_PREEMPT_VOLUNTARY=y\nCONFIG_PREEMPT_DYNAMIC=y\n" },
    false,
  ],
  [
    "dynamic, built to be lazy",
    { version: DYNAMIC, config: "\n# CONFIG_PREEMPT_NONE is not set\nCONFIG_PREEMPT_LAZY=y\n" },
    true,
  ],
  ["dynamic, nothing known", { version: DYNAMIC }, true],
  ["nothing known at all", {}, true],
];

test.for(KERNELS)("%s", ([, { version = "", mode = "", command = "", config = "" }, isPreemptible]) => {
  const answer = execFileSync(built("test/native/preemption_sample"), [version, mode, command, config]);
  expect(answer.toString().trim()).toBe(isPreemptible ? "yes" : "no");
});
