/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP connections that found the table full. Each is counted once, when it is turned away, and stays away
 * until its end, which adds the payload that is missing.
 */
#ifndef TCPTOP_TCP_UNTRACKED_H
#define TCPTOP_TCP_UNTRACKED_H

#include "tcp-stream.h"

/* Where the payload that is missing begins, in the socket's own 64-bit counts. */
struct untracked {
	__u64 origin_in;
	__u64 origin_out;
	bool sent; /* what it sent is counted: its state is CLOSE */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct untracked);
} tcp_untracked SEC(".maps");

/* Some found this table full too: from then on they are counted at their ends, a SYN or FIN too much. */
bool untracked_overflowed;

static __always_inline struct untracked *find_untracked(const struct sock *sk)
{
	__u64 key = (__u64)sk;

	return losses.flows_untracked ? bpf_map_lookup_elem(&tcp_untracked, &key) : NULL;
}

static __always_inline bool is_untracked(const struct sock *sk)
{
	return untracked_overflowed || find_untracked(sk);
}

static __noinline void leave_untracked(const struct sock *sk, __u64 origin_in, __u64 origin_out)
{
	struct untracked u = {.origin_in = origin_in, .origin_out = origin_out};
	__u64 key = (__u64)sk;
	long error = bpf_map_update_elem(&tcp_untracked, &key, &u, BPF_NOEXIST);

	if (!error)
		count(&losses.flows_untracked, 1);
	else if (error != -EEXIST)
		untracked_overflowed = true;
}

static __always_inline void forget_untracked(const struct sock *sk)
{
	__u64 key = (__u64)sk;

	bpf_map_delete_elem(&tcp_untracked, &key);
}

/* What was received may still be read afterwards. */
static __always_inline void count_received(struct untracked *u, const struct sock *sk)
{
	struct positions at = positions_in(sk, TCP_CLOSE, 0);
	__u64 offset = offset_in((const struct tcp_sock *)sk, at.copied_seq);

	/* tcp_disconnect() sets the counts to zero. */
	if ((__s64)(offset - u->origin_in) <= 0)
		return;
	count(&losses.bytes_untracked, offset - u->origin_in);
	u->origin_in = offset;
}

/* The change to CLOSE, after which nothing shows whether a FIN is in write_seq. */
static __noinline void untracked_closed(struct untracked *u, const struct sock *sk, __u8 from)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct positions at = positions_in(sk, from, BPF_CORE_READ(tp, write_seq));

	if (u->sent || !is_connected(from))
		return;
	u->sent = true;
	count(&losses.bytes_untracked, offset_out(tp, at.write_seq) - u->origin_out);
	count_received(u, sk);
}

/* The socket's end. */
static __noinline void untracked_destroyed(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct untracked *u = find_untracked(sk);
	__u64 received, acked;

	if (u) {
		count_received(u, sk);
		forget_untracked(sk);
	} else if (untracked_overflowed && BPF_CORE_READ(tp, segs_in) + BPF_CORE_READ(tp, segs_out)) {
		received = BPF_CORE_READ(tp, bytes_received);
		acked = BPF_CORE_READ(tp, bytes_acked);
		count(&losses.flows_untracked, 1);
		count(&losses.bytes_untracked, received + acked);
	}
}

#endif
