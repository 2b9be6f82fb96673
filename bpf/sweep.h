/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP's iterators, run by user space at each refresh and while seeding.
 *
 * A sweep walks a flow table and writes the record of every flow that moved since the last sweep. For
 * TCP it looks at the socket itself, so that a quiet flow is exact whatever the hooks have seen. It
 * may run while other processors delete entries and reuse them: what it found counts only if the entry
 * is still the same flow's afterwards.
 */
#ifndef TCPTOP_SWEEP_H
#define TCPTOP_SWEEP_H

#include "sweep-udp.h"
#include "tcp.h"

/* Set by user space after its first walk: later ones only look for owners. */
volatile bool seeded;

/* Set by user space for one sweep, which reports every connection, moved or not. */
volatile bool report_all;

/* Unused: BTF describes only types that a global, a map or a function refers to. */
const struct tcptop_owner *owner_layout;

/* Kernel addresses have their top bit set, ids do not. */
static __always_inline bool is_parked(__u64 key)
{
	return !(key >> 63);
}

SEC("iter/bpf_map_elem")
int sweep_tcp(struct bpf_iter__bpf_map_elem *ctx)
{
	struct tcp_flow *f = ctx->value;
	const __u64 *address = ctx->key;
	struct tcp_flow copy;
	const struct sock *sk;
	struct positions at;
	struct marks now;
	__u64 key;

	if (!address || !f)
		return 0;
	key = *address;
	if (is_parked(key)) {
		copy.r = f->r;
		/* Else it is still being filled in, in an entry that was another flow's when the walk came here. */
		if (copy.r.id == key && copy.r.kind == TCPTOP_KIND_CLOSE &&
		    !bpf_seq_write(ctx->meta->seq, &copy.r, sizeof(copy.r)))
			bpf_map_delete_elem(&tcp_flows, &key);
		return 0;
	}

	if (f->delivered || f->dead)
		return 0;
	sk = (const struct sock *)key;
	if (!(f->r.flags & TCPTOP_FLAG_OWNED) && inode_of(sk))
		seek_owner(&f->sought_by);
	now = read_marks(sk);
	if (!report_all && !f->dirty && !f->finished && is_same_marks(&now, &f->swept))
		return 0;

	__builtin_memcpy(&copy, f, sizeof(copy));
	if (!copy.finished) {
		at = read_positions(sk);
		look_from_afar(&copy, sk, &at);
		copy.r.state = at.state;
	}
	refresh_record(&copy, sk);
	copy.r.time_ns = bpf_ktime_get_ns();
	copy.r.kind = copy.finished ? TCPTOP_KIND_CLOSE : TCPTOP_KIND_TOTALS;
	if (!is_same_marks(&now, &copy.swept))
		copy.r.active_ns = copy.r.time_ns;
	barrier();
	if (*(volatile bool *)&f->dead || *(volatile __u64 *)&f->r.id != copy.r.id)
		return 0;
	if (bpf_seq_write(ctx->meta->seq, &copy.r, sizeof(copy.r)))
		return 0;
	f->swept = now;
	f->dirty = false;
	f->read_ticks = ticks_now();
	if (copy.finished)
		f->delivered = true;
	return 0;
}

/* A TCP socket that a process has open: entered if it is older than the capture, owned if nobody was met. */
static __noinline void seed_tcp(const struct sock *sk, const struct process *p, const struct tcptop_owner *owner)
{
	struct tcp_flow *f = find_tcp(sk);

	if (!f) {
		f = adopt_tcp(sk, 0, 0);
		if (!f && !seeded && is_connected(BPF_CORE_READ(sk, __sk_common.skc_state)))
			count(&losses.flows_untracked, 1);
	}
	if (f && !(f->r.flags & TCPTOP_FLAG_OWNED)) {
		f->owner = *p;
		fill_owner(&f->r, p, owner->uid, owner->cgroup_id);
		f->dirty = true;
	}
}

/*
 * Walks the files of all processes: writes who holds which socket, enters connections that are not in
 * the table (they are older than the capture), and names the owner of those whose owner no hook met.
 */
SEC("iter/task_file")
int seed_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcptop_owner out = {};
	enum socket_kind kind;
	struct socket *socket;
	struct process p;
	struct sock *sk;

	if (!file || !task)
		return 0;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return 0;
	kind = read_kind(sk);
	if (kind == SOCKET_OTHER)
		return 0;

	task_identity(task, &p, &out.uid, &out.cgroup_id);
	out.pid = p.pid;
	out.process_start_ns = p.start_ns;
	copy_name(out.process, p.name);
	out.inode = BPF_CORE_READ(file, f_inode, i_ino);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));

	if (kind == SOCKET_UDP) {
		seed_udp(&p, &out);
	} else if (kind == SOCKET_TCP) {
		seed_tcp(sk, &p, &out);
	} else if (kind == SOCKET_MULTIPATH && has_multipath()) {
		struct list_head *at = NULL;

		for (int i = 0; i < MOST_SUBFLOWS; i++) {
			struct sock *subflow = next_subflow(sk, &at);

			if (!subflow)
				break;
			seed_tcp(subflow, &p, &out);
		}
	}
	return 0;
}

#endif
