import { describe, expect, it } from "vitest";
import { lineText } from "../../../src/core/cells.ts";
import type { Privileges } from "../../../src/platform/platform.ts";
import { helpLines } from "../../../src/view/help.ts";
import { snapshot } from "../../support/connections.ts";
import { Desk } from "../../support/desk.ts";

const SIZE = { columns: 120, rows: 100 };

const CONFINED: Privileges = {
  ...{ uid: 65_534, capabilities: [], hasNoNewPrivs: true, hasLandlock: true, hasSeccomp: true },
  brokerCapabilities: ["CAP_PERFMON", "CAP_BPF"],
};

/** The page as one text, its lines joined by spaces. */
function pageWith(privileges: Privileges | null): string {
  const { info } = new Desk(snapshot({}), SIZE);
  return helpLines({ ...info, privileges }, 0, SIZE)
    .map((line) => lineText(line).trim())
    .join(" ");
}

describe("the page of keys says what tcptop may still do", () => {
  it.each([
    [
      "nothing",
      CONFINED,
      "Runs as user 65534 without capabilities, under Landlock and seccomp; what loads and opens for it, tcptop-broker, " +
        "has CAP_PERFMON, CAP_BPF.",
    ],
    [
      "more, on an old kernel",
      { ...CONFINED, uid: 0, capabilities: ["CAP_BPF"], hasLandlock: false, hasSeccomp: false },
      "Runs as user 0 with CAP_BPF; what loads and opens for it, tcptop-broker, has CAP_PERFMON, CAP_BPF.",
    ],
  ])("%s", (_, privileges, sentence) => {
    expect(pageWith(privileges)).toContain(sentence);
  });

  it("unless it is not known", () => {
    expect(pageWith(null)).not.toContain("Runs as");
  });
});
