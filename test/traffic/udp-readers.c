// SPDX-License-Identifier: GPL-2.0-or-later
/* UDP sockets with more than one reader, and readers with more than one socket: who has received what. */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* --- three members of one group: the first receives all, the second two parts of three, the third one --- */

enum { MEMBERS = 3, PART = 10, GROUP_LEN = 500, JOINED = 0, SENT = 1, READ = 2 };

struct member {
	int number, fd;
	struct end *end;
};

static const char *const member_names[MEMBERS] = {"tg-member-0", "tg-member-1", "tg-member-2"};

static void receive_parts(void *context)
{
	const struct member *member = context;
	char buffer[GROUP_LEN];

	for (int i = PART * (MEMBERS - member->number); i > 0; i--)
		count_in(member->end, must(recv(member->fd, buffer, sizeof(buffer), 0), "recv"), 1);
	gate_open(READ);
	gate_wait(SENT);
}

static int member_socket(const union address *at)
{
	int fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	must(bind(fd, &at->sa, address_len(at)), "bind");
	return fd;
}

/* Members join between the parts, so that each has a count of its own. */
static void send_to_members(const union address *group, void (*join)(int fd))
{
	union address any = loopback(AF_INET, 0), from, at = {.v4 = {.sin_family = AF_INET}};
	int sender = bound_socket(SOCK_DGRAM, &any);
	struct member members[MEMBERS];
	struct end *end;
	char buffer[GROUP_LEN] = {0};

	from = local_address(sender);
	end = end_between("client", IPPROTO_UDP, &from, group);
	at.v4.sin_port = group->v4.sin_port;
	join(sender);
	for (int i = 0; i < MEMBERS; i++) {
		struct member *member = &members[i];

		*member = (struct member){.number = i, .fd = member_socket(&at)};
		join(member->fd);
		member->end = end_between("server", IPPROTO_UDP, group, &from);
		spawn(member_names[i], receive_parts, member);
		close(member->fd);
		for (int j = 0; j < PART; j++)
			count_out(
			    end,
			    must(sendto(sender, buffer, sizeof(buffer), 0, &group->sa, address_len(group)), "sendto"),
			    1);
	}
	for (int i = 0; i < MEMBERS; i++)
		gate_wait(READ);
	for (int i = 0; i < MEMBERS; i++)
		gate_open(SENT);
	join_all();
}

static void join_multicast(int fd)
{
	struct ip_mreqn membership = {.imr_address.s_addr = htonl(INADDR_LOOPBACK)};

	membership.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
	must(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)), "IP_ADD_MEMBERSHIP");
	must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof(membership)), "IP_MULTICAST_IF");
}

static void multicast_members(void)
{
	union address group = loopback(AF_INET, 4000);

	enter_new_netns();
	group.v4.sin_addr.s_addr = inet_addr("239.1.2.3");
	send_to_members(&group, join_multicast);
}

static void allow_broadcast(int fd)
{
	set_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
}

static void broadcast_members(void)
{
	union address group = loopback(AF_INET, 4000);

	enter_new_netns();
	group.v4.sin_addr.s_addr = inet_addr("127.255.255.255");
	send_to_members(&group, allow_broadcast);
}

/* --- two sockets with one address and one peer (SO_REUSEPORT): the kernel gives one of them what comes --- */

struct sharer {
	int fd, peer;
	union address to;
	struct end *end, *peer_end;
};

static void use_shared_port(struct sharer *sharers)
{
	char buffer[1000] = {0};

	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 5 * (i + 1); j++) {
			struct sharer *one = &sharers[i];
			const struct sockaddr *to = &one->to.sa;

			count_out(one->end, must(sendto(one->fd, buffer, 100, 0, to, sizeof(one->to.v4)), "sendto"), 1);
			count_in(one->peer_end, must(recv(one->peer, buffer, sizeof(buffer), 0), "recv"), 1);
		}
	}
}

static void answer_shared_port(struct sharer *sharers, const union address *shared)
{
	struct pollfd ready[2] = {{.fd = sharers[0].fd, .events = POLLIN}, {.fd = sharers[1].fd, .events = POLLIN}};
	char buffer[1000] = {0};

	for (int i = 0; i < 7; i++) {
		struct sharer *one;

		count_out(sharers->peer_end,
			  must(sendto(sharers->peer, buffer, 300, 0, &shared->sa, sizeof(shared->v4)), "sendto"), 1);
		must(poll(ready, 2, -1), "poll");
		one = &sharers[ready[0].revents ? 0 : 1];
		count_in(one->end, must(recv(one->fd, buffer, sizeof(buffer), 0), "recv"), 1);
	}
}

static void reuseport_pair(void)
{
	union address any = loopback(AF_INET, 0), shared = loopback(AF_INET, 4000), to;
	struct sharer sharers[2] = {0};
	int peer;

	enter_new_netns();
	peer = bound_socket(SOCK_DGRAM, &any);
	to = local_address(peer);
	for (int i = 0; i < 2; i++) {
		struct sharer *one = &sharers[i];

		*one = (struct sharer){.peer = peer, .to = to};
		one->fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
		set_option(one->fd, SOL_SOCKET, SO_REUSEPORT, 1);
		must(bind(one->fd, &shared.sa, address_len(&shared)), "bind");
		one->end = end_between("server", IPPROTO_UDP, &shared, &to);
		one->peer_end = i ? sharers[0].peer_end : end_between("client", IPPROTO_UDP, &to, &shared);
	}
	use_shared_port(sharers);
	answer_shared_port(sharers, &shared);
}

/* --- one socket, read by two processes; and one that nobody reads --- */

struct prefork {
	int fd;
	struct end *end;
	size_t len;
	int turns, datagrams; /* so many in each turn */
	int gate;
};

static void serve_some(void *context)
{
	const struct prefork *prefork = context;
	char buffer[1000];

	for (int turn = prefork->turns; turn > 0; turn--) {
		gate_wait(prefork->gate);
		for (int i = prefork->datagrams; i > 0; i--)
			count_in(prefork->end, must(recv(prefork->fd, buffer, sizeof(buffer), 0), "recv"), 1);
		gate_open(0);
	}
}

/* The first child reads 730 bytes in two turns, the second 270 between them. */
static void udp_prefork(void)
{
	struct prefork children[] = {
	    {.turns = 2, .datagrams = 5, .len = 73, .gate = 1},
	    {.turns = 1, .datagrams = 10, .len = 27, .gate = 2},
	};
	union address any = loopback(AF_INET, 0), to, from;
	struct end *end, *server;
	char buffer[100] = {0};
	int client, fd;

	enter_new_netns();
	fd = bound_socket(SOCK_DGRAM, &any);
	to = local_address(fd);
	client = connected_socket(SOCK_DGRAM, &to);
	from = local_address(client);
	end = end_between("client", IPPROTO_UDP, &from, &to);
	server = end_between("server", IPPROTO_UDP, &to, &from);
	for (int i = 0; i < 2; i++) {
		children[i].fd = fd;
		children[i].end = server;
		spawn(i ? "tp-second" : "tp-first", serve_some, &children[i]);
	}
	for (int turn = 0; turn < 3; turn++) {
		const struct prefork *child = &children[turn % 2];

		for (int i = 0; i < child->datagrams; i++)
			count_out(end, must(send(client, buffer, child->len, 0), "send"), 1);
		gate_open(child->gate);
		gate_wait(0);
	}
	join_all();
}

/* The datagrams fit the buffer and wait there; with wait=1 the socket is open until stdin says so. */
static void udp_unread(void)
{
	union address any = loopback(AF_INET, 0), to, from;
	struct end *sender, *binder;
	char buffer[100] = {0};
	int bound, client;

	enter_new_netns();
	bound = bound_socket(SOCK_DGRAM, &any);
	to = local_address(bound);
	client = connected_socket(SOCK_DGRAM, &to);
	from = local_address(client);
	sender = end_between("client", IPPROTO_UDP, &from, &to);
	binder = end_between("server", IPPROTO_UDP, &to, &from);
	for (int i = 0; i < 10; i++) {
		count_out(sender, must(send(client, buffer, sizeof(buffer), 0), "send"), 1);
		count_in(binder, sizeof(buffer), 1);
	}
	wait_for_go();
}

/* --- as many sockets as there may be --- */

struct crowd {
	int server, size, first;
	union address to;
};

static void ask_by_many(void *context)
{
	const struct crowd *crowd = context;
	char buffer[100] = {0};

	for (int i = 0; i < crowd->size; i++) {
		union address any = loopback(AF_INET, 1024 + crowd->first + i);
		int fd = bound_socket(SOCK_DGRAM, &any);
		struct end *end;

		must(connect(fd, &crowd->to.sa, sizeof(crowd->to.v4)), "connect");
		end = end_of("client", fd);
		count_out(end, must(send(fd, buffer, 10, 0), "send"), 1);
		count_in(end, must(recv(fd, buffer, sizeof(buffer), 0), "recv"), 1);
	}
	gate_open(0);
	gate_wait(1);
}

static void answer_many(void *context)
{
	const struct crowd *crowd = context;
	char buffer[100];

	for (int i = 0; i < crowd->size; i++) {
		union address from = {0};
		socklen_t len = sizeof(from);
		ssize_t n =
		    must(recvfrom(crowd->server, buffer, sizeof(buffer), 0, &from.sa, &len), "recvfrom of the server");
		struct end *end = end_between("server", IPPROTO_UDP, &crowd->to, &from);

		count_in(end, n, 1);
		count_out(end, must(sendto(crowd->server, buffer, 2 * n, 0, &from.sa, len), "sendto"), 1);
	}
}

/* All sockets stay open until the last has been answered. */
static void udp_sockets(void)
{
	union address any = loopback(AF_INET, 0);
	int processes = option("processes", 4), each = option("count", 400) / processes;
	struct crowd crowd = {0}, all;
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	enter_new_netns();
	any.v4.sin_port = htons(1000);
	crowd.server = bound_socket(SOCK_DGRAM, &any);
	crowd.to = local_address(crowd.server);
	all = crowd;
	all.size = each * processes;
	spawn("tu-server", answer_many, &all);
	for (int i = 0; i < processes; i++) {
		crowd.size = each;
		crowd.first = i * each;
		spawn("tu-crowd", ask_by_many, &crowd);
	}
	for (int i = 0; i < processes; i++)
		gate_wait(0);
	for (int i = 0; i < processes; i++)
		gate_open(1);
	join_all();
}

/* --- processes that send as fast as they can, and one of real-time priority that comes in between --- */

enum { SENDERS = 8, AHEAD = 16, RUSH_LEN = 200 };

struct rush {
	int number, fd, other;
	struct end *end;
};

static void rush(const struct rush *rush)
{
	struct timespec pause = {.tv_nsec = 20000};
	char buffer[RUSH_LEN] = {0};
	long left = option("count", 20000) / AHEAD;

	/* Half of them wake up while others send. */
	if (rush->number % 2)
		sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
	for (; left > 0; left--) {
		for (int i = 0; i < AHEAD; i++) {
			count_out(rush->end, must(send(rush->fd, buffer, sizeof(buffer), 0), "send"), 1);
			if (rush->number % 2)
				nanosleep(&pause, NULL);
		}
		for (int i = 0; i < AHEAD; i++)
			count_in(rush->end, must(recv(rush->fd, buffer, sizeof(buffer), 0), "recv"), 1);
	}
}

static void run_rush(void *context)
{
	rush(context);
}

static void udp_rush(void)
{
	struct rush sides[SENDERS];

	enter_new_netns();
	for (int i = 0; i < SENDERS; i += 2) {
		union address any = loopback(AF_INET, 0), to;
		int fds[2] = {bound_socket(SOCK_DGRAM, &any), bound_socket(SOCK_DGRAM, &any)};

		for (int j = 0; j < 2; j++) {
			to = local_address(fds[!j]);
			must(connect(fds[j], &to.sa, sizeof(to.v4)), "connect");
		}
		for (int j = 0; j < 2; j++)
			sides[i + j] = (struct rush){
			    .number = i + j, .fd = fds[j], .end = end_of(j ? "server" : "client", fds[j])};
	}
	for (int i = 0; i < SENDERS; i++)
		spawn(i % 2 ? "tu-eager" : "tu-rush", run_rush, &sides[i]);
	join_all();
}

const struct scenario udp_reader_scenarios[] = {
    {"udp-multicast-members", multicast_members},
    {"udp-broadcast-members", broadcast_members},
    {"udp-reuseport", reuseport_pair},
    {"udp-prefork", udp_prefork},
    {"udp-unread", udp_unread},
    {"udp-sockets", udp_sockets},
    {"udp-rush", udp_rush},
    {0},
};
