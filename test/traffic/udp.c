// SPDX-License-Identifier: GPL-2.0-or-later
/* UDP: connected and not, one socket with many peers, and every way in which datagrams are not calls. */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/udp.h, which does not go with netinet/udp.h */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Datagrams that fit a socket's buffer. */
enum { BURST = 32 };

/* One process's part of a pair: a socket, its end of the flow, where to send. */
struct side {
	int fd, others_fd;
	struct end *end;
	union address peer;
	bool connected;
	void (*run)(struct side *side);
};

static void run_side(void *context)
{
	struct side *side = context;

	close(side->others_fd);
	side->run(side);
}

/* Sends one datagram of `len` bytes. */
static void send_datagram(struct side *side, size_t len)
{
	char *buffer = make_buffer(len);
	const struct sockaddr *to = side->connected ? NULL : &side->peer.sa;
	ssize_t n = must(sendto(side->fd, buffer, len, 0, to, to ? address_len(&side->peer) : 0), "sendto");

	count_out(side->end, n, 1);
	free(buffer);
}

/* Receives one datagram; returns its length. */
static size_t recv_datagram(struct side *side)
{
	static char buffer[65536];
	ssize_t n = must(recv(side->fd, buffer, sizeof(buffer), 0), "recv");

	count_in(side->end, n, 1);
	return n;
}

struct udp_pair {
	union address server, client; /* what the server binds; where the client sends, at the server's port */
	bool unconnected;	      /* the client does not connect, and binds no address */
	void (*on_client)(struct side *side);
	void (*on_server)(struct side *side);
};

/* Both sockets exist before the first datagram is sent, so none is lost. */
static void open_udp_pair(const struct udp_pair *pair, struct side *client, struct side *server)
{
	union address any = {.sa = {.sa_family = pair->client.sa.sa_family}};
	union address client_local, server_local = pair->client;

	go_far();
	*server = (struct side){.fd = bound_socket(SOCK_DGRAM, &pair->server), .run = pair->on_server};
	go_near();
	server_local.v4.sin_port = local_address(server->fd).v4.sin_port;
	*client = (struct side){.peer = server_local, .connected = !pair->unconnected, .run = pair->on_client};
	if (pair->unconnected) {
		client->fd = bound_socket(SOCK_DGRAM, &any);
		client_local = pair->client;
		client_local.v4.sin_port = local_address(client->fd).v4.sin_port;
	} else {
		client->fd = connected_socket(SOCK_DGRAM, &server_local);
		client_local = local_address(client->fd);
	}
	client->others_fd = server->fd;
	server->others_fd = client->fd;
	server->peer = client_local;
	client->end = end_between("client", IPPROTO_UDP, &client_local, &server_local);
	go_far();
	server->end = end_between("server", IPPROTO_UDP, &server_local, &client_local);
	go_near();
}

static void spawn_udp_pair(struct side *client, struct side *server)
{
	spawn_far("tu-server", run_side, server);
	spawn("tu-client", run_side, client);
	close(server->fd);
	close(client->fd);
}

static void run_udp_pair(const struct udp_pair *pair)
{
	struct side client, server;

	open_udp_pair(pair, &client, &server);
	spawn_udp_pair(&client, &server);
	join_all();
}

static void run_udp4(void (*on_client)(struct side *), void (*on_server)(struct side *))
{
	struct udp_pair pair = {
	    .server = server_address(AF_INET),
	    .client = server_address(AF_INET),
	    .on_client = on_client,
	    .on_server = on_server,
	};

	run_udp_pair(&pair);
}

/* --- questions and answers --- */

static long question_count(void)
{
	return option("count", 1000);
}

static void ask(struct side *side)
{
	for (long i = 0; i < question_count(); i++) {
		send_datagram(side, 1 + i * 37 % option("most", 1400));
		recv_datagram(side);
	}
}

static void answer(struct side *side)
{
	for (long i = 0; i < question_count(); i++)
		send_datagram(side, 2 * recv_datagram(side) + 1);
}

static void udp_connected(void)
{
	run_udp4(ask, answer);
}

static void udp_ipv6(void)
{
	struct udp_pair pair = {
	    .server = server_address(AF_INET6),
	    .client = server_address(AF_INET6),
	    .on_client = ask,
	    .on_server = answer,
	};

	run_udp_pair(&pair);
}

/* IPv6 sockets on both sides that talk IPv4. */
static void udp_mapped(void)
{
	struct udp_pair pair = {
	    .server = loopback(AF_INET6, 0),
	    .client = loopback(AF_INET6, 0),
	    .on_client = ask,
	    .on_server = answer,
	};

	pair.server.v6.sin6_addr = in6addr_any;
	pair.client.v6.sin6_addr = (struct in6_addr){{{[10] = 0xff, 0xff, 127, 0, 0, 1}}};
	run_udp_pair(&pair);
}

/* Neither socket knows its own address; the packets do. */
static void udp_wildcard(void)
{
	struct udp_pair pair = {
	    .server = {.v4 = {.sin_family = AF_INET}},
	    .client = loopback(AF_INET, 0),
	    .unconnected = true,
	    .on_client = ask,
	    .on_server = answer,
	};

	run_udp_pair(&pair);
}

static void udp_wildcard6(void)
{
	struct udp_pair pair = {
	    .server = {.v6 = {.sin6_family = AF_INET6}},
	    .client = loopback(AF_INET6, 0),
	    .unconnected = true,
	    .on_client = ask,
	    .on_server = answer,
	};

	run_udp_pair(&pair);
}

/* Both send at the same time, a burst ahead of the other at most: what the buffers hold. */
static void exchange_bursts(struct side *side)
{
	for (long left = option("count", 6400); left > 0; left -= BURST) {
		for (int i = 0; i < BURST; i++)
			send_datagram(side, option("size", 1400));
		for (int i = 0; i < BURST; i++)
			recv_datagram(side);
	}
}

static void udp_bulk(void)
{
	run_udp4(exchange_bursts, exchange_bursts);
}

/* --- processes that ask once and end --- */

struct asker {
	union address server;
	int server_fd;
};

static void ask_once(void *context)
{
	const struct asker *asker = context;
	struct side side = {.connected = true};
	union address local;

	/* Two processes with one port, one after the other, would be one flow. */
	do {
		side.fd = connected_socket(SOCK_DGRAM, &asker->server);
		local = local_address(side.fd);
	} while (was_used(&local));
	side.end = end_between("client", IPPROTO_UDP, &local, &asker->server);
	send_datagram(&side, 40);
	recv_datagram(&side);
}

static void breed_askers(void *context)
{
	for (long i = option("count", 50); i > 0; i--) {
		spawn("tu-mayfly", ask_once, context);
		join_all();
	}
}

static void answer_each_asker(void *context)
{
	const struct asker *asker = context;
	struct side side = {.fd = asker->server_fd};
	char buffer[100];

	for (long i = option("count", 50); i > 0; i--) {
		socklen_t len = sizeof(side.peer);
		ssize_t n = must(recvfrom(side.fd, buffer, sizeof(buffer), 0, &side.peer.sa, &len), "recvfrom");

		side.end = end_between("server", IPPROTO_UDP, &asker->server, &side.peer);
		count_in(side.end, n, 1);
		send_datagram(&side, 150);
	}
}

static void udp_mayfly(void)
{
	union address address = server_address(AF_INET);
	struct asker asker;

	go_far();
	asker.server_fd = bound_socket(SOCK_DGRAM, &address);
	go_near();
	asker.server = local_address(asker.server_fd);
	spawn_far("tu-server", answer_each_asker, &asker);
	spawn("tu-mayflies", breed_askers, &asker);
	join_all();
}

static void ask_large(struct side *side)
{
	for (int i = 0; i < 20; i++) {
		send_datagram(side, 65507);
		recv_datagram(side);
	}
}

static void answer_large(struct side *side)
{
	for (int i = 0; i < 20; i++)
		send_datagram(side, recv_datagram(side) - i);
}

static void udp_large(void)
{
	run_udp4(ask_large, answer_large);
}

/* Every other datagram is empty. */
static void ask_with_nothing(struct side *side)
{
	for (int i = 0; i < 50; i++) {
		send_datagram(side, i % 2 * 100);
		recv_datagram(side);
	}
}

static void answer_nothing(struct side *side)
{
	for (int i = 0; i < 50; i++) {
		recv_datagram(side);
		send_datagram(side, 0);
	}
}

static void udp_empty(void)
{
	run_udp4(ask_with_nothing, answer_nothing);
}

static void ask_fifty(struct side *side)
{
	for (int i = 0; i < 50; i++) {
		send_datagram(side, 1000 + i);
		recv_datagram(side);
	}
}

static void peek_then_answer(struct side *side)
{
	char buffer[2000];

	for (int i = 0; i < 50; i++) {
		must(recv(side->fd, buffer, sizeof(buffer), MSG_PEEK), "recv(MSG_PEEK)");
		must(recv(side->fd, buffer, 10, MSG_PEEK), "recv(MSG_PEEK)");
		send_datagram(side, recv_datagram(side) / 2);
	}
}

static void udp_peek(void)
{
	run_udp4(ask_fifty, peek_then_answer);
}

/* A datagram counts whole, also when the program's buffer takes only its beginning. */
static void truncate_then_answer(struct side *side)
{
	char buffer[100];

	for (int i = 0; i < 50; i++) {
		struct iovec v = {buffer, sizeof(buffer)};
		struct msghdr message = {.msg_iov = &v, .msg_iovlen = 1};
		struct pollfd p = {.fd = side->fd, .events = POLLIN};
		int length;

		must(poll(&p, 1, -1), "poll");
		must(ioctl(side->fd, FIONREAD, &length), "FIONREAD");
		must(recvmsg(side->fd, &message, 0), "recvmsg");
		if (!(message.msg_flags & MSG_TRUNC))
			failed("the datagram was not truncated");
		count_in(side->end, length, 1);
		send_datagram(side, 1);
	}
}

static void udp_truncated(void)
{
	run_udp4(ask_fifty, truncate_then_answer);
}

static void child_asks(void *context)
{
	struct side *side = context;

	ask_fifty(side);
}

static void ask_by_a_child(struct side *side)
{
	ask_fifty(side);
	spawn("tu-heir", child_asks, side);
	close(side->fd);
	join_all();
}

static void answer_fifty(struct side *side)
{
	for (int i = 0; i < 50; i++)
		send_datagram(side, recv_datagram(side) - 900);
}

static void answer_hundred(struct side *side)
{
	answer_fifty(side);
	answer_fifty(side);
}

static void answer_hundred_times_one(struct side *side)
{
	for (int i = 0; i < 100; i++) {
		recv_datagram(side);
		send_datagram(side, 1);
	}
}

static void udp_fork(void)
{
	run_udp4(ask_by_a_child, answer_hundred);
}

/* --- many peers --- */

enum { ROUNDS = 4, MOST_NUMBERED = 1500 };

struct crowd {
	int fd;
	union address server;
	int size;
	struct side *members;
	struct end **server_ends;
};

/* The first four bytes of a datagram say whose it is: plain recv() tells nothing. */
static void send_numbered(struct side *side, int number, size_t len)
{
	char buffer[MOST_NUMBERED] = {0};

	memcpy(buffer, &number, sizeof(number));
	count_out(side->end, must(send(side->fd, buffer, len, 0), "send"), 1);
}

static void crowd_asks(void *context)
{
	const struct crowd *crowd = context;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < crowd->size; i++) {
			send_numbered(&crowd->members[i], i, 4 + (i * 11 + round) % (MOST_NUMBERED - 4));
			recv_datagram(&crowd->members[i]);
		}
	}
}

/* Receives by recv(), recvfrom(), recvmsg() and read() in turn. */
static ssize_t recv_somehow(int fd, int how, char *buffer, size_t size)
{
	union address from;
	socklen_t len = sizeof(from);
	struct iovec v = {buffer, size};
	struct msghdr message = {.msg_iov = &v, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof(from)};

	switch (how % 4) {
	case 0:
		return recv(fd, buffer, size, 0);
	case 1:
		return recvfrom(fd, buffer, size, 0, &from.sa, &len);
	case 2:
		return recvmsg(fd, &message, 0);
	default:
		return read(fd, buffer, size);
	}
}

static void crowd_is_answered(void *context)
{
	const struct crowd *crowd = context;
	char buffer[MOST_NUMBERED];

	for (int i = 0; i < ROUNDS * crowd->size; i++) {
		ssize_t n = must(recv_somehow(crowd->fd, i, buffer, sizeof(buffer)), "receive");
		struct side side = {.fd = crowd->fd};
		int number;

		memcpy(&number, buffer, sizeof(number));
		side.end = crowd->server_ends[number];
		side.peer = side.end->remote;
		count_in(side.end, n, 1);
		send_datagram(&side, 2 * n);
	}
}

static void udp_many(void)
{
	union address any = loopback(AF_INET, 0);
	struct crowd crowd = {.fd = bound_socket(SOCK_DGRAM, &any), .size = option("peers", 50)};

	crowd.server = local_address(crowd.fd);
	crowd.members = calloc(crowd.size, sizeof(*crowd.members));
	crowd.server_ends = calloc(crowd.size, sizeof(struct end *));
	for (int i = 0; i < crowd.size; i++) {
		struct side *member = &crowd.members[i];
		union address local;

		member->fd = connected_socket(SOCK_DGRAM, &crowd.server);
		local = local_address(member->fd);
		member->end = end_between("client", IPPROTO_UDP, &local, &crowd.server);
		crowd.server_ends[i] = end_between("server", IPPROTO_UDP, &crowd.server, &local);
	}
	spawn("tu-server", crowd_is_answered, &crowd);
	spawn("tu-crowd", crowd_asks, &crowd);
	join_all();
}

/* --- to a group --- */

enum { GROUP_DATAGRAMS = 100 };

static void send_to_group(struct side *side)
{
	for (int i = 0; i < GROUP_DATAGRAMS; i++)
		send_datagram(side, 700 + i);
}

static void receive_as_group(struct side *side)
{
	for (int i = 0; i < GROUP_DATAGRAMS; i++)
		recv_datagram(side);
}

/* What the member receives was sent to the group's address, which is its own end of the flow. */
static void udp_multicast(void)
{
	union address any = {.v4 = {.sin_family = AF_INET}}, from = loopback(AF_INET, 0), group = from;
	struct ip_mreqn membership = {.imr_address = from.v4.sin_addr};
	struct side sender, member;
	int room = 1 << 20;

	group.v4.sin_addr.s_addr = inet_addr("239.1.2.3");
	membership.imr_multiaddr = group.v4.sin_addr;
	member = (struct side){.fd = bound_socket(SOCK_DGRAM, &any), .run = receive_as_group};
	must(setsockopt(member.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)),
	     "IP_ADD_MEMBERSHIP");
	must(setsockopt(member.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), "SO_RCVBUFFORCE");
	group.v4.sin_port = local_address(member.fd).v4.sin_port;

	sender = (struct side){.fd = bound_socket(SOCK_DGRAM, &from), .peer = group, .run = send_to_group};
	must(setsockopt(sender.fd, IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof(membership)), "IP_MULTICAST_IF");
	from = local_address(sender.fd);
	sender.others_fd = member.fd;
	member.others_fd = sender.fd;
	sender.end = end_between("client", IPPROTO_UDP, &from, &group);
	member.end = end_between("server", IPPROTO_UDP, &group, &from);
	spawn_udp_pair(&sender, &member);
	join_all();
}

/* --- datagrams that are not calls --- */

enum { SEGMENT = 1000, GSO_LEN = 10500, GSO_DATAGRAMS = 11, GSO_SENDS = 40 };

/* One call sends many datagrams; how long they are is said by a socket option or with the call. */
static void send_segmented(struct side *side)
{
	char *buffer = make_buffer(GSO_LEN);

	for (int i = 0; i < GSO_SENDS; i++) {
		char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
		struct iovec v = {buffer, GSO_LEN};
		struct msghdr message = {.msg_iov = &v, .msg_iovlen = 1};
		int segment = i < GSO_SENDS / 2 ? SEGMENT : 0;

		if (setsockopt(side->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
			skipped("UDP_SEGMENT: %s", strerror(errno));
		if (!segment) {
			const uint16_t size = SEGMENT;
			struct cmsghdr *c;

			message.msg_control = control;
			message.msg_controllen = sizeof(control);
			c = CMSG_FIRSTHDR(&message);
			c->cmsg_level = IPPROTO_UDP;
			c->cmsg_type = UDP_SEGMENT;
			c->cmsg_len = CMSG_LEN(sizeof(size));
			memcpy(CMSG_DATA(c), &size, sizeof(size));
		}
		count_out(side->end, must(sendmsg(side->fd, &message, 0), "sendmsg"), GSO_DATAGRAMS);
		recv_datagram(side);
	}
}

static void receive_segments(struct side *side)
{
	for (int i = 0; i < GSO_SENDS; i++) {
		for (int j = 0; j < GSO_DATAGRAMS; j++)
			recv_datagram(side);
		send_datagram(side, 1);
	}
}

static void udp_gso(void)
{
	run_udp4(send_segmented, receive_segments);
}

/* One call receives many datagrams; the kernel says how long each was. */
static void receive_merged(struct side *side)
{
	static char buffer[65536];

	for (int i = 0; i < GSO_SENDS; i++) {
		for (size_t left = GSO_LEN; left;) {
			char control[CMSG_SPACE(sizeof(int))];
			struct iovec v = {buffer, sizeof(buffer)};
			struct msghdr message = {
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control),
			};
			ssize_t n = must(recvmsg(side->fd, &message, 0), "recvmsg");
			int segment = n;

			if (CMSG_FIRSTHDR(&message))
				memcpy(&segment, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(segment));
			count_in(side->end, n, (n + segment - 1) / segment);
			left -= n;
		}
		send_datagram(side, 1);
	}
}

static void receive_merged_if_possible(struct side *side)
{
	int on = 1;

	if (setsockopt(side->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)))
		skipped("UDP_GRO: %s", strerror(errno));
	gate_open(0);
	receive_merged(side);
}

static void send_segmented_when_ready(struct side *side)
{
	gate_wait(0);
	send_segmented(side);
}

static void udp_gro(void)
{
	run_udp4(send_segmented_when_ready, receive_merged_if_possible);
}

/* Many calls make one datagram; the last of them may be no send at all. */
static void send_in_pieces(struct side *side)
{
	char *buffer = make_buffer(600);

	for (int i = 0; i < 50; i++) {
		int cork = 1;

		must(send(side->fd, buffer, 100, MSG_MORE), "send");
		must(send(side->fd, buffer, 200, MSG_MORE), "send");
		must(send(side->fd, buffer, 300, 0), "send");
		count_out(side->end, 600, 1);
		recv_datagram(side);

		must(setsockopt(side->fd, IPPROTO_UDP, UDP_CORK, &cork, sizeof(cork)), "UDP_CORK");
		must(send(side->fd, buffer, 50, 0), "send");
		must(send(side->fd, buffer, 60, 0), "send");
		cork = 0;
		must(setsockopt(side->fd, IPPROTO_UDP, UDP_CORK, &cork, sizeof(cork)), "UDP_CORK");
		count_out(side->end, 110, 1);
		recv_datagram(side);
	}
}

static void udp_cork(void)
{
	run_udp4(send_in_pieces, answer_hundred_times_one);
}

enum { BATCH = 32, BATCHES = 20 };

static void send_batches(struct side *side)
{
	char *buffer = make_buffer(1400);

	for (int round = 0; round < BATCHES; round++) {
		struct iovec v[BATCH];
		struct mmsghdr messages[BATCH] = {0};

		for (int i = 0; i < BATCH; i++) {
			v[i] = (struct iovec){buffer, 1 + (i * 43 + round) % 1400};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
		}
		if (must(sendmmsg(side->fd, messages, BATCH, 0), "sendmmsg") != BATCH)
			failed("sendmmsg sent a part");
		for (int i = 0; i < BATCH; i++)
			count_out(side->end, messages[i].msg_len, 1);
		recv_datagram(side);
	}
}

static void receive_batches(struct side *side)
{
	static char buffers[BATCH][1400];

	for (int round = 0; round < BATCHES; round++) {
		for (int left = BATCH; left;) {
			struct iovec v[BATCH];
			struct mmsghdr messages[BATCH] = {0};
			int received;

			for (int i = 0; i < left; i++) {
				v[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
				messages[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
			}
			received = must(recvmmsg(side->fd, messages, left, MSG_WAITFORONE, NULL), "recvmmsg");
			for (int i = 0; i < received; i++)
				count_in(side->end, messages[i].msg_len, 1);
			left -= received;
		}
		send_datagram(side, 9);
	}
}

static void udp_mmsg(void)
{
	run_udp4(send_batches, receive_batches);
}

/* --- datagrams that do not arrive, or never leave --- */

enum { FLOOD_LEN = 1000 };

/* Many times what the receiver can hold, while it does not read. */
static void flood(struct side *side)
{
	gate_wait(0);
	for (long i = option("count", 500); i > 0; i--)
		send_datagram(side, FLOOD_LEN);
	gate_open(1);
}

/* The `drops` column of /proc/net/udp for the socket's port. */
static long dropped(int fd)
{
	unsigned int port = ntohs(local_address(fd).v4.sin_port), local_port;
	FILE *file = fopen("/proc/net/udp", "r");
	char line[256];
	long drops;

	if (!file)
		syscall_failed("/proc/net/udp");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*d: %*x:%x %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld", &local_port, &drops) == 2 &&
		    local_port == port) {
			fclose(file);
			return drops;
		}
	}
	failed("/proc/net/udp does not have port %u", port);
}

static void overflow(struct side *side)
{
	static char buffer[FLOOD_LEN];
	int room = 8192;
	long received = 0, sent = option("count", 500);

	must(setsockopt(side->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), "SO_RCVBUF");
	gate_open(0);
	gate_wait(1);
	while (received + dropped(side->fd) != sent) {
		while (recv(side->fd, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0) {
			count_in(side->end, FLOOD_LEN, 1);
			received++;
		}
		if (errno != EAGAIN)
			syscall_failed("recv");
	}
	if (received == sent)
		failed("nothing was dropped");
}

static void udp_overflow(void)
{
	run_udp4(flood, overflow);
}

static void expect_send_error(int fd, size_t len, int error)
{
	char *buffer = make_buffer(len);

	if (send(fd, buffer, len, 0) >= 0 || errno != error)
		failed("send of %zu bytes did not fail with: %s", len, strerror(error));
	free(buffer);
}

/* What was refused comes back through the error queue; it is not received data. */
static void take_refusal(int fd)
{
	struct pollfd p = {.fd = fd};
	char control[256], buffer[100];
	struct iovec v = {buffer, sizeof(buffer)};
	struct msghdr message = {
	    .msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};

	must(poll(&p, 1, -1), "poll");
	expect_send_error(fd, 10, ECONNREFUSED);
	must(recvmsg(fd, &message, MSG_ERRQUEUE), "recvmsg(MSG_ERRQUEUE)");
}

static void send_to_nobody(void *context)
{
	const union address *to = context;
	struct side side = {.fd = connected_socket(SOCK_DGRAM, to), .connected = true};
	union address local = local_address(side.fd);
	int on = 1;

	side.end = end_between("client", IPPROTO_UDP, &local, to);
	must(setsockopt(side.fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), "IP_RECVERR");
	for (int i = 0; i < 5; i++) {
		send_datagram(&side, 30 + i);
		take_refusal(side.fd);
	}
}

static void udp_refused(void)
{
	union address to = closed_port(SOCK_DGRAM);

	spawn("tu-client", send_to_nobody, &to);
	join_all();
}

/* Failed sends among good ones: nothing of them may stay counted. */
static void ask_with_failures(struct side *side)
{
	for (int i = 0; i < 100; i++) {
		expect_send_error(side->fd, 65508 + i, EMSGSIZE);
		send_datagram(side, 10 + i);
		recv_datagram(side);
	}
}

static void udp_too_large(void)
{
	run_udp4(ask_with_failures, answer_hundred_times_one);
}

/* --- flows that exist before somebody watches --- */

enum { PAST, GO };

static void ask_before_and_after(struct side *side)
{
	ask_fifty(side);
	gate_open(PAST);
	gate_wait(GO);
	ask_fifty(side);
}

static void answer_before_and_after(struct side *side)
{
	answer_fifty(side);
	gate_open(PAST);
	answer_fifty(side);
}

static void existing_udp(void)
{
	struct side client, server;
	struct udp_pair pair = {
	    .server = loopback(AF_INET, 0),
	    .client = loopback(AF_INET, 0),
	    .on_client = ask_before_and_after,
	    .on_server = answer_before_and_after,
	};

	open_udp_pair(&pair, &client, &server);
	/* Connected on both sides, so that the kernel's list of sockets shows the flow. */
	must(connect(server.fd, &server.peer.sa, address_len(&server.peer)), "connect");
	server.connected = true;
	spawn_udp_pair(&client, &server);
	gate_wait(PAST);
	gate_wait(PAST);
	ends_existed();
	wait_for_go();
	gate_open(GO);
	join_all();
}

const struct scenario udp_scenarios[] = {
    {"udp-connected", udp_connected},
    {"udp-bulk", udp_bulk},
    {"udp-mayfly", udp_mayfly},
    {"udp-ipv6", udp_ipv6},
    {"udp-mapped", udp_mapped},
    {"udp-wildcard", udp_wildcard},
    {"udp-wildcard6", udp_wildcard6},
    {"udp-many", udp_many},
    {"udp-multicast", udp_multicast},
    {"udp-large", udp_large},
    {"udp-empty", udp_empty},
    {"udp-peek", udp_peek},
    {"udp-truncated", udp_truncated},
    {"udp-fork", udp_fork},
    {"udp-gso", udp_gso},
    {"udp-gro", udp_gro},
    {"udp-cork", udp_cork},
    {"udp-mmsg", udp_mmsg},
    {"udp-overflow", udp_overflow},
    {"udp-refused", udp_refused},
    {"udp-too-large", udp_too_large},
    {"existing-udp", existing_udp},
    {0},
};
