/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far the two streams of a TCP socket have come, read from the socket. */
#ifndef TCPTOP_TCP_STREAM_H
#define TCPTOP_TCP_STREAM_H

#include "account.h"

/* What differs when anything has moved on a connection. */
struct marks {
	__u32 write_seq;
	__u32 copied_seq;
	__u32 segs_in;
	__u32 segs_out;
	__u32 state;
};

/* The positions of both streams of a socket. */
struct positions {
	__u32 write_seq;
	__u32 copied_seq;
	__u8 state;
};

/* States of a socket that carries, or still may carry, a stream. */
static __always_inline bool is_connected(__u8 state)
{
	return (1u << state) & (1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 |
				1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING);
}

/* The FIN is in write_seq, or is just being put there. */
static __always_inline bool has_sent_fin(__u8 state)
{
	return (1u << state) & (1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSING | 1u << TCP_LAST_ACK);
}

/*
 * tcp_fin() has advanced rcv_nxt over the FIN before it sets SOCK_DONE, so a reader that stands at
 * rcv_nxt then has consumed the FIN, which is no byte.
 */
static __always_inline __u32 without_fin(__u32 copied_seq, __u32 rcv_nxt, unsigned long skc_flags)
{
	return (skc_flags & (1ul << SOCK_DONE)) && copied_seq == rcv_nxt ? copied_seq - 1 : copied_seq;
}

/*
 * The positions of a socket that is in `state`. Its own FIN is in write_seq and is not a byte. Between the state
 * change and the FIN the result is one byte behind; the next read corrects it.
 */
static __always_inline struct positions positions_in(const struct sock *sk, __u8 state, __u32 write_seq)
{
	__u32 copied_seq = BPF_CORE_READ((const struct tcp_sock *)sk, copied_seq);

	return (struct positions){
	    .write_seq = has_sent_fin(state) ? write_seq - 1 : write_seq,
	    .copied_seq = without_fin(copied_seq, BPF_CORE_READ((const struct tcp_sock *)sk, rcv_nxt),
				      BPF_CORE_READ(sk, __sk_common.skc_flags)),
	    .state = state,
	};
}

/* write_seq is read before the state, so it is never past a FIN that the state does not show. */
static __always_inline struct positions read_positions(const struct sock *sk)
{
	__u32 write_seq = BPF_CORE_READ((const struct tcp_sock *)sk, write_seq);

	return positions_in(sk, BPF_CORE_READ(sk, __sk_common.skc_state), write_seq);
}

/* The same by plain loads, for programs whose socket pointer the verifier knows; false if it is not TCP's. */
static __always_inline bool load_positions(struct sock *sk, struct positions *at)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp)
		return false;
	at->write_seq = *(volatile __u32 *)&tp->write_seq;
	at->state = *(volatile __u8 *)&sk->__sk_common.skc_state;
	if (has_sent_fin(at->state))
		at->write_seq--;
	at->copied_seq = *(volatile __u32 *)&tp->copied_seq;
	at->copied_seq = without_fin(at->copied_seq, tp->rcv_nxt, sk->__sk_common.skc_flags);
	return true;
}

static __always_inline struct marks read_marks(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	return (struct marks){
	    .write_seq = BPF_CORE_READ(tp, write_seq),
	    .copied_seq = BPF_CORE_READ(tp, copied_seq),
	    .segs_in = BPF_CORE_READ(tp, segs_in),
	    .segs_out = BPF_CORE_READ(tp, segs_out),
	    .state = BPF_CORE_READ(sk, __sk_common.skc_state),
	};
}

static __always_inline bool is_same_marks(const struct marks *a, const struct marks *b)
{
	return a->write_seq == b->write_seq && a->copied_seq == b->copied_seq && a->segs_in == b->segs_in &&
	       a->segs_out == b->segs_out && a->state == b->state;
}

/* `total` bytes past `base`, extended to `position`; a position behind it is from a late read. */
static __always_inline __u64 extended(__u64 total, __u32 base, __u32 position)
{
	__s32 d = position - (base + (__u32)total);

	return d > 0 ? total + d : total;
}

/*
 * Offsets in the stream by the socket's 64-bit counters (RFC 4898): bytes_received grows with rcv_nxt,
 * bytes_acked with snd_una. Read without the socket's lock they may be off by what is just arriving,
 * so they only select one of the totals that fit a 32-bit position.
 */
static __always_inline __u64 offset_in(const struct tcp_sock *tp, __u32 position)
{
	return BPF_CORE_READ(tp, bytes_received) - (__s32)(BPF_CORE_READ(tp, rcv_nxt) - position);
}

static __always_inline __u64 offset_out(const struct tcp_sock *tp, __u32 position)
{
	return BPF_CORE_READ(tp, bytes_acked) + (__s32)(position - BPF_CORE_READ(tp, snd_una));
}

/* The total nearest to `about` that fits `position`, never less than `total`. */
static __always_inline __u64 extended_near(__u64 total, __u64 about, __u32 base, __u32 position)
{
	__u64 near = about + (__s32)(position - base - (__u32)about);

	return (__s64)(near - total) > 0 ? near : total;
}

#endif
