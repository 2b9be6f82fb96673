// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The `fentry` backend: fentry and fexit on the TCP and UDP functions, the cheapest hooks a kernel has. TCP sockets
 * are read on entry only: the next read or the sweep sees what the call moves.
 */
#include "tcp.h"
#include "udp-packets.h"

/* The stream before this call, by the socket's user. */
static __always_inline int tcp_call(struct sock *sk)
{
	struct positions at;

	if (load_positions(sk, &at))
		tcp_called(sk, &at);
	return 0;
}

/* Behind tcp_sendmsg(), for those who do not call it too: kTLS. */
SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(sendmsg, struct sock *sk)
{
	return tcp_call(sk);
}

/* sendfile, splice and kTLS until 6.5, when MSG_SPLICE_PAGES took over. */
SEC("?fentry/do_tcp_sendpages")
int BPF_PROG(sendpage, struct sock *sk)
{
	return tcp_call(sk);
}

SEC("fentry/tcp_recvmsg")
int BPF_PROG(recvmsg, struct sock *sk)
{
	return tcp_call(sk);
}

/*
 * Every reader ends here, splice too. It is called more often than something was read: `copied` says
 * so, though not how much (it is cumulative in a call).
 */
SEC("fentry/tcp_cleanup_rbuf")
int BPF_PROG(cleanup_rbuf, struct sock *sk, int copied)
{
	struct positions at;

	if (copied > 0 && load_positions(sk, &at))
		tcp_was_read(sk, &at);
	return 0;
}

/* Behind a Multipath TCP socket's calls the kernel often works in a task of its own. */
SEC("?fentry/mptcp_sendmsg")
int BPF_PROG(multipath_send, struct sock *sk)
{
	multipath_called(sk);
	return 0;
}

SEC("?fentry/mptcp_recvmsg")
int BPF_PROG(multipath_receive, struct sock *sk)
{
	multipath_called(sk);
	return 0;
}

/* sendmsg() on a socket in a sockmap. */
SEC("?fentry/tcp_bpf_sendmsg")
int BPF_PROG(mapped_send, struct sock *sk)
{
	tcp_call(sk);
	tcp_mapped_send(sk);
	return 0;
}

SEC("?fexit/tcp_bpf_sendmsg")
int BPF_PROG(mapped_sent, struct sock *sk, void *msg, __u64 size, int ret)
{
	tcp_mapped_sent(sk, ret);
	return 0;
}

SEC("?fexit/sk_msg_recvmsg")
int BPF_PROG(mapped_read, struct sock *sk, struct sk_psock *psock, void *msg, int len, int flags, int ret)
{
	if (!(flags & MSG_PEEK))
		tcp_mapped_read(sk, psock, ret);
	return 0;
}

/* The name of sk_msg_recvmsg() until 5.13. */
SEC("?fexit/__tcp_bpf_recvmsg")
int BPF_PROG(mapped_read_510, struct sock *sk, struct sk_psock *psock, void *msg, int len, int flags, int ret)
{
	if (!(flags & MSG_PEEK))
		tcp_mapped_read(sk, psock, ret);
	return 0;
}

/* The accepted socket is the return value; accept's arguments changed in 6.10. */
SEC("fexit/inet_csk_accept")
int BPF_PROG(accepted)
{
	__u64 sk = 0;

	if (!has_helper(get_func_ret))
		sk = ctx[4];
	else if (bpf_get_func_ret(ctx, &sk))
		return 0;
	if (sk)
		tcp_accepted((const struct sock *)sk);
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

SEC("fentry/ip_send_skb")
int BPF_PROG(send_ipv4, struct net *net, struct sk_buff *skb)
{
	udp_sending(skb, false);
	return 0;
}

SEC("fexit/ip_send_skb")
int BPF_PROG(sent_ipv4, struct net *net, struct sk_buff *skb, int ret)
{
	udp_sent(ret);
	return 0;
}

SEC("?fentry/ip6_send_skb")
int BPF_PROG(send_ipv6, struct sk_buff *skb)
{
	udp_sending(skb, true);
	return 0;
}

SEC("?fexit/ip6_send_skb")
int BPF_PROG(sent_ipv6, struct sk_buff *skb, int ret)
{
	udp_sent(ret);
	return 0;
}

SEC("fentry/skb_consume_udp")
int BPF_PROG(consume, struct sock *sk, struct sk_buff *skb, int len)
{
	udp_consumed(sk, skb, len);
	return 0;
}

/* Last: libbpf loads in this order, and a kernel that refuses these hooks must fail before the iterators are loaded. */
#include "sweep.h"

char LICENSE[] SEC("license") = "GPL";
