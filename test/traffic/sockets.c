// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every socket that socket(2) gives, beside one TCP connection and one UDP flow: only these two have ends. Each
 * scenario is in a network namespace of its own, so that whatever else has a row there is wrong.
 */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef AF_SMC
#define AF_SMC 43
#endif
#define IPPROTO_SMC_STREAM  256
#define SOL_DCCP_LEVEL	    269
#define DCCP_SERVICE_OPTION 2

enum { FAMILIES = 47, PROTOCOLS = 263, PAYLOAD = 32, DISCARD_PORT = 9 };

static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET};

/* A socket that is open, and what it is. */
struct one {
	int family, type, protocol, fd;
};

static struct one *all;
static int count;

static void keep(int family, int type, int protocol, int fd)
{
	all = realloc(all, (count + 1) * sizeof(*all));
	if (!all)
		failed("no memory");
	all[count++] = (struct one){family, type, protocol, fd};
}

static bool is_ip(int family)
{
	return family == AF_INET || family == AF_INET6;
}

/* --- packets that raw sockets send --- */

struct packet {
	size_t len;
	unsigned char bytes[128];
};

/* A SYN, a datagram or an echo request to a port on which nothing listens; without an IP header. */
static struct packet transport_packet(int protocol)
{
	struct packet packet = {.len = PAYLOAD};

	if (protocol == IPPROTO_TCP) {
		struct tcphdr header = {
		    .source = htons(1000), .dest = htons(DISCARD_PORT), .doff = 5, .syn = 1, .window = htons(1024)};

		packet.len = sizeof(header);
		memcpy(packet.bytes, &header, sizeof(header));
	} else if (protocol == IPPROTO_UDP) {
		struct udphdr header = {.source = htons(1000), .dest = htons(DISCARD_PORT), .len = htons(PAYLOAD)};

		memcpy(packet.bytes, &header, sizeof(header));
	} else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		packet.bytes[0] = protocol == IPPROTO_ICMP ? ICMP_ECHO : 128;
	}
	return packet;
}

/* The same with an IPv4 or IPv6 header in front. */
static struct packet network_packet(int family, int protocol)
{
	struct packet inner = transport_packet(protocol), outer = {0};

	if (family == AF_INET) {
		struct iphdr header = {.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol};

		header.tot_len = htons(sizeof(header) + inner.len);
		header.saddr = header.daddr = htonl(INADDR_LOOPBACK);
		outer.len = sizeof(header);
		memcpy(outer.bytes, &header, sizeof(header));
	} else {
		struct ip6_hdr header = {.ip6_src = in6addr_loopback, .ip6_dst = in6addr_loopback};

		header.ip6_flow = htonl(6u << 28);
		header.ip6_plen = htons(inner.len);
		header.ip6_nxt = protocol;
		header.ip6_hlim = 64;
		outer.len = sizeof(header);
		memcpy(outer.bytes, &header, sizeof(header));
	}
	memcpy(outer.bytes + outer.len, inner.bytes, inner.len);
	outer.len += inner.len;
	return outer;
}

/* --- what each socket is used for; a socket that cannot do it is left as it is --- */

static void try_send(int fd, const void *bytes, size_t len)
{
	char buffer[2048];

	if (send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
	/* Read and written too, which are other ways into the kernel. */
	recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (write(fd, bytes, len) < 0 || read(fd, buffer, sizeof(buffer)) < 0)
		return;
}

static void use_packet(const struct one *one)
{
	struct packet packet = network_packet(AF_INET, IPPROTO_UDP);
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0800), .sll_halen = 6};
	unsigned char frame[14 + sizeof(packet.bytes)] = {[12] = 8};

	to.sll_ifindex = if_nametoindex("lo");
	bind(one->fd, (struct sockaddr *)&to, sizeof(to));
	memcpy(frame + 14, packet.bytes, packet.len);
	if (one->type == SOCK_DGRAM)
		sendto(one->fd, packet.bytes, packet.len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to));
	else
		sendto(one->fd, frame, 14 + packet.len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to));
	recv(one->fd, frame, sizeof(frame), MSG_DONTWAIT);
}

/* To the kernel, which ignores NLMSG_NOOP, and to itself. */
static void use_netlink(const struct one *one)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK}, self = kernel;
	struct nlmsghdr message = {.nlmsg_len = sizeof(message), .nlmsg_type = NLMSG_NOOP};
	socklen_t len = sizeof(self);

	if (connect(one->fd, (struct sockaddr *)&kernel, sizeof(kernel)))
		return;
	try_send(one->fd, &message, sizeof(message));
	if (getsockname(one->fd, (struct sockaddr *)&self, &len) ||
	    connect(one->fd, (struct sockaddr *)&self, sizeof(self)))
		return;
	try_send(one->fd, &message, sizeof(message));
}

static void use_raw(const struct one *one)
{
	union address to = loopback(one->family, 0);
	struct packet packet =
	    one->protocol == IPPROTO_RAW ? network_packet(one->family, IPPROTO_UDP) : transport_packet(one->protocol);

	bind(one->fd, &to.sa, address_len(&to));
	connect(one->fd, &to.sa, address_len(&to));
	try_send(one->fd, packet.bytes, packet.len);
}

/* SCTP, DCCP and the like, where the kernel has them: a connection to a listener of its own kind. */
static void use_connection(const struct one *one)
{
	union address any = loopback(one->family, 0), to;
	socklen_t len = sizeof(to);
	int service = htonl(1), listener = socket(one->family, one->type, one->protocol), accepted;
	struct pollfd ready = {.fd = listener, .events = POLLIN};
	char buffer[PAYLOAD] = {0};

	if (listener < 0)
		return;
	keep(one->family, one->type, one->protocol, listener);
	setsockopt(listener, SOL_DCCP_LEVEL, DCCP_SERVICE_OPTION, &service, sizeof(service));
	setsockopt(one->fd, SOL_DCCP_LEVEL, DCCP_SERVICE_OPTION, &service, sizeof(service));
	fcntl(one->fd, F_SETFL, O_NONBLOCK);
	if (bind(listener, &any.sa, address_len(&any)) || listen(listener, 1) || getsockname(listener, &to.sa, &len))
		return;
	connect(one->fd, &to.sa, address_len(&to));
	if (poll(&ready, 1, 200) > 0) {
		accepted = accept(listener, NULL, NULL);
		if (accepted >= 0) {
			keep(one->family, one->type, one->protocol, accepted);
			try_send(accepted, buffer, sizeof(buffer));
		}
	}
	try_send(one->fd, buffer, sizeof(buffer));
}

/* Echo requests of a ping socket, datagrams of UDP-Lite. */
static void use_datagrams(const struct one *one)
{
	union address to = loopback(one->family, 0);
	struct packet packet = transport_packet(one->protocol);
	socklen_t len = sizeof(to);

	if (bind(one->fd, &to.sa, address_len(&to)) || getsockname(one->fd, &to.sa, &len))
		return;
	connect(one->fd, &to.sa, address_len(&to));
	try_send(one->fd, packet.bytes, packet.len);
}

/* Bound to whatever it gets, connected to itself. */
static void use_otherwise(const struct one *one)
{
	struct sockaddr_storage self = {.ss_family = one->family};
	socklen_t len = sizeof(sa_family_t);
	char buffer[PAYLOAD] = {0};

	fcntl(one->fd, F_SETFL, O_NONBLOCK);
	bind(one->fd, (struct sockaddr *)&self, len);
	len = sizeof(self);
	if (!getsockname(one->fd, (struct sockaddr *)&self, &len))
		connect(one->fd, (struct sockaddr *)&self, len);
	try_send(one->fd, buffer, sizeof(buffer));
}

/* Connected, it would have a TCP socket that is one. */
static bool has_tcp_inside(const struct one *one)
{
	return one->family == AF_SMC || (is_ip(one->family) && one->type == SOCK_STREAM &&
					 (one->protocol == IPPROTO_MPTCP || one->protocol == IPPROTO_SMC_STREAM));
}

static void use(const struct one *one)
{
	union address any = loopback(one->family == AF_INET6 ? AF_INET6 : AF_INET, 0);

	if (one->family == AF_PACKET || one->type == SOCK_PACKET)
		use_packet(one);
	else if (one->family == AF_NETLINK)
		use_netlink(one);
	else if (has_tcp_inside(one))
		bind(one->fd, &any.sa, address_len(&any));
	else if (!is_ip(one->family))
		use_otherwise(one);
	else if (one->type == SOCK_RAW)
		use_raw(one);
	else if (one->type == SOCK_DGRAM)
		use_datagrams(one);
	else
		use_connection(one);
}

/* --- the scenarios --- */

static bool is_true_flow(int family, int type, int protocol)
{
	if (!is_ip(family))
		return false;
	return (type == SOCK_STREAM && (!protocol || protocol == IPPROTO_TCP)) ||
	       (type == SOCK_DGRAM && (!protocol || protocol == IPPROTO_UDP));
}

/* A protocol that a family does not have makes the kernel look for a module, which takes long. */
static bool is_worth_a_try(int family, int type, int protocol)
{
	static const int stream_protocols[] = {
	    0,	 IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_DCCP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_UDPLITE,
	    256, IPPROTO_MPTCP};

	if (!is_ip(family))
		return protocol < (family == AF_NETLINK ? 32 : 8);
	if (type == SOCK_RAW)
		return true;
	for (size_t i = 0; i < sizeof(stream_protocols) / sizeof(stream_protocols[0]); i++) {
		if (protocol == stream_protocols[i])
			return !is_true_flow(family, type, protocol);
	}
	return false;
}

static void make_sockets_of(int family)
{
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		for (int protocol = 0; protocol < PROTOCOLS; protocol++) {
			int fd;

			if (!is_worth_a_try(family, types[t], protocol))
				continue;
			fd = socket(family, types[t], protocol);
			if (fd >= 0)
				keep(family, types[t], protocol, fd);
			else if (errno == EAFNOSUPPORT && !is_ip(family))
				return;
			else if (errno == EMFILE || errno == ENFILE)
				syscall_failed("socket");
		}
	}
}

/* One TCP connection and one UDP flow, both ends of each in this process. */
struct flows {
	int tcp[2], udp[2];
	struct end *tcp_ends[2], *udp_ends[2];
};

static struct flows open_flows(void)
{
	union address any = loopback(AF_INET, 0), to;
	int listener = listener_at(&any);
	struct flows flows;

	to = local_address(listener);
	flows.tcp[0] = connected_socket(SOCK_STREAM, &to);
	flows.tcp[1] = must(accept(listener, NULL, NULL), "accept");
	close(listener);
	flows.udp[0] = bound_socket(SOCK_DGRAM, &any);
	flows.udp[1] = bound_socket(SOCK_DGRAM, &any);
	for (int i = 0; i < 2; i++) {
		to = local_address(flows.udp[!i]);
		must(connect(flows.udp[i], &to.sa, address_len(&to)), "connect");
	}
	for (int i = 0; i < 2; i++) {
		flows.tcp_ends[i] = end_of(i ? "server" : "client", flows.tcp[i]);
		flows.udp_ends[i] = end_of(i ? "server" : "client", flows.udp[i]);
	}
	return flows;
}

static void use_flows(struct flows *flows)
{
	char buffer[2000] = {0};

	for (int i = 0; i < 2; i++) {
		send_bytes(flows->tcp[i], flows->tcp_ends[i], 1000 + i, 2000, 0);
		recv_bytes(flows->tcp[!i], flows->tcp_ends[!i], 1000 + i, 2000, 0);
		count_out(flows->udp_ends[i], must(send(flows->udp[i], buffer, 500 + i, 0), "send"), 1);
		count_in(flows->udp_ends[!i], must(recv(flows->udp[!i], buffer, sizeof(buffer), 0), "recv"), 1);
	}
}

static void close_flows(const struct flows *flows)
{
	for (int i = 0; i < 2; i++) {
		close(flows->tcp[i]);
		close(flows->udp[i]);
	}
}

/*
 * What is in `all` is used before and after the ready line, beside the two flows, then closed. With existing=1
 * tcptop starts at the ready line.
 */
static void use_and_close_all(void)
{
	struct flows flows = open_flows();
	int made = count;

	for (int i = 0; i < made; i++)
		use(&all[i]);
	use_flows(&flows);
	if (option("existing", 0))
		ends_existed();
	wait_for_go();
	for (int i = 0; i < count; i++) {
		struct packet packet = transport_packet(all[i].protocol);

		try_send(all[i].fd, packet.bytes, packet.len);
	}
	use_flows(&flows);
	for (int i = 0; i < count; i++)
		close(all[i].fd);
	close_flows(&flows);
	count = 0;
}

static void make_copies(int family, int type, int protocol, long copies)
{
	while (copies--) {
		int fd = socket(family, type, protocol);

		if (fd < 0)
			skipped("socket(%d, %d, %d): %s", family, type, protocol, strerror(errno));
		keep(family, type, protocol, fd);
	}
}

static void allow_ping_sockets(void)
{
	static const char everybody[] = "0 2147483647";
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);

	/* A kernel without them is fine too. */
	if (fd >= 0 && write(fd, everybody, strlen(everybody)) < 0)
		syscall_failed("ping_group_range");
	close(fd);
}

static void allow_many_files(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
}

static void in_own_netns(void (*make)(void))
{
	must(prctl(PR_SET_NAME, "ts-sockets"), "PR_SET_NAME");
	refresh_name();
	allow_many_files();
	enter_new_netns();
	make();
	use_and_close_all();
}

static void make_every_socket(void)
{
	allow_ping_sockets();
	for (int family = 0; family < FAMILIES; family++)
		make_sockets_of(family);
}

static void sockets(void)
{
	in_own_netns(make_every_socket);
}

/* As traceroute -T has them. */
static void make_raw_tcp(void)
{
	make_copies(AF_INET, SOCK_RAW, IPPROTO_TCP, option("count", 100));
	make_copies(AF_INET6, SOCK_RAW, IPPROTO_TCP, option("count", 100));
}

static void raw_tcp(void)
{
	in_own_netns(make_raw_tcp);
}

static void make_raw_multipath(void)
{
	make_copies(AF_INET, SOCK_RAW, IPPROTO_MPTCP, option("count", 100));
}

static void raw_multipath(void)
{
	in_own_netns(make_raw_multipath);
}

/* NETLINK_XFRM has the number of TCP, which key exchange daemons use. */
static void make_netlink(void)
{
	make_copies(AF_NETLINK, SOCK_RAW, NETLINK_XFRM, option("count", 100));
	make_copies(AF_NETLINK, SOCK_DGRAM, NETLINK_XFRM, option("count", 100));
}

static void netlink_xfrm(void)
{
	in_own_netns(make_netlink);
}

/* --- raw sockets of an ordinary user --- */

enum { ORDINARY_USER = 65534 };

static void exchange_as_client(int fd, struct end *end)
{
	send_bytes(fd, end, 3000, 1000, 0);
	recv_to_eof(fd, end);
}

static void exchange_as_server(int fd, struct end *end)
{
	recv_bytes(fd, end, 3000, 1000, 0);
	send_bytes(fd, end, 2000, 1000, 0);
}

/* An ordinary user with a user namespace fills no table: its raw sockets are gone before the connections come. */
static void crowd_of_raw_sockets(void *context)
{
	(void)context;
	must(setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER), "setresgid");
	must(setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER), "setresuid");
	if (unshare(CLONE_NEWUSER))
		skipped("unshare(CLONE_NEWUSER): %s", strerror(errno));
	enter_new_netns();
	make_copies(AF_INET, SOCK_RAW, IPPROTO_TCP, option("count", 400));
	for (int i = 0; i < count; i++)
		use(&all[i]);
	wait_for_go();
	for (int i = 0; i < count; i++)
		close(all[i].fd);
	for (long i = option("connections", 20); i > 0; i--)
		run_tcp4(exchange_as_client, exchange_as_server);
}

static void raw_crowd(void)
{
	spawn("ts-crowd", crowd_of_raw_sockets, NULL);
	join_all();
}

const struct scenario socket_scenarios[] = {
    {"sockets", sockets},	    {"raw-tcp", raw_tcp},     {"raw-multipath", raw_multipath},
    {"netlink-xfrm", netlink_xfrm}, {"raw-crowd", raw_crowd}, {0},
};
