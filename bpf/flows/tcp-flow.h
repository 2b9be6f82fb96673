/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of TCP flows: an entry, how it is made, brought up to date and delivered.
 *
 * The key is the socket's address, and an entry lives until tcp_destroy_sock, when no program can use the
 * socket any more. An element of the table may be another flow's as soon as its entry is deleted, so what a
 * sweep writes into it carries the flow's id and means nothing to the next flow.
 */
#ifndef TCPTOP_TCP_FLOW_H
#define TCPTOP_TCP_FLOW_H

#include "tcp-stream.h"

/* How the owner is known; the better replaces the worse. */
enum owned_by {
	OWNED_BY_NOBODY,
	OWNED_BY_LISTENER, /* whose socket the connection came in by */
	OWNED_BY_HOLDER,   /* who has the socket open */
	OWNED_BY_USER,	   /* who used it last */
};

/* What the last sweep saw. Only sweeps write it. */
struct swept {
	__u64 id; /* of the flow that it is about */
	__u64 packets_in;
	__u64 packets_out;
	struct marks marks;
	__u32 deferred;
	__u32 sought_by; /* number of the walk that searches for the owner; 0: the socket may have no file yet */
};

struct tcp_flow {
	/* The fields of every read, in as few cache lines as possible; the record is filled in from them. */
	__u64 bytes_in; /* of the streams */
	__u64 bytes_out;
	__u32 base_out; /* write_seq and copied_seq of the first byte that counts */
	__u32 base_in;
	__u64 read_ticks; /* when an event last delivered its totals */
	struct process owner;
	bool based;    /* base_out and base_in are known */
	bool closed;   /* state is CLOSE; what was received may still be read */
	bool finished; /* the close waits for delivery by a sweep */
	bool mapped;   /* in a sockmap, which may lead its bytes past the streams */
	__u8 owned_by; /* enum owned_by */

	struct flows_record r;
	__u64 delivered; /* the flow's id once its close is in user space's hands */
	struct swept swept;
	__u64 origin_in; /* where base_in and base_out stand in the socket's own 64-bit counts */
	__u64 origin_out;
	__u64 claimed_in; /* what the calls of a mapped socket's user have moved, see claim_bytes() */
	__u64 claimed_out;
	__u64 beside_in;       /* what came past the stream */
	bool claims_out;       /* claimed_out has a beginning, see tcp_mapped_send() */
	__u64 owner_ticks;     /* when an OWNER event was last sent */
	__u64 former_start_ns; /* who used the socket before its owner, see change_owner() */
	__u32 former_pid;
	__u32 owner_changes;
	__u32 deferred;	    /* events that found no room; a sweep delivers what they said */
	__u32 base_segs_in; /* segs_in and segs_out of the first packet that counts */
	__u32 base_segs_out;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tcp_flow);
} tcp_flows SEC(".maps");

/*
 * Entries that are being filled in, or moved, by the flow's id. They are too large for the stack, and a
 * per-CPU buffer could be taken over by whoever interrupts its user.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, __u64);
	__type(value, struct tcp_flow);
} tcp_drafts SEC(".maps");

const volatile struct tcp_flow blank_flow = {};

/* When a sweep last ran. In a cache line of its own: every read of a busy flow uses it. */
struct {
	__u64 ticks;
	__u64 unused[7];
} swept_last __attribute__((aligned(64)));

static __always_inline struct tcp_flow *find_tcp(const struct sock *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&tcp_flows, &key);
}

static __always_inline bool is_delivered(const struct tcp_flow *f)
{
	return f->delivered == f->r.id;
}

/* Has the next sweep deliver the flow, whatever it sees. */
static __always_inline void defer(struct tcp_flow *f)
{
	__sync_fetch_and_add(&f->deferred, 1);
}

/* A new flow that nobody can see, to be filled in and passed to enter_tcp(). */
static __always_inline struct tcp_flow *draft_tcp(const struct sock *sk, __u8 state, __u32 flags)
{
	__u64 now = bpf_ktime_get_ns(), id = new_id(now);
	struct tcp_flow *f;

	if (bpf_map_update_elem(&tcp_drafts, &id, (const void *)&blank_flow, BPF_ANY))
		return NULL;
	f = bpf_map_lookup_elem(&tcp_drafts, &id);
	if (!f)
		return NULL;
	f->read_ticks = ticks_now();
	f->r.id = id;
	f->r.opened_ns = now;
	f->r.state = state;
	f->r.flags = flags;
	set_head(&f->r);
	f->r.proto = IPPROTO_TCP;
	f->r.netns = netns_of(sk);
	return f;
}

/* Returns the flow's entry: another processor's if that was first, NULL if there is no room. */
static __always_inline struct tcp_flow *enter_tcp(const struct sock *sk, struct tcp_flow *draft)
{
	__u64 key = (__u64)sk, id = draft->r.id;

	bpf_map_update_elem(&tcp_flows, &key, draft, BPF_NOEXIST);
	bpf_map_delete_elem(&tcp_drafts, &id);
	return bpf_map_lookup_elem(&tcp_flows, &key);
}

static __always_inline void set_origin(struct tcp_flow *f, const struct tcp_sock *tp)
{
	f->origin_in = offset_in(tp, f->base_in);
	f->origin_out = offset_out(tp, f->base_out);
	f->based = true;
}

/*
 * The SYN of the side that connects counts as acknowledged, once. A socket that is restored (TCP_REPAIR) has
 * sent none and has nothing acknowledged when it is established.
 */
static __always_inline __u32 acked_syn(const struct sock *sk, __u32 flags)
{
	return (flags & FLOWS_FLAG_ACTIVE) && BPF_CORE_READ((const struct tcp_sock *)sk, bytes_acked) ? 1 : 0;
}

/*
 * Base positions of a connection seen from its birth. The first byte received stands bytes_received
 * before rcv_nxt; the first byte sent bytes_acked before snd_una. This holds for data that travelled with
 * the SYN (TCP Fast Open) and does not depend on what was written or read before.
 */
static __always_inline void base_at_birth(struct tcp_flow *f, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	f->base_in = BPF_CORE_READ(tp, rcv_nxt) - (__u32)BPF_CORE_READ(tp, bytes_received);
	f->base_out = BPF_CORE_READ(tp, snd_una) - (__u32)BPF_CORE_READ(tp, bytes_acked) + acked_syn(sk, f->r.flags);
	set_origin(f, tp);
}

/*
 * A connection whose change to ESTABLISHED was missed gets its base at the first read afterwards. The kernel
 * skips a program that it would run on top of itself, in an interrupt (recursion_misses).
 */
static __always_inline bool find_base(struct tcp_flow *f, const struct sock *sk, __u8 state)
{
	if (!f->based && is_connected(state))
		base_at_birth(f, sk);
	return f->based;
}

/*
 * tcp_disconnect() moves copied_seq over what was never read and clears the remote port: the positions
 * then say nothing.
 */
static __always_inline bool was_disconnected(const struct tcp_flow *f, const struct sock *sk)
{
	return f->closed && !remote_port(sk);
}

/* Returns whether anything moved. The bytes that a closed socket has sent are known by its close alone. */
static __always_inline bool look(struct tcp_flow *f, const struct positions *at)
{
	bool moved = false;
	__u64 total;

	total = extended(f->bytes_in, f->base_in, at->copied_seq);
	if (total != f->bytes_in) {
		f->bytes_in = total;
		moved = true;
	}
	if (at->state != TCP_CLOSE) {
		total = extended(f->bytes_out, f->base_out, at->write_seq);
		if (total != f->bytes_out) {
			f->bytes_out = total;
			moved = true;
		}
	}
	return moved;
}

/*
 * The read of sweeps and state changes: exact however much moved since the last one. A read on the data path must
 * come before another 2 GB.
 */
static __noinline void look_from_afar(struct tcp_flow *f, const struct sock *sk, const struct positions *at)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	if (!find_base(f, sk, at->state) || was_disconnected(f, sk))
		return;
	f->bytes_in =
	    extended_near(f->bytes_in, offset_in(tp, at->copied_seq) - f->origin_in, f->base_in, at->copied_seq);
	if (at->state != TCP_CLOSE)
		f->bytes_out = extended_near(f->bytes_out, offset_out(tp, at->write_seq) - f->origin_out, f->base_out,
					     at->write_seq);
}

/*
 * connect() fills the tuple step by step, and close() clears it, the remote port first. While the socket has a
 * remote port the tuple is read from the socket; afterwards the record keeps the last one. A sweep's copy of an entry
 * may hold a port without its addresses, so the record's own tuple decides nothing.
 */
static __always_inline void read_tuple(struct flows_record *r, const struct sock *sk)
{
	__u16 port = remote_port(sk);

	if (!r->local_port)
		r->local_port = local_port(sk);
	if (!port)
		return;
	read_addresses(r->local_address, r->remote_address, sk);
	r->remote_port = port;
}

/* A socket that is closed has lost its inode; the number stays the flow's. */
static __always_inline void read_inode(struct flows_record *r, const struct sock *sk)
{
	__u32 inode = inode_of(sk);

	if (inode)
		r->inode = inode;
}

/* tcp_get_info() is the source of the shifts. */
static __always_inline void read_metrics(struct flows_record *r, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u32 srtt = BPF_CORE_READ(tp, srtt_us), min_rtt = BPF_CORE_READ(tp, rtt_min.s[0].v);

	r->retransmits = BPF_CORE_READ(tp, total_retrans);
	r->bytes_retrans = BPF_CORE_READ(tp, bytes_retrans);
	if (srtt) {
		r->srtt_us = srtt >> 3;
		r->rttvar_us = BPF_CORE_READ(tp, mdev_us) >> 2;
		r->snd_cwnd = BPF_CORE_READ(tp, snd_cwnd);
		r->flags |= FLOWS_FLAG_TIMED;
	}
	if (min_rtt != ~0u) {
		r->min_rtt_us = min_rtt;
		r->flags |= FLOWS_FLAG_MIN_RTT;
	}
}

static __always_inline __u32 segs_in(const struct sock *sk)
{
	return BPF_CORE_READ((const struct tcp_sock *)sk, segs_in) << segs_shift;
}

static __always_inline __u32 segs_out(const struct sock *sk)
{
	return BPF_CORE_READ((const struct tcp_sock *)sk, segs_out) << segs_shift;
}

/*
 * Segment counters wrap at 2^32. They are read at events and by sweeps, which may be all there is for a
 * long time: a reading starts from whichever came further.
 */
static __always_inline void read_packets(struct tcp_flow *f, const struct sock *sk)
{
	__u64 in = f->r.packets_in, out = f->r.packets_out;

	if (f->swept.id == f->r.id) {
		if (f->swept.packets_in > in)
			in = f->swept.packets_in;
		if (f->swept.packets_out > out)
			out = f->swept.packets_out;
	}
	f->r.packets_in = extended(in, f->base_segs_in, segs_in(sk));
	f->r.packets_out = extended(out, f->base_segs_out, segs_out(sk));
}

/* Brings the entry's record up to date with the totals and with the socket. */
static __noinline void refresh_record(struct tcp_flow *f, const struct sock *sk)
{
	f->r.bytes_in = f->bytes_in + f->beside_in;
	if (f->claimed_in > f->r.bytes_in)
		f->r.bytes_in = f->claimed_in;
	f->r.bytes_out = f->claimed_out > f->bytes_out ? f->claimed_out : f->bytes_out;
	read_tuple(&f->r, sk);
	read_inode(&f->r, sk);
	read_metrics(&f->r, sk);
	read_packets(f, sk);
}

/* Returns whether there was room. */
static __noinline bool emit_tcp(struct tcp_flow *f, __u8 kind)
{
	struct flows_record *out = reserve_event(kind);

	if (!out) {
		defer(f);
		return false;
	}
	__builtin_memcpy(out, &f->r, sizeof(*out));
	out->head.time_ns = bpf_ktime_get_ns();
	out->head.kind = kind;
	f->read_ticks = ticks_now();
	submit_event(out);
	return true;
}

#endif
