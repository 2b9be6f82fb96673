/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of flows that cross from the kernel to user space, shared by the BPF programs and the addon.
 * A contract test compares this file's BTF with src/lenses/flows/layout.gen.ts.
 */
#ifndef FLOWS_WIRE_H
#define FLOWS_WIRE_H

#include "../record.h"

#define FLOWS_LENS 1

/* Goes up with every change to the structs below. Versions 1 and 2 had no head (src/lenses/flows/form.ts). */
#define FLOWS_ABI 3

enum flows_kind {
	FLOWS_KIND_OPEN = 1,   /* a flow was seen for the first time */
	FLOWS_KIND_STATE = 2,  /* its TCP state changed */
	FLOWS_KIND_OWNER = 3,  /* another process uses its socket now */
	FLOWS_KIND_SAMPLE = 4, /* it moves and has not been read for a while */
	FLOWS_KIND_CLOSE = 5,  /* it is over; the totals are final */
	FLOWS_KIND_TOTALS = 6, /* read by a sweep */
};

enum flows_flag {
	FLOWS_FLAG_PARTIAL = 1,	 /* older than the capture: its totals began at first sight */
	FLOWS_FLAG_OWNED = 2,	 /* pid, uid, cgroup_id and process are known */
	FLOWS_FLAG_ACTIVE = 4,	 /* this side connected */
	FLOWS_FLAG_TIMED = 8,	 /* srtt_us, rttvar_us and snd_cwnd are known */
	FLOWS_FLAG_MIN_RTT = 16, /* min_rtt_us is known */
	FLOWS_FLAG_SHARED = 32,	 /* several processes use the socket in turns; the owner is the last one */
	FLOWS_FLAG_ASSUMED = 64, /* nobody has used the socket yet: the owner is its listener, or holds it open */
};

/*
 * One flow at one moment. Totals count from first sight, so a later record of the same id never holds
 * a smaller one; a reader that gets records out of order keeps the larger.
 */
struct flows_record {
	struct tcptop_head head; /* kind is enum flows_kind */
	__u64 id;		 /* unique while the capture lasts: boot time of first sight and CPU */
	__u64 opened_ns;	 /* first sight, CLOCK_MONOTONIC */
	__u64 active_ns;	 /* last read that found something moved, CLOCK_MONOTONIC (UDP: last datagram) */
	__u64 bytes_in;		 /* payload handed to the program (UDP: datagrams delivered to the socket) */
	__u64 bytes_out;	 /* payload accepted from the program */
	__u64 packets_in;	 /* TCP segments, UDP datagrams, as on the wire */
	__u64 packets_out;
	__u64 bytes_retrans;	/* TCP payload sent again */
	__u64 cgroup_id;	/* the owner's cgroup v2 id */
	__u32 srtt_us;		/* smoothed round-trip time (RFC 6298) */
	__u32 rttvar_us;	/* its mean deviation, as tcp_info.tcpi_rttvar */
	__u32 min_rtt_us;	/* least round-trip time of the kernel's window (tcp_min_rtt) */
	__u32 retransmits;	/* segments sent again */
	__u32 snd_cwnd;		/* congestion window, segments */
	__u32 pid;		/* the owner's process (thread group), initial pid namespace */
	__u32 uid;		/* the owner's user, initial user namespace */
	__u32 netns;		/* inode number of the socket's network namespace */
	__u8 local_address[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u8 remote_address[16];
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 state; /* TCP_ESTABLISHED ... of the kernel's tcp_states.h; 0 for UDP */
	__u16 reserved;
	__u32 flags;		       /* enum flows_flag */
	__u32 inode;		       /* the socket's, as in /proc/net/tcp; 0 while it has none */
	char process[TCPTOP_COMM_LEN]; /* the owner's name: bytes up to a NUL, any bytes */
	__u64 process_start_ns;	       /* when the owner's process began, CLOCK_BOOTTIME; 0: unknown */
} TCPTOP_RECORD_OF(FLOWS_LENS, FLOWS_ABI);

/* One open socket and a process that holds it, read by a walk over the files of all processes. */
struct flows_owner {
	__u64 inode; /* of the socket, as in /proc/net/tcp and /proc/PID/fd */
	__u64 cgroup_id;
	__u32 pid;
	__u32 uid;
	char process[TCPTOP_COMM_LEN];
	__u64 process_start_ns; /* CLOCK_BOOTTIME */
} TCPTOP_LAYOUT;

/* What could not be counted or not in time; each only grows. */
struct flows_losses {
	__u64 flows_untracked;	     /* flows that found the table full */
	__u64 bytes_untracked;	     /* their payload, as far as it is known */
	__u64 datagrams_untracked;   /* UDP datagrams that belong to no flow in the table */
	__u64 records_deferred;	     /* no room in the ring buffer: the next sweep carries what they said */
	__u64 closes_lost;	     /* final totals that found room nowhere */
	__u64 datagrams_uncorrected; /* failed sends that could not be taken back */
} TCPTOP_LAYOUT;

#ifdef __cplusplus
#include <cstddef>
static_assert(sizeof(struct flows_record) == 192, "record size");
static_assert(offsetof(struct flows_record, srtt_us) == 88, "srtt_us");
static_assert(offsetof(struct flows_record, local_address) == 120, "local_address");
static_assert(offsetof(struct flows_record, local_port) == 152, "local_port");
static_assert(offsetof(struct flows_record, flags) == 160, "flags");
static_assert(offsetof(struct flows_record, process) == 168, "process");
static_assert(sizeof(struct flows_owner) == 48, "owner size");
static_assert(sizeof(struct flows_losses) == 48, "losses size");
#else
_Static_assert(sizeof(struct flows_record) == 192, "record size");
_Static_assert(sizeof(struct flows_owner) == 48, "owner size");
_Static_assert(sizeof(struct flows_losses) == 48, "losses size");
#endif

#endif
