// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The `kprobe` backend: kprobe and kretprobe on the same functions as fentry.bpf.c, and raw tracepoints, for kernels
 * or processors without BPF trampolines. Pointers are untyped here, so everything is read by probe.
 */
#include <asm/ptrace.h>

#include "tcp.h"
#include "udp-packets.h"

/* The stream before this call, by the socket's user. */
static __always_inline int tcp_call(struct sock *sk)
{
	struct positions at = read_positions(sk);

	tcp_called(sk, &at);
	return 0;
}

/* Behind tcp_sendmsg(), for those who do not call it too: kTLS. */
SEC("kprobe/tcp_sendmsg_locked")
int BPF_KPROBE(sendmsg, struct sock *sk)
{
	return tcp_call(sk);
}

/* sendfile, splice and kTLS until 6.5, when MSG_SPLICE_PAGES took over. */
SEC("?kprobe/do_tcp_sendpages")
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

/* Behind a Multipath TCP socket's calls the kernel often works in a task of its own. */
SEC("?kprobe/mptcp_sendmsg")
int BPF_KPROBE(multipath_send, struct sock *sk)
{
	multipath_called(sk);
	return 0;
}

SEC("?kprobe/mptcp_recvmsg")
int BPF_KPROBE(multipath_receive, struct sock *sk)
{
	multipath_called(sk);
	return 0;
}

/* A call under way, by its thread: what a kretprobe cannot see of the arguments. */
struct call {
	const struct sock *sk;
	const struct sk_psock *psock;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct call);
} mapped_sends SEC(".maps"), mapped_reads SEC(".maps");

/* sendmsg() on a socket in a sockmap. */
SEC("?kprobe/tcp_bpf_sendmsg")
int BPF_KPROBE(mapped_send, struct sock *sk)
{
	struct call call = {.sk = sk};
	__u64 thread = bpf_get_current_pid_tgid();

	tcp_call(sk);
	tcp_mapped_send(sk);
	bpf_map_update_elem(&mapped_sends, &thread, &call, BPF_ANY);
	return 0;
}

SEC("?kretprobe/tcp_bpf_sendmsg")
int BPF_KRETPROBE(mapped_sent, int ret)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&mapped_sends, &thread);

	if (!call)
		return 0;
	tcp_mapped_sent(call->sk, ret);
	bpf_map_delete_elem(&mapped_sends, &thread);
	return 0;
}

static __always_inline int begin_mapped_read(const struct sock *sk, const struct sk_psock *psock, int flags)
{
	struct call call = {.sk = sk, .psock = psock};
	__u64 thread = bpf_get_current_pid_tgid();

	if (!(flags & MSG_PEEK))
		bpf_map_update_elem(&mapped_reads, &thread, &call, BPF_ANY);
	return 0;
}

static __always_inline int end_mapped_read(int ret)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&mapped_reads, &thread);

	if (!call)
		return 0;
	tcp_mapped_read(call->sk, call->psock, ret);
	bpf_map_delete_elem(&mapped_reads, &thread);
	return 0;
}

SEC("?kprobe/sk_msg_recvmsg")
int BPF_KPROBE(mapped_read, struct sock *sk, struct sk_psock *psock, void *msg, int len, int flags)
{
	return begin_mapped_read(sk, psock, flags);
}

SEC("?kretprobe/sk_msg_recvmsg")
int BPF_KRETPROBE(mapped_was_read, int ret)
{
	return end_mapped_read(ret);
}

/* The name of sk_msg_recvmsg() until 5.13. */
SEC("?kprobe/__tcp_bpf_recvmsg")
int BPF_KPROBE(mapped_read_510, struct sock *sk, struct sk_psock *psock, void *msg, int len, int flags)
{
	return begin_mapped_read(sk, psock, flags);
}

SEC("?kretprobe/__tcp_bpf_recvmsg")
int BPF_KRETPROBE(mapped_was_read_510, int ret)
{
	return end_mapped_read(ret);
}

/* accept() has a socket and gives it to the current task. */
SEC("?kprobe/security_sock_graft")
int BPF_KPROBE(grafted, struct sock *sk)
{
	if (read_kind(sk) == SOCKET_TCP)
		tcp_accepted(sk);
	return 0;
}

/*
 * For kernels without CONFIG_SECURITY_NETWORK. A kretprobe has an instance for each call under way, and few of
 * them: processes that wait in accept() use them up.
 */
SEC("?kretprobe/inet_csk_accept")
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

/* Last: libbpf loads in this order, and a kernel that refuses these hooks must fail before the iterators are loaded. */
#include "sweep.h"

char LICENSE[] SEC("license") = "GPL";
