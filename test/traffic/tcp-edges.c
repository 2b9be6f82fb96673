// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP connections that end before anyone uses them, that nobody accepts, or that do not begin as others do. */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Closes with a reset. */
static void reset(int fd)
{
	const struct linger none = {.l_onoff = 1};

	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), "SO_LINGER");
	close(fd);
}

/* --- accepted connections that the peer has reset --- */

enum { CONNECTED, ACCEPTED, DONE };

struct meeting {
	int listener;
	union address to;
	long count;
};

/* With late=1 a connection is reset before it is accepted. */
static void accept_reset(void *context)
{
	const struct meeting *meeting = context;

	for (long i = meeting->count; i > 0; i--) {
		union address peer = {0};
		socklen_t len = sizeof(peer);
		int fd;

		if (option("late", 0))
			gate_wait(CONNECTED);
		fd = must(accept(meeting->listener, &peer.sa, &len), "accept");
		end_between("server", IPPROTO_TCP, &meeting->to, &peer);
		if (!option("late", 0)) {
			gate_open(ACCEPTED);
			gate_wait(CONNECTED);
		}
		close(fd);
	}
}

static void connect_and_reset(void *context)
{
	const struct meeting *meeting = context;

	close(meeting->listener);
	for (long i = meeting->count; i > 0; i--) {
		int fd = connected_socket(SOCK_STREAM, &meeting->to);

		end_of("client", fd);
		if (!option("late", 0))
			gate_wait(ACCEPTED);
		reset(fd);
		gate_open(CONNECTED);
	}
}

static struct meeting open_meeting(long count)
{
	union address any = loopback(AF_INET, 0);
	struct meeting meeting = {.count = count};

	enter_new_netns();
	meeting.listener = listener_at(&any);
	meeting.to = local_address(meeting.listener);
	return meeting;
}

static void tcp_reset_at_once(void)
{
	struct meeting meeting = open_meeting(option("count", 100));

	spawn("te-server", accept_reset, &meeting);
	spawn("te-client", connect_and_reset, &meeting);
	join_all();
}

/* --- connections that nobody accepts --- */

static void listen_only(void *context)
{
	const struct meeting *meeting = context;
	union address any = loopback(AF_INET, ntohs(meeting->to.v4.sin_port));
	int fd = listener_at(&any);

	gate_open(CONNECTED);
	gate_wait(DONE);
	close(fd);
}

/* What is sent arrives at a socket that has no file. */
static void tcp_unaccepted(void)
{
	struct meeting meeting = {.to = loopback(AF_INET, 4000)};
	struct end *client, *server;
	pid_t listener;
	int fd;

	enter_new_netns();
	listener = spawn("te-listener", listen_only, &meeting);
	gate_wait(CONNECTED);
	fd = connected_socket(SOCK_STREAM, &meeting.to);
	client = end_of("client", fd);
	server = end_between("server", IPPROTO_TCP, &client->remote, &client->local);
	server->pid = listener;
	strcpy(server->process, "te-listener");
	send_bytes(fd, client, 1000, 1000, 0);
	if (option("existing", 0))
		ends_existed();
	wait_for_go();
	gate_open(DONE);
	join_all();
	close(fd);
}

/* --- many processes that wait in accept() while others get connections --- */

static void wait_in_accept(void *context)
{
	const int *listener = context;

	gate_open(CONNECTED);
	if (accept(*listener, NULL, NULL) >= 0 || errno != EINVAL)
		failed("accept() did not end with its listener");
}

static void accept_and_close(void *context)
{
	const struct meeting *meeting = context;

	for (long i = meeting->count; i > 0; i--) {
		int fd = must(accept(meeting->listener, NULL, NULL), "accept");

		end_of("server", fd);
		expect_eof(fd);
		close(fd);
	}
}

static void connect_and_close(void *context)
{
	const struct meeting *meeting = context;

	for (long i = meeting->count; i > 0; i--) {
		int fd = connected_socket(SOCK_STREAM, &meeting->to);

		end_of("client", fd);
		close(fd);
	}
}

static void tcp_accept_many(void)
{
	struct meeting meeting = open_meeting(option("count", 20));
	union address any = loopback(AF_INET, 0);
	int idle = listener_at(&any);
	long blocked = option("blocked", 100);

	for (long i = 0; i < blocked; i++)
		spawn("te-blocked", wait_in_accept, &idle);
	for (long i = 0; i < blocked; i++)
		gate_wait(CONNECTED);
	spawn("te-server", accept_and_close, &meeting);
	connect_and_close(&meeting);
	must(shutdown(idle, SHUT_RDWR), "shutdown");
	join_all();
}

/* --- one pair of addresses and ports, many connections one after the other --- */

static void serve_again(void *context)
{
	const struct meeting *meeting = context;
	char byte;

	for (long i = meeting->count; i > 0; i--) {
		int fd = must(accept(meeting->listener, NULL, NULL), "accept");
		struct end *end = end_of("server", fd);

		recv_bytes(fd, end, 100 + i, 1000, 0);
		gate_open(ACCEPTED);
		if (recv(fd, &byte, 1, 0) >= 0 || errno != ECONNRESET)
			failed("the connection was not reset");
		close(fd);
		gate_open(DONE);
	}
}

static void tcp_reused(void)
{
	struct meeting meeting = open_meeting(option("count", 40));
	union address local = loopback(AF_INET, 4001);

	spawn("te-server", serve_again, &meeting);
	for (long i = meeting.count; i > 0; i--) {
		int fd = bound_socket(SOCK_STREAM, &local);
		struct end *end;

		must(connect(fd, &meeting.to.sa, sizeof(meeting.to.v4)), "connect");
		end = end_of("client", fd);
		send_bytes(fd, end, 100 + i, 1000, 0);
		gate_wait(ACCEPTED);
		reset(fd);
		gate_wait(DONE);
	}
	join_all();
}

/* --- connections that are restored, not made: no SYN is sent --- */

static int repaired_socket(int port)
{
	union address local = loopback(AF_INET, port);
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)))
		skipped("TCP_REPAIR: %s", strerror(errno));
	must(bind(fd, &local.sa, sizeof(local.v4)), "bind");
	return fd;
}

static void restore(int fd, int peer_port, int send_from, int receive_from)
{
	/* Windows are scaled by 7 bits both ways. */
	const struct tcp_repair_opt options[] = {{.opt_code = TCPOPT_MAXSEG, .opt_val = 1460},
						 {.opt_code = TCPOPT_WINDOW, .opt_val = 7 | 7 << 16}};
	const struct tcp_repair_window window = {
	    .snd_wl1 = receive_from, .snd_wnd = 20000, .max_window = 20000, .rcv_wnd = 20000, .rcv_wup = receive_from};
	union address peer = loopback(AF_INET, peer_port);

	set_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
	set_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, send_from);
	set_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
	set_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, receive_from);
	must(connect(fd, &peer.sa, sizeof(peer.v4)), "connect");
	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, sizeof(options)), "TCP_REPAIR_OPTIONS");
	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof(window)), "TCP_REPAIR_WINDOW");
}

static void tcp_repair(void)
{
	int client, server;
	struct end *ends[2];

	enter_new_netns();
	client = repaired_socket(4001);
	server = repaired_socket(4002);
	restore(client, 4002, 1000, 2000);
	restore(server, 4001, 2000, 1000);
	set_option(client, IPPROTO_TCP, TCP_REPAIR, 0);
	set_option(server, IPPROTO_TCP, TCP_REPAIR, 0);
	ends[0] = end_of("client", client);
	ends[1] = end_of("server", server);
	send_bytes(client, ends[0], 3000, 1000, 0);
	recv_bytes(server, ends[1], 3000, 1000, 0);
	send_bytes(server, ends[1], 500, 500, 0);
	recv_bytes(client, ends[0], 500, 500, 0);
	close(client);
	close(server);
}

/* --- connects that are under way and then fail --- */

static int connect_in_vain(const union address *to)
{
	int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
	union address local;

	if (connect(fd, &to->sa, sizeof(to->v4)) >= 0 || errno != EINPROGRESS)
		failed("connect() to nobody is not under way");
	local = local_address(fd);
	end_between("client", IPPROTO_TCP, &local, to);
	return fd;
}

/* Nobody has the hardware address to which it is sent; one connect fails by itself, one socket is closed before. */
static void tcp_connect_in_vain(void)
{
	union address nobody = loopback(AF_INET, 80);
	struct pollfd waiting = {.events = POLLOUT};
	char retries[8];
	int closed, error;
	socklen_t len = sizeof(error);

	enter_new_netns();
	open_link("link0");
	nobody.v4.sin_addr.s_addr = inet_addr("192.0.2.77");
	command("ip neighbour add 192.0.2.77 lladdr 02:00:00:00:00:77 dev link0 nud permanent");
	snprintf(retries, sizeof(retries), "%ld", option("retries", 2));
	write_setting("/proc/sys/net/ipv4/tcp_syn_retries", retries);
	waiting.fd = connect_in_vain(&nobody);
	closed = connect_in_vain(&nobody);
	if (option("existing", 0))
		ends_existed();
	wait_for_go();
	close(closed);
	must(poll(&waiting, 1, -1), "poll");
	must(getsockopt(waiting.fd, SOL_SOCKET, SO_ERROR, &error, &len), "SO_ERROR");
	if (error != ETIMEDOUT)
		failed("connect() to nobody: %s", strerror(error));
	close(waiting.fd);
}

/* --- connections of one process that are there all at once --- */

static void tcp_held_many(void)
{
	struct meeting meeting = open_meeting(option("count", 12));
	int(*pairs)[2] = calloc(meeting.count, sizeof(*pairs));

	for (long i = 0; i < meeting.count; i++) {
		pairs[i][0] = connected_socket(SOCK_STREAM, &meeting.to);
		pairs[i][1] = must(accept(meeting.listener, NULL, NULL), "accept");
		end_of("client", pairs[i][0]);
		end_of("server", pairs[i][1]);
	}
	close(meeting.listener);
	ends_existed();
	wait_for_go();
	for (long i = 0; i < meeting.count; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

/* --- many connections at the same time; every other one is reset, with bytes that nobody has read --- */

enum { UNREAD = 300 };

static void exchange(int client, struct end *client_end, int server, struct end *server_end, long size)
{
	send_bytes(client, client_end, size, size, 0);
	recv_bytes(server, server_end, size, size, 0);
	send_bytes(server, server_end, size / 2, size, 0);
	recv_bytes(client, client_end, size / 2, size, 0);
}

static void tcp_flood(void)
{
	struct meeting meeting = open_meeting(option("count", 300));
	struct end *(*ends)[2] = calloc(meeting.count, sizeof(*ends));
	int(*pairs)[2] = calloc(meeting.count, sizeof(*pairs));

	for (long i = 0; i < meeting.count; i++) {
		pairs[i][0] = connected_socket(SOCK_STREAM, &meeting.to);
		pairs[i][1] = must(accept(meeting.listener, NULL, NULL), "accept");
		ends[i][0] = end_of("client", pairs[i][0]);
		ends[i][1] = end_of("server", pairs[i][1]);
		exchange(pairs[i][0], ends[i][0], pairs[i][1], ends[i][1], 1000 + i);
	}
	close(meeting.listener);
	for (long i = 0; i < meeting.count; i++) {
		if (i % 2) {
			send_bytes(pairs[i][0], ends[i][0], UNREAD, UNREAD, 0);
			reset(pairs[i][0]);
		} else {
			close(pairs[i][0]);
			expect_eof(pairs[i][1]);
		}
		close(pairs[i][1]);
	}
}

const struct scenario tcp_edge_scenarios[] = {
    {"tcp-reset-at-once", tcp_reset_at_once},
    {"tcp-unaccepted", tcp_unaccepted},
    {"tcp-accept-many", tcp_accept_many},
    {"tcp-reused", tcp_reused},
    {"tcp-repair", tcp_repair},
    {"tcp-connect-in-vain", tcp_connect_in_vain},
    {"tcp-flood", tcp_flood},
    {"existing-many", tcp_held_many},
    {0},
};
