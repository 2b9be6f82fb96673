import { describe, expect, test } from "vitest";
import { tcpTableSize } from "../../../../src/lenses/flows/table-size.ts";

const sockstat = (alloc: number) =>
  `sockets: used 90\nTCP: inuse 5 orphan 0 tw 0 alloc ${alloc} mem 1\nUDP: inuse 2 mem 0\n`;

describe("the size of the flow table", () => {
  test.each([
    [0, 65_536],
    [32_768, 65_536],
    [32_769, 131_072],
    [100_000, 262_144],
    [999_999_999, 1_048_576],
  ])("with %i TCP sockets is %i", (alloc, size) => {
    expect(tcpTableSize(sockstat(alloc))).toBe(size);
  });

  test.each(["", "TCP: inuse 5", "TCP: alloc x", "TCP: alloc 99999999999999", "UDP: alloc 99999"])(
    "is the least for %j",
    (text) => {
      expect(tcpTableSize(text)).toBe(65_536);
    },
  );
});
