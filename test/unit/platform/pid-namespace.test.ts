import { expect, test } from "vitest";
import { pidRemarks } from "../../../src/platform/linux/pid-namespace.ts";

test("in a PID namespace it is said that process ids are the host's", () => {
  expect(pidRemarks("pid:[4026532201]")).toEqual([
    {
      backend: "process ids",
      reason:
        "are those of the host, not of this PID namespace; command lines of other processes are not shown",
    },
  ]);
});

test.each(["pid:[4026531836]", null])("nothing is said where /proc/self/ns/pid is %s", (link) => {
  expect(pidRemarks(link)).toEqual([]);
});
