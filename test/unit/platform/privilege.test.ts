import { describe, expect, it } from "vitest";
import {
  capabilityNames,
  mayCapture,
  whatIsHidden,
  whyRefused,
} from "../../../src/platform/linux/privilege.ts";

const status = (effective: string) =>
  `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nSeccomp:\t0\n`;

describe("the capabilities of a process", () => {
  it.each([
    [
      "000000c000081004",
      ["CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_PERFMON", "CAP_BPF"],
    ],
    ["0000000000000001", ["capability 0"]],
    ["8000000000000000", ["capability 63"]],
    ["0000000000000000", []],
  ])("%s has names", (effective, names) => {
    expect(capabilityNames(status(effective))).toEqual(names);
  });
});

describe("the privilege to capture", () => {
  it.each([
    ["root", "000001ffffffffff", true],
    ["CAP_SYS_ADMIN alone", "0000000000200000", true],
    ["CAP_BPF and CAP_PERFMON", "000000c000000000", true],
    ["CAP_BPF alone", "0000008000000000", false],
    ["CAP_PERFMON alone", "0000004000000000", false],
    ["CAP_NET_ADMIN alone", "0000000000001000", false],
    ["nothing", "0000000000000000", false],
  ])("%s: %s is %s", (_, effective, expected) => {
    expect(mayCapture(status(effective))).toBe(expected);
  });

  it.each([
    "",
    "CapEff:\n",
    "CapEff:\tzz\n",
    "CapEff:\t00000000000000000000\n",
    "XCapEff:\tffffffffffffffff\n",
  ])("does not follow from %j", (text) => {
    expect(mayCapture(text)).toBe(false);
  });
});

it.each([
  ["nothing from CAP_SYS_PTRACE", status("0000000000080000"), null],
  ["others' processes without it", status("000000c000000000"), /^without CAP_SYS_PTRACE, listening/],
  ["everything where it cannot be read", "", /^cannot be read: listening/],
])("/proc hides %s", (_, text, expected) => {
  if (expected === null) expect(whatIsHidden(text)).toBe(null);
  else expect(whatIsHidden(text)).toMatch(expected);
});

describe("what is told when a capture is refused", () => {
  const FIRST = "         0          0 4294967295\n";
  const BOTH = status("000000c000000000");
  const SUDO = "tcptop requires root privileges. Run with sudo.";

  it.each([
    ["a user", { status: status("0000000000000000"), userIds: FIRST, isRoot: false }, SUDO],
    ["a user with one", { status: status("0000004000000000"), userIds: FIRST, isRoot: false }, SUDO],
    ["a user without /proc", { status: "", userIds: "", isRoot: false }, SUDO],
    [
      "root without CAP_PERFMON",
      { status: status("0000008000000000"), userIds: FIRST, isRoot: true },
      "root lacks CAP_PERFMON here; the service, container or shell that starts tcptop must allow it",
    ],
    [
      "root of a user namespace",
      { status: status("000001ffffffffff"), userIds: "         0       1000          1\n", isRoot: true },
      "the kernel refuses bpf(2) in a user namespace; run tcptop outside of it",
    ],
    [
      "a user with both behind seccomp",
      { status: BOTH.replace("Seccomp:\t0", "Seccomp:\t2"), userIds: FIRST, isRoot: false },
      "bpf(2) is refused, by the seccomp filter that this process has; the service or container has to allow it",
    ],
    [
      "root otherwise",
      { status: BOTH, userIds: FIRST, isRoot: true },
      "bpf(2) is refused, by a security module or the kernel's settings",
    ],
    [
      "root without /proc",
      { status: "", userIds: "", isRoot: true },
      "bpf(2) is refused, by a security module or the kernel's settings",
    ],
  ])("%s", (_, refused, expected) => {
    expect(whyRefused(refused)).toBe(expected);
  });
});
