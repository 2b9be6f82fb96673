/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read of a task: identity, usage, texts. Kernel structs beyond those of kernel.h stand here.
 */
#ifndef TCPTOP_PROCESSES_TASK_H
#define TCPTOP_PROCESSES_TASK_H

#include "../kernel.h"
#include "../owner.h"
#include "wire.h"

/* include/linux/sched/signal.h */
#define SIGNAL_GROUP_EXIT 0x00000004

/* Threads whose processor time is added up, mounts and names of a path that are followed. */
#define MOST_THREADS 256
#define MOST_STEPS   40

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct tty_struct {
	char name[64];
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	struct list_head thread_head;
	int group_exit_code;
	unsigned int flags;
	struct tty_struct *tty;
	unsigned long maxrss;
	unsigned long long sum_sched_runtime;
};

struct percpu_counter {
	__s64 count;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
	struct percpu_counter rss_stat[4];
};

typedef struct {
	__s64 counter;
} atomic_long_t;

/* Before 6.2. */
struct mm_rss_stat {
	atomic_long_t count[4];
};

struct mm_struct___before {
	struct mm_rss_stat rss_stat;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct fs_struct {
	struct path pwd;
};

struct file___path {
	struct path f_path;
};

struct kernfs_node___named {
	struct kernfs_node___named *__parent;
	const char *name;
};

/* Before 6.15. */
struct kernfs_node___before {
	struct kernfs_node___named *parent;
};

#pragma clang attribute pop

enum { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES };

/* Set by the loader before the programs are loaded. */
const volatile __u64 page_bytes = 4096;

/* A text begins below TEXT_BYTES. Masks say so to verifiers that forget what a comparison says of a copied register. */
#define TEXT_BYTES  4096
#define TEXT_MASK   (TEXT_BYTES - 1)
#define RECORD_MASK (2 * TEXT_BYTES - 1)
_Static_assert(PROCESSES_ARGUMENTS_MOST + 2 * (PROCESSES_PATH_MOST + PROCESSES_NAME_MOST) < TEXT_BYTES,
	       "room for texts");

/*
 * `at`: where the next text begins. It is read from memory each time: to the verifier it is then the same unknown
 * number in each turn of a loop, and a turn is verified once.
 */
struct scratch {
	struct processes_record r;
	char text[2 * TEXT_BYTES];
	volatile __u32 at;
};

/* Each program has its own: where the kernel preempts, one may run on top of another. */
enum { SCRATCH_EXEC, SCRATCH_WALK, SCRATCH_CGROUP, SCRATCH_FILE, SCRATCHES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_of(__u32 program)
{
	return bpf_map_lookup_elem(&scratches, &program);
}

static __always_inline bool is_last_thread(const struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, live.counter) == 0;
}

static __always_inline __u64 resident_bytes(const struct mm_struct *mm)
{
	__s64 pages = 0;

	if (!mm)
		return 0;
	if (bpf_core_field_exists(((struct mm_struct___before *)mm)->rss_stat.count)) {
		const struct mm_struct___before *before = (const void *)mm;

		pages = BPF_CORE_READ(before, rss_stat.count[MM_FILEPAGES].counter) +
			BPF_CORE_READ(before, rss_stat.count[MM_ANONPAGES].counter) +
			BPF_CORE_READ(before, rss_stat.count[MM_SHMEMPAGES].counter);
	} else {
		pages = BPF_CORE_READ(mm, rss_stat[MM_FILEPAGES].count) +
			BPF_CORE_READ(mm, rss_stat[MM_ANONPAGES].count) +
			BPF_CORE_READ(mm, rss_stat[MM_SHMEMPAGES].count);
	}
	return pages > 0 ? (__u64)pages * page_bytes : 0;
}

/* What a process has used. A leader that has ended before its other threads has no memory; theirs is the process's. */
static __noinline void read_usage(const struct task_struct *leader, struct processes_record *r)
{
	const struct signal_struct *signal = BPF_CORE_READ(leader, signal);
	const struct list_head *head = (const void *)signal + bpf_core_field_offset(signal->thread_head);
	const struct list_head *at = BPF_CORE_READ(head, next);
	const struct mm_struct *mm = NULL;
	__u64 runtime = BPF_CORE_READ(signal, sum_sched_runtime);

	for (int i = 0; i < MOST_THREADS && at && at != head; i++) {
		const struct task_struct *task =
		    (const void *)at - bpf_core_field_offset(struct task_struct, thread_node);

		runtime += BPF_CORE_READ(task, se.sum_exec_runtime);
		if (!mm)
			mm = BPF_CORE_READ(task, mm);
		at = BPF_CORE_READ(at, next);
	}
	if (at && at != head)
		r->flags |= PROCESSES_FLAG_RUNTIME_CUT;
	r->runtime_ns = runtime;
	r->memory_bytes = resident_bytes(mm);
}

/* Everything of fixed size but usage and status. `leader`: the process's first thread. */
static __noinline void read_identity(const struct task_struct *leader, struct processes_record *r, __u8 kind)
{
	const struct task_struct *parent = BPF_CORE_READ(leader, real_parent, group_leader);
	const struct tty_struct *tty = BPF_CORE_READ(leader, signal, tty);

	r->head.size = sizeof(*r);
	r->head.lens = PROCESSES_LENS;
	r->head.kind = kind;
	r->head.abi = PROCESSES_ABI;
	r->head.parts = 0;
	r->head.time_ns = bpf_ktime_get_ns();
	r->start_ns = BPF_CORE_READ(leader, start_boottime);
	r->parent_start_ns = BPF_CORE_READ(parent, start_boottime);
	r->age_ns = bpf_ktime_get_boot_ns() - r->start_ns;
	r->cgroup_id = BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn, id);
	r->runtime_ns = 0;
	r->memory_bytes = 0;
	r->pid = BPF_CORE_READ(leader, tgid);
	r->ppid = BPF_CORE_READ(parent, tgid);
	r->uid = BPF_CORE_READ(leader, cred, uid.val);
	r->status = 0;
	r->flags = 0;
	r->arguments_bytes = 0;
	r->executable_bytes = 0;
	r->directory_bytes = 0;
	bpf_probe_read_kernel(r->process, sizeof(r->process), (void *)leader->comm);
	if (!tty || bpf_probe_read_kernel(r->tty, sizeof(r->tty), (void *)tty->name))
		__builtin_memset(r->tty, 0, sizeof(r->tty));
	r->tty[sizeof(r->tty) - 1] = '\0';
}

/* Of the current task. */
static __always_inline void add_arguments(struct scratch *s, const struct task_struct *task)
{
	__u64 from = BPF_CORE_READ(task, mm, arg_start), bytes = BPF_CORE_READ(task, mm, arg_end) - from;

	if (bytes > PROCESSES_ARGUMENTS_MOST) {
		bytes = PROCESSES_ARGUMENTS_MOST;
		s->r.flags |= PROCESSES_FLAG_ARGUMENTS_CUT;
	}
	if (bpf_probe_read_user(s->text, bytes, (void *)from)) {
		s->r.flags |= PROCESSES_FLAG_ARGUMENTS_UNREAD;
		return;
	}
	s->r.arguments_bytes = bytes;
	s->at = bytes;
}

/* Writes a name with a NUL behind it; false where it found no room below `end`. */
static __always_inline bool add_name(struct scratch *s, const void *name, __u32 end)
{
	__u32 at = s->at;
	long bytes;

	if (at > end)
		return false;
	bytes = bpf_probe_read_kernel_str(&s->text[at & TEXT_MASK], PROCESSES_NAME_MOST, name);
	if (bytes <= 0)
		return false;
	s->at = at + bytes;
	return true;
}

/*
 * Writes the names of a path, the last one first, up to the root of the mount namespace; false where some found no
 * room.
 */
static __noinline bool add_path(struct scratch *s, const struct vfsmount *mnt, const struct dentry *dentry)
{
	const struct mount *mount = (const void *)mnt - bpf_core_field_offset(struct mount, mnt);
	__u32 from = s->at;

	for (int i = 0; i < MOST_STEPS; i++) {
		const struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (dentry == parent || dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			const struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			/* The root of a file system; a file that is in none (memfd) is a root with a name of its own.
			 */
			if (!above || above == mount)
				return s->at != from || add_name(s, BPF_CORE_READ(dentry, d_name.name), TEXT_MASK);
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (!add_name(s, BPF_CORE_READ(dentry, d_name.name), from + PROCESSES_PATH_MOST))
			return false;
		dentry = parent;
	}
	return false;
}

#endif
