/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's structs, as far as tcptop reads them. Offsets are relocated when the programs are
 * loaded (CO-RE), so order and size here mean nothing and no machine's BTF is needed to build.
 */
#ifndef TCPTOP_KERNEL_H
#define TCPTOP_KERNEL_H

#include <linux/bpf.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET	      2
#define AF_INET6      10
#define SOCK_STREAM   1
#define SOCK_DGRAM    2
#define IPPROTO_TCP   6
#define IPPROTO_UDP   17
#define IPPROTO_MPTCP 262
#define EAGAIN	      11
#define ENOBUFS	      105
#define ECONNREFUSED  111
#define MSG_PEEK      0x2
#define MSG_ERRQUEUE  0x2000
#define EEXIST	      17
#define PF_KTHREAD    0x00200000
#define S_IFMT	      0170000
#define S_IFSOCK      0140000

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
};

/* include/net/sock.h; the bits of skc_flags */
enum sock_flags {
	SOCK_DEAD,
	SOCK_DONE,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

typedef struct {
	int owned;
} socket_lock_t;

struct socket;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	unsigned int sk_kern_sock : 1;
	__u16 sk_type;
	__u16 sk_protocol;
	struct socket *sk_socket;
	void *sk_user_data;
};

struct bpf_prog;

/* skb_verdict alone until 5.13. */
struct sk_psock_progs {
	struct bpf_prog *stream_verdict;
	struct bpf_prog *skb_verdict;
};

struct sk_psock {
	struct sock *sk;
	struct sk_psock_progs progs;
};

struct ipv6_pinfo {
	__u16 recverr : 1;
};

struct inet_sock {
	struct ipv6_pinfo *pinet6;
	unsigned long inet_flags;
	__be16 inet_sport;
};

/* Before 6.6. */
struct inet_sock___bits {
	__u8 recverr : 1;
};

struct minmax_sample {
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	__u32 write_seq;
	__u32 snd_una;
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u32 segs_in;
	__u32 segs_out;
	__u64 bytes_received;
	__u64 bytes_acked;
	__u64 bytes_retrans;
	__u32 srtt_us;
	__u32 mdev_us;
	struct minmax rtt_min;
	__u32 total_retrans;
	__u32 snd_cwnd;
	bool is_mptcp;
};

struct mptcp_sock {
	struct list_head conn_list;
};

struct mptcp_subflow_context {
	struct list_head node;
	struct sock *tcp_sock;
	struct sock *conn;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct task_struct {
	unsigned int flags;
	int tgid;
	int pid;
	char comm[16];
	__u64 start_boottime;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	const struct cred *cred;
	struct css_set *cgroups;
	struct signal_struct *signal;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct files_struct *files;
	struct sched_entity se;
	struct list_head thread_node;
	int exit_code;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

/* A socket and its inode are one allocation (SOCK_INODE(), include/net/sock.h). */
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct refcount_struct {
	struct {
		int counter;
	} refs;
};

enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED = 1,
	SKB_DROP_REASON_SOCKET_FILTER,
	SKB_DROP_REASON_SOCKET_RCVBUFF,
	SKB_DROP_REASON_PROTO_MEM,
	SKB_DROP_REASON_UDP_CSUM,
};

struct sk_buff {
	struct sock *sk;
	unsigned long _nfct;
	unsigned int len;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
	__u8 ip_summed : 2;
	__u8 csum_valid : 1;
	__u16 transport_header;
	__u16 network_header;
	struct refcount_struct users;
};

struct skb_shared_info {
	unsigned short gso_size;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

/* Headers on the wire; never relocated. */
struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__be16 check;
	__be32 saddr;
	__be32 daddr;
};

struct ipv6_header {
	__u8 version_class;
	__u8 flow[3];
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	struct in6_addr saddr;
	struct in6_addr daddr;
};

struct udp_header {
	__be16 source;
	__be16 dest;
	__be16 len;
	__be16 check;
};

/* Whether the running kernel has a helper (dead branches are then removed by the verifier). */
#define has_helper(name) bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##name)

#endif
