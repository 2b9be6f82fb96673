/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What TCP and UDP accounting share: settings, loss counters, the ring buffer and owners.
 *
 * Totals live in one table entry a flow. The ring buffer carries events; when it is short of room an
 * event is deferred: the entry notes that, and the next sweep delivers what the event said.
 */
#ifndef TCPTOP_ACCOUNT_H
#define TCPTOP_ACCOUNT_H

#include "kernel.h"
#include "socket.h"
#include "wire.h"

#define TASK_COMM_WORDS (TCPTOP_COMM_LEN / sizeof(__u64))

/* Set by the loader before the programs are loaded. */
const volatile __u64 start_ns = 0;		    /* ids count from here, CLOCK_MONOTONIC */
const volatile __u64 udp_idle_ns = 5000000000ull;   /* a UDP flow ends after this much silence */
const volatile __u64 tick_ns = 4000000;		    /* length of a jiffy */
const volatile __u64 sample_ticks = 500;	    /* a moving flow that no sweep has read is sampled this often */
const volatile __u32 segs_shift = 0;		    /* tests have segment counters wrap early by it */
const volatile __u64 ring_event_limit = 3ull << 20; /* fill level above which only closes may enter the ring */

struct tcptop_losses losses;

/* Of the last sweep: flows without an owner that the next walk over all processes' files may find. */
__u64 unowned_flows;

/* Walks that have begun. Set by user space. */
volatile __u32 walks;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

/*
 * A process at one moment. `name` is the name of the process (its group leader), not of the thread, as two words so
 * that the hot path can compare names.
 */
struct process {
	__u64 name[TASK_COMM_WORDS];
	__u64 start_ns; /* CLOCK_BOOTTIME; a process id may be given again */
	__u32 pid;
};

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
 * What was written before is visible to whoever sees what is written afterwards. x86 keeps the order of stores; on
 * arm64 bpf_ringbuf_discard() does, by an xchg() (bpf_ringbuf_commit(), kernel/bpf/ringbuf.c). Atomic operations that
 * are barriers came with 5.12.
 */
static __always_inline void write_barrier(void)
{
#ifdef __TARGET_ARCH_arm64
	void *nothing = bpf_ringbuf_reserve(&events, sizeof(__u64), 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_NO_WAKEUP);
#endif
	barrier();
}

static __always_inline void count(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
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

/* Copies the words of `from` at any alignment the record allows. */
static __always_inline void copy_name(char *to, const __u64 *from)
{
#pragma unroll
	for (int i = 0; i < (int)TASK_COMM_WORDS; i++)
		((__u64 *)to)[i] = from[i];
}

static __always_inline bool is_same(const struct process *a, const struct process *b)
{
	return a->pid == b->pid && a->start_ns == b->start_ns && a->name[0] == b->name[0] && a->name[1] == b->name[1];
}

/* Whether it is one process, whatever its name is by now. */
static __always_inline bool is_same_task(const struct process *a, const struct process *b)
{
	return a->pid == b->pid && a->start_ns == b->start_ns;
}

/* Any context whose current task is the socket's user; never an interrupt. */
static __always_inline void current_process(struct process *p)
{
	if (has_helper(get_current_task_btf)) {
		struct task_struct *leader = bpf_get_current_task_btf()->group_leader;

		p->pid = leader->tgid;
		p->start_ns = leader->start_boottime;
		p->name[0] = *(__u64 *)&leader->comm[0];
		p->name[1] = *(__u64 *)&leader->comm[8];
	} else {
		struct task_struct *leader = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);

		p->pid = BPF_CORE_READ(leader, tgid);
		p->start_ns = BPF_CORE_READ(leader, start_boottime);
		bpf_probe_read_kernel(p->name, sizeof(p->name), (void *)leader->comm);
	}
}

/* `task` may be any task, from an iterator too. */
static __always_inline void task_identity(const struct task_struct *task, struct process *p, __u32 *uid,
					  __u64 *cgroup_id)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	p->pid = BPF_CORE_READ(leader, tgid);
	p->start_ns = BPF_CORE_READ(leader, start_boottime);
	bpf_probe_read_kernel(p->name, sizeof(p->name), (void *)leader->comm);
	*uid = BPF_CORE_READ(task, cred, uid.val);
	*cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

static __always_inline void fill_owner(struct tcptop_record *r, const struct process *p, __u32 uid, __u64 cgroup_id)
{
	r->pid = p->pid;
	r->process_start_ns = p->start_ns;
	r->uid = uid;
	r->cgroup_id = cgroup_id;
	copy_name(r->process, p->name);
	r->flags |= TCPTOP_FLAG_OWNED;
}

/* `p`: where the flow keeps its owner for comparison. */
static __always_inline void set_owner(struct tcptop_record *r, struct process *p, const struct task_struct *task)
{
	__u64 cgroup_id;
	__u32 uid;

	task_identity(task, p, &uid, &cgroup_id);
	fill_owner(r, p, uid, cgroup_id);
}

/* Room for an event, or NULL when it has to wait for the sweep. Closes may use the last quarter. */
static __always_inline struct tcptop_record *reserve_event(__u8 kind)
{
	struct tcptop_record *out = NULL;

	if (kind == TCPTOP_KIND_CLOSE || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) < ring_event_limit)
		out = bpf_ringbuf_reserve(&events, sizeof(*out), 0);
	if (!out)
		count(&losses.records_deferred, 1);
	return out;
}

/* User space pulls on a timer, so nobody is woken. */
static __always_inline void submit_event(struct tcptop_record *out)
{
	bpf_ringbuf_submit(out, BPF_RB_NO_WAKEUP);
}

#endif
