/**
 * Processes and network namespaces that vanish while tcptop starts. A namespace's number is given again at once: tests
 * that tell namespaces apart by it do not run beside these.
 */
import { describe, expect, test } from "vitest";
import { backends, cannotRun, facts, scaled, startOrSkip, type Tcptop, Traffic } from "./harness.ts";

describe.skipIf(cannotRun).for(backends)(`%s${cannotRun ? `: ${cannotRun}` : ""}`, ([backend, required]) => {
  test("processes and namespaces that vanish while it starts", async (context) => {
    // It lives through all the starts, beside whatever else the machine does.
    const existing = new Traffic("existing-tcp", { timeout: 110 });
    await existing.ready();
    let isOver = false;
    const churn = ["tcp-mayfly", "netns-twins"].map(async (scenario) => {
      while (!isOver) await new Traffic(scenario).ends(context);
    });
    const start = async (): Promise<Tcptop> => {
      const tcptop = await startOrSkip(context, required, {}, backend);
      await tcptop.refreshed();
      const { seed_lines_skipped, records_invalid } = tcptop.losses();
      expect({ seed_lines_skipped, records_invalid }).toEqual({ seed_lines_skipped: 0, records_invalid: 0 });
      return tcptop;
    };
    try {
      for (const tcptop of await Promise.all(Array.from({ length: scaled(8) - 1 }, start))) {
        expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
      }
      const tcptop = await start();
      existing.go();
      const ends = await existing.ends(context);
      expect(facts(await tcptop.closesOf(ends, 0))).toEqual(facts(ends));
      expect(await tcptop.stop()).toMatchObject({ code: 0, stderr: "" });
    } finally {
      isOver = true;
      await Promise.all(churn);
    }
  });
});
