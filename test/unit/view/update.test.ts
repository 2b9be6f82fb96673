import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { displayWidth } from "../../../src/base/width.ts";
import { type Line, lineText } from "../../../src/core/cells.ts";
import { orderOf } from "../../../src/view/state.ts";
import type { Input } from "../../../src/view/update.ts";
import { crowd, FEW, snapshotOf } from "../../support/crowd.ts";
import { Desk } from "../../support/desk.ts";

const SIZE = { columns: 120, rows: 14 };

/** Busiest first, as the screen starts. */
const BUSIEST = [1, 2, 6, 3, 4, 8, 5, 7];

function desk(connections = FEW): Desk {
  return new Desk(snapshotOf(connections), SIZE);
}

function order(shown: Desk): [key: string, reverse: boolean] {
  const { key, reverse } = orderOf(shown.state);
  return [key, reverse];
}

describe("moving", () => {
  test("the first step selects the first row, arrows and letters go on from there", () => {
    expect(desk().ids).toEqual(BUSIEST);
    expect(desk().state.selection).toBe(null);
    expect(desk().press("down").state.selection).toBe(1);
    expect(desk().press("j", "j", "down").state.selection).toBe(6);
    expect(desk().press("j", "j", "j", "k", "up").state.selection).toBe(1);
    expect(desk().press("j", "up", "up").state.selection).toBe(1);
  });

  test.for([
    ["end", 7],
    ["G", 7],
    ["home", 1],
    ["g", 1],
  ] as const)("%s goes to one end", ([key, id]) => {
    expect(desk().press("j", "j", key).state.selection).toBe(id);
  });

  test("a page keeps one row, and the screen scrolls with the selection", () => {
    const shown = desk(crowd(100));
    expect(shown.layout.pageRows).toBe(9);
    shown.press("down", "pagedown");
    expect([shown.layout.selected, shown.layout.top]).toEqual([8, 0]);
    shown.press("pagedown");
    expect([shown.layout.selected, shown.layout.top]).toEqual([16, 8]);
    shown.press("pageup", "pageup", "pageup");
    expect([shown.layout.selected, shown.layout.top]).toEqual([0, 0]);
    shown.press("end");
    expect([shown.layout.selected, shown.layout.top]).toEqual([99, 91]);
  });

  test("the selection stays on its connection while rows move, and where it closes", () => {
    const shown = desk().press("j", "j");
    expect(shown.state.selection).toBe(2);
    const moved = FEW.map((c) => (c.key === 2 ? { ...c, rateIn: 1, rateOut: 0 } : c));
    shown.refresh(snapshotOf(moved));
    expect([shown.state.selection, shown.layout.selected]).toEqual([2, 5]);
    const closing = moved.map((c) =>
      c.key === 2 ? { ...c, phase: { kind: "closing", closedNs: 5e9 } as const } : c,
    );
    shown.refresh(snapshotOf(closing));
    expect(shown.state.selection).toBe(2);
    shown.refresh(snapshotOf(FEW.filter(({ key }) => key !== 2)));
    expect([shown.state.selection, shown.layout.selected]).toEqual([5, 5]);
  });

  test("nothing to move in is no failure", () => {
    expect(desk([]).press("down", "end", "enter", "F", "right").state.selection).toBe(null);
  });

  test("F scrolls with the selected row, and ends when it has gone", () => {
    const many = crowd(100);
    const busiest = Math.max(...many.map(({ rateIn }) => rateIn));
    const first = many.find(({ rateIn }) => rateIn === busiest)?.key ?? 0;
    const idle = many.map((c) => (c.key === first ? { ...c, rateIn: 0, rateOut: 0 } : c));
    const still = desk(many).press("j").refresh(snapshotOf(idle));
    expect([still.state.selection, still.layout.top]).toEqual([first, 0]);
    const following = desk(many).press("j", "F").refresh(snapshotOf(idle));
    expect([following.state.selection, following.layout.top]).toEqual([first, 91]);
    following.refresh(snapshotOf(many.filter(({ key }) => key !== first)));
    expect(following.state.follows).toBe(false);
  });
});

describe("sorting", () => {
  test.for([
    ["r", "rate_in", [1, 2, 6, 3, 4, 8, 5, 7]],
    ["R", "rate_out", [6, 2, 3, 1, 4, 5, 7, 8]],
    ["p", "pid", [7, 8, 3, 2, 1, 5, 6, 4]],
    ["n", "process", [8, 1, 4, 5, 6, 3, 2, 7]],
    ["s", "state", [5, 1, 3, 4, 6, 8, 7, 2]],
    ["t", "rtt_us", [8, 1, 4, 6, 5, 3, 2, 7]],
    ["a", "local", [4, 3, 6, 5, 2, 1, 7, 8]],
    ["A", "remote", [4, 3, 5, 6, 1, 8, 7, 2]],
    ["P", "proto", [1, 3, 4, 5, 6, 7, 8, 2]],
  ] as const)("%s sorts by %s, and again the other way", ([key, column, ids]) => {
    const shown = desk().press(key);
    expect(order(shown)).toEqual([column, false]);
    expect(shown.ids).toEqual(ids);
    expect(order(shown.press(key))).toEqual([column, true]);
    expect(order(shown.press(key))).toEqual([column, false]);
  });

  test("I reverses", () => {
    expect(order(desk().press("I"))).toEqual(["rate", true]);
    expect(order(desk().press("I", "I"))).toEqual(["rate", false]);
  });

  test("Tab and arrows pick a column, Enter sorts by it, Esc leaves it", () => {
    const shown = desk().press("p", "tab");
    expect([shown.state.picked, ...order(shown)]).toEqual(["process", "pid", false]);
    expect(order(shown.press("right", "enter"))).toEqual(["state", false]);
    expect(shown.state.picked).toBe(null);
    expect(desk().press("p", "shift-tab", "left").state.picked).toBe("local");
    expect(desk().press("p", "tab", "escape").state.picked).toBe(null);
    const sixth = desk().press("n", "f6");
    expect(sixth.state.picked).toBe("process");
    expect(order(sixth.press("enter"))).toEqual(["process", true]);
  });

  test("< and > sort by the column beside", () => {
    expect(order(desk().press("p", ">"))).toEqual(["process", false]);
    expect(order(desk().press("p", "<"))).toEqual(["remote", false]);
  });

  test("o keeps the order while values move; new rows come last", () => {
    const shown = desk().press("o");
    const moved = FEW.map((c) => ({ ...c, rateIn: c.key * 1e6 }));
    shown.refresh(snapshotOf([...moved.slice(1), ...crowd(1).map((c) => ({ ...c, key: 99, rateIn: 1e12 }))]));
    expect(shown.ids).toEqual([2, 6, 3, 4, 8, 5, 7, 99]);
    expect(shown.press("o").ids[0]).toBe(99);
  });

  test("m shows totals and sorts by them, and back", () => {
    const shown = desk().press("R", "m");
    expect([...order(shown), shown.state.numbers]).toEqual(["bytes_out", false, "totals"]);
    expect(order(shown.press("r"))).toEqual(["bytes_in", false]);
    expect([...order(shown.press("m")), shown.state.numbers]).toEqual(["rate_in", false, "rates"]);
  });

  test("--sort is where the screen starts", () => {
    const shown = new Desk(snapshotOf(FEW), SIZE, { order: { key: "pid", reverse: true } });
    expect(shown.ids).toEqual([4, 5, 6, 1, 2, 3, 8, 7]);
  });
});

describe("the filter", () => {
  test.for([
    ["wire", [2]],
    ["WIRE", [2]],
    [":443", [1, 4]],
    ["140.82", [1, 8]],
    ["10.0.0.9 5432", [6, 5]],
    ["2001:db8", [4]],
    ["\\x1b", [8]],
    ["日本", [7]],
    ["nothing", []],
  ] as const)("%s", ([text, ids]) => {
    const shown = desk().press("/", { kind: "text", text });
    expect(shown.ids).toEqual(ids);
    expect(shown.frame.cursor).toEqual({ x: 9 + displayWidth(text), y: SIZE.rows - 1 });
  });

  test("takes keys as text until Enter; Backspace, Ctrl-W and Ctrl-U take back; Esc clears", () => {
    const typed = desk().press("f4", "q", "r", " ", "x");
    expect([typed.state.filter, typed.effects]).toEqual(["qr x", []]);
    expect(typed.press("backspace").state.filter).toBe("qr ");
    expect(typed.press("p", "ctrl-w").state.filter).toBe("qr ");
    expect(typed.press("ctrl-u").state.filter).toBe("");
    expect(typed.press("s", "enter").state).toMatchObject({ filter: "s", isTyping: false });
    expect(typed.press("escape").state.filter).toBe("");
    expect(desk().press("/", "s", "escape").state).toMatchObject({ filter: "", isTyping: false });
  });

  test("is edited at the cursor; what is typed there finds at once", () => {
    const typed = desk().press("/", "x", "left", "y");
    expect(typed.state.filter).toBe("yx");
    expect(typed.press("end", "z", "home", "a").state).toMatchObject({ filter: "ayxz", cursor: 1 });
    expect(typed.frame.cursor?.x).toBe(10);
    expect(typed.press("delete").state.filter).toBe("axz");
    expect(typed.press("right", "backspace", "right", "right").state).toMatchObject({
      filter: "az",
      cursor: 2,
    });
    expect(typed.press("delete", "left", " ", "left", "ctrl-w").state).toMatchObject({
      filter: " z",
      cursor: 0,
    });
    expect(typed.press("right", "ctrl-u").state).toMatchObject({ filter: "z", cursor: 0 });
    expect(typed.press("enter", "left").state).toMatchObject({ filter: "z", isTyping: false });
    expect(typed.press("/", "!").state.filter).toBe("z!");
    const found = desk().press("/", "r", "s", "home", "c", "u");
    expect([found.state.filter, found.listing.passing.length]).toEqual(["curs", 0]);
    expect(found.press("end", "backspace", "l").listing.passing.length).toBe(1);
  });

  test("keeps a mark with its letter, and never on another", () => {
    const typed = desk().press("/", { kind: "text", text: "ae\u0301i" });
    expect(typed.press("left", "left").state.cursor).toBe(1);
    expect(typed.press({ kind: "text", text: " \u0301" }).state.filter).toBe("a e\u0301i");
    expect(typed.press("delete").state.filter).toBe("a i");
  });

  test("shows the cursor, also in one that is longer than the line", () => {
    const typed = new Desk(snapshotOf(FEW), { columns: 35, rows: 12 });
    typed.press("/", { kind: "text", text: Array.from({ length: 40 }, (_, i) => i % 10).join("") });
    const status = () => lineText(typed.frame.lines.at(-1) as Line).trimEnd();
    expect([status(), typed.frame.cursor?.x]).toEqual([" filter: 5678901234567890123456789", 34]);
    typed.press("home", "right");
    expect([status(), typed.frame.cursor?.x]).toEqual([" filter: 01234567890123456789012345", 10]);
  });

  test("has an end", () => {
    expect(desk().press("/", { kind: "text", text: "x".repeat(1000) }).state.filter).toBe("x".repeat(64));
  });

  test("takes in what can be shown as it is, and nothing that hides or reorders", () => {
    const pasted = "\u0301\u200b10.0.\u202e0.7\u{e0041} e\u0301 日本\\x1b\ue000";
    expect(desk().press("/", { kind: "text", text: pasted }).state.filter).toBe("10.0.0.7 e\u0301 日本\\x1b");
  });

  test("goes on in what is typed after its key in one read", () => {
    expect(desk().press({ kind: "text", text: "/ssh" }).ids).toEqual([3]);
  });
});

describe("views", () => {
  test("v goes round: connections, processes, remote hosts", () => {
    const shown = desk().press("v");
    expect(shown.ids).toEqual([
      "process 1234 8400000000 curl",
      "process 902 null wireguard-go",
      "process 2210 null postgres",
      "process 811 null sshd",
      "process 3310 null node",
      "process 666 null \x1b[31m\u202eevil",
      "process 77 null 日本語プロセス",
    ]);
    expect(shown.press("f5").ids[0]).toBe("host 140.82.112.3");
    expect(shown.press("v").ids).toEqual(BUSIEST);
  });

  test("groups unfold with Enter or →, fold with ←, also from a row inside", () => {
    const shown = desk().press("v", "n", "/", "p", "o", "s", "t", "enter", "down", "enter");
    expect(shown.ids).toEqual(["process 2210 null postgres", 5, 6]);
    expect(shown.press("down", "down").state.selection).toBe(6);
    expect(shown.press("left").state.selection).toBe("process 2210 null postgres");
    expect(shown.press("left").ids).toEqual(["process 2210 null postgres"]);
    expect(shown.press("right").ids).toEqual(["process 2210 null postgres", 5, 6]);
    expect(shown.press("down", "enter").state.panel).toMatchObject({
      kind: "details",
      item: { key: 5 },
    });
  });

  test("sorting works where it has a meaning, each view by itself", () => {
    const shown = desk().press("v", "p");
    expect(order(shown)).toEqual(["pid", false]);
    expect(shown.ids.slice(0, 2)).toEqual([
      "process 77 null 日本語プロセス",
      "process 666 null \x1b[31m\u202eevil",
    ]);
    expect(order(shown.press("s"))).toEqual(["pid", false]);
    expect(order(shown.press("v", "A"))).toEqual(["remote", false]);
    expect(shown.ids[0]).toBe("host 10.0.0.2");
    expect(order(shown.press("v"))).toEqual(["rate", false]);
  });
});

describe("details", () => {
  test("Enter opens those of the selected row, Esc returns to it", () => {
    const shown = desk().press("j", "j", "enter");
    expect(shown.state.panel).toMatchObject({ kind: "details", item: { key: 2 } });
    shown.press("escape");
    expect([shown.state.panel, shown.state.selection]).toEqual([null, 2]);
  });

  test("are live, and stay when the connection has gone", () => {
    const shown = desk().press("enter");
    shown.refresh(snapshotOf(FEW.map((c) => ({ ...c, bytesIn: 77 }))));
    expect(shown.text).toContain("77 B   830000 packets");
    shown.refresh(snapshotOf([]));
    expect(shown.text).toContain("77 B   830000 packets");
    expect(shown.text).toContain("gone; shown as it was seen last");
  });
});

describe("the rest", () => {
  test("Space and Z pause what is shown", () => {
    for (const key of [" ", "Z"]) {
      const shown = desk().press(key).refresh(snapshotOf([]));
      expect(shown.ids).toEqual(BUSIEST);
      expect(shown.press(key).ids).toEqual([]);
    }
  });

  test.for(["?", "h", "f1"])("%s shows the keys, and Esc leaves them", (key) => {
    const shown = desk().press(key);
    expect(shown.state.panel).toEqual({ kind: "help", top: 0 });
    expect(shown.press("down", "down", "up").state.panel).toEqual({ kind: "help", top: 1 });
    expect(shown.press("pagedown").state.panel).toEqual({ kind: "help", top: 1 + shown.layout.pageRows });
    expect(shown.press("pageup").state.panel).toEqual({ kind: "help", top: 1 });
    expect(shown.press("end").text).toContain("Linux 6.");
    expect(shown.press("home").state.panel).toEqual({ kind: "help", top: 0 });
    expect(shown.press("escape").state.panel).toBe(null);
    expect(desk().press(key, key === "h" ? "?" : key).state.panel).toBe(null);
  });

  test("c adds columns, b shows exact numbers", () => {
    expect(desk().press("c").state.isWide).toBe(true);
    expect(desk().press("c").text).toContain("PKTS OUT");
    expect(desk().press("b").text).toContain("42100000 B/s");
    expect(desk().press("b", "b").text).toContain("42.1 MB/s");
  });

  test("+ and - change the interval, up to its ends", () => {
    expect(desk().press("+", "+", "-").effects).toEqual([
      { kind: "delay", delayS: 2 },
      { kind: "delay", delayS: 5 },
      { kind: "delay", delayS: 2 },
    ]);
    expect(new Desk(snapshotOf([]), SIZE, { delayS: 0.1 }).press("-").effects).toEqual([]);
    expect(new Desk(snapshotOf([]), SIZE, { delayS: 60 }).press("=").effects).toEqual([]);
    expect(new Desk(snapshotOf([]), SIZE, { delayS: 3 }).press("-").state.delayS).toBe(2);
  });

  test("L asks for the sockets without a flow, and again for none", () => {
    expect(desk().press("L", "L").effects).toEqual([
      { kind: "turn", lens: "flows", id: "all", isOn: true },
      { kind: "turn", lens: "flows", id: "all", isOn: false },
    ]);
  });

  test.for([
    ["q", "quit"],
    ["ctrl-c", "quit"],
    ["f10", "quit"],
    ["ctrl-z", "suspend"],
    ["ctrl-l", "redraw"],
  ] as const)("%s asks to %s, on every page", ([key, kind]) => {
    expect(desk().press(key).effects).toEqual([{ kind }]);
    expect(desk().press("?", key).effects).toEqual([{ kind }]);
    expect(desk().press("enter", key).effects).toEqual([{ kind }]);
  });

  test("Ctrl-C and F10 quit while a filter is typed", () => {
    expect(desk().press("/", "f10").effects).toEqual([{ kind: "quit" }]);
    expect(desk().press("/", "ctrl-c").effects).toEqual([{ kind: "quit" }]);
  });
});

describe("in a replay", () => {
  const replayed = () => {
    const at = desk();
    at.info = { ...at.info, isReplay: true };
    return at;
  };

  test("keys of time are for its player, on every page", () => {
    const effects = [
      { kind: "play" },
      { kind: "play" },
      { kind: "seek", byS: -10 },
      { kind: "seek", byS: 10 },
      { kind: "seek", byS: -60 },
      { kind: "seek", byS: 60 },
      { kind: "speed", by: 1 },
      { kind: "speed", by: 1 },
      { kind: "speed", by: -1 },
    ];
    const keys = [" ", "Z", "[", "]", "{", "}", "+", "=", "-"];
    for (const pages of [[], ["enter"]]) {
      const at = replayed().press(...pages, ...keys);
      expect(at.effects).toEqual(effects);
      expect([at.state.paused, at.state.delayS]).toEqual([null, 1]);
    }
  });

  test("they are text in a filter", () => {
    const at = replayed().press("/", "[", "+");
    expect([at.effects, at.state.filter]).toEqual([[], "[+"]);
  });

  test("brackets mean nothing elsewhere", () => {
    expect(desk().press("[", "]", "{", "}").effects).toEqual([]);
  });
});

describe("the mouse", () => {
  const click = (x: number, y: number): Input => ({ kind: "click", x, y });

  test("selects a row, opens it with a second click, sorts by a heading", () => {
    const shown = desk();
    const { headingY, placed } = shown.layout;
    expect(headingY).toBe(3);
    expect(shown.press(click(5, headingY + 3)).state.selection).toBe(6);
    expect(shown.press(click(5, headingY + 3)).state.panel).toMatchObject({ item: { key: 6 } });
    shown.press("escape");
    const pid = placed.find(({ column }) => column.id === "pid");
    expect(order(shown.press(click(pid?.x ?? 0, headingY)))).toEqual(["pid", false]);
    expect(order(shown.press(click(pid?.x ?? 0, headingY)))).toEqual(["pid", true]);
  });

  test("elsewhere does nothing", () => {
    const shown = desk(FEW.slice(0, 2));
    for (const y of [0, 1, 2, 8, 13]) shown.press(click(5, y));
    expect([shown.state.selection, shown.state.panel]).toEqual([null, null]);
  });

  test("scrolls, without moving the selection", () => {
    const shown = desk(crowd(100)).press("down", { kind: "wheel", lines: 3 });
    expect([shown.layout.top, shown.layout.selected]).toEqual([3, 0]);
    expect(shown.press({ kind: "wheel", lines: -30 }).layout.top).toBe(0);
    expect(shown.press({ kind: "wheel", lines: 500 }).layout.top).toBe(91);
  });
});

const anyInput: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ kind: fc.constant("text" as const), text: fc.string({ unit: "grapheme", maxLength: 4 }) }),
  fc.record({
    kind: fc.constant("key" as const),
    name: fc.oneof(
      fc.constantFrom("up", "down", "left", "right", "enter", "escape", "tab", "f1", "f4", "f5", "backspace"),
      fc.constantFrom("pageup", "pagedown", "end", "home", "__proto__", "constructor", "f6", "ctrl-u"),
    ),
  }),
  fc.record({ kind: fc.constant("click" as const), x: fc.nat(310), y: fc.nat(60) }),
  fc.record({ kind: fc.constant("wheel" as const), lines: fc.integer({ min: -9, max: 9 }) }),
);

test("any inputs at any size leave a screen of exactly that size", () => {
  fc.assert(
    fc.property(
      fc.array(anyInput, { maxLength: 40 }),
      fc.integer({ min: 20, max: 300 }),
      fc.integer({ min: 5, max: 60 }),
      fc.constantFrom([], FEW, crowd(80)),
      (inputs, columns, rows, connections) => {
        const shown = new Desk(snapshotOf(connections), { columns, rows });
        for (const input of inputs) {
          shown.press(input);
          expect(shown.frame.lines).toHaveLength(rows);
          for (const line of shown.frame.lines) expect(displayWidth(lineText(line))).toBe(columns);
        }
        shown.refresh(snapshotOf(connections.slice(2)));
        expect(shown.frame.lines).toHaveLength(rows);
      },
    ),
    { numRuns: 60 },
  );
});

describe("very many connections", () => {
  /** Connections that count how often their round-trip times are read. */
  function counting(count: number) {
    const reads = { count: 0 };
    const connections = crowd(count).map((connection) => ({
      ...connection,
      get tcp() {
        reads.count++;
        return connection.tcp;
      },
    }));
    return { reads, connections };
  }

  test("a key that only moves reads those on the screen, one that sorts each once besides", () => {
    const { reads, connections } = counting(10_000);
    const shown = new Desk(snapshotOf(connections), SIZE).press("down");
    reads.count = 0;
    shown.press("down", "pagedown", "end", "home");
    expect(reads.count).toBe(4 * shown.frame.lines.filter((line) => /worker/.test(lineText(line))).length);
    const onScreen = reads.count / 4;
    reads.count = 0;
    shown.press("t");
    expect(reads.count).toBe(10_000 + onScreen);
  });
});
