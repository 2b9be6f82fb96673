import { describe, expect, it } from "vitest";
import { ExitError } from "../../../src/base/errors.ts";
import { chooseUser, confine, privilegesOf } from "../../../src/platform/linux/confinement.ts";

const USERS: Readonly<Record<string, { uid: number; gid: number }>> = {
  nobody: { uid: 65_534, gid: 65_533 },
  tcptop: { uid: 990, gid: 991 },
};
const native = { findUser: (name: string) => USERS[name] ?? null };
const SUDO = { SUDO_UID: "1000", SUDO_GID: "1001" };

describe("root becomes", () => {
  it.each([
    ["nobody", null, {}, USERS["nobody"]],
    ["who called sudo", null, SUDO, { uid: 1000, gid: 1001 }],
    ["the user that is named", "tcptop", SUDO, USERS["tcptop"]],
    ["nobody where root called sudo", null, { SUDO_UID: "0", SUDO_GID: "0" }, USERS["nobody"]],
    ["nobody where sudo says nonsense", null, { SUDO_UID: "-1", SUDO_GID: "x" }, USERS["nobody"]],
    ["nobody where sudo says half of it", null, { SUDO_UID: "1000" }, USERS["nobody"]],
  ])("%s", (_, name, environment, user) => {
    expect(chooseUser(native, name, { isRoot: true, environment })).toEqual(user);
  });

  it("the kernel's overflow user where there is no nobody", () => {
    const none = { findUser: () => null };
    expect(chooseUser(none, null, { isRoot: true, environment: {} })).toEqual({ uid: 65_534, gid: 65_534 });
  });

  it("no user that is not there", () => {
    const choose = () => chooseUser(native, "nemo", { isRoot: true, environment: {} });
    expect(choose).toThrow(new ExitError(64, "--user: there is no user 'nemo'"));
  });
});

describe("anybody else", () => {
  it("stays who they are, and cannot become another user", () => {
    const other = { isRoot: false, environment: SUDO };
    expect(chooseUser(native, null, other)).toBeNull();
    expect(() => chooseUser(native, "tcptop", other)).toThrow(
      new ExitError(64, "--user: only root can become another user"),
    );
  });
});

describe("what is in force", () => {
  const own = "Uid:\t990\t990\t990\t990\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
  const broker = "Uid:\t0\t0\t0\t0\nCapEff:\t0000008000000000\n";

  it("is read from /proc", () => {
    expect(privilegesOf(own, broker, { hasLandlock: true })).toEqual({
      uid: 990,
      capabilities: [],
      hasNoNewPrivs: true,
      hasLandlock: true,
      hasSeccomp: true,
      brokerCapabilities: ["CAP_BPF"],
    });
    expect(privilegesOf(broker, "", { hasLandlock: false })).toEqual({
      uid: 0,
      capabilities: ["CAP_BPF"],
      hasNoNewPrivs: false,
      hasLandlock: false,
      hasSeccomp: false,
      brokerCapabilities: [],
    });
    expect(privilegesOf("", "", { hasLandlock: false })).toBeNull();
  });

  it.each([
    [
      "the user that it cannot become",
      () => ({ hasUser: false, hasLandlock: true, hasSeccomp: true }),
      "it stays user 0, without capabilities: it may not become user 990 (CAP_SETUID, CAP_SETGID)",
    ],
    [
      "what fails",
      () => {
        throw new Error("a thread keeps its capabilities");
      },
      "could not be given up: a thread keeps its capabilities",
    ],
  ])("says %s", (_, done, reason) => {
    const user = { uid: 990, gid: 991 };
    const confined = confine({ confine: done }, { user, broker: process.pid });
    expect(confined.stepDowns).toEqual([{ backend: "privileges", reason }]);
  });
});
