/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a socket is, and its addresses. */
#ifndef TCPTOP_SOCKET_H
#define TCPTOP_SOCKET_H

#include "../kernel.h"

enum socket_kind {
	SOCKET_OTHER,
	SOCKET_TCP,
	SOCKET_UDP,
	SOCKET_MULTIPATH,
};

/*
 * Protocol numbers say nothing alone: a raw socket may have TCP's, and number 6 is another protocol in another
 * family. Only a socket of kind SOCKET_TCP is a tcp_sock and ends
 * by tcp_destroy_sock.
 */
static __always_inline enum socket_kind kind_of(__u16 family, __u16 type, __u16 protocol)
{
	if (family != AF_INET && family != AF_INET6)
		return SOCKET_OTHER;
	if (type == SOCK_STREAM)
		return protocol == IPPROTO_TCP	   ? SOCKET_TCP
		       : protocol == IPPROTO_MPTCP ? SOCKET_MULTIPATH
						   : SOCKET_OTHER;
	return type == SOCK_DGRAM && protocol == IPPROTO_UDP ? SOCKET_UDP : SOCKET_OTHER;
}

/* For sockets that the verifier knows. */
static __always_inline enum socket_kind load_kind(const struct sock *sk)
{
	return kind_of(sk->__sk_common.skc_family, sk->sk_type, sk->sk_protocol);
}

static __always_inline enum socket_kind read_kind(const struct sock *sk)
{
	return kind_of(BPF_CORE_READ(sk, __sk_common.skc_family), BPF_CORE_READ(sk, sk_type),
		       BPF_CORE_READ(sk, sk_protocol));
}

/* IPv4 as ::ffff:a.b.c.d */
static __always_inline void map_ipv4(__u8 *to, __be32 address)
{
	__be32 *words = (__be32 *)to;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

/* inet_sport outlives skc_num, which tcp_set_state() clears on the way to CLOSE. */
static __always_inline __u16 local_port(const struct sock *sk)
{
	return bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
}

static __always_inline __u16 remote_port(const struct sock *sk)
{
	return bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

/* An IPv6 socket with an IPv4 peer holds mapped addresses. */
static __always_inline void read_addresses(__u8 *local, __u8 *remote, const struct sock *sk)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6 &&
	    bpf_core_field_exists(((struct sock_common *)0)->skc_v6_daddr)) {
		BPF_CORE_READ_INTO((struct in6_addr *)local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)remote, sk, __sk_common.skc_v6_daddr);
	} else {
		map_ipv4(local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		map_ipv4(remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	}
}

/*
 * The socket's inode number, as /proc/net/tcp and /proc/PID/fd show it; 0 while no file descriptor stands for
 * it: before accept() and after close(). Sockets' numbers are 32 bits wide (get_next_ino(), fs/inode.c).
 */
static __always_inline __u32 inode_of(const struct sock *sk)
{
	const struct socket *socket = BPF_CORE_READ(sk, sk_socket);

	return socket ? BPF_CORE_READ((const struct socket_alloc *)socket, vfs_inode.i_ino) : 0;
}

static __always_inline __u32 netns_of(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

#endif
