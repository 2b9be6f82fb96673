/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP accounting by looking at stream positions.
 *
 * A socket keeps the sequence number up to which the program has written (write_seq) and read
 * (copied_seq). Every hook is only a moment to look: the 32-bit position extends a 64-bit total that
 * is derived from it, so two looks at once can never count a byte twice, and a look that comes late
 * is made up for by the next. tcptop's own sweep looks too, so a quiet flow is always exact.
 *
 * The table's key is the socket's address. An entry lives from first sight to tcp_destroy_sock, when
 * no program can use the socket any more: nothing can hold a pointer to an entry that is deleted and
 * at once taken by another socket. A close that found the ring buffer full waits under the flow's id,
 * which is never a kernel address.
 */
#ifndef TCPTOP_TCP_H
#define TCPTOP_TCP_H

#include "account.h"

/* What differs when anything has moved on a connection. */
struct marks {
	__u32 write_seq;
	__u32 copied_seq;
	__u32 segs_in;
	__u32 segs_out;
	__u32 state;
};

struct tcp_flow {
	/* What every look touches, in as few cache lines as can be; the record is filled in from it. */
	__u64 bytes_in;
	__u64 bytes_out;
	__u32 base_out; /* write_seq and copied_seq of the first byte that counts */
	__u32 base_in;
	__u64 read_ticks; /* when user space last got its totals */
	struct process owner;
	bool based;	/* base_out and base_in are known */
	bool closed;	/* state is CLOSE; what was received may still be read */
	bool finished;	/* the close waits for delivery by a sweep */
	bool delivered; /* the close is in user space's hands */
	bool dirty;	/* an event was deferred */
	bool dead;	/* being deleted */

	struct tcptop_record r;
	__u32 segs_out; /* segs_out and segs_in up to which packets are counted */
	__u32 segs_in;
	struct marks swept; /* what the last sweep saw */
	__u32 sought_by;    /* number of the walk that looks for the owner; 0: no file may stand for the socket yet */
	__u64 origin_in;    /* where base_in and base_out stand in the socket's own 64-bit counts */
	__u64 origin_out;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tcp_flow);
} tcp_flows SEC(".maps");

/* The fields that tell how far a stream has come. */
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
 * Where the streams stand if the socket is in `state`. A FIN of its own is in write_seq and is no byte;
 * a moment too early, between the state change and the FIN, this is one byte late, which the next look
 * mends.
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

/* write_seq is read before the state: it is then never past a FIN that the state does not tell of. */
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
	};
}

static __always_inline bool is_same_marks(const struct marks *a, const struct marks *b)
{
	return a->write_seq == b->write_seq && a->copied_seq == b->copied_seq && a->segs_in == b->segs_in &&
	       a->segs_out == b->segs_out && a->state == b->state;
}

/* `total` bytes past `base`, extended to `position`; a position behind it is a late look. */
static __always_inline __u64 extended(__u64 total, __u32 base, __u32 position)
{
	__s32 d = position - (base + (__u32)total);

	return d > 0 ? total + d : total;
}

/* Returns whether anything moved. What a closed socket has sent can only be told by its close. */
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
 * Offsets in the stream by the socket's 64-bit counters (RFC 4898): bytes_received grows with rcv_nxt,
 * bytes_acked with snd_una. Read without the socket's lock they may be off by what is just arriving,
 * so they only tell which of the totals that fit a 32-bit position is meant.
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

/*
 * tcp_disconnect() moves copied_seq over what was never read and clears the remote port: the positions
 * then say nothing.
 */
static __always_inline bool was_disconnected(const struct tcp_flow *f, const struct sock *sk)
{
	return f->closed && !remote_port(sk);
}

static __always_inline void set_origin(struct tcp_flow *f, const struct tcp_sock *tp)
{
	f->origin_in = offset_in(tp, f->base_in);
	f->origin_out = offset_out(tp, f->base_out);
	f->based = true;
}

/*
 * Base positions of a connection seen from its birth. The first byte received stands bytes_received
 * before rcv_nxt; the first byte sent bytes_acked before snd_una, where the side that connected
 * counts its SYN as acknowledged too. This holds for data that travelled with the SYN (TCP Fast Open)
 * and does not depend on what was written or read before this look.
 */
static __always_inline void base_at_birth(struct tcp_flow *f, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	f->base_in = BPF_CORE_READ(tp, rcv_nxt) - (__u32)BPF_CORE_READ(tp, bytes_received);
	f->base_out = BPF_CORE_READ(tp, snd_una) - (__u32)BPF_CORE_READ(tp, bytes_acked);
	if (f->r.flags & TCPTOP_FLAG_ACTIVE)
		f->base_out++;
	set_origin(f, tp);
}

/*
 * A connection whose change to ESTABLISHED was missed is based at the first look afterwards. The kernel
 * skips a program that it would run on top of itself, in an interrupt (recursion_misses).
 */
static __always_inline bool find_base(struct tcp_flow *f, const struct sock *sk, __u8 state)
{
	if (!f->based && is_connected(state))
		base_at_birth(f, sk);
	return f->based;
}

/*
 * The look of sweeps and state changes: exact however much moved since the last one, where a look on
 * the data path must come before another 2 GB.
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
 * connect() fills the tuple step by step and close() clears it, the remote port first: while that is
 * there the socket is asked, afterwards what is known stays. A sweep's copy of an entry may hold a
 * port without its addresses, so nothing is concluded from what is there.
 */
static __always_inline void read_tuple(struct tcptop_record *r, const struct sock *sk)
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
static __always_inline void read_inode(struct tcptop_record *r, const struct sock *sk)
{
	__u32 inode = inode_of(sk);

	if (inode)
		r->inode = inode;
}

/* tcp_get_info() is the source of the shifts. */
static __always_inline void read_metrics(struct tcptop_record *r, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u32 srtt = BPF_CORE_READ(tp, srtt_us), min_rtt = BPF_CORE_READ(tp, rtt_min.s[0].v);

	r->retransmits = BPF_CORE_READ(tp, total_retrans);
	r->bytes_retrans = BPF_CORE_READ(tp, bytes_retrans);
	if (srtt) {
		r->srtt_us = srtt >> 3;
		r->rttvar_us = BPF_CORE_READ(tp, mdev_us) >> 2;
		r->snd_cwnd = BPF_CORE_READ(tp, snd_cwnd);
		r->flags |= TCPTOP_FLAG_TIMED;
	}
	if (min_rtt != ~0u) {
		r->min_rtt_us = min_rtt;
		r->flags |= TCPTOP_FLAG_MIN_RTT;
	}
}

/* Segment counters wrap at 2^32; a sweep or a sample extends them long before. */
static __always_inline void read_packets(struct tcp_flow *f, const struct sock *sk)
{
	__u32 in = BPF_CORE_READ((const struct tcp_sock *)sk, segs_in);
	__u32 out = BPF_CORE_READ((const struct tcp_sock *)sk, segs_out);
	__s32 more;

	more = in - f->segs_in;
	if (more > 0) {
		f->r.packets_in += more;
		f->segs_in = in;
	}
	more = out - f->segs_out;
	if (more > 0) {
		f->r.packets_out += more;
		f->segs_out = out;
	}
}

/* Brings the entry's record up to date with the totals and with the socket. */
static __noinline void refresh_record(struct tcp_flow *f, const struct sock *sk)
{
	f->r.bytes_in = f->bytes_in;
	f->r.bytes_out = f->bytes_out;
	read_tuple(&f->r, sk);
	read_inode(&f->r, sk);
	read_metrics(&f->r, sk);
	read_packets(f, sk);
}

static __noinline bool emit_tcp(struct tcp_flow *f, __u8 kind)
{
	struct tcptop_record *out = reserve_event(kind);

	if (!out) {
		f->dirty = true;
		return false;
	}
	__builtin_memcpy(out, &f->r, sizeof(*out));
	out->time_ns = bpf_ktime_get_ns();
	out->kind = kind;
	f->read_ticks = ticks_now();
	submit_event(out);
	return true;
}

/* When the table was last found full. A socket without an entry tries again at most once a tick. */
__u64 tcp_full_ticks;

/*
 * Enters a flow, complete before anyone else can see it, and returns its entry: another processor's
 * if that was first, NULL if there is no room.
 */
static __always_inline struct tcp_flow *enter_tcp(const struct sock *sk, struct tcp_flow *f)
{
	__u64 key = (__u64)sk, now = bpf_ktime_get_ns();

	f->r.id = new_id(now);
	f->read_ticks = ticks_now();
	f->r.opened_ns = now;
	f->r.version = TCPTOP_WIRE_VERSION;
	f->r.proto = IPPROTO_TCP;
	f->r.netns = netns_of(sk);
	bpf_map_update_elem(&tcp_flows, &key, f, BPF_NOEXIST);
	f = bpf_map_lookup_elem(&tcp_flows, &key);
	if (!f)
		tcp_full_ticks = ticks_now();
	return f;
}

/* As enter_tcp(), for a flow that is met once: without room it is lost, and counted. */
static __always_inline struct tcp_flow *enter_tcp_or_lose(const struct sock *sk, struct tcp_flow *f)
{
	f = enter_tcp(sk, f);
	if (!f)
		count(&losses.flows_untracked, 1);
	return f;
}

/* connect() has begun; there are no positions yet. */
static __noinline struct tcp_flow *begin_connect(const struct sock *sk)
{
	struct tcp_flow f = {.r.flags = TCPTOP_FLAG_ACTIVE, .r.state = TCP_SYN_SENT, .dirty = true};

	return enter_tcp_or_lose(sk, &f);
}

/* A connection that came in, or whose connect() was missed (ACTIVE). */
static __noinline struct tcp_flow *begin_established(const struct sock *sk, __u32 flags)
{
	struct tcp_flow f = {.r.state = TCP_ESTABLISHED, .r.flags = flags};

	base_at_birth(&f, sk);
	return enter_tcp_or_lose(sk, &f);
}

/*
 * First sight of a socket that is older than the capture, or found no room before. `out` and `in` are
 * the bytes that the call under way has moved: they count, nothing earlier does. A server's TCP Fast
 * Open socket exchanges data in SYN_RECV: that one is seen from its birth.
 */
static __noinline struct tcp_flow *adopt_tcp(const struct sock *sk, __u32 out, __u32 in)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	struct tcp_flow f = {.r.state = state, .dirty = true};
	struct tcp_flow *entered;

	if (tcp_full_ticks == ticks_now())
		return NULL;
	if (state == TCP_SYN_RECV) {
		base_at_birth(&f, sk);
	} else if (is_connected(state)) {
		struct positions at = read_positions(sk);

		f.r.flags = TCPTOP_FLAG_PARTIAL;
		f.base_out = at.write_seq - out;
		f.base_in = at.copied_seq - in;
		f.segs_out = BPF_CORE_READ((const struct tcp_sock *)sk, segs_out);
		f.segs_in = BPF_CORE_READ((const struct tcp_sock *)sk, segs_in);
		set_origin(&f, (const struct tcp_sock *)sk);
	} else {
		return NULL;
	}
	entered = enter_tcp(sk, &f);
	/* What it moved while there was no room for it. */
	if (entered && losses.flows_untracked)
		count(&losses.bytes_untracked, f.origin_in + f.origin_out);
	return entered;
}

/* Everything that was received has been read: no more bytes can come to a closed flow. */
static __always_inline bool is_drained(const struct tcp_flow *f, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	unsigned long skc_flags = BPF_CORE_READ(sk, __sk_common.skc_flags);
	__u32 end = BPF_CORE_READ(tp, rcv_nxt);

	if (!f->based || (skc_flags & (1ul << SOCK_DEAD)))
		return true;
	if (skc_flags & (1ul << SOCK_DONE))
		end--;
	return end == f->base_in + (__u32)f->bytes_in;
}

/* Delivers the close once; the entry stays until the socket is destroyed. */
static __noinline void finish_tcp(struct tcp_flow *f, const struct sock *sk)
{
	refresh_record(f, sk);
	if (emit_tcp(f, TCPTOP_KIND_CLOSE))
		f->delivered = true;
	else
		f->finished = true;
}

/* After a look in process context: a program that reads what a closed connection left behind. */
static __always_inline void look_after_close(struct tcp_flow *f, const struct sock *sk)
{
	if (f->closed && !f->delivered && !f->finished && is_drained(f, sk))
		finish_tcp(f, sk);
}

static __noinline void own_tcp_by(struct tcp_flow *f, const struct task_struct *task)
{
	set_owner(&f->r, &f->owner, task);
}

static __noinline void change_owner(struct tcp_flow *f, const struct sock *sk)
{
	own_tcp_by(f, (struct task_struct *)bpf_get_current_task());
	if (f->based) {
		refresh_record(f, sk);
		emit_tcp(f, TCPTOP_KIND_OWNER);
	}
}

static __noinline void sample_tcp(struct tcp_flow *f, const struct sock *sk)
{
	refresh_record(f, sk);
	f->r.active_ns = bpf_ktime_get_ns();
	emit_tcp(f, TCPTOP_KIND_SAMPLE);
}

/* Current task is the socket's user. */
static __always_inline void own_tcp(struct tcp_flow *f, const struct sock *sk)
{
	struct process p;

	current_process(&p);
	if (!is_same(&f->owner, &p))
		change_owner(f, sk);
}

static __always_inline struct tcp_flow *find_tcp(const struct sock *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&tcp_flows, &key);
}

/* Kernels without Multipath TCP have no offsets for what follows. */
static __always_inline bool has_multipath(void)
{
	return bpf_core_field_exists(((struct mptcp_sock *)0)->conn_list);
}

/* Of a Multipath TCP socket's subflows, so many are looked at. */
#define MOST_SUBFLOWS 8

/*
 * The next TCP socket under a Multipath TCP socket, NULL after the last. `at`: where the walk stands, NULL
 * before the first. The list may change meanwhile, and what is no subflow of this socket any more ends the walk.
 */
static __always_inline struct sock *next_subflow(const struct sock *sk, struct list_head **at)
{
	struct mptcp_sock *multipath = (struct mptcp_sock *)sk;
	struct mptcp_subflow_context *subflow;
	struct list_head *head;

	/* Keeps the offsets behind has_multipath(). */
	barrier_var(multipath);
	head = __builtin_preserve_access_index(&multipath->conn_list);
	*at = *at ? BPF_CORE_READ(*at, next) : BPF_CORE_READ(head, next);
	if (!*at || *at == head)
		return NULL;
	subflow = (void *)*at - bpf_core_field_offset(struct mptcp_subflow_context, node);
	return BPF_CORE_READ(subflow, conn) == sk ? BPF_CORE_READ(subflow, tcp_sock) : NULL;
}

/* A call by a Multipath TCP socket's user, who owns the subflows. */
static __always_inline void multipath_called(const struct sock *sk)
{
	struct list_head *at = NULL;

	for (int i = 0; i < MOST_SUBFLOWS; i++) {
		struct sock *subflow = next_subflow(sk, &at);
		struct tcp_flow *f;

		if (!subflow)
			break;
		f = find_tcp(subflow);
		if (f)
			own_tcp(f, subflow);
	}
}

/* A look from a hook on the data path. `mine`: the current task is the socket's user. */
static __always_inline void observe_tcp(struct tcp_flow *f, const struct sock *sk, const struct positions *at,
					bool mine)
{
	if (find_base(f, sk, at->state) && !was_disconnected(f, sk) && look(f, at) &&
	    ticks_now() - f->read_ticks > sample_ticks)
		sample_tcp(f, sk);
	if (mine)
		own_tcp(f, sk);
	look_after_close(f, sk);
}

/* A send or receive call by the socket's user. `out` and `in`: what it has moved, at its end; see adopt_tcp(). */
static __always_inline void tcp_called(const struct sock *sk, const struct positions *at, __u32 out, __u32 in)
{
	struct tcp_flow *f = find_tcp(sk);

	if (!f)
		f = adopt_tcp(sk, out, in);
	if (f)
		observe_tcp(f, sk, at, true);
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
 * Takes a flow off its socket's address and parks its close under the flow's id; where the table is full,
 * in the room that the deleted entry leaves. That entry may be another flow's at once, so what is parked
 * is a copy.
 */
static __noinline void park_tcp(struct tcp_flow *f, __u64 key)
{
	struct tcp_flow copy;
	bool parked;
	__u64 id;

	__builtin_memcpy(&copy, f, sizeof(copy));
	copy.r.kind = TCPTOP_KIND_CLOSE;
	copy.r.time_ns = bpf_ktime_get_ns();
	id = copy.r.id;
	parked = !bpf_map_update_elem(&tcp_flows, &id, &copy, BPF_NOEXIST);
	bpf_map_delete_elem(&tcp_flows, &key);
	if (!parked && bpf_map_update_elem(&tcp_flows, &id, &copy, BPF_NOEXIST))
		count(&losses.closes_lost, 1);
}

/* Takes a flow off its socket's address. A close that the ring buffer had no room for is parked. */
static __noinline void retire_tcp(struct tcp_flow *f, const struct sock *sk)
{
	__u64 key = (__u64)sk;
	bool has_room = f->delivered || emit_tcp(f, TCPTOP_KIND_CLOSE);

	f->dead = true;
	if (has_room)
		bpf_map_delete_elem(&tcp_flows, &key);
	else
		park_tcp(f, key);
}

/*
 * inet_sock_set_state: the last or only moment for several looks. It also runs in softirq, where the
 * current task is a stranger; whoever holds the socket's lock (sk_lock.owned) is in process context.
 * At the change to FIN_WAIT1 or LAST_ACK the FIN is not in write_seq yet.
 */
static __always_inline void tcp_state_changed(struct sock *sk, int from, int to)
{
	bool mine = BPF_CORE_READ(sk, sk_lock.owned);
	struct tcp_flow *f = find_tcp(sk);
	struct positions at;

	if (to == TCP_SYN_SENT) {
		/* An entry is here when the socket connects again after connect(AF_UNSPEC). */
		if (f)
			retire_tcp(f, sk);
		f = begin_connect(sk);
		if (f && mine)
			own_tcp_by(f, (struct task_struct *)bpf_get_current_task());
		return;
	}
	if (to == TCP_ESTABLISHED && (from == TCP_SYN_SENT || from == TCP_SYN_RECV)) {
		/* The end of the socket that had this address before was missed. */
		if (f && f->r.state != TCP_SYN_SENT && f->r.state != TCP_SYN_RECV) {
			retire_tcp(f, sk);
			f = NULL;
		}
		if (!f)
			f = begin_established(sk, from == TCP_SYN_SENT ? TCPTOP_FLAG_ACTIVE : 0);
		if (!f)
			return;
		if (!f->based)
			base_at_birth(f, sk);
		f->r.state = to;
		refresh_record(f, sk);
		emit_tcp(f, TCPTOP_KIND_OPEN);
		return;
	}
	if (!f) {
		if (!is_connected(from))
			return;
		f = adopt_tcp(sk, 0, 0);
		if (!f)
			return;
	}
	if (f->delivered)
		return;
	at = positions_in(sk, from, BPF_CORE_READ((const struct tcp_sock *)sk, write_seq));
	look_from_afar(f, sk, &at);
	f->r.state = to;
	if (mine && !(f->r.flags & TCPTOP_FLAG_OWNED))
		own_tcp_by(f, (struct task_struct *)bpf_get_current_task());
	if (to == TCP_CLOSE) {
		f->closed = true;
		if (is_drained(f, sk)) {
			finish_tcp(f, sk);
			return;
		}
	}
	refresh_record(f, sk);
	emit_tcp(f, TCPTOP_KIND_STATE);
}

/*
 * A connection that found the table full leaves its lifetime's payload, by the socket's own counters,
 * which count its SYN and FINs too.
 */
static __always_inline void count_untracked(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u64 received = BPF_CORE_READ(tp, bytes_received), acked = BPF_CORE_READ(tp, bytes_acked);

	if (losses.flows_untracked && received + acked)
		count(&losses.bytes_untracked, received + acked);
}

/* tcp_destroy_sock: nobody can use the socket from here on. */
static __always_inline void tcp_destroyed(struct sock *sk)
{
	struct tcp_flow *f = find_tcp(sk);

	if (!f) {
		count_untracked(sk);
		return;
	}
	if (!f->delivered) {
		/* Where the change to CLOSE was missed, the state before tells what is in write_seq. */
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
 * kernel, in another task (recursion_misses). What is seen once only is therefore looked at by two
 * programs: the second does what the first could not.
 */
static __always_inline void tcp_state_changed_again(struct sock *sk, int from, int to)
{
	struct tcp_flow *f = find_tcp(sk);

	if (f ? f->r.state != to : tcp_full_ticks != ticks_now())
		tcp_state_changed(sk, from, to);
}

static __always_inline void tcp_destroyed_again(struct sock *sk)
{
	if (find_tcp(sk))
		tcp_destroyed(sk);
}

#endif
