/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owners of TCP flows: who used the socket last. Until somebody has used it, whose listener it came in by or
 * who has it open is assumed to own it (FLOWS_FLAG_ASSUMED).
 */
#ifndef TCPTOP_TCP_OWNER_H
#define TCPTOP_TCP_OWNER_H

#include "tcp-flow.h"

/* A socket whose owner changes that often is shared, whoever comes next. */
#define SHARED_AFTER_CHANGES 4

struct owner {
	struct process process;
	__u32 uid;
	__u64 cgroup_id;
};

/* Where a listener takes connections. */
struct listening {
	__u8 address[16];
	__u32 netns;
	__u32 port;
};

/*
 * The last process that listened there. Without a listener there is no connection that would ask, so nothing
 * is ever deleted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct listening);
	__type(value, struct owner);
} tcp_listeners SEC(".maps");

static __always_inline bool is_kernel_thread(const struct task_struct *task)
{
	return BPF_CORE_READ(task, flags) & PF_KTHREAD;
}

/*
 * A worker of the kernel that moves a program's bytes does not own its socket. The sockets under a Multipath TCP
 * socket are the kernel's by their mark (sk_kern_sock) and a program's all the same.
 */
static __always_inline bool may_own(const struct task_struct *task, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	if (!is_kernel_thread(task))
		return true;
	if (bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp))
		return false;
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

static __noinline void own_tcp_by(struct tcp_flow *f, const struct task_struct *task)
{
	set_owner(&f->r, &f->owner, task);
	f->owned_by = OWNED_BY_USER;
	f->r.flags &= ~FLOWS_FLAG_ASSUMED;
}

/* Sets the current task as the owner, without an event. */
static __always_inline void own_silently(struct tcp_flow *f, const struct sock *sk)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();

	if (may_own(task, sk))
		own_tcp_by(f, task);
}

static __noinline void assume_owner(struct tcp_flow *f, const struct owner *owner, __u8 owned_by)
{
	f->owner = owner->process;
	fill_owner(&f->r, &owner->process, owner->uid, owner->cgroup_id);
	f->owned_by = owned_by;
	f->r.flags |= FLOWS_FLAG_ASSUMED;
}

/*
 * Another process uses the socket, for which the owner makes way. A socket that is handed over (by fork, by
 * SCM_RIGHTS) is used by one process after the other; one that a former owner uses again is shared.
 */
static __always_inline void note_former(struct tcp_flow *f, const struct task_struct *task)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u64 start_ns = BPF_CORE_READ(leader, start_boottime);
	__u32 pid = BPF_CORE_READ(leader, tgid);

	/* The same process under a new name. */
	if (f->owned_by != OWNED_BY_USER || (f->owner.pid == pid && f->owner.start_ns == start_ns))
		return;
	if ((f->former_pid == pid && f->former_start_ns == start_ns) || ++f->owner_changes >= SHARED_AFTER_CHANGES)
		f->r.flags |= FLOWS_FLAG_SHARED;
	f->former_pid = f->owner.pid;
	f->former_start_ns = f->owner.start_ns;
}

/* An event for each owner is a flood that two processes can make: one a second, the sweep has the last. */
static __noinline void change_owner(struct tcp_flow *f, const struct sock *sk)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	__u64 now = ticks_now();

	if (!may_own(task, sk))
		return;
	note_former(f, task);
	own_tcp_by(f, task);
	if (!f->based)
		return;
	if (f->owner_ticks && now - f->owner_ticks < sample_ticks / 2) {
		defer(f);
		return;
	}
	f->owner_ticks = now;
	refresh_record(f, sk);
	emit_tcp(f, FLOWS_KIND_OWNER);
}

/* Current task is the socket's user. */
static __always_inline void own_tcp(struct tcp_flow *f, const struct sock *sk)
{
	struct process p;

	current_process(&p);
	if (f->owned_by != OWNED_BY_USER || !is_same(&f->owner, &p))
		change_owner(f, sk);
}

static __noinline void remember_listener(const struct sock *sk, const struct task_struct *task)
{
	struct listening at = {.netns = netns_of(sk), .port = local_port(sk)};
	__u8 unused[16];
	struct owner owner = {};

	read_addresses(at.address, unused, sk);
	task_identity(task, &owner.process, &owner.uid, &owner.cgroup_id);
	bpf_map_update_elem(&tcp_listeners, &at, &owner, BPF_ANY);
}

/*
 * A connection that came in, and whose listener is known by address only: the socket does not say which of
 * several that share a port (SO_REUSEPORT) it came in by.
 */
static __noinline void assume_listener(struct tcp_flow *f, const struct sock *sk)
{
	struct listening at = {.netns = netns_of(sk), .port = local_port(sk)};
	__be32 *words = (__be32 *)at.address;
	struct owner *owner;
	__u8 unused[16];

	read_addresses(at.address, unused, sk);
	owner = bpf_map_lookup_elem(&tcp_listeners, &at);
	if (!owner) {
		words[3] = 0;
		if (words[0] || words[1] || words[2] != bpf_htonl(0xffff))
			words[0] = words[1] = words[2] = 0;
		owner = bpf_map_lookup_elem(&tcp_listeners, &at);
	}
	if (!owner && words[2]) {
		words[2] = 0;
		owner = bpf_map_lookup_elem(&tcp_listeners, &at);
	}
	if (owner)
		assume_owner(f, owner, OWNED_BY_LISTENER);
}

#endif
