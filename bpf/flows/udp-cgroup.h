/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP by cgroup_skb on the root of cgroup v2, which sees every datagram of every socket, and by the end of the
 * socket calls, which shows the caller and whether the call failed.
 *
 * NAT may have changed the addresses of a packet on its way out, and IPsec all of it. Connection tracking, or the
 * call and the socket, then show what the program sent.
 */
#ifndef TCPTOP_UDP_CGROUP_H
#define TCPTOP_UDP_CGROUP_H

#include "udp.h"

/* What a send call has handed to the network, until the call ends. */
struct udp_sending {
	const void *task; /* NULL: nothing */
	bool hidden;	  /* the packet did not show what was sent: `key` has the addresses of its outside */
	struct udp_key key;
	struct datagrams d;
};

/* Where an unconnected socket sends, as its program says. */
struct udp_destination {
	const void *task; /* whose call it is */
	__u8 address[16];
	__u32 port;
};

/* What is known of a UDP socket; it lives as long as the socket. */
struct udp_socket {
	struct udp_owner owner;
	__u32 changes; /* of the owner */
	__u32 inode;
	__u32 netns; /* 0 while nothing is filled in */
	struct udp_sending sending;
	struct udp_destination destination;
	struct process earlier; /* the owner before; pid 0: none */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct udp_socket);
} udp_sockets SEC(".maps");

/* Set by the loader once cgroup_skb could not be attached: UDP is then counted at the calls. */
volatile bool udp_by_call;

/* Whether packets may leave unreadable: IPsec is there, or one did. */
volatile bool udp_may_hide;

/*
 * A socket's storage, made at its first use; NULL without memory. Of two processors that make it at once one is
 * refused (bpf_local_storage_update(): EEXIST, EAGAIN) and finds it at its second try.
 */
static __always_inline struct udp_socket *open_storage(void *sk)
{
	struct udp_socket *s = bpf_sk_storage_get(&udp_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	return s ? s : bpf_sk_storage_get(&udp_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
}

/* `sk`: the socket itself, for what BPF's view of it does not have. */
static __always_inline struct udp_socket *describe_socket(struct udp_socket *s, const struct sock *sk)
{
	if (s && !s->netns) {
		s->inode = inode_of(sk);
		s->netns = netns_of(sk);
	}
	return s;
}

/* For the end of a call. */
static __always_inline struct udp_socket *udp_socket_of(struct sock *sk)
{
	return describe_socket(open_storage(sk), sk);
}

/* The owner in the socket and in the flow's record agree by their number of changes. */
static __always_inline void adopt_owner(struct udp_flow *f, const struct udp_socket *s, bool opened)
{
	if (f->owner_changes == s->changes)
		return;
	set_udp_owner(f, &s->owner);
	f->owner_changes = s->changes;
	if (!opened)
		f->dirty = true;
}

static __always_inline void count_for_socket(const struct udp_key *key, const struct datagrams *d,
					     const struct udp_socket *s)
{
	bool opened;
	struct udp_flow *f = add_datagrams(key, d, s->netns, &opened);

	if (!f)
		return;
	adopt_owner(f, s, opened);
	emit_counted(f, opened);
}

static __noinline void change_socket_owner(struct udp_socket *s, const struct process *p)
{
	bool shared = (s->owner.flags & FLOWS_FLAG_SHARED) || is_same_task(&s->earlier, p);

	if (s->owner.process.pid != p->pid)
		s->earlier = s->owner.process;
	task_identity((struct task_struct *)bpf_get_current_task(), &s->owner.process, &s->owner.uid,
		      &s->owner.cgroup_id);
	s->owner.flags = shared ? FLOWS_FLAG_SHARED : 0;
	s->changes++;
	bpf_map_update_elem(&udp_owners, &s->inode, &s->owner, BPF_ANY);
}

/* The current task has made a call on the socket. */
static __always_inline void own_socket(struct udp_socket *s)
{
	struct process p;

	current_process(&p);
	if (!is_same(&s->owner.process, &p))
		change_socket_owner(s, &p);
}

/* A connected socket's own addresses; false without a peer. */
static __always_inline bool read_own_addresses(const struct sock *sk, __u32 inode, struct udp_key *key)
{
	key->local_port = local_port(sk);
	key->remote_port = remote_port(sk);
	key->inode = inode;
	if (!key->remote_port)
		return false;
	read_addresses(key->local_address, key->remote_address, sk);
	return true;
}

/* cgroup/sendmsg4 and sendmsg6: an unconnected socket is about to send. */
static __always_inline void udp_sends_to(struct bpf_sock_addr *call, bool is_ipv6)
{
	struct bpf_sock *socket = call->sk;
	struct udp_socket *s;

	if (!udp_may_hide || !socket || call->protocol != IPPROTO_UDP || call->type != SOCK_DGRAM)
		return;
	s = open_storage(socket);
	if (!s)
		return;
	s->destination.task = (void *)bpf_get_current_task();
	s->destination.port = bpf_ntohs(call->user_port);
	if (is_ipv6) {
		__be32 *words = (__be32 *)s->destination.address;

		words[0] = call->user_ip6[0];
		words[1] = call->user_ip6[1];
		words[2] = call->user_ip6[2];
		words[3] = call->user_ip6[3];
	} else {
		map_ipv4(s->destination.address, call->user_ip4);
	}
}

static __always_inline bool is_same_address(const __u8 *a, const __u8 *b)
{
	const __u64 *one = (const __u64 *)a, *other = (const __u64 *)b;

	return one[0] == other[0] && one[1] == other[1];
}

/*
 * The addresses of what a call sent unseen. Of an unconnected socket the call has the destination. Its own address
 * is that of the packet's outside where both have the same destination (IPsec in transport mode), else the one that
 * it is bound to; false where it is bound to none.
 */
static __always_inline bool read_hidden_addresses(const struct sock *sk, const struct udp_socket *s,
						  struct udp_key *key)
{
	const struct udp_sending *last = &s->sending;
	__u8 unused[16];

	if (read_own_addresses(sk, s->inode, key))
		return true;
	if (s->destination.task != (void *)bpf_get_current_task() || !s->destination.port)
		return false;
	key->remote_port = s->destination.port;
	__builtin_memcpy(key->remote_address, s->destination.address, 16);
	if (is_same_address(last->key.remote_address, key->remote_address)) {
		__builtin_memcpy(key->local_address, last->key.local_address, 16);
		return true;
	}
	read_addresses(key->local_address, unused, sk);
	return *(__u64 *)key->local_address || *(__be32 *)(key->local_address + 12);
}

/* Counts what a call moved without a look at its packet; without a peer it belongs to no flow. */
static __always_inline void count_by_call(const struct sock *sk, const struct udp_socket *s, __u32 bytes,
					  enum direction direction)
{
	struct datagrams d = {.bytes = bytes, .packets = 1, .direction = direction};
	struct udp_key key;

	if (direction == DIRECTION_OUT ? read_hidden_addresses(sk, s, &key) : read_own_addresses(sk, s->inode, &key)) {
		count_for_socket(&key, &d, s);
	} else {
		count(&losses.datagrams_untracked, 1);
		count(&losses.bytes_untracked, bytes);
	}
}

/*
 * sock_send_length: `ret` is what sendmsg() gives. A datagram that another program or a full queue refused has
 * been counted already. EAGAIN and ECONNREFUSED come before anything is sent.
 */
static __always_inline void udp_send_ended(struct sock *sk, int ret)
{
	struct udp_socket *s = udp_socket_of(sk);
	struct udp_sending *last;

	if (!s)
		return;
	last = &s->sending;
	own_socket(s);
	if (udp_by_call) {
		if (ret >= 0)
			count_by_call(sk, s, ret, DIRECTION_OUT);
		return;
	}
	if (last->task != (void *)bpf_get_current_task()) {
		if (ret < 0 && last->task && ret != -EAGAIN && ret != -ECONNREFUSED)
			count(&losses.datagrams_uncorrected, 1);
		return;
	}
	last->task = NULL;
	if (last->hidden && ret >= 0)
		count_by_call(sk, s, ret, DIRECTION_OUT);
	else if (!last->hidden && ret < 0 && ret != -EAGAIN && ret != -ECONNREFUSED)
		uncount_datagrams(&last->key, &last->d);
}

/* sock_recv_length: `ret` is what recvmsg() has taken out of the socket, negative for nothing. */
static __always_inline void udp_receive_ended(struct sock *sk, int ret)
{
	struct udp_socket *s = udp_socket_of(sk);

	if (!s)
		return;
	own_socket(s);
	if (udp_by_call && ret >= 0)
		count_by_call(sk, s, ret, DIRECTION_IN);
}

/* include/uapi/linux/netfilter/nf_conntrack_common.h */
#define IP_CT_IS_REPLY 3
#define IPS_NAT_MASK   (1 << 4 | 1 << 5)
/* include/linux/skbuff.h; the low bits of _nfct are the direction and state */
#define NFCT_PTRMASK (~7ul)

/* struct nf_conntrack_tuple, include/net/netfilter/nf_conntrack_tuple.h; the loader checks its size. */
struct tracked_tuple {
	__u8 source[16];
	__be16 source_port;
	__u16 family;
	__u8 destination[16];
	__be16 destination_port;
	__u8 protocol;
	__u8 direction;
};

/*
 * Where struct nf_conn keeps its status and its two tuples. On most kernels the type is a module's, which may be
 * loaded later: the broker writes these as soon as it knows them, the status last. 0: not known. They are in a section
 * of their own, which unprivileged processes do not get: whoever writes them chooses what kernel memory is read.
 */
volatile __u32 tracked_tuples_at SEC(".data.conntrack");
volatile __u32 tracked_tuple_stride SEC(".data.conntrack");
volatile __u32 tracked_status_at SEC(".data.conntrack");

/* Addresses as a flow's key has them: IPv4 mapped. */
static __always_inline void map_tracked(__u8 *to, const __u8 *address, __u16 family)
{
	if (family == AF_INET)
		map_ipv4(to, *(const __be32 *)address);
	else
		__builtin_memcpy(to, address, sizeof(struct in6_addr));
}

/*
 * The addresses that a packet had when connection tracking first saw it: those of the program, before NAT.
 * Leaves the key as it is where nothing translates.
 */
static __always_inline void undo_nat(const struct sk_buff *skb, struct udp_key *key)
{
	__u32 status_at = tracked_status_at, tuple_at = tracked_tuples_at;
	struct tracked_tuple tuple;
	unsigned long nfct, status;
	const void *connection;

	if (!status_at || !bpf_core_field_exists(skb->_nfct))
		return;
	nfct = BPF_CORE_READ(skb, _nfct);
	connection = (const void *)(nfct & NFCT_PTRMASK);
	if (!connection || bpf_probe_read_kernel(&status, sizeof(status), connection + status_at) ||
	    !(status & IPS_NAT_MASK))
		return;
	if ((nfct & ~NFCT_PTRMASK) >= IP_CT_IS_REPLY)
		tuple_at += tracked_tuple_stride;
	if (bpf_probe_read_kernel(&tuple, sizeof(tuple), connection + tuple_at) || tuple.protocol != IPPROTO_UDP)
		return;
	map_tracked(key->local_address, tuple.source, tuple.family);
	map_tracked(key->remote_address, tuple.destination, tuple.family);
	key->local_port = bpf_ntohs(tuple.source_port);
	key->remote_port = bpf_ntohs(tuple.destination_port);
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

/* The headers of almost every IPv4 datagram, in one read. */
struct ipv4_udp_headers {
	struct ipv4_header ip;
	struct udp_header udp;
};

/*
 * Reads addresses and ports of a packet that begins with its IP header; the offset of its payload. 0 if it is
 * not UDP: the addresses are read all the same.
 */
static __always_inline __u32 read_packet(struct __sk_buff *skb, enum direction direction, struct udp_key *key)
{
	__u8 *from = direction == DIRECTION_OUT ? key->local_address : key->remote_address;
	__u8 *to = direction == DIRECTION_OUT ? key->remote_address : key->local_address;
	struct udp_header uh;
	__u32 offset;

	if (skb->protocol == bpf_htons(0x0800)) {
		struct ipv4_udp_headers h;

		if (bpf_skb_load_bytes(skb, 0, &h, sizeof(h)))
			return 0;
		map_ipv4(from, h.ip.saddr);
		map_ipv4(to, h.ip.daddr);
		if (h.ip.protocol != IPPROTO_UDP)
			return 0;
		offset = (h.ip.version_ihl & 15) * 4;
		uh = h.udp;
		if (offset != sizeof(h.ip) && bpf_skb_load_bytes(skb, offset, &uh, sizeof(uh)))
			return 0;
	} else if (skb->protocol == bpf_htons(0x86dd)) {
		struct ipv6_header ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
			return 0;
		__builtin_memcpy(from, &ip.saddr, 16);
		__builtin_memcpy(to, &ip.daddr, 16);
		offset = udp_offset_ipv6(skb, ip.nexthdr);
		if (!offset || bpf_skb_load_bytes(skb, offset, &uh, sizeof(uh)))
			return 0;
	} else {
		return 0;
	}
	key->local_port = bpf_ntohs(direction == DIRECTION_OUT ? uh.source : uh.dest);
	key->remote_port = bpf_ntohs(direction == DIRECTION_OUT ? uh.dest : uh.source);
	return offset + sizeof(uh);
}

/* A datagram whose checksum is not verified before the program reads it, by the address of its packet. */
struct udp_unverified {
	struct udp_key key;
	struct datagrams d;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct udp_unverified);
} udp_unverified SEC(".maps");

/* include/linux/skbuff.h; up to so many bytes are verified at once (udp4_csum_init(), udp6_csum_init()) */
#define CHECKSUM_NONE  0
#define CHECKSUM_BREAK 76

/* Remembers a datagram that a wrong checksum may still drop. Most packets come verified, by the card or loopback. */
static __always_inline void note_unverified(const struct sk_buff *skb, const struct udp_key *key,
					    const struct datagrams *d)
{
	struct udp_unverified datagram = {.key = *key, .d = *d};
	__u64 packet = (__u64)skb;

	if (BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed) != CHECKSUM_NONE ||
	    BPF_CORE_READ_BITFIELD_PROBED(skb, csum_valid))
		return;
	bpf_map_update_elem(&udp_unverified, &packet, &datagram, BPF_ANY);
}

/* The outside of a packet that is not UDP any more; that of one which NAT has changed says nothing. */
static __always_inline void note_outside(struct udp_sending *sending, const struct udp_key *key, bool is_wrapped)
{
	if (is_wrapped)
		sending->key = *key;
	else
		__builtin_memset(&sending->key, 0, sizeof(sending->key));
}

/* Both hooks see the packet from its IP header on, whole: before fragmentation, after reassembly. */
static __always_inline void cgroup_datagram(struct __sk_buff *skb, enum direction direction)
{
	struct bpf_sock *socket = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	/* The context is the kernel's sk_buff; its socket is the one that the hook runs for. */
	const struct sk_buff *packet = (const struct sk_buff *)(void *)skb;
	struct datagrams d = {.direction = direction};
	struct udp_socket *s;
	struct udp_key key = {};
	__u32 offset;

	if (!socket || socket->protocol != IPPROTO_UDP || socket->type != SOCK_DGRAM)
		return;
	s = open_storage(socket);
	if (!s) {
		count(&losses.datagrams_untracked, 1);
		count(&losses.bytes_untracked, skb->len);
		return;
	}
	if (!s->netns)
		describe_socket(s, BPF_CORE_READ(packet, sk));
	key.inode = s->inode;
	offset = read_packet(skb, direction, &key);
	if (direction == DIRECTION_OUT) {
		if (offset)
			undo_nat(packet, &key);
		s->sending.hidden = !offset || key.local_port != socket->src_port;
		s->sending.task = (void *)bpf_get_current_task();
		if (s->sending.hidden) {
			udp_may_hide = true;
			note_outside(&s->sending, &key, !offset);
			return;
		}
	} else if (!offset) {
		return;
	}
	d.bytes = skb->len - offset;
	d.packets = segments(d.bytes, skb->gso_size);
	if (direction == DIRECTION_OUT) {
		s->sending.key = key;
		s->sending.d = d;
	} else if (d.bytes + sizeof(struct udp_header) > CHECKSUM_BREAK) {
		note_unverified(packet, &key, &d);
	}
	count_for_socket(&key, &d, s);
}

/*
 * A datagram that was counted when it came, has a wrong checksum and is dropped when the program wants to read it.
 * Until 6.13 the kernel gives no reason (udp_recvmsg(), csum_copy_err), so that the packet itself says which
 * datagram it is: the address of one that was read belongs to another packet soon.
 */
static __always_inline void udp_was_damaged(struct sk_buff *skb)
{
	__u64 packet = (__u64)skb;
	struct udp_unverified *known = bpf_map_lookup_elem(&udp_unverified, &packet);
	struct udp_header header;

	if (!known)
		return;
	if (!bpf_probe_read_kernel(&header, sizeof(header),
				   BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header)) &&
	    bpf_ntohs(header.source) == known->key.remote_port && bpf_ntohs(header.dest) == known->key.local_port)
		uncount_datagrams(&known->key, &known->d);
	bpf_map_delete_elem(&udp_unverified, &packet);
}

/*
 * The socket that a packet was for has dropped it: one that the ingress hook has counted and that never comes to
 * the program, refused by another program or the socket's filter, or without room in the receive buffer.
 */
static __always_inline void udp_was_refused(struct sk_buff *skb, struct sock *sk, __u32 reason)
{
	struct udp_socket *s;
	struct udp_key key;
	struct datagrams d;

	if (reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_SOCKET_FILTER) &&
	    reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_SOCKET_RCVBUFF) &&
	    reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_PROTO_MEM))
		return;
	s = bpf_sk_storage_get(&udp_sockets, sk, NULL, 0);
	if (s && read_datagram(skb, s->inode, DIRECTION_IN, &key, &d))
		uncount_datagrams(&key, &d);
}

#endif
