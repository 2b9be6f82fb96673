import { describe, expect, it } from "vitest";
import { mayCapture, mayInspectOthers } from "../../../src/platform/linux/privilege.ts";

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

it("of CAP_SYS_PTRACE is to inspect others", () => {
  expect(mayInspectOthers(status("0000000000080000"))).toBe(true);
  expect(mayInspectOthers(status("000000c000000000"))).toBe(false);
  expect(mayInspectOthers("")).toBe(false);
});
