import { describe, expect, it } from "vitest";
import { mayCapture, whatIsHidden } from "../../../src/platform/linux/privilege.ts";

const status = (effective: string) =>
  `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nSeccomp:\t0\n`;

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
