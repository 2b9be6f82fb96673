// Generated from the BTF of bpf/flows/wire.h by `npm run gen:layout`; do not edit.

export const LENS = 1;

export const ABI = 3;

/** Byte offsets in `struct flows_record`. */
export const RECORD = {
  size: 192,
  id: 16,
  opened_ns: 24,
  active_ns: 32,
  bytes_in: 40,
  bytes_out: 48,
  packets_in: 56,
  packets_out: 64,
  bytes_retrans: 72,
  cgroup_id: 80,
  srtt_us: 88,
  rttvar_us: 92,
  min_rtt_us: 96,
  retransmits: 100,
  snd_cwnd: 104,
  pid: 108,
  uid: 112,
  netns: 116,
  local_address: 120,
  remote_address: 136,
  local_port: 152,
  remote_port: 154,
  proto: 156,
  state: 157,
  reserved: 158,
  flags: 160,
  inode: 164,
  process: 168,
  process_start_ns: 184,
} as const;

/** Offset, bytes and kind (u: number, b: bytes, s: text) of the fields of `struct flows_record`. */
export const RECORD_FIELDS = {
  id: [16, 8, "u"],
  opened_ns: [24, 8, "u"],
  active_ns: [32, 8, "u"],
  bytes_in: [40, 8, "u"],
  bytes_out: [48, 8, "u"],
  packets_in: [56, 8, "u"],
  packets_out: [64, 8, "u"],
  bytes_retrans: [72, 8, "u"],
  cgroup_id: [80, 8, "u"],
  srtt_us: [88, 4, "u"],
  rttvar_us: [92, 4, "u"],
  min_rtt_us: [96, 4, "u"],
  retransmits: [100, 4, "u"],
  snd_cwnd: [104, 4, "u"],
  pid: [108, 4, "u"],
  uid: [112, 4, "u"],
  netns: [116, 4, "u"],
  local_address: [120, 16, "b"],
  remote_address: [136, 16, "b"],
  local_port: [152, 2, "u"],
  remote_port: [154, 2, "u"],
  proto: [156, 1, "u"],
  state: [157, 1, "u"],
  reserved: [158, 2, "u"],
  flags: [160, 4, "u"],
  inode: [164, 4, "u"],
  process: [168, 16, "s"],
  process_start_ns: [184, 8, "u"],
} as const;

/** Byte offsets in `struct flows_owner`. */
export const OWNER = {
  size: 48,
  inode: 0,
  cgroup_id: 8,
  pid: 16,
  uid: 20,
  process: 24,
  process_start_ns: 40,
} as const;

/** Byte offsets in `struct flows_losses`. */
export const LOSSES = {
  size: 48,
  flows_untracked: 0,
  bytes_untracked: 8,
  datagrams_untracked: 16,
  records_deferred: 24,
  closes_lost: 32,
  datagrams_uncorrected: 40,
} as const;
