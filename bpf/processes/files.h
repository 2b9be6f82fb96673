/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that processes open, seen at the end of their system calls.
 *
 * No other hook is there on every kernel: fentry and LSM programs need trampolines, a tracepoint of one system call
 * needs tracefs and slows down all calls as well. Files that io_uring opens, and those of 32-bit programs, are not
 * seen.
 */
#ifndef TCPTOP_PROCESSES_FILES_H
#define TCPTOP_PROCESSES_FILES_H

#include "processes.h"

/* include/uapi/asm-generic/fcntl.h; the same on all architectures that tcptop runs on. */
#define O_ACCMODE 00000003
#define O_WRONLY  00000001
#define O_CREAT	  00000100
#define O_TRUNC	  00001000

/* arch/x86/include/asm/thread_info.h */
#define TS_COMPAT 0x0002

#define NR_OPENAT2 437
#ifdef __TARGET_ARCH_x86
#define NR_OPEN	  2
#define NR_CREAT  85
#define NR_OPENAT 257
#else
#define NR_OPENAT 56
#endif

/* Set by the loader: also files that are opened to be read. */
const volatile __u64 all_files = 0;

/* Unused: BTF describes only types that a global, a map or a function refers to. */
const struct processes_file *file_layout;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct thread_info {
	__u32 status;
};

struct task_struct___info {
	struct thread_info thread_info;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct file___flags {
	unsigned int f_flags;
};

#ifdef __TARGET_ARCH_x86
struct pt_regs___call {
	unsigned long r10;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
};
#else
struct pt_regs___call {
	__u64 regs[31];
	__u64 orig_x0;
	__s32 syscallno;
};
#endif

#pragma clang attribute pop

/* A call that opens a file. */
struct opening {
	__u64 path; /* in the memory of the process */
	__u64 flags;
};

/* Whether the call that ends is one that opens a file, and with what. */
static __always_inline bool read_call(const struct pt_regs___call *regs, struct opening *call)
{
	__u64 how;

#ifdef __TARGET_ARCH_x86
	__u64 number = BPF_CORE_READ(regs, orig_ax);

	if (number == NR_OPENAT) {
		call->path = BPF_CORE_READ(regs, si);
		call->flags = BPF_CORE_READ(regs, dx);
		return true;
	}
	if (number == NR_OPEN) {
		call->path = BPF_CORE_READ(regs, di);
		call->flags = BPF_CORE_READ(regs, si);
		return true;
	}
	if (number == NR_CREAT) {
		call->path = BPF_CORE_READ(regs, di);
		call->flags = O_CREAT | O_WRONLY | O_TRUNC;
		return true;
	}
	if (number != NR_OPENAT2)
		return false;
	call->path = BPF_CORE_READ(regs, si);
	how = BPF_CORE_READ(regs, dx);
#else
	int number = BPF_CORE_READ(regs, syscallno);

	if (number == NR_OPENAT) {
		call->path = BPF_CORE_READ(regs, regs[1]);
		call->flags = BPF_CORE_READ(regs, regs[2]);
		return true;
	}
	if (number != NR_OPENAT2)
		return false;
	call->path = BPF_CORE_READ(regs, regs[1]);
	how = BPF_CORE_READ(regs, regs[2]);
#endif
	/* struct open_how begins with the flags. */
	return !bpf_probe_read_user(&call->flags, sizeof(call->flags), (void *)how);
}

static __always_inline bool is_compat(const struct task_struct *task)
{
#ifdef __TARGET_ARCH_x86
	const struct task_struct___info *info = (const void *)task;

	return BPF_CORE_READ(info, thread_info.status) & TS_COMPAT;
#else
	return false;
#endif
}

static __always_inline const struct file *file_of(const struct task_struct *task, __u32 fd)
{
	const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	const struct file *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

static __noinline void file_opened(const struct task_struct *task, const struct opening *call, int result)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct scratch *s = scratch_of(SCRATCH_FILE);
	struct processes_file *out;
	const struct file *file;
	bool is_whole = false;
	__u32 size;
	long bytes;

	if (!s)
		return;
	if (!has_event_room(false)) {
		count(&losses.files_lost, 1);
		return;
	}
	out = (void *)s->text;
	*out = (struct processes_file){
	    .head = {.lens = PROCESSES_LENS, .kind = PROCESSES_KIND_FILE, .abi = PROCESSES_ABI},
	    .result = result,
	    .open_flags = call->flags,
	};
	out->head.time_ns = bpf_ktime_get_ns();
	out->start_ns = BPF_CORE_READ(leader, start_boottime);
	out->pid = BPF_CORE_READ(leader, tgid);
	bpf_probe_read_kernel(out->process, sizeof(out->process), (void *)leader->comm);
	s->at = sizeof(*out);
	file = result >= 0 ? file_of(task, result) : NULL;
	if (file) {
		const struct file___path *at = (const void *)file;

		is_whole = add_path(s, BPF_CORE_READ(at, f_path.mnt), BPF_CORE_READ(at, f_path.dentry));
	}
	if (!is_whole) {
		/* Refused, closed again by another thread, or too long: what was asked for. */
		bytes = bpf_probe_read_user_str(&s->text[sizeof(*out)], PROCESSES_PATH_MOST, (void *)call->path);
		if (bytes < 0)
			bytes = 0;
		out->is_asked = 1;
		out->is_cut = bytes == PROCESSES_PATH_MOST;
		s->at = sizeof(*out) + bytes;
	}
	size = s->at;
	out->path_bytes = size - sizeof(*out);
	size = (size + 7) & ~7u & TEXT_MASK;
	out->head.size = size;
	if (bpf_ringbuf_output(&events, s->text, size, BPF_RB_NO_WAKEUP))
		count(&losses.files_lost, 1);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_call_end, struct pt_regs *regs, long result)
{
	const struct task_struct *task;
	struct opening call;

	if (!read_call((const void *)regs, &call))
		return 0;
	if (!all_files && !(call.flags & (O_ACCMODE | O_CREAT | O_TRUNC)))
		return 0;
	task = (const struct task_struct *)bpf_get_current_task();
	if (is_compat(task) ||
	    !is_of_tree(BPF_CORE_READ(task, tgid), BPF_CORE_READ(task, group_leader, start_boottime)))
		return 0;
	file_opened(task, &call, result);
	return 0;
}

#endif
