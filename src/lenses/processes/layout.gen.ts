// Generated from the BTF of bpf/processes/wire.h by `npm run gen:layout`; do not edit.

export const LENS = 2;

export const ABI = 1;

/** Byte offsets in `struct processes_record`. */
export const RECORD = {
  size: 120,
  start_ns: 16,
  parent_start_ns: 24,
  age_ns: 32,
  cgroup_id: 40,
  runtime_ns: 48,
  memory_bytes: 56,
  pid: 64,
  ppid: 68,
  uid: 72,
  status: 76,
  flags: 80,
  arguments_bytes: 82,
  executable_bytes: 84,
  directory_bytes: 86,
  process: 88,
  tty: 104,
} as const;

/** Offset, bytes and kind (u: number, b: bytes, s: text) of the fields of `struct processes_record`. */
export const RECORD_FIELDS = {
  start_ns: [16, 8, "u"],
  parent_start_ns: [24, 8, "u"],
  age_ns: [32, 8, "u"],
  cgroup_id: [40, 8, "u"],
  runtime_ns: [48, 8, "u"],
  memory_bytes: [56, 8, "u"],
  pid: [64, 4, "u"],
  ppid: [68, 4, "u"],
  uid: [72, 4, "u"],
  status: [76, 4, "u"],
  flags: [80, 2, "u"],
  arguments_bytes: [82, 2, "u"],
  executable_bytes: [84, 2, "u"],
  directory_bytes: [86, 2, "u"],
  process: [88, 16, "s"],
  tty: [104, 16, "s"],
} as const;

/** Byte offsets in `struct processes_losses`. */
export const LOSSES = {
  size: 40,
  forks_lost: 0,
  execs_lost: 8,
  exits_lost: 16,
  files_lost: 24,
  cgroups_deferred: 32,
} as const;

/** Byte offsets in `struct processes_cgroup`. */
export const CGROUP = {
  size: 32,
  id: 16,
  path_bytes: 24,
  is_cut: 26,
  reserved: 28,
} as const;

/** Byte offsets in `struct processes_file`. */
export const FILE = {
  size: 56,
  start_ns: 16,
  pid: 24,
  result: 28,
  open_flags: 32,
  path_bytes: 36,
  is_asked: 38,
  is_cut: 39,
  process: 40,
} as const;
