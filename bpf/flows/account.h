/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What TCP and UDP accounting share: settings, loss counters, a flow's id, its events and its owner.
 *
 * Totals live in one table entry a flow. The ring buffer carries events; when it is short of room an
 * event is deferred: the entry notes that, and the next sweep delivers what the event said.
 */
#ifndef TCPTOP_ACCOUNT_H
#define TCPTOP_ACCOUNT_H

#include "../kernel.h"
#include "../owner.h"
#include "../ring.h"
#include "socket.h"
#include "wire.h"

/* Set by the loader before the programs are loaded. */
const volatile __u64 start_ns = 0;		  /* ids count from here, CLOCK_MONOTONIC */
const volatile __u64 udp_idle_ns = 5000000000ull; /* a UDP flow ends after this much silence */
const volatile __u64 tick_ns = 4000000;		  /* length of a jiffy */
const volatile __u64 sample_ticks = 500;	  /* a moving flow that no sweep has read is sampled this often */
const volatile __u32 segs_shift = 0;		  /* tests have segment counters wrap early by it */

struct flows_losses losses;

/* Of the last sweep: flows without an owner that the next walk over all processes' files may find. */
__u64 unowned_flows;

/* Walks that have begun. Set by user space. */
volatile __u32 walks;

/*
 * Time for the hot path, in jiffies: one load. bpf_ktime_get_ns() costs up to half of a hook.
 */
static __always_inline __u64 ticks_now(void)
{
	return bpf_jiffies64();
}

/*
 * Unique for nine years of one capture: a processor cannot open two flows in 32 ns. The low bits are the
 * processor's. The top bit is clear, which no kernel address has.
 */
static __always_inline __u64 new_id(__u64 now)
{
	return (((now - start_ns) >> 5 << 10) & ~(1ull << 63)) | (bpf_get_smp_processor_id() & 1023);
}

/* Whether a key of the flow table is a flow's id, not a socket's address. */
static __always_inline bool is_id(__u64 key)
{
	return !(key >> 63);
}

/*
 * A sweep has met a flow without an owner whose socket has a file. The next walk to begin searches for the owner; an
 * owner that this walk does not find is not found later. `sought_by`: the number of the walk, 0 at first.
 */
static __always_inline void seek_owner(__u32 *sought_by)
{
	if (!*sought_by)
		*sought_by = walks + 1;
	if (*sought_by > walks)
		count(&unowned_flows, 1);
}

static __always_inline void fill_owner(struct flows_record *r, const struct process *p, __u32 uid, __u64 cgroup_id)
{
	r->pid = p->pid;
	r->process_start_ns = p->start_ns;
	r->uid = uid;
	r->cgroup_id = cgroup_id;
	copy_name(r->process, p->name);
	r->flags |= FLOWS_FLAG_OWNED;
}

/* What every record of a flow has in its head. */
static __always_inline void set_head(struct flows_record *r)
{
	r->head = (struct tcptop_head){.size = sizeof(*r), .lens = FLOWS_LENS, .abi = FLOWS_ABI};
}

/* `p`: where the flow keeps its owner for comparison. */
static __always_inline void set_owner(struct flows_record *r, struct process *p, const struct task_struct *task)
{
	__u64 cgroup_id;
	__u32 uid;

	task_identity(task, p, &uid, &cgroup_id);
	fill_owner(r, p, uid, cgroup_id);
}

/* Room for an event, or NULL when it has to wait for the sweep. */
static __always_inline struct flows_record *reserve_event(__u8 kind)
{
	struct flows_record *out = NULL;

	if (has_event_room(kind == FLOWS_KIND_CLOSE))
		out = bpf_ringbuf_reserve(&events, sizeof(*out), 0);
	if (!out)
		count(&losses.records_deferred, 1);
	return out;
}

#endif
