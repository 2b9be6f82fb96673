// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Doors for kernels without function tracing: tracepoints for TCP, cgroup_skb for UDP.
 *
 * sock_send_length and sock_recv_length (6.3 and later) end every send and receive call, in process
 * context. What moves without a call (splice from a socket) is seen by the sweep. cgroup_skb on the
 * root of cgroup v2 sees every datagram with its addresses.
 */
#include "tcp.h"
#include "udp.h"

/* Set by the loader once cgroup_skb could not be attached: UDP is then counted at the calls. */
volatile bool udp_by_call;

static __always_inline void tcp_call_ended(struct sock *sk, __u32 out, __u32 in)
{
	struct positions at;

	if (load_positions(sk, &at))
		tcp_called(sk, &at, out, in);
}

/* Without packets only a connected socket's addresses are known; what others move is a loss. */
static __always_inline void udp_call_ended(struct sock *sk, __u32 bytes, enum direction direction)
{
	struct datagrams d = {.bytes = bytes, .packets = 1, .direction = direction};
	struct udp_key key = {.local_port = local_port(sk), .remote_port = remote_port(sk), .netns = netns_of(sk)};

	if (!key.remote_port) {
		count(&losses.datagrams_untracked, 1);
		count(&losses.bytes_untracked, bytes);
		return;
	}
	read_addresses(key.local_address, key.remote_address, sk);
	count_datagrams(&key, &d, 0, true);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(send_ended, struct sock *sk, int ret, int flags)
{
	switch (load_kind(sk)) {
	case SOCKET_TCP:
		tcp_call_ended(sk, ret > 0 ? ret : 0, 0);
		break;
	case SOCKET_MULTIPATH:
		if (has_multipath())
			multipath_called(sk);
		break;
	case SOCKET_UDP:
		if (!udp_by_call)
			own_udp(bpf_get_socket_cookie(sk));
		else if (ret >= 0)
			udp_call_ended(sk, ret, DIRECTION_OUT);
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
		if (has_multipath())
			multipath_called(sk);
		break;
	case SOCKET_UDP:
		if (!udp_by_call)
			own_udp(bpf_get_socket_cookie(sk));
		else if (took && ret >= 0)
			udp_call_ended(sk, ret, DIRECTION_IN);
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

#define IPV6_HOP_BY_HOP	    0
#define IPV6_ROUTING	    43
#define IPV6_FRAGMENT	    44
#define IPV6_DESTINATION    60
#define IPV6_MAX_EXTENSIONS 8

/* Offset of the UDP header in an IPv6 packet, 0 if it carries something else. */
static __always_inline __u32 udp_offset_ipv6(struct __sk_buff *skb, __u8 next)
{
	__u32 offset = sizeof(struct ipv6_header);

#pragma unroll
	for (int i = 0; i < IPV6_MAX_EXTENSIONS; i++) {
		__u8 extension[2];

		if (next == IPPROTO_UDP)
			return offset;
		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_FRAGMENT &&
		    next != IPV6_DESTINATION)
			return 0;
		if (bpf_skb_load_bytes(skb, offset, extension, sizeof(extension)))
			return 0;
		offset += next == IPV6_FRAGMENT ? 8 : (extension[1] + 1) * 8;
		next = extension[0];
	}
	return 0;
}

/* Both hooks see the packet from its IP header on, whole: before fragmentation, after reassembly. */
static __always_inline void cgroup_datagram(struct __sk_buff *skb, enum direction direction)
{
	struct bpf_sock *owner = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	const struct sock *sk;
	struct datagrams d = {.direction = direction};
	struct udp_key key;
	struct udp_header uh;
	__u8 *from = direction == DIRECTION_OUT ? key.local_address : key.remote_address;
	__u8 *to = direction == DIRECTION_OUT ? key.remote_address : key.local_address;
	__u32 offset;

	if (!owner || owner->protocol != IPPROTO_UDP)
		return;
	/* The context is the kernel's sk_buff; the socket is the one the hook runs for. */
	sk = BPF_CORE_READ((const struct sk_buff *)(void *)skb, sk);
	if (skb->protocol == bpf_htons(0x0800)) {
		struct ipv4_header ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) || ip.protocol != IPPROTO_UDP)
			return;
		map_ipv4(from, ip.saddr);
		map_ipv4(to, ip.daddr);
		offset = (ip.version_ihl & 15) * 4;
	} else if (skb->protocol == bpf_htons(0x86dd)) {
		struct ipv6_header ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
			return;
		__builtin_memcpy(from, &ip.saddr, 16);
		__builtin_memcpy(to, &ip.daddr, 16);
		offset = udp_offset_ipv6(skb, ip.nexthdr);
		if (!offset)
			return;
	} else {
		return;
	}
	if (bpf_skb_load_bytes(skb, offset, &uh, sizeof(uh)))
		return;
	key.local_port = bpf_ntohs(direction == DIRECTION_OUT ? uh.source : uh.dest);
	key.remote_port = bpf_ntohs(direction == DIRECTION_OUT ? uh.dest : uh.source);
	key.netns = netns_of(sk);
	d.bytes = skb->len - offset - sizeof(uh);
	d.packets = segments(d.bytes, skb->gso_size);
	count_datagrams(&key, &d, bpf_get_socket_cookie(skb), false);
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

/*
 * A datagram that passed the ingress hook and then found the socket's buffer full: never delivered.
 * Its headers have been pulled, its payload is what is left (6.10 and later pass the packet).
 */
SEC("?tp_btf/udp_fail_queue_rcv_skb")
int BPF_PROG(datagram_dropped, int rc, struct sock *sk, struct sk_buff *skb)
{
	struct datagrams d;
	struct udp_key key;

	if (sk->sk_protocol == IPPROTO_UDP && read_datagram(skb, sk, DIRECTION_IN, &key, &d))
		uncount_datagrams(&key, &d);
	return 0;
}

/* Last: libbpf loads in this order, and a kernel that refuses the doors should say so at once. */
#include "sweep-udp.h"
#include "sweep.h"

char LICENSE[] SEC("license") = "GPL";
