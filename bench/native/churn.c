// SPDX-License-Identifier: GPL-2.0-or-later
/* Load: connections that are opened, used once each way and closed, so many a second. */
#include "bench_tool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"

#define TICKS_PER_SECOND 100
#define MESSAGE_BYTES	 100

/* One after the other, so that the ports of ended connections (TIME_WAIT) are not in the way. */
#define ADDRESSES 200

static const int on = 1;

static int listen_anywhere(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	must(bind(fd, (struct sockaddr *)&any, sizeof(any)), "bind");
	must(listen(fd, 4096), "listen");
	return fd;
}

static _Noreturn void serve_streams(int listener)
{
	char message[MESSAGE_BYTES];

	for (;;) {
		int fd = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");

		receive_all(fd, message, sizeof(message));
		send_all(fd, message, sizeof(message));
		close(fd);
	}
}

static _Noreturn void serve_datagrams(int fd)
{
	char message[MESSAGE_BYTES];

	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t n =
		    must(recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from, &size), "recvfrom");

		if (sendto(fd, message, n, 0, (struct sockaddr *)&from, size) < 0 && errno != ECONNREFUSED)
			failed("sendto: %s", strerror(errno));
	}
}

/* A datagram may be lost where the server is not given the processor; nobody waits for it. */
static void receive_answer(int fd, bool udp)
{
	char message[MESSAGE_BYTES];
	struct pollfd in = {.fd = fd, .events = POLLIN};

	if (udp)
		must(poll(&in, 1, 1000), "poll");
	else
		receive_all(fd, message, sizeof(message));
}

/* Opens `count` connections, asks on all of them, then closes each when its answer has come. */
static void open_and_close(struct sockaddr_in to, long first, int count, bool udp, int *fds)
{
	static const char message[MESSAGE_BYTES];

	for (int i = 0; i < count; i++) {
		if (!udp)
			to.sin_addr = loopback((first + i) % ADDRESSES).sin_addr;
		fds[i] = must(socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0), "socket");
		must(setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
		connect_to(fds[i], to);
		send_all(fds[i], message, sizeof(message));
	}
	for (int i = 0; i < count; i++) {
		receive_answer(fds[i], udp);
		close(fds[i]);
	}
}

void churn(int per_second, int seconds, bool udp)
{
	int server = udp ? bound_socket(SOCK_DGRAM, 0) : listen_anywhere();
	struct sockaddr_in to = bound_address(server);
	int *fds = calloc(per_second / TICKS_PER_SECOND + 1, sizeof(int));
	uint64_t start_ns, end_ns;
	pid_t child;
	long done = 0;

	if (!fds)
		failed("out of memory");
	child = fork_child();
	if (!child) {
		if (udp)
			serve_datagrams(server);
		serve_streams(server);
	}
	say_ready();
	start_ns = now_ns();
	end_ns = start_ns + (uint64_t)seconds * NS_PER_S;
	for (long tick = 1; now_ns() < end_ns; tick++) {
		long due = tick * per_second / TICKS_PER_SECOND - (tick - 1) * per_second / TICKS_PER_SECOND;
		uint64_t next_ns = start_ns + (uint64_t)tick * (NS_PER_S / TICKS_PER_SECOND), now;

		open_and_close(to, done, due, udp, fds);
		done += due;
		now = now_ns();
		if (stdin_closed(now < next_ns ? (int)((next_ns - now) / 1000000) : 0))
			break;
	}
	end_ns = now_ns();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("{\"connections\":%ld,\"seconds\":%.3f}\n", done, (double)(end_ns - start_ns) / NS_PER_S);
}
