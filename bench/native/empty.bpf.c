// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that do nothing, on the hooks of a send or receive: what the meter and the call alone cost. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define EMPTY(name, section, result)                                                                                   \
	SEC("?" section) int name(void *ctx)                                                                           \
	{                                                                                                              \
		return result;                                                                                         \
	}

EMPTY(empty_tp_send, "tp_btf/sock_send_length", 0)
EMPTY(empty_tp_recv, "tp_btf/sock_recv_length", 0)
EMPTY(empty_tp_state, "tp_btf/inet_sock_set_state", 0)
EMPTY(empty_raw_state, "raw_tp/inet_sock_set_state", 0)

/* 1: let the packet pass. */
EMPTY(empty_egress, "cgroup_skb/egress", 1)
EMPTY(empty_ingress, "cgroup_skb/ingress", 1)

EMPTY(empty_fe_send, "fentry/tcp_sendmsg", 0)
EMPTY(empty_fe_recv, "fentry/tcp_recvmsg", 0)
EMPTY(empty_fe_read, "fentry/tcp_cleanup_rbuf", 0)
EMPTY(empty_fe_udp_out, "fentry/ip_send_skb", 0)
EMPTY(empty_fx_udp_out, "fexit/ip_send_skb", 0)
EMPTY(empty_fe_udp_in, "fentry/skb_consume_udp", 0)

EMPTY(empty_kp_send, "kprobe/tcp_sendmsg", 0)
EMPTY(empty_kp_recv, "kprobe/tcp_recvmsg", 0)
EMPTY(empty_kp_read, "kprobe/tcp_cleanup_rbuf", 0)
EMPTY(empty_kp_udp_out, "kprobe/ip_send_skb", 0)
EMPTY(empty_kp_udp_in, "kprobe/skb_consume_udp", 0)

char LICENSE[] SEC("license") = "GPL";
