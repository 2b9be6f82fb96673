/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose process it is: its id with its start time, its name, its user and its cgroup. */
#ifndef TCPTOP_OWNER_H
#define TCPTOP_OWNER_H

#include "kernel.h"
#include "record.h"

#define TASK_COMM_WORDS (TCPTOP_COMM_LEN / sizeof(__u64))

/*
 * A process at one moment. `name` is the name of the process (its group leader), not of the thread, as two words so
 * that the hot path can compare names.
 */
struct process {
	__u64 name[TASK_COMM_WORDS];
	__u64 start_ns; /* CLOCK_BOOTTIME; a process id may be given again */
	__u32 pid;
};

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

#endif
