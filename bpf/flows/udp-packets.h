/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP by kernel functions that are given a whole packet in process context: what a program sends in
 * ip_send_skb() and ip6_send_skb(), what it has read in skb_consume_udp().
 */
#ifndef TCPTOP_UDP_PACKETS_H
#define TCPTOP_UDP_PACKETS_H

#include "udp.h"

/* The current task uses the flow's socket and is another process than the owner. */
static __noinline void change_udp_owner(struct udp_flow *f, const struct process *p)
{
	struct udp_owner owner = {.flags = f->r.flags & FLOWS_FLAG_SHARED};

	if (is_same_task(&f->earlier, p))
		owner.flags = FLOWS_FLAG_SHARED;
	if (f->owner.pid != p->pid)
		f->earlier = f->owner;
	task_identity((struct task_struct *)bpf_get_current_task(), &owner.process, &owner.uid, &owner.cgroup_id);
	set_udp_owner(f, &owner);
	f->dirty = true;
}

/* Counts datagrams of the current task's. */
static __always_inline void count_own_datagrams(const struct udp_key *key, const struct datagrams *d, __u32 netns)
{
	struct process p;
	struct udp_flow *f;
	bool opened;

	f = add_datagrams(key, d, netns, &opened);
	if (!f)
		return;
	current_process(&p);
	if (!is_same(&f->owner, &p))
		change_udp_owner(f, &p);
	emit_counted(f, opened);
}

/* skb_consume_udp(): the socket's reader is done with a datagram; `len` is negative for MSG_PEEK. */
static __always_inline void udp_consumed(const struct sock *sk, const struct sk_buff *skb, int len)
{
	struct udp_key key;
	struct datagrams d;

	if (len < 0 || read_kind(sk) != SOCKET_UDP)
		return;
	/* A peeked datagram of no bytes has the same arguments but is still in the queue. */
	if (len == 0 && BPF_CORE_READ(skb, users.refs.counter) > 1)
		return;
	if (read_datagram(skb, inode_of(sk), DIRECTION_IN, &key, &d))
		count_own_datagrams(&key, &d, netns_of(sk));
}

/* What ip_send_skb() and ip6_send_skb() were given on this processor, to be taken back if they fail. */
struct sending {
	const void *task;
	const struct sock *sk;
	bool is_ipv6;
	struct udp_key key;
	struct datagrams d;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sending);
} sending SEC(".maps");

static __always_inline void udp_sending(const struct sk_buff *skb, bool is_ipv6)
{
	const struct sock *sk = BPF_CORE_READ(skb, sk);
	__u32 zero = 0;
	struct sending *now = bpf_map_lookup_elem(&sending, &zero);

	if (!now)
		return;
	now->task = NULL;
	if (!sk || read_kind(sk) != SOCKET_UDP)
		return;
	if (!read_datagram(skb, inode_of(sk), DIRECTION_OUT, &now->key, &now->d))
		return;
	now->sk = sk;
	now->is_ipv6 = is_ipv6;
	now->task = (void *)bpf_get_current_task();
	count_own_datagrams(&now->key, &now->d, netns_of(sk));
}

/*
 * Whether the program asked for the errors of what it sends: IP_RECVERR, IPV6_RECVERR. Bits of inet_flags since
 * 6.6 (c274af224269) and 6.9 (3cccda8db2cf), whose numbers have no name in the kernel's BTF; bit fields before.
 */
#define INET_FLAGS_RECVERR  9
#define INET_FLAGS_RECVERR6 26

static __always_inline bool wants_errors(const struct sock *sk, bool is_ipv6)
{
	const struct inet_sock *inet = (const struct inet_sock *)sk;

	if (is_ipv6 && bpf_core_field_exists(((struct ipv6_pinfo *)0)->recverr)) {
		const struct ipv6_pinfo *ipv6 = BPF_CORE_READ(inet, pinet6);

		return BPF_CORE_READ_BITFIELD_PROBED(ipv6, recverr);
	}
	if (bpf_core_field_exists(inet->inet_flags))
		return BPF_CORE_READ(inet, inet_flags) & (1ul << (is_ipv6 ? INET_FLAGS_RECVERR6 : INET_FLAGS_RECVERR));
	{
		const struct inet_sock___bits *bits = (const void *)sk;

		return BPF_CORE_READ_BITFIELD_PROBED(bits, recverr);
	}
}

/*
 * Their result: anything but 0 fails the program's send. A full queue (ENOBUFS) is counted: udp_send_skb() reports
 * it as success unless the program asked for errors.
 */
static __always_inline void udp_sent(int err)
{
	struct sending *last;
	__u32 zero = 0;

	if (err >= 0)
		return;
	last = bpf_map_lookup_elem(&sending, &zero);
	if (!last || last->task != (void *)bpf_get_current_task()) {
		if (!last || last->task)
			count(&losses.datagrams_uncorrected, 1);
		return;
	}
	last->task = NULL;
	if (err != -ENOBUFS || wants_errors(last->sk, last->is_ipv6))
		uncount_datagrams(&last->key, &last->d);
}

#endif
