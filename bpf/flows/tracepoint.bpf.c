// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The `tracepoint` backend, for kernels without function tracing: tracepoints for TCP, cgroup_skb for UDP.
 *
 * sock_send_length and sock_recv_length (6.3 and later) end every send and receive call, in process
 * context. What moves without a call (splice from a socket) is seen by the sweep. cgroup_skb on the
 * root of cgroup v2 sees every datagram with its addresses.
 */
#include "tcp.h"
#include "udp-cgroup.h"

static __always_inline void tcp_call_ended(struct sock *sk, __u32 out, __u32 in)
{
	struct positions at;

	if (load_positions(sk, &at))
		tcp_call_moved(sk, &at, out, in);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(send_ended, struct sock *sk, int ret, int flags)
{
	switch (load_kind(sk)) {
	case SOCKET_TCP:
		tcp_call_ended(sk, ret > 0 ? ret : 0, 0);
		break;
	case SOCKET_MULTIPATH:
		multipath_called(sk);
		break;
	case SOCKET_UDP:
		udp_send_ended(sk, ret);
		break;
	default:
		break;
	}
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(recv_ended, struct sock *sk, int ret, int flags)
{
	bool took = !(flags & (MSG_PEEK | MSG_ERRQUEUE));

	switch (load_kind(sk)) {
	case SOCKET_TCP:
		tcp_call_ended(sk, 0, took && ret > 0 ? ret : 0);
		break;
	case SOCKET_MULTIPATH:
		multipath_called(sk);
		break;
	case SOCKET_UDP:
		udp_receive_ended(sk, took ? ret : -1);
		break;
	default:
		break;
	}
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(set_state, struct sock *sk, int from, int to)
{
	if (load_kind(sk) == SOCKET_TCP)
		tcp_state_changed(sk, from, to);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(set_state_again, struct sock *sk, int from, int to)
{
	if (load_kind(sk) == SOCKET_TCP)
		tcp_state_changed_again(sk, from, to);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(destroy_sock, struct sock *sk)
{
	tcp_destroyed(sk);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(destroy_sock_again, struct sock *sk)
{
	tcp_destroyed_again(sk);
	return 0;
}

SEC("?cgroup_skb/egress")
int datagram_out(struct __sk_buff *skb)
{
	cgroup_datagram(skb, DIRECTION_OUT);
	return 1;
}

SEC("?cgroup_skb/ingress")
int datagram_in(struct __sk_buff *skb)
{
	cgroup_datagram(skb, DIRECTION_IN);
	return 1;
}

SEC("?cgroup/sendmsg4")
int sends_to_ipv4(struct bpf_sock_addr *call)
{
	udp_sends_to(call, false);
	return 1;
}

SEC("?cgroup/sendmsg6")
int sends_to_ipv6(struct bpf_sock_addr *call)
{
	udp_sends_to(call, true);
	return 1;
}

/* Since 6.11 with the socket that the packet was for. */
SEC("?tp_btf/kfree_skb")
int BPF_PROG(datagram_dropped, struct sk_buff *skb, void *location, __u32 reason, struct sock *rx_sk)
{
	if (reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_UDP_CSUM) ||
	    reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
		udp_was_damaged(skb);
	else if (rx_sk && load_kind(rx_sk) == SOCKET_UDP)
		udp_was_refused(skb, rx_sk, reason);
	return 0;
}

/* Last: libbpf loads in this order, and a kernel that refuses these hooks must fail before the iterators are loaded. */
#include "sweep.h"

char LICENSE[] SEC("license") = "GPL";
