// Generated from the BTF of bpf/record.h by `npm run gen:layout`; do not edit.

/** Byte offsets in `struct tcptop_head`. */
export const HEAD = {
  bytes: 16,
  size: 0,
  lens: 2,
  kind: 3,
  abi: 4,
  parts: 6,
  time_ns: 8,
} as const;
