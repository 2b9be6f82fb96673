/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes: their begin, programs and end as events, and a walk over those that there are.
 *
 * A thread is no process: neither its begin nor its end is an event, and a program that it runs is its process's.
 * A process ends with its last thread, whichever that is.
 */
#ifndef TCPTOP_PROCESSES_H
#define TCPTOP_PROCESSES_H

#include "../ring.h"
#include "task.h"

/* Set by the loader: the tree that is watched, by the process it begins at or by its name; 0: all processes. */
const volatile __u64 tree_pid = 0;
const volatile __u64 tree_name_low = 0;
const volatile __u64 tree_name_high = 0;

struct processes_losses losses;

/* Unused: BTF describes only types that a global, a map or a function refers to. */
const struct processes_cgroup *cgroup_layout;

/* Set by user space for one walk: report every process, with the texts that the kernel has. */
volatile __u64 report_all;

struct process_key {
	__u64 start_ns;
	__u64 pid;
};

/* Ends of processes whose last threads ended at once, each of which was the last one by what it could see. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct process_key);
	__type(value, __u8);
} ended SEC(".maps");

/* What the last walk read of a process. */
struct walked {
	__u64 start_ns;
	__u64 runtime_ns;
	__u64 memory_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct walked);
} walks SEC(".maps");

/* Control groups whose paths were delivered. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} cgroups SEC(".maps");

/* Processes of the tree that is watched. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} tree SEC(".maps");

static __always_inline bool has_tree(void)
{
	return tree_pid || tree_name_low;
}

static __always_inline bool is_of_tree(__u32 pid, __u64 start_ns)
{
	__u64 *member;

	if (!has_tree())
		return true;
	member = bpf_map_lookup_elem(&tree, &pid);
	return member && *member == start_ns;
}

static __always_inline bool is_root(__u32 pid, const char *name)
{
	const __u64 *words = (const __u64 *)name;

	if (tree_pid)
		return pid == tree_pid;
	return words[0] == tree_name_low && words[1] == tree_name_high;
}

static __always_inline void enter_tree(__u32 pid, __u64 start_ns)
{
	bpf_map_update_elem(&tree, &pid, &start_ns, BPF_ANY);
}

/* In front of the first record of a control group: its path. */
static __noinline void tell_cgroup(const struct task_struct *leader)
{
	const struct kernfs_node___named *node = (const void *)BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn);
	__u64 id = BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn, id);
	struct scratch *s = scratch_of(SCRATCH_CGROUP);
	struct processes_cgroup *out;
	__u8 told = 1;
	__u32 size;

	if (!s || bpf_map_update_elem(&cgroups, &id, &told, BPF_NOEXIST))
		return;
	out = (void *)s->text;
	*out = (struct processes_cgroup){
	    .head = {.lens = PROCESSES_LENS, .kind = PROCESSES_KIND_CGROUP, .abi = PROCESSES_ABI},
	    .id = id,
	    .is_cut = 1,
	};
	out->head.time_ns = bpf_ktime_get_ns();
	s->at = sizeof(*out);
	for (int i = 0; i < MOST_STEPS; i++) {
		const struct kernfs_node___named *parent;

		if (bpf_core_field_exists(node->__parent))
			parent = BPF_CORE_READ(node, __parent);
		else
			parent = BPF_CORE_READ((const struct kernfs_node___before *)node, parent);
		if (!parent) {
			out->is_cut = 0;
			break;
		}
		if (!add_name(s, BPF_CORE_READ(node, name), PROCESSES_PATH_MOST))
			break;
		node = parent;
	}
	size = s->at;
	out->path_bytes = size - sizeof(*out);
	size = (size + 7) & ~7u & TEXT_MASK;
	out->head.size = size;
	if (has_event_room(false) && !bpf_ringbuf_output(&events, s->text, size, BPF_RB_NO_WAKEUP))
		return;
	bpf_map_delete_elem(&cgroups, &id);
	count(&losses.cgroups_deferred, 1);
}

static __always_inline bool is_told(__u64 cgroup_id)
{
	return bpf_map_lookup_elem(&cgroups, &cgroup_id);
}

static __always_inline void process_began(const struct task_struct *maker, const struct task_struct *child)
{
	struct processes_record *out;
	__u32 pid = BPF_CORE_READ(child, tgid), by = BPF_CORE_READ(maker, tgid);

	if ((__u32)BPF_CORE_READ(child, pid) != pid || BPF_CORE_READ(child, flags) & PF_KTHREAD)
		return;
	if (has_tree() && is_of_tree(by, BPF_CORE_READ(maker, group_leader, start_boottime)))
		enter_tree(pid, BPF_CORE_READ(child, start_boottime));
	out = has_event_room(false) ? bpf_ringbuf_reserve(&events, sizeof(*out), 0) : NULL;
	if (!out) {
		count(&losses.forks_lost, 1);
		return;
	}
	read_identity(child, out, PROCESSES_KIND_FORK);
	if (out->ppid != by)
		out->flags |= PROCESSES_FLAG_BY_SIBLING;
	if (has_tree() && is_of_tree(pid, out->start_ns))
		out->flags |= PROCESSES_FLAG_OF_TREE;
	submit_event(out);
}

static __always_inline void add_executable(struct scratch *s, const struct task_struct *task)
{
	const struct file___path *file = (const void *)BPF_CORE_READ(task, mm, exe_file);
	__u32 from = s->at;

	if (!file)
		return;
	if (add_path(s, BPF_CORE_READ(file, f_path.mnt), BPF_CORE_READ(file, f_path.dentry)))
		s->r.executable_bytes = s->at - from;
	else
		s->at = from, s->r.flags |= PROCESSES_FLAG_EXECUTABLE_CUT;
}

static __always_inline void add_directory(struct scratch *s, const struct task_struct *task)
{
	const struct fs_struct *fs = BPF_CORE_READ(task, fs);
	__u32 from = s->at;

	if (!fs)
		return;
	if (add_path(s, BPF_CORE_READ(fs, pwd.mnt), BPF_CORE_READ(fs, pwd.dentry)))
		s->r.directory_bytes = s->at - from;
	else
		s->at = from, s->r.flags |= PROCESSES_FLAG_DIRECTORY_CUT;
}

/* Gives a record the size that it has with its texts. Records begin at multiples of 8. */
static __always_inline __u32 close_record(struct scratch *s)
{
	__u32 size = (sizeof(s->r) + s->at + 7) & ~7u & RECORD_MASK;

	s->r.head.size = size;
	return size;
}

/* The current process runs another program. After an exec its thread is the first one. */
static __always_inline void program_began(const struct task_struct *task)
{
	struct scratch *s = scratch_of(SCRATCH_EXEC);

	if (!s)
		return;
	if (!has_event_room(false)) {
		count(&losses.execs_lost, 1);
		return;
	}
	read_identity(task, &s->r, PROCESSES_KIND_EXEC);
	if (!is_told(s->r.cgroup_id))
		tell_cgroup(task);
	read_usage(task, &s->r);
	if (has_tree() && is_root(s->r.pid, s->r.process))
		enter_tree(s->r.pid, s->r.start_ns);
	if (has_tree() && is_of_tree(s->r.pid, s->r.start_ns))
		s->r.flags |= PROCESSES_FLAG_OF_TREE;
	s->at = 0;
	add_arguments(s, task);
	add_executable(s, task);
	add_directory(s, task);
	if (bpf_ringbuf_output(&events, s, close_record(s), BPF_RB_NO_WAKEUP))
		count(&losses.execs_lost, 1);
}

/*
 * A thread ends. Where several threads end at once, each may find that no other is left: the first one is told.
 * The status is what wait(2) gives (wait_task_zombie(), kernel/exit.c).
 */
static __always_inline void thread_ended(const struct task_struct *task)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	const struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct processes_record *out;
	__u32 pid;

	if (!is_last_thread(task) || BPF_CORE_READ(leader, flags) & PF_KTHREAD)
		return;
	/* Other threads are there or were: those that are gone have left their processor time. */
	if (BPF_CORE_READ(signal, nr_threads) > 1 || BPF_CORE_READ(signal, sum_sched_runtime)) {
		struct process_key key = {
		    .start_ns = BPF_CORE_READ(leader, start_boottime),
		    .pid = BPF_CORE_READ(leader, tgid),
		};
		__u8 once = 1;

		if (bpf_map_update_elem(&ended, &key, &once, BPF_NOEXIST))
			return;
	}
	out = bpf_ringbuf_reserve(&events, sizeof(*out), 0);
	if (!out) {
		count(&losses.exits_lost, 1);
		return;
	}
	read_identity(leader, out, PROCESSES_KIND_EXIT);
	read_usage(leader, out);
	out->memory_bytes = BPF_CORE_READ(signal, maxrss) * page_bytes;
	if (BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT)
		out->status = BPF_CORE_READ(signal, group_exit_code);
	else
		out->status = BPF_CORE_READ(leader, exit_code);
	/* Before 5.17 a key cannot lie in the ring buffer. */
	pid = out->pid;
	if (has_tree() && is_of_tree(pid, out->start_ns)) {
		out->flags |= PROCESSES_FLAG_OF_TREE;
		bpf_map_delete_elem(&tree, &pid);
	}
	bpf_map_delete_elem(&walks, &pid);
	submit_event(out);
}

/* Whether a process that is older than the capture is of the tree: itself or one of those above it. */
static __always_inline bool descends_from_root(const struct task_struct *leader)
{
	char name[TCPTOP_COMM_LEN] __attribute__((aligned(8)));

	for (int i = 0; i < MOST_STEPS; i++) {
		__u32 pid = BPF_CORE_READ(leader, tgid);

		if (!pid)
			return false;
		bpf_probe_read_kernel(name, sizeof(name), (void *)leader->comm);
		if (is_root(pid, name) || bpf_map_lookup_elem(&tree, &pid))
			return true;
		leader = BPF_CORE_READ(leader, real_parent, group_leader);
	}
	return false;
}

/* A walk over all tasks reports a process that has run since the walk before, or that is new. */
static __always_inline void walk_process(struct seq_file *seq, const struct task_struct *task)
{
	struct scratch *s = scratch_of(SCRATCH_WALK);
	struct walked *before, now;
	__u32 pid;

	/* A process that has ended and waits for its parent is over. */
	if (!s || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) || BPF_CORE_READ(task, flags) & PF_KTHREAD ||
	    is_last_thread(task))
		return;
	read_identity(task, &s->r, PROCESSES_KIND_FOUND);
	read_usage(task, &s->r);
	pid = s->r.pid;
	now = (struct walked){s->r.start_ns, s->r.runtime_ns, s->r.memory_bytes};
	before = bpf_map_lookup_elem(&walks, &pid);
	if (!report_all && before && before->start_ns == now.start_ns && before->runtime_ns == now.runtime_ns &&
	    before->memory_bytes == now.memory_bytes)
		return;
	if (!is_told(s->r.cgroup_id))
		tell_cgroup(task);
	if (has_tree() && !is_of_tree(pid, now.start_ns) && descends_from_root(task))
		enter_tree(pid, now.start_ns);
	if (has_tree() && is_of_tree(pid, now.start_ns))
		s->r.flags |= PROCESSES_FLAG_OF_TREE;
	s->at = 0;
	if (report_all || !before || before->start_ns != now.start_ns) {
		add_executable(s, task);
		add_directory(s, task);
	}
	if (!bpf_seq_write(seq, s, close_record(s)))
		bpf_map_update_elem(&walks, &pid, &now, BPF_ANY);
}

/*
 * Linux 7.0 preempts a task inside a program of a tracepoint, and skips the program for another task that comes by on
 * the same processor meanwhile. The programs therefore turn preemption off, which leaves a few instructions, and each
 * has a twin for what it is skipped at. The twin finds in `handled` whether the first one has run.
 */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

/* Events between their two programs, by the current thread; an event is told by its kind and its subject. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} handled SEC(".maps");

static __always_inline bool may_be_skipped(void)
{
	return bpf_preempt_disable != NULL;
}

static __always_inline __u64 event_of(__u8 kind, const struct task_struct *subject)
{
	return BPF_CORE_READ(subject, start_boottime) << 3 | kind;
}

static __always_inline void enter_first(__u64 event)
{
	__u32 thread = bpf_get_current_pid_tgid();

	if (!may_be_skipped())
		return;
	bpf_preempt_disable();
	bpf_map_update_elem(&handled, &thread, &event, BPF_ANY);
}

/* Whether the event is still to be handled; leave() follows in any case. */
static __always_inline bool enter_twin(__u64 event)
{
	__u32 thread = bpf_get_current_pid_tgid();
	__u64 *before;
	bool is_handled;

	bpf_preempt_disable();
	before = bpf_map_lookup_elem(&handled, &thread);
	is_handled = before && *before == event;
	if (before)
		bpf_map_delete_elem(&handled, &thread);
	return !is_handled;
}

static __always_inline void leave(void)
{
	if (may_be_skipped())
		bpf_preempt_enable();
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	enter_first(event_of(PROCESSES_KIND_FORK, child));
	process_began(parent, child);
	leave();
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_again, struct task_struct *parent, struct task_struct *child)
{
	if (!may_be_skipped())
		return 0;
	if (enter_twin(event_of(PROCESSES_KIND_FORK, child)))
		process_began(parent, child);
	leave();
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	enter_first(event_of(PROCESSES_KIND_EXEC, task));
	program_began(task);
	leave();
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_again, struct task_struct *task)
{
	if (!may_be_skipped())
		return 0;
	if (enter_twin(event_of(PROCESSES_KIND_EXEC, task)))
		program_began(task);
	leave();
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	enter_first(event_of(PROCESSES_KIND_EXIT, task));
	thread_ended(task);
	leave();
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_again, struct task_struct *task)
{
	if (!may_be_skipped())
		return 0;
	if (enter_twin(event_of(PROCESSES_KIND_EXIT, task)))
		thread_ended(task);
	leave();
	return 0;
}

SEC("iter/task")
int walk_tasks(struct bpf_iter__task *ctx)
{
	const struct task_struct *task = ctx->task;

	if (task)
		walk_process(ctx->meta->seq, task);
	return 0;
}

#endif
