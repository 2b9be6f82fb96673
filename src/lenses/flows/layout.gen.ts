// Generated from the BTF of bpf/wire.h by `npm run gen:layout`; do not edit.

export const WIRE_VERSION = 2;

/** Byte offsets in `struct tcptop_record`. */
export const RECORD = {
  size: 184,
  id: 0,
  time_ns: 8,
  opened_ns: 16,
  active_ns: 24,
  bytes_in: 32,
  bytes_out: 40,
  packets_in: 48,
  packets_out: 56,
  bytes_retrans: 64,
  cgroup_id: 72,
  srtt_us: 80,
  rttvar_us: 84,
  min_rtt_us: 88,
  retransmits: 92,
  snd_cwnd: 96,
  pid: 100,
  uid: 104,
  netns: 108,
  local_address: 112,
  remote_address: 128,
  local_port: 144,
  remote_port: 146,
  version: 148,
  kind: 149,
  proto: 150,
  state: 151,
  flags: 152,
  inode: 156,
  process: 160,
  process_start_ns: 176,
} as const;

/** Byte offsets in `struct tcptop_owner`. */
export const OWNER = {
  size: 48,
  inode: 0,
  cgroup_id: 8,
  pid: 16,
  uid: 20,
  process: 24,
  process_start_ns: 40,
} as const;

/** Byte offsets in `struct tcptop_losses`. */
export const LOSSES = {
  size: 48,
  flows_untracked: 0,
  bytes_untracked: 8,
  datagrams_untracked: 16,
  records_deferred: 24,
  closes_lost: 32,
  datagrams_uncorrected: 40,
} as const;
