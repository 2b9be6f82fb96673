import { defineConfig } from "vitest/config";

/** A test that computes for so long does not come to an end, however many others run beside it. */
const HANGS_MS = 60_000;

/** Tests of one file that run at the same time, where they can; an emulated machine is too slow for that. */
const AT_ONCE = process.env["TCPTOP_TEST_SCALE"] === undefined ? 6 : 1;

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: HANGS_MS } },
      { test: { name: "golden", include: ["test/golden/**/*.test.ts"], testTimeout: HANGS_MS } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: HANGS_MS } },
      { test: { name: "fuzz", include: ["test/fuzz/**/*.test.ts"], testTimeout: 120_000 } },
      { test: { name: "native", include: ["test/native/**/*.test.ts"], testTimeout: 60_000 } },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          maxConcurrency: AT_ONCE,
          // A failure in a guest or in CI is read from its message alone.
          chaiConfig: { truncateThreshold: 2000 },
        },
      },
    ],
  },
});
