/** Which unit of systemd a control group belongs to, told from its path. */

const UNIT = /^[^/]+\.(?:service|scope|socket|mount|swap|automount|timer|path)$/;
const USER_MANAGER = /^user@\d+\.service$/;

/** systemd writes an underscore in front of names that could be taken for the kernel's own files. */
function unescaped(name: string): string {
  return name.startsWith("_") ? name.slice(1) : name;
}

/** The first unit below slices, and the names that follow it. */
function firstUnit(names: readonly string[]): { readonly unit: string; readonly rest: string[] } | null {
  const at = names.findIndex((name) => !name.endsWith(".slice"));
  const unit = unescaped(names[at] ?? "");
  return UNIT.test(unit) ? { unit, rest: names.slice(at + 1) } : null;
}

/**
 * The unit that manages the processes of a control group: the first one below slices, or below a user's manager the
 * first one of that user. Groups further down are made by who was given them, so their names say nothing. null: none.
 */
export function unitOf(path: string): string | null {
  const found = firstUnit(path.split("/").filter((name) => name !== ""));
  if (found === null || !USER_MANAGER.test(found.unit)) return found?.unit ?? null;
  return firstUnit(found.rest)?.unit ?? found.unit;
}
