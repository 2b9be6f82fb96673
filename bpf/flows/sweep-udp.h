/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP's iterator, run by user space at each refresh: writes every flow that moved, ends those that are silent. */
#ifndef TCPTOP_SWEEP_UDP_H
#define TCPTOP_SWEEP_UDP_H

#include "udp.h"

/* The owner that the socket's calls, or a walk of all processes' files, have made known since. */
static __always_inline void join_udp_owner(struct udp_flow *f)
{
	__u32 inode = f->r.inode;
	struct udp_owner *owner = bpf_map_lookup_elem(&udp_owners, &inode);

	if (!owner || ((owner->flags & FLOWS_FLAG_ASSUMED) && (f->r.flags & FLOWS_FLAG_OWNED)))
		return;
	if (is_same(&f->owner, &owner->process) && !((owner->flags ^ f->r.flags) & FLOWS_FLAG_SHARED))
		return;
	set_udp_owner(f, owner);
	f->dirty = true;
}

/* Ends a silent flow, or deletes its entry after as much silence again. */
static __always_inline void retire_udp(struct udp_flow *f, const struct udp_totals *final, const struct udp_key *key)
{
	if (!f->retired) {
		f->base = *final;
		f->next_id = new_id(bpf_ktime_get_ns());
		write_barrier();
		f->retired = true;
		return;
	}
	bpf_map_delete_elem(&udp_flows, key);
	if (f->seen.packets_in + f->seen.packets_out != final->packets_in + final->packets_out)
		count(&losses.datagrams_untracked, 1);
}

SEC("iter/bpf_map_elem")
int sweep_udp(struct bpf_iter__bpf_map_elem *ctx)
{
	struct udp_flow *f = ctx->value;
	const struct udp_key *addresses = ctx->key;
	struct udp_totals final;
	struct udp_key key;
	__u64 now, packets;
	__s64 idle_ns;
	bool idle, dirty;

	if (!addresses || !f || !*(volatile __u64 *)&f->r.id)
		return 0;
	/* Its read barrier comes between the id and what the id vouches for (see begin_next_udp()). */
	now = bpf_ktime_get_ns();
	join_udp_owner(f);
	if (!(f->r.flags & FLOWS_FLAG_OWNED) && f->r.inode)
		seek_owner(&f->sought_by);
	/* Read after the last datagram's time, which may be a tick later than a clock read before. */
	idle_ns = *(volatile __u64 *)&f->active_ticks;
	idle_ns = (__s64)(ticks_now() - idle_ns) * (__s64)tick_ns;
	if (idle_ns < 0)
		idle_ns = 0;
	idle = idle_ns > (__s64)(f->retired ? 2 * udp_idle_ns : udp_idle_ns);
	/* Cleared before the totals are read: what changes from here on is the next sweep's. */
	dirty = *(volatile bool *)&f->dirty;
	f->dirty = false;
	barrier();
	final = f->seen;
	if (f->retired) {
		if (idle) {
			key = *addresses;
			retire_udp(f, &final, &key);
		}
		return 0;
	}
	packets = final.packets_in + final.packets_out;
	if (packets == f->swept && !dirty && !idle)
		return 0;
	/* The record is the sweep's own; events are sent as copies. */
	udp_totals_since_base(&final, &f->base, &f->r);
	f->r.head.time_ns = now;
	f->r.active_ns = now - idle_ns;
	f->r.head.kind = idle ? FLOWS_KIND_CLOSE : FLOWS_KIND_TOTALS;
	if (bpf_seq_write(ctx->meta->seq, &f->r, sizeof(f->r))) {
		f->dirty = true;
		return 0;
	}
	f->swept = packets;
	f->read_ticks = ticks_now();
	if (idle) {
		key = *addresses;
		retire_udp(f, &final, &key);
	}
	return 0;
}

/* A UDP socket that a process has open: its owner where no call on it has been seen. */
static __noinline void seed_udp(const struct process *p, const struct flows_owner *holder)
{
	struct udp_owner owner = {
	    .process = *p, .uid = holder->uid, .flags = FLOWS_FLAG_ASSUMED, .cgroup_id = holder->cgroup_id};
	__u32 inode = holder->inode;

	bpf_map_update_elem(&udp_owners, &inode, &owner, BPF_NOEXIST);
}

#endif
