/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP accounting by datagrams. A socket has no stream position, and one unconnected socket talks to
 * many peers, so each datagram is counted for its addresses when it is sent or delivered.
 *
 * A flow that was silent for udp_idle_ns is retired by the sweep: its totals are delivered as final
 * and become the base of the next flow with these addresses, so a datagram that arrives just then is
 * counted once, in one of the two. The entry is deleted after as much silence again.
 */
#ifndef TCPTOP_UDP_H
#define TCPTOP_UDP_H

#include "account.h"

struct udp_key {
	__u8 local_address[16];
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 netns;
};

enum direction {
	DIRECTION_IN,
	DIRECTION_OUT,
};

struct datagrams {
	__u64 bytes;
	__u32 packets;
	enum direction direction;
};

/* Counters of one flow; the record's own are filled in from them, less the base, when it is read. */
struct udp_totals {
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 packets_in;
	__u64 packets_out;
};

struct udp_flow {
	struct udp_totals seen;
	__u64 read_ticks;   /* when user space last got its totals */
	__u64 active_ticks; /* when the last datagram was counted */
	__u64 socket;	    /* whose owner is this flow's: cookie, see udp_owners */
	struct process owner;
	bool retired; /* closed; the next datagram begins another flow */
	bool dirty;   /* an event was deferred */

	struct tcptop_record r;
	struct udp_totals base; /* what earlier flows of this entry had */
	__u64 next_id;		/* of the flow that the next datagram begins once this one is retired */
	__u64 swept;		/* packets that the last sweep reported */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct udp_key);
	__type(value, struct udp_flow);
} udp_flows SEC(".maps");

struct udp_owner {
	struct process process;
	__u32 uid;
	__u64 cgroup_id;
};

/*
 * Owners of UDP sockets by socket cookie, for datagrams that are seen where the current task may be a
 * stranger. Cookies are never used again, so an entry may outlive its socket until it is evicted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct udp_owner);
} udp_owners SEC(".maps");

static __always_inline void udp_totals_since_base(const struct udp_flow *f, struct tcptop_record *r)
{
	r->bytes_in = f->seen.bytes_in - f->base.bytes_in;
	r->bytes_out = f->seen.bytes_out - f->base.bytes_out;
	r->packets_in = f->seen.packets_in - f->base.packets_in;
	r->packets_out = f->seen.packets_out - f->base.packets_out;
}

static __noinline void emit_udp(struct udp_flow *f, __u8 kind)
{
	struct tcptop_record *out = reserve_event(kind);

	if (!out) {
		f->dirty = true;
		return;
	}
	__builtin_memcpy(out, &f->r, sizeof(*out));
	udp_totals_since_base(f, out);
	out->time_ns = bpf_ktime_get_ns();
	out->active_ns = out->time_ns;
	out->kind = kind;
	f->read_ticks = ticks_now();
	submit_event(out);
}

/* Enters a flow, complete before anyone else can see it; NULL if there is no room. */
static __noinline struct udp_flow *enter_udp(const struct udp_key *key)
{
	__u64 now = bpf_ktime_get_ns();
	struct udp_flow f = {
	    .r.id = new_id(now),
	    .r.opened_ns = now,
	    .active_ticks = ticks_now(),
	    .r.local_port = key->local_port,
	    .r.remote_port = key->remote_port,
	    .r.netns = key->netns,
	    .r.version = TCPTOP_WIRE_VERSION,
	    .r.proto = IPPROTO_UDP,
	};

	__builtin_memcpy(f.r.local_address, key->local_address, 16);
	__builtin_memcpy(f.r.remote_address, key->remote_address, 16);
	bpf_map_update_elem(&udp_flows, key, &f, BPF_NOEXIST);
	return bpf_map_lookup_elem(&udp_flows, key);
}

/* The entry's next flow; two processors that do this at once do the same. */
static __always_inline void begin_next_udp(struct udp_flow *f)
{
	f->r.id = f->next_id;
	f->r.opened_ns = bpf_ktime_get_ns();
	f->retired = false;
}

/*
 * Counts datagrams. `socket` is the socket's cookie where the owner has to be joined by it, else 0;
 * `mine`: the current task is the socket's user.
 */
static __always_inline void count_datagrams(const struct udp_key *key, const struct datagrams *d, __u64 socket,
					    bool mine)
{
	struct udp_flow *f = bpf_map_lookup_elem(&udp_flows, key);
	bool opened = false;
	__u64 now;

	if (!f) {
		f = enter_udp(key);
		if (!f) {
			count(&losses.flows_untracked, 1);
			count(&losses.datagrams_untracked, d->packets);
			count(&losses.bytes_untracked, d->bytes);
			return;
		}
		opened = true;
	} else if (f->retired) {
		begin_next_udp(f);
		opened = true;
	}
	if (d->direction == DIRECTION_IN) {
		count(&f->seen.bytes_in, d->bytes);
		count(&f->seen.packets_in, d->packets);
	} else {
		count(&f->seen.bytes_out, d->bytes);
		count(&f->seen.packets_out, d->packets);
	}
	now = ticks_now();
	f->active_ticks = now;
	f->socket = socket;
	if (mine) {
		struct process p;

		current_process(&p);
		if (!is_same(&f->owner, &p)) {
			set_owner(&f->r, &f->owner, (struct task_struct *)bpf_get_current_task());
			if (!opened)
				emit_udp(f, TCPTOP_KIND_OWNER);
		}
	}
	if (opened)
		emit_udp(f, TCPTOP_KIND_OPEN);
	else if (now - f->read_ticks > sample_ticks)
		emit_udp(f, TCPTOP_KIND_SAMPLE);
}

/* Takes back what was counted for a send that then failed. */
static __always_inline void uncount_datagrams(const struct udp_key *key, const struct datagrams *d)
{
	struct udp_flow *f = bpf_map_lookup_elem(&udp_flows, key);

	if (!f) {
		count(&losses.datagrams_uncorrected, d->packets);
	} else if (d->direction == DIRECTION_IN) {
		__sync_fetch_and_add(&f->seen.bytes_in, -d->bytes);
		__sync_fetch_and_add(&f->seen.packets_in, -(__u64)d->packets);
	} else {
		__sync_fetch_and_add(&f->seen.bytes_out, -d->bytes);
		__sync_fetch_and_add(&f->seen.packets_out, -(__u64)d->packets);
	}
}

/* The current task is the user of the socket with this cookie. */
static __always_inline void own_udp(__u64 socket)
{
	struct udp_owner *known = bpf_map_lookup_elem(&udp_owners, &socket);
	struct udp_owner owner = {};
	struct process p;

	current_process(&p);
	if (known && is_same(&known->process, &p))
		return;
	task_identity((struct task_struct *)bpf_get_current_task(), &owner.process, &owner.uid, &owner.cgroup_id);
	bpf_map_update_elem(&udp_owners, &socket, &owner, BPF_ANY);
}

/* Segments of `bytes` of payload on the wire, when it travels in pieces of `gso_size`. */
static __always_inline __u32 segments(__u64 bytes, __u32 gso_size)
{
	return gso_size && bytes > gso_size ? (bytes + gso_size - 1) / gso_size : 1;
}

/*
 * The flow and size of a datagram from its packet, for kernel functions that are given one. Its
 * headers are still in front of the payload when it is received (the socket's reader takes the
 * sender's address from there). Sent: skb->data stands at the IP header; received: at the payload.
 */
static __always_inline bool read_datagram(const struct sk_buff *skb, const struct sock *sk, enum direction direction,
					  struct udp_key *key, struct datagrams *d)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	unsigned char *ip = head + BPF_CORE_READ(skb, network_header);
	unsigned char *udp = head + BPF_CORE_READ(skb, transport_header);
	__u8 *from = direction == DIRECTION_OUT ? key->local_address : key->remote_address;
	__u8 *to = direction == DIRECTION_OUT ? key->remote_address : key->local_address;
	unsigned short gso_size = 0;
	struct udp_header uh;
	__u8 version = 0;

	bpf_probe_read_kernel(&version, 1, ip);
	if (version >> 4 == 4) {
		struct ipv4_header h;

		if (bpf_probe_read_kernel(&h, sizeof(h), ip))
			return false;
		map_ipv4(from, h.saddr);
		map_ipv4(to, h.daddr);
	} else if (version >> 4 == 6) {
		bpf_probe_read_kernel(from, 16, ip + __builtin_offsetof(struct ipv6_header, saddr));
		bpf_probe_read_kernel(to, 16, ip + __builtin_offsetof(struct ipv6_header, daddr));
	} else {
		return false;
	}
	if (bpf_probe_read_kernel(&uh, sizeof(uh), udp))
		return false;
	key->local_port = bpf_ntohs(direction == DIRECTION_OUT ? uh.source : uh.dest);
	key->remote_port = bpf_ntohs(direction == DIRECTION_OUT ? uh.dest : uh.source);
	key->netns = netns_of(sk);

	d->direction = direction;
	d->bytes = BPF_CORE_READ(skb, len);
	if (direction == DIRECTION_OUT)
		d->bytes -= udp + sizeof(uh) - BPF_CORE_READ(skb, data);
	bpf_probe_read_kernel(&gso_size, sizeof(gso_size),
			      head + BPF_CORE_READ(skb, end) +
				  bpf_core_field_offset(((struct skb_shared_info *)0)->gso_size));
	d->packets = segments(d->bytes, gso_size);
	return true;
}

/* skb_consume_udp(): the socket's reader is done with a datagram; `len` is negative for MSG_PEEK. */
static __always_inline void udp_consumed(const struct sock *sk, const struct sk_buff *skb, int len)
{
	struct udp_key key;
	struct datagrams d;

	if (len < 0 || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_UDP)
		return;
	/* A peeked datagram of no bytes looks the same but is still in the queue. */
	if (len == 0 && BPF_CORE_READ(skb, users.refs.counter) > 1)
		return;
	if (read_datagram(skb, sk, DIRECTION_IN, &key, &d))
		count_datagrams(&key, &d, 0, true);
}

/* What ip_send_skb() and ip6_send_skb() were given on this processor, to be taken back if they fail. */
struct sending {
	const void *task;
	struct udp_key key;
	struct datagrams d;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sending);
} sending SEC(".maps");

static __always_inline void udp_sending(const struct sk_buff *skb)
{
	const struct sock *sk = BPF_CORE_READ(skb, sk);
	__u32 zero = 0;
	struct sending *now = bpf_map_lookup_elem(&sending, &zero);

	if (!now)
		return;
	now->task = NULL;
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_UDP)
		return;
	if (!read_datagram(skb, sk, DIRECTION_OUT, &now->key, &now->d))
		return;
	now->task = (void *)bpf_get_current_task();
	count_datagrams(&now->key, &now->d, 0, true);
}

/*
 * Their result: anything but 0 fails the program's send. A full queue (ENOBUFS) is counted: udp_send_skb() reports it
 * as success unless the program asked for errors (IP_RECVERR).
 */
static __always_inline void udp_sent(int err)
{
	struct sending *last;
	__u32 zero = 0;

	if (err >= 0 || err == -ENOBUFS)
		return;
	last = bpf_map_lookup_elem(&sending, &zero);
	if (last && last->task == (void *)bpf_get_current_task())
		uncount_datagrams(&last->key, &last->d);
	else if (!last || last->task)
		count(&losses.datagrams_uncorrected, 1);
}

#endif
