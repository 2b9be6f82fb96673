/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TCP sockets under a Multipath TCP socket, whose user owns them. */
#ifndef TCPTOP_TCP_MULTIPATH_H
#define TCPTOP_TCP_MULTIPATH_H

#include "tcp-owner.h"

/* Kernels without Multipath TCP have no offsets for what follows. */
static __always_inline bool has_multipath(void)
{
	return bpf_core_field_exists(((struct mptcp_sock *)0)->conn_list);
}

/* The most subflows of a Multipath TCP socket that are read. */
#define MOST_SUBFLOWS 8

/*
 * The next TCP socket under a Multipath TCP socket, NULL after the last. `at`: where the walk stands, NULL
 * before the first. The list may change meanwhile, and what is no subflow of this socket any more ends the walk.
 */
static __always_inline struct sock *next_subflow(const struct sock *sk, struct list_head **at)
{
	struct mptcp_sock *multipath = (struct mptcp_sock *)sk;
	struct mptcp_subflow_context *subflow;
	struct list_head *head;

	/* Keeps the offsets behind has_multipath(). */
	barrier_var(multipath);
	head = __builtin_preserve_access_index(&multipath->conn_list);
	*at = *at ? BPF_CORE_READ(*at, next) : BPF_CORE_READ(head, next);
	if (!*at || *at == head)
		return NULL;
	subflow = (void *)*at - bpf_core_field_offset(struct mptcp_subflow_context, node);
	return BPF_CORE_READ(subflow, conn) == sk ? BPF_CORE_READ(subflow, tcp_sock) : NULL;
}

/* A call by a Multipath TCP socket's user, who owns the subflows. */
static __always_inline void multipath_called(const struct sock *sk)
{
	struct list_head *at = NULL;

	if (!has_multipath())
		return;
	for (int i = 0; i < MOST_SUBFLOWS; i++) {
		struct sock *subflow = next_subflow(sk, &at);
		struct tcp_flow *f;

		if (!subflow)
			break;
		f = find_tcp(subflow);
		if (f)
			own_tcp(f, subflow);
	}
}

#endif
