/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP accounting by stream positions.
 *
 * A socket keeps the sequence number up to which the program has written (write_seq) and read
 * (copied_seq). Every hook reads these positions. A 32-bit position extends a 64-bit total, which is derived from
 * the position: two reads at once never count a byte twice, and the next read makes up for a late one. The sweep
 * reads the positions too, so a quiet flow is always exact.
 *
 * A close that found the ring buffer full waits in the table under the flow's id, which is never a kernel
 * address.
 */
#ifndef TCPTOP_TCP_H
#define TCPTOP_TCP_H

#include "tcp-flow.h"
#include "tcp-multipath.h"
#include "tcp-owner.h"
#include "tcp-untracked.h"

/* connect() has begun; there are no positions yet. */
static __noinline struct tcp_flow *begin_connect(const struct sock *sk)
{
	struct tcp_flow *f = draft_tcp(sk, TCP_SYN_SENT, FLOWS_FLAG_ACTIVE);

	if (f)
		f = enter_tcp(sk, f);
	if (!f)
		leave_untracked(sk, 0, 0);
	return f;
}

/* A connection that came in, or whose connect() was missed (ACTIVE). */
static __noinline struct tcp_flow *begin_established(const struct sock *sk, __u32 flags)
{
	struct tcp_flow *f = draft_tcp(sk, TCP_ESTABLISHED, flags);

	if (f) {
		base_at_birth(f, sk);
		f = enter_tcp(sk, f);
	}
	if (!f)
		leave_untracked(sk, 0, acked_syn(sk, flags));
	return f;
}

/*
 * First sight of a socket that is older than the capture. `out` and `in` are the bytes that the call under way
 * has moved: they count, nothing earlier does. A socket that is still connecting has moved nothing; a server's TCP
 * Fast Open socket exchanges data in SYN_RECV and is seen from its birth.
 */
static __noinline struct tcp_flow *adopt_tcp(const struct sock *sk, __u32 out, __u32 in)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct positions at = read_positions(sk);
	__u64 origin_in = 0, origin_out = 0;
	struct tcp_flow *f;

	if (read_kind(sk) != SOCKET_TCP || is_untracked(sk))
		return NULL;
	if (at.state == TCP_SYN_SENT) {
		f = draft_tcp(sk, at.state, FLOWS_FLAG_ACTIVE | FLOWS_FLAG_PARTIAL);
	} else if (at.state == TCP_SYN_RECV) {
		f = draft_tcp(sk, at.state, 0);
		if (f)
			base_at_birth(f, sk);
	} else if (is_connected(at.state)) {
		origin_out = offset_out(tp, at.write_seq - out);
		origin_in = offset_in(tp, at.copied_seq - in);
		f = draft_tcp(sk, at.state, FLOWS_FLAG_PARTIAL);
		if (f) {
			f->base_out = at.write_seq - out;
			f->base_in = at.copied_seq - in;
			f->origin_out = origin_out;
			f->origin_in = origin_in;
			f->base_segs_out = segs_out(sk);
			f->base_segs_in = segs_in(sk);
			f->based = true;
		}
	} else {
		return NULL;
	}
	if (f)
		f = enter_tcp(sk, f);
	if (!f)
		leave_untracked(sk, origin_in, origin_out);
	return f;
}

/*
 * Nothing more is to be known of a closed flow: everything that was received has been read, and somebody has used
 * the socket. What the peer resets before that waits for who accepts it, if only to close it.
 */
static __always_inline bool is_exhausted(const struct tcp_flow *f, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	unsigned long skc_flags = BPF_CORE_READ(sk, __sk_common.skc_flags);
	__u32 end = BPF_CORE_READ(tp, rcv_nxt);

	if (!f->based || (skc_flags & (1ul << SOCK_DEAD)))
		return true;
	if (f->owned_by != OWNED_BY_USER)
		return false;
	if (skc_flags & (1ul << SOCK_DONE))
		end--;
	return end == f->base_in + (__u32)f->bytes_in;
}

/* Delivers the close once; the entry stays until the socket is destroyed. */
static __noinline void finish_tcp(struct tcp_flow *f, const struct sock *sk)
{
	refresh_record(f, sk);
	if (emit_tcp(f, FLOWS_KIND_CLOSE))
		f->delivered = f->r.id;
	else
		f->finished = true;
}

/* After a read in process context: a program that reads what a closed connection left behind. */
static __always_inline void look_after_close(struct tcp_flow *f, const struct sock *sk)
{
	if (f->closed && !is_delivered(f) && !f->finished && is_exhausted(f, sk))
		finish_tcp(f, sk);
}

static __noinline void sample_tcp(struct tcp_flow *f, const struct sock *sk)
{
	refresh_record(f, sk);
	f->r.active_ns = bpf_ktime_get_ns();
	emit_tcp(f, FLOWS_KIND_SAMPLE);
}

/* A read by a hook on the data path. `mine`: the current task is the socket's user. */
static __always_inline void observe_tcp(struct tcp_flow *f, const struct sock *sk, const struct positions *at,
					bool mine)
{
	if (find_base(f, sk, at->state) && !was_disconnected(f, sk) && look(f, at) &&
	    ticks_now() - f->read_ticks > sample_ticks && ticks_now() - swept_last.ticks > sample_ticks)
		sample_tcp(f, sk);
	if (mine)
		own_tcp(f, sk);
	look_after_close(f, sk);
}

/* A sockmap's programs may hand what a socket sends to another socket's reader, past both streams. */
static __always_inline bool is_in_sockmap(const struct sock *sk)
{
	const struct sk_psock *psock;

	if (!bpf_core_field_exists(((struct sk_psock *)0)->sk))
		return false;
	/* The low bits are flags. */
	psock = (const struct sk_psock *)((__u64)BPF_CORE_READ(sk, sk_user_data) & ~7ull);
	return psock && BPF_CORE_READ(psock, sk) == sk;
}

/*
 * From here on calls are added up beside the streams. What moves by a call is then in both, what is redirected
 * only in the calls, and what moves without one only in the stream: the larger is right.
 */
static __noinline void map_flow(struct tcp_flow *f, const struct sock *sk, __u64 bytes_in, __u64 bytes_out)
{
	if (!is_in_sockmap(sk))
		return;
	f->claimed_in = bytes_in;
	f->claimed_out = bytes_out;
	f->mapped = true;
}

/* The end of a call that moved so many bytes. */
static __always_inline void tcp_call_moved(const struct sock *sk, const struct positions *at, __u32 out, __u32 in)
{
	struct tcp_flow *f = find_tcp(sk);
	__u64 bytes_in, bytes_out;

	if (!f)
		f = adopt_tcp(sk, out, in);
	if (!f)
		return;
	bytes_in = f->bytes_in;
	bytes_out = f->bytes_out;
	observe_tcp(f, sk, at, true);
	/* The stream moved less than the call says, or another thread's read has seen the bytes of this call. */
	if (!f->mapped && (f->bytes_out - bytes_out < out || f->bytes_in - bytes_in < in))
		map_flow(f, sk, bytes_in, bytes_out);
	if (f->mapped && out + in) {
		count(&f->claimed_out, out);
		count(&f->claimed_in, in);
		defer(f);
	}
}

/* The beginning of a send or receive call by the socket's user. */
static __always_inline void tcp_called(const struct sock *sk, const struct positions *at)
{
	struct tcp_flow *f = find_tcp(sk);

	if (!f)
		f = adopt_tcp(sk, 0, 0);
	if (f)
		observe_tcp(f, sk, at, true);
}

/* A send call on a socket in a sockmap begins; its positions have been read. */
static __always_inline void tcp_mapped_send(const struct sock *sk)
{
	struct tcp_flow *f = find_tcp(sk);

	if (f && !f->claims_out) {
		f->claimed_out = f->bytes_out;
		f->claims_out = true;
		f->mapped = true;
	}
}

/* It has ended. */
static __always_inline void tcp_mapped_sent(const struct sock *sk, int bytes)
{
	struct tcp_flow *f = find_tcp(sk);

	if (f && f->claims_out && bytes > 0) {
		count(&f->claimed_out, bytes);
		defer(f);
	}
}

/*
 * Bytes read from the messages that wait at a socket in a sockmap. Where the socket's own programs have put them
 * there, they came by its stream.
 */
static __always_inline void tcp_mapped_read(const struct sock *sk, const struct sk_psock *psock, int bytes)
{
	struct tcp_flow *f = find_tcp(sk);

	if (!f || bytes <= 0)
		return;
	own_tcp(f, sk);
	if (BPF_CORE_READ(psock, progs.skb_verdict))
		return;
	if (bpf_core_field_exists(((struct sk_psock_progs *)0)->stream_verdict) &&
	    BPF_CORE_READ(psock, progs.stream_verdict))
		return;
	count(&f->beside_in, bytes);
	f->mapped = true;
	defer(f);
}

/*
 * Something was read, by a call or without one: splice, or a data_ready callback in softirq, which
 * does not hold the socket's lock.
 */
static __always_inline void tcp_was_read(const struct sock *sk, const struct positions *at)
{
	struct tcp_flow *f = find_tcp(sk);

	if (f)
		observe_tcp(f, sk, at, BPF_CORE_READ(sk, sk_lock.owned));
}

/* accept() returns the socket to the current task. */
static __always_inline void tcp_accepted(const struct sock *sk)
{
	struct tcp_flow *f = find_tcp(sk);

	/* Other protocols accept by the same function. */
	if (!f && read_kind(sk) == SOCKET_TCP)
		f = adopt_tcp(sk, 0, 0);
	if (f)
		own_tcp(f, sk);
}

/*
 * Takes a flow off its socket's address and parks its close under the flow's id; where the table is full, in
 * the room that the deleted entry leaves.
 */
static __noinline void park_tcp(struct tcp_flow *f, __u64 key)
{
	__u64 id = f->r.id;
	bool parked;

	f->r.head.kind = FLOWS_KIND_CLOSE;
	f->r.head.time_ns = bpf_ktime_get_ns();
	if (!bpf_map_update_elem(&tcp_flows, &id, f, BPF_NOEXIST)) {
		bpf_map_delete_elem(&tcp_flows, &key);
		return;
	}
	parked = !bpf_map_update_elem(&tcp_drafts, &id, f, BPF_ANY);
	bpf_map_delete_elem(&tcp_flows, &key);
	f = bpf_map_lookup_elem(&tcp_drafts, &id);
	if (!parked || !f || bpf_map_update_elem(&tcp_flows, &id, f, BPF_NOEXIST))
		count(&losses.closes_lost, 1);
	bpf_map_delete_elem(&tcp_drafts, &id);
}

/* Takes a flow off its socket's address. A close that the ring buffer had no room for is parked. */
static __noinline void retire_tcp(struct tcp_flow *f, const struct sock *sk)
{
	__u64 key = (__u64)sk;

	if (is_delivered(f) || emit_tcp(f, FLOWS_KIND_CLOSE))
		bpf_map_delete_elem(&tcp_flows, &key);
	else
		park_tcp(f, key);
}

static __always_inline void tcp_connecting(const struct sock *sk, struct tcp_flow *f, bool mine)
{
	/* An entry is here when the socket connects again after connect(AF_UNSPEC). */
	if (f)
		retire_tcp(f, sk);
	else if (find_untracked(sk))
		forget_untracked(sk);
	f = begin_connect(sk);
	if (f && mine)
		own_silently(f, sk);
}

static __always_inline void tcp_established(const struct sock *sk, struct tcp_flow *f, int from)
{
	__u32 flags = from == TCP_SYN_SENT ? FLOWS_FLAG_ACTIVE : 0;
	struct untracked *u;

	/* The end of the socket that had this address before was missed. */
	if (f && f->r.state != TCP_SYN_SENT && f->r.state != TCP_SYN_RECV) {
		retire_tcp(f, sk);
		f = NULL;
	}
	if (!f) {
		u = find_untracked(sk);
		if (u) {
			u->origin_out = acked_syn(sk, flags);
			return;
		}
		f = begin_established(sk, flags);
	}
	if (!f)
		return;
	if (!f->based)
		base_at_birth(f, sk);
	f->r.state = TCP_ESTABLISHED;
	if (f->owned_by == OWNED_BY_NOBODY && !(f->r.flags & FLOWS_FLAG_ACTIVE))
		assume_listener(f, sk);
	refresh_record(f, sk);
	emit_tcp(f, FLOWS_KIND_OPEN);
}

/*
 * inet_sock_set_state: the last or only moment for several reads. The hook also runs in softirq, where the
 * current task is a stranger; whoever holds the socket's lock (sk_lock.owned) is in process context.
 * At the change to FIN_WAIT1 or LAST_ACK the FIN is not in write_seq yet.
 */
static __always_inline void tcp_state_changed(struct sock *sk, int from, int to)
{
	bool mine = BPF_CORE_READ(sk, sk_lock.owned);
	struct tcp_flow *f = find_tcp(sk);
	struct positions at;

	if (to == TCP_SYN_SENT) {
		tcp_connecting(sk, f, mine);
		return;
	}
	if (to == TCP_ESTABLISHED && (from == TCP_SYN_SENT || from == TCP_SYN_RECV)) {
		tcp_established(sk, f, from);
		return;
	}
	if (to == TCP_LISTEN) {
		remember_listener(sk, (const struct task_struct *)bpf_get_current_task());
		return;
	}
	if (!f) {
		struct untracked *u = find_untracked(sk);

		if (u && to == TCP_CLOSE)
			untracked_closed(u, sk, from);
		if (u || !is_connected(from))
			return;
		f = adopt_tcp(sk, 0, 0);
		if (!f)
			return;
	}
	if (is_delivered(f))
		return;
	at = positions_in(sk, from, BPF_CORE_READ((const struct tcp_sock *)sk, write_seq));
	look_from_afar(f, sk, &at);
	f->r.state = to;
	if (mine && f->owned_by != OWNED_BY_USER)
		own_silently(f, sk);
	if (to == TCP_CLOSE) {
		f->closed = true;
		if (is_exhausted(f, sk)) {
			finish_tcp(f, sk);
			return;
		}
	}
	refresh_record(f, sk);
	emit_tcp(f, FLOWS_KIND_STATE);
}

/* tcp_destroy_sock: nobody can use the socket from here on. */
static __always_inline void tcp_destroyed(struct sock *sk)
{
	struct tcp_flow *f = find_tcp(sk);

	if (!f) {
		untracked_destroyed(sk);
		return;
	}
	if (!is_delivered(f)) {
		/* close() by whoever accepted the socket. */
		if (f->owned_by != OWNED_BY_USER && BPF_CORE_READ(sk, sk_lock.owned))
			own_silently(f, sk);

		/* Where the change to CLOSE was missed, the state before decides whether a FIN is in write_seq. */
		struct positions at = positions_in(sk, f->closed ? TCP_CLOSE : f->r.state,
						   BPF_CORE_READ((const struct tcp_sock *)sk, write_seq));

		look_from_afar(f, sk, &at);
		f->r.state = TCP_CLOSE;
		refresh_record(f, sk);
	}
	retire_tcp(f, sk);
}

/*
 * The kernel skips a program where it would run on top of itself, in an interrupt or, on a preemptible
 * kernel, in another task (recursion_misses). Two programs therefore handle what happens once
 * only: the second does what the first could not.
 */
static __always_inline void tcp_state_changed_again(struct sock *sk, int from, int to)
{
	struct tcp_flow *f = find_tcp(sk);

	if (f ? f->r.state != to : !is_untracked(sk) || to == TCP_CLOSE)
		tcp_state_changed(sk, from, to);
}

static __always_inline void tcp_destroyed_again(struct sock *sk)
{
	if (find_tcp(sk) || find_untracked(sk))
		tcp_destroyed(sk);
}

#endif
