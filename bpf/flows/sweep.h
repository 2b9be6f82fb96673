/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP's iterators, run by user space at each refresh and when it reads the existing sockets.
 *
 * A sweep walks a flow table and writes the record of every flow that moved since the last sweep. For
 * TCP it reads the socket itself, so that a quiet flow is exact whatever the hooks have seen. Other processors may
 * delete and reuse an entry meanwhile: the result counts only if the entry has the same id afterwards.
 */
#ifndef TCPTOP_SWEEP_H
#define TCPTOP_SWEEP_H

#include "sweep-udp.h"
#include "tcp.h"

/* Set by user space for one sweep, which reports every connection, moved or not. */
volatile bool report_all;

/* Unused: BTF describes only types that a global, a map or a function refers to. */
const struct flows_owner *owner_layout;

/* The sweep's own copy of a flow. One sweep runs at a time. */
struct tcp_flow swept_flow;

/* What is read afterwards is read after what came before: read_seqcount_latch_retry() has a barrier at the end. */
static __always_inline __u64 read_barrier(void)
{
	return bpf_ktime_get_ns();
}

/* A parked close is complete, and only a sweep removes it. */
static __noinline void sweep_parked(struct seq_file *seq, __u64 id)
{
	struct tcp_flow *f = bpf_map_lookup_elem(&tcp_flows, &id);

	if (f && !bpf_seq_write(seq, &f->r, sizeof(f->r)))
		bpf_map_delete_elem(&tcp_flows, &id);
}

/*
 * Looks at a flow and writes its record. The entry may be deleted meanwhile and its element become another
 * flow's, so all of it happens to a copy, which counts if the flow with this id is still there afterwards. The
 * entry was complete when the first lookup found it.
 */
static __noinline void sweep_flow(struct seq_file *seq, __u64 key)
{
	struct tcp_flow *f = bpf_map_lookup_elem(&tcp_flows, &key), *copy = &swept_flow;
	const struct sock *sk = (const struct sock *)key;
	struct positions at;
	struct marks now;
	__u32 deferred;
	bool based, moved;
	__u64 id;

	if (!f)
		return;
	id = f->r.id;
	deferred = *(volatile __u32 *)&f->deferred;
	based = *(volatile bool *)&f->based;
	read_barrier();
	if (bpf_probe_read_kernel(copy, sizeof(*copy), f))
		return;
	/* A base that is being written may be copied before it is there, and its mark after that. */
	if (!based)
		copy->based = false;
	if (copy->swept.id != id)
		copy->swept = (struct swept){.id = id};
	copy->r.head.kind = copy->finished ? FLOWS_KIND_CLOSE : FLOWS_KIND_TOTALS;
	now = read_marks(sk);
	moved = !is_same_marks(&now, &copy->swept.marks);
	copy->swept.marks = now;
	if (!copy->finished) {
		at = read_positions(sk);
		look_from_afar(copy, sk, &at);
		copy->r.state = at.state;
	}
	refresh_record(copy, sk);
	/* connect() has not chosen a port yet. */
	if (!copy->r.local_port && !copy->finished)
		return;
	copy->swept.packets_in = copy->r.packets_in;
	copy->swept.packets_out = copy->r.packets_out;
	copy->swept.deferred = deferred;
	copy->r.head.time_ns = read_barrier();
	if (moved || copy->mapped)
		copy->r.active_ns = copy->r.head.time_ns;
	f = bpf_map_lookup_elem(&tcp_flows, &key);
	if (!f || f->r.id != id || is_delivered(f))
		return;
	if (bpf_seq_write(seq, &copy->r, sizeof(copy->r)))
		return;
	/* Whoever has the element now: both say whose they are. */
	f->swept = copy->swept;
	if (copy->finished)
		f->delivered = id;
}

SEC("iter/bpf_map_elem")
int sweep_tcp(struct bpf_iter__bpf_map_elem *ctx)
{
	struct tcp_flow *f = ctx->value;
	const __u64 *address = ctx->key;
	struct marks now;
	__u64 key;

	if (!address || !f)
		return 0;
	swept_last.ticks = ticks_now();
	key = *address;
	if (is_id(key)) {
		sweep_parked(ctx->meta->seq, key);
		return 0;
	}
	/* The flow may be just ending: these values only decide whether it is read in full. */
	if (is_delivered(f))
		return 0;
	now = read_marks((const struct sock *)key);
	if (report_all || f->swept.id != f->r.id || f->swept.deferred != f->deferred || f->finished ||
	    !is_same_marks(&now, &f->swept.marks))
		sweep_flow(ctx->meta->seq, key);
	/* A connection that is not accepted yet is nobody's to find. */
	if (f->owned_by < OWNED_BY_HOLDER && inode_of((const struct sock *)key))
		seek_owner(&f->swept.sought_by);
	return 0;
}

/* A TCP socket that a process has open: entered if it is older than the capture, owned if nobody was met. */
static __noinline void seed_tcp(const struct sock *sk, const struct task_struct *task)
{
	struct tcp_flow *f = find_tcp(sk);
	struct owner owner = {};

	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN) {
		remember_listener(sk, task);
		return;
	}
	if (!f)
		f = adopt_tcp(sk, 0, 0);
	if (!f || f->owned_by >= OWNED_BY_HOLDER)
		return;
	task_identity(task, &owner.process, &owner.uid, &owner.cgroup_id);
	assume_owner(f, &owner, OWNED_BY_HOLDER);
	defer(f);
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
	struct flows_owner out = {};
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
		seed_tcp(sk, task);
	} else if (kind == SOCKET_MULTIPATH && has_multipath()) {
		struct list_head *at = NULL;

		for (int i = 0; i < MOST_SUBFLOWS; i++) {
			struct sock *subflow = next_subflow(sk, &at);

			if (!subflow)
				break;
			seed_tcp(subflow, task);
		}
	}
	return 0;
}

#endif
