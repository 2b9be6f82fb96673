// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Doors by kprobe and kretprobe on the same functions as fentry.bpf.c, and raw tracepoints, for kernels
 * or processors without BPF trampolines. Pointers are untyped here, so everything is read by probe.
 */
#include <asm/ptrace.h>

#include "tcp.h"
#include "udp-packets.h"

/* The stream before this call, by the socket's user. */
static __always_inline int tcp_call(struct sock *sk)
{
	struct positions at = read_positions(sk);

	tcp_called(sk, &at, 0, 0);
	return 0;
}

SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(sendmsg, struct sock *sk)
{
	return tcp_call(sk);
}

/* sendfile and splice until 6.5, when MSG_SPLICE_PAGES took over. */
SEC("?kprobe/tcp_sendpage")
int BPF_KPROBE(sendpage, struct sock *sk)
{
	return tcp_call(sk);
}

SEC("kprobe/tcp_recvmsg")
int BPF_KPROBE(recvmsg, struct sock *sk)
{
	return tcp_call(sk);
}

/*
 * Every reader ends here, splice too. It is called more often than something was read: `copied` says
 * so, though not how much (it is cumulative in a call).
 */
SEC("kprobe/tcp_cleanup_rbuf")
int BPF_KPROBE(cleanup_rbuf, struct sock *sk, int copied)
{
	struct positions at;

	if (copied <= 0)
		return 0;
	at = read_positions(sk);
	tcp_was_read(sk, &at);
	return 0;
}

SEC("kretprobe/inet_csk_accept")
int BPF_KRETPROBE(accepted, struct sock *sk)
{
	if (sk)
		tcp_accepted(sk);
	return 0;
}

SEC("raw_tp/inet_sock_set_state")
int BPF_PROG(set_state, struct sock *sk, int from, int to)
{
	if (read_kind(sk) == SOCKET_TCP)
		tcp_state_changed(sk, from, to);
	return 0;
}

SEC("raw_tp/inet_sock_set_state")
int BPF_PROG(set_state_again, struct sock *sk, int from, int to)
{
	if (read_kind(sk) == SOCKET_TCP)
		tcp_state_changed_again(sk, from, to);
	return 0;
}

SEC("raw_tp/tcp_destroy_sock")
int BPF_PROG(destroy_sock, struct sock *sk)
{
	tcp_destroyed(sk);
	return 0;
}

SEC("raw_tp/tcp_destroy_sock")
int BPF_PROG(destroy_sock_again, struct sock *sk)
{
	tcp_destroyed_again(sk);
	return 0;
}

SEC("kprobe/ip_send_skb")
int BPF_KPROBE(send_ipv4, struct net *net, struct sk_buff *skb)
{
	udp_sending(skb, false);
	return 0;
}

SEC("kretprobe/ip_send_skb")
int BPF_KRETPROBE(sent_ipv4, int ret)
{
	udp_sent(ret);
	return 0;
}

SEC("?kprobe/ip6_send_skb")
int BPF_KPROBE(send_ipv6, struct sk_buff *skb)
{
	udp_sending(skb, true);
	return 0;
}

SEC("?kretprobe/ip6_send_skb")
int BPF_KRETPROBE(sent_ipv6, int ret)
{
	udp_sent(ret);
	return 0;
}

SEC("kprobe/skb_consume_udp")
int BPF_KPROBE(consume, struct sock *sk, struct sk_buff *skb, int len)
{
	udp_consumed(sk, skb, len);
	return 0;
}

/* Last: libbpf loads in this order, and a kernel that refuses the doors should say so at once. */
#include "sweep.h"

char LICENSE[] SEC("license") = "GPL";
