/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP flows and their owners. A socket has no stream position, and one unconnected socket talks to many
 * peers, so each datagram is counted for its socket and addresses when it is sent or delivered.
 *
 * A flow that was silent for udp_idle_ns is retired by the sweep: its totals are delivered as final
 * and become the base of the next flow with this key, so a datagram that arrives just then is
 * counted once, in one of the two. The entry is deleted after as much silence again.
 */
#ifndef TCPTOP_UDP_H
#define TCPTOP_UDP_H

#include "account.h"

/* Two sockets may have the same addresses: readers of one group, sockets of two interfaces or zones. */
struct udp_key {
	__u8 local_address[16];
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 inode; /* the socket's, unique while it is open */
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
	/* What every datagram touches, beside the key. */
	struct udp_totals seen;
	__u64 read_ticks;    /* when user space last got its totals */
	__u64 active_ticks;  /* when the last datagram was counted */
	__u32 owner_changes; /* of the socket's owner, as of the owner known here */
	bool retired;	     /* closed; the next datagram begins another flow */
	bool dirty;	     /* an event was deferred */

	struct process owner;
	struct process earlier; /* the owner before; pid 0: none */
	struct flows_record r;	/* its id is 0 while it is being filled in */
	struct udp_totals base; /* what earlier flows of this entry had */
	__u64 next_id;		/* of the flow that the next datagram begins once this one is retired */
	__u64 swept;		/* packets that the last sweep reported */
	__u32 sought_by;	/* as in struct tcp_flow */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct udp_key);
	__type(value, struct udp_flow);
} udp_flows SEC(".maps");

/* An entry of zeros: what a new flow begins as, without a copy on the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct udp_flow);
} udp_blank SEC(".maps");

/* Flows that found no room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct udp_key);
	__type(value, __u8);
} udp_untracked SEC(".maps");

struct udp_owner {
	struct process process;
	__u32 uid;
	__u32 flags; /* enum flows_flag: SHARED, ASSUMED */
	__u64 cgroup_id;
};

/*
 * Owners of UDP sockets by inode, for flows whose datagrams are seen where the current task may be a stranger,
 * and for those that nobody has read. The loader makes it twice as large as the table of flows; the sweep
 * looks up each flow's owner, which keeps the needed entries in the table.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct udp_owner);
} udp_owners SEC(".maps");

static __always_inline void udp_totals_since_base(const struct udp_totals *seen, const struct udp_totals *base,
						  struct flows_record *r)
{
	r->bytes_in = seen->bytes_in - base->bytes_in;
	r->bytes_out = seen->bytes_out - base->bytes_out;
	r->packets_in = seen->packets_in - base->packets_in;
	r->packets_out = seen->packets_out - base->packets_out;
}

static __noinline void emit_udp(struct udp_flow *f, __u8 kind)
{
	struct flows_record *out = reserve_event(kind);

	if (!out) {
		f->dirty = true;
		return;
	}
	__builtin_memcpy(out, &f->r, sizeof(*out));
	udp_totals_since_base(&f->seen, &f->base, out);
	out->head.time_ns = bpf_ktime_get_ns();
	out->active_ns = out->head.time_ns;
	out->head.kind = kind;
	f->read_ticks = ticks_now();
	submit_event(out);
}

/* What the flow's record says of its owner. A socket that an earlier owner uses again is shared. */
static __always_inline void set_udp_owner(struct udp_flow *f, const struct udp_owner *owner)
{
	f->owner = owner->process;
	fill_owner(&f->r, &owner->process, owner->uid, owner->cgroup_id);
	f->r.flags = (f->r.flags & ~(__u32)FLOWS_FLAG_ASSUMED) | owner->flags;
}

/*
 * Enters a flow; NULL if there is no room. Another processor that finds it before its id is set counts into
 * it already; sweeps and events leave it out until then.
 */
static __noinline struct udp_flow *enter_udp(const struct udp_key *key, __u32 netns)
{
	__u64 now = bpf_ktime_get_ns();
	struct udp_flow *f, *blank;
	__u32 zero = 0;
	bool is_mine;

	blank = bpf_map_lookup_elem(&udp_blank, &zero);
	if (!blank)
		return NULL;
	is_mine = !bpf_map_update_elem(&udp_flows, key, blank, BPF_NOEXIST);
	f = bpf_map_lookup_elem(&udp_flows, key);
	if (!f || !is_mine)
		return f;
	f->active_ticks = f->read_ticks = ticks_now();
	f->r.opened_ns = now;
	f->r.local_port = key->local_port;
	f->r.remote_port = key->remote_port;
	f->r.netns = netns;
	f->r.inode = key->inode;
	set_head(&f->r);
	f->r.proto = IPPROTO_UDP;
	__builtin_memcpy(f->r.local_address, key->local_address, 16);
	__builtin_memcpy(f->r.remote_address, key->remote_address, 16);
	write_barrier();
	*(volatile __u64 *)&f->r.id = new_id(now);
	return f;
}

/*
 * The entry's next flow; two processors that do this at once do the same. The clock is read between `retired` and
 * `next_id` because it has a read barrier (read_seqcount_latch_retry()).
 */
static __always_inline void begin_next_udp(struct udp_flow *f)
{
	f->r.opened_ns = bpf_ktime_get_ns();
	f->r.id = *(volatile __u64 *)&f->next_id;
	f->retired = false;
}

/* Counts a flow that finds no room once, as long as it is remembered. */
static __noinline void count_untracked_datagrams(const struct udp_key *key, const struct datagrams *d)
{
	__u8 seen = 1;

	/* Of two processors that meet the flow at once one enters it. */
	if (!bpf_map_lookup_elem(&udp_untracked, key) && !bpf_map_update_elem(&udp_untracked, key, &seen, BPF_NOEXIST))
		count(&losses.flows_untracked, 1);
	count(&losses.datagrams_untracked, d->packets);
	count(&losses.bytes_untracked, d->bytes);
}

/* Counts datagrams for their flow and returns it, its event still to be emitted; NULL when it is not tracked. */
static __always_inline struct udp_flow *add_datagrams(const struct udp_key *key, const struct datagrams *d, __u32 netns,
						      bool *opened)
{
	struct udp_flow *f = bpf_map_lookup_elem(&udp_flows, key);

	*opened = false;
	if (!f) {
		f = enter_udp(key, netns);
		if (!f) {
			count_untracked_datagrams(key, d);
			return NULL;
		}
		*opened = true;
	} else if (f->retired) {
		begin_next_udp(f);
		*opened = true;
	}
	if (d->direction == DIRECTION_IN) {
		count(&f->seen.bytes_in, d->bytes);
		count(&f->seen.packets_in, d->packets);
	} else {
		count(&f->seen.bytes_out, d->bytes);
		count(&f->seen.packets_out, d->packets);
	}
	f->active_ticks = ticks_now();
	return f;
}

/* The sweep reports a change of owner: two processes that take turns must not fill the ring buffer. */
static __always_inline void emit_counted(struct udp_flow *f, bool opened)
{
	if (opened)
		emit_udp(f, FLOWS_KIND_OPEN);
	else if (f->active_ticks - f->read_ticks > sample_ticks && f->r.id)
		emit_udp(f, FLOWS_KIND_SAMPLE);
}

/* Takes back what was counted for a send that then failed, or a delivery that was dropped. */
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
	/* The sweep corrects an event that has reported too much. */
	if (f)
		f->dirty = true;
}

/* Segments of `bytes` of payload on the wire, when it travels in pieces of `gso_size`. */
static __always_inline __u32 segments(__u64 bytes, __u32 gso_size)
{
	return gso_size && bytes > gso_size ? (bytes + gso_size - 1) / gso_size : 1;
}

/*
 * The flow and size of a datagram from its packet, for hooks that are given one. Its headers are still in
 * front of the payload when it is received (the socket's reader takes the sender's address from there).
 * skb->data stands at the IP header, the UDP header or the payload.
 */
static __always_inline bool read_datagram(const struct sk_buff *skb, __u32 inode, enum direction direction,
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
	key->inode = inode;

	d->direction = direction;
	d->bytes = BPF_CORE_READ(skb, len) - (udp + sizeof(uh) - BPF_CORE_READ(skb, data));
	bpf_probe_read_kernel(&gso_size, sizeof(gso_size),
			      head + BPF_CORE_READ(skb, end) +
				  bpf_core_field_offset(((struct skb_shared_info *)0)->gso_size));
	d->packets = segments(d->bytes, gso_size);
	return true;
}

#endif
