/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP's iterator, run by user space at each refresh: writes every flow that moved, ends those that are silent. */
#ifndef TCPTOP_SWEEP_UDP_H
#define TCPTOP_SWEEP_UDP_H

#include "udp.h"

static __always_inline void join_udp_owner(struct udp_flow *f)
{
	__u64 socket = f->socket;
	struct udp_owner *owner;

	if (!socket)
		return;
	owner = bpf_map_lookup_elem(&udp_owners, &socket);
	if (!owner || is_same(&f->owner, &owner->process))
		return;
	f->owner = owner->process;
	fill_owner(&f->r, &owner->process, owner->uid, owner->cgroup_id);
	f->dirty = true;
}

/* Ends a silent flow, or deletes its entry after as much silence again. */
static __always_inline void retire_udp(struct udp_flow *f, const struct udp_totals *final, const struct udp_key *key)
{
	if (!f->retired) {
		f->base = *final;
		f->next_id = new_id(bpf_ktime_get_ns());
		barrier();
		f->retired = true;
		return;
	}
	bpf_map_delete_elem(&udp_flows, key);
	if (f->r.id && f->seen.packets_in + f->seen.packets_out != final->packets_in + final->packets_out)
		count(&losses.datagrams_untracked, 1);
}

SEC("iter/bpf_map_elem")
int sweep_udp(struct bpf_iter__bpf_map_elem *ctx)
{
	struct udp_flow *f = ctx->value;
	const struct udp_key *addresses = ctx->key;
	struct udp_totals final;
	struct tcptop_record r;
	struct udp_key key;
	__u64 now, idle_ns, packets;
	bool idle;

	if (!addresses || !f)
		return 0;
	join_udp_owner(f);
	now = bpf_ktime_get_ns();
	idle_ns = (ticks_now() - f->active_ticks) * tick_ns;
	idle = idle_ns > (f->retired ? 2 * udp_idle_ns : udp_idle_ns);
	final = f->seen;
	key = *addresses;
	if (f->retired) {
		if (idle)
			retire_udp(f, &final, &key);
		return 0;
	}
	r = f->r;
	r.bytes_in = final.bytes_in - f->base.bytes_in;
	r.bytes_out = final.bytes_out - f->base.bytes_out;
	r.packets_in = final.packets_in - f->base.packets_in;
	r.packets_out = final.packets_out - f->base.packets_out;
	packets = final.packets_in + final.packets_out;
	if (packets == f->swept && !f->dirty && !idle)
		return 0;
	r.time_ns = now;
	r.active_ns = now - idle_ns;
	r.kind = idle ? TCPTOP_KIND_CLOSE : TCPTOP_KIND_TOTALS;
	if (bpf_seq_write(ctx->meta->seq, &r, sizeof(r)))
		return 0;
	f->swept = packets;
	f->dirty = false;
	f->read_ticks = ticks_now();
	if (idle)
		retire_udp(f, &final, &key);
	return 0;
}

#endif
