import { describe, expect, test } from "vitest";
import { unitOf } from "../../../../src/lenses/processes/unit.ts";

describe("the unit of a control group", () => {
  test.each([
    ["/", null],
    ["/system.slice", null],
    ["/system.slice/sshd.service", "sshd.service"],
    ["/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"],
    ["/system.slice/docker-0123.scope/init", "docker-0123.scope"],
    ["/user.slice/user-1000.slice/session-2.scope", "session-2.scope"],
    ["/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service", "editor.service"],
    ["/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope"],
    ["/user.slice/user-1000.slice/user@1000.service", "user@1000.service"],
    ["/system.slice/_hidden.service", "hidden.service"],
    // Names below a unit are its own to choose.
    ["/system.slice/web.service/sshd.service", "web.service"],
    ["/kubepods/pod1/sshd.service", null],
    ["/…/system.slice/sshd.service", null],
  ])("%s: %s", (path, unit) => {
    expect(unitOf(path)).toBe(unit);
  });
});
