// SPDX-License-Identifier: GPL-2.0-or-later
/* Load: many connections with little traffic, and one connection with as many calls as it can. */
#include "bench_tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S	 1000000000L
#define TICKS_PER_SECOND 100
#define MESSAGE_BYTES	 100

/* Two processes and one address hold this many: ephemeral ports and descriptors suffice for more. */
#define CONNECTIONS_PER_PAIR 8000
#define SPARE_DESCRIPTORS    64
#define MAX_PAIRS	     64

static struct sockaddr_in loopback(int address)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (in_addr_t)address),
	};

	return in;
}

static struct sockaddr_in bound_address(int fd)
{
	struct sockaddr_in in;
	socklen_t size = sizeof(in);

	must(getsockname(fd, (struct sockaddr *)&in, &size), "getsockname");
	return in;
}

static int bound_socket(int type, int address)
{
	struct sockaddr_in in = loopback(address);
	int fd = must(socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");

	must(bind(fd, (struct sockaddr *)&in, sizeof(in)), "bind");
	return fd;
}

static int listen_on(int address)
{
	int fd = bound_socket(SOCK_STREAM, address);

	must(listen(fd, 4096), "listen");
	return fd;
}

static void connect_to(int fd, struct sockaddr_in to)
{
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
}

/* Forks a child that goes when this process goes. */
static pid_t fork_child(void)
{
	unsigned int lifetime = alarm(0);
	pid_t parent = getpid();
	pid_t pid;

	alarm(lifetime);
	fflush(stdout);
	pid = must(fork(), "fork");
	if (pid == 0) {
		alarm(lifetime);
		must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static void allow_descriptors(rlim_t wanted)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	must(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
}

/* What one process does each tick: its share of the second's messages, and what has come in on those. */
static void exchange(const int *fds, int from, int to)
{
	static char message[MESSAGE_BYTES];
	char received[4096];

	for (int i = from; i < to; i++) {
		if (send(fds[i], message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			_exit(1);
		if (recv(fds[i], received, sizeof(received), MSG_DONTWAIT) == 0)
			_exit(1);
	}
}

static void add_ns(struct timespec *at, long ns)
{
	at->tv_nsec += ns;
	if (at->tv_nsec >= NS_PER_S) {
		at->tv_nsec -= NS_PER_S;
		at->tv_sec++;
	}
}

static _Noreturn void keep_exchanging(const int *fds, int count)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (int tick = 0;; tick = (tick + 1) % TICKS_PER_SECOND) {
		exchange(fds, tick * count / TICKS_PER_SECOND, (tick + 1) * count / TICKS_PER_SECOND);
		add_ns(&next, NS_PER_S / TICKS_PER_SECOND);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}

/* One process of a pair: accepts or connects, says so with a byte to `ready`, and keeps to its connections. */
static _Noreturn void hold_end(int listener, int count, bool accepts, bool idle, int ready)
{
	struct sockaddr_in server = bound_address(listener);
	int *fds = calloc(count, sizeof(int));

	if (!fds)
		failed("out of memory");
	for (int i = 0; i < count; i++) {
		if (accepts) {
			fds[i] = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
		} else {
			fds[i] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
			connect_to(fds[i], server);
		}
	}
	must(write(ready, "", 1), "write");
	while (idle)
		pause();
	keep_exchanging(fds, count);
}

/* No process of a pair ends by itself, except for an error that it has told. */
static void end_with_child(int number)
{
	(void)number;
	_exit(1);
}

void hold_flows(int rows, int seconds, bool idle)
{
	pid_t processes[2 * MAX_PAIRS];
	int left = (rows + 1) / 2, started = 0, in_place = 0;
	int ready[2];
	char byte;

	if (left > MAX_PAIRS * CONNECTIONS_PER_PAIR)
		failed("more than %d flows", 2 * MAX_PAIRS * CONNECTIONS_PER_PAIR);
	allow_descriptors(CONNECTIONS_PER_PAIR + SPARE_DESCRIPTORS);
	must(pipe(ready), "pipe");
	signal(SIGCHLD, end_with_child);
	for (int pair = 0; left > 0; pair++) {
		int count = left < CONNECTIONS_PER_PAIR ? left : CONNECTIONS_PER_PAIR;
		int listener = listen_on(pair);

		for (int end = 0; end < 2; end++) {
			processes[started] = fork_child();
			if (!processes[started++])
				hold_end(listener, count, end == 0, idle, ready[1]);
		}
		close(listener);
		left -= count;
	}
	while (in_place < started)
		in_place += must(read(ready[0], &byte, 1), "read");
	say_ready();
	stdin_closed(seconds * 1000);
	signal(SIGCHLD, SIG_DFL);
	for (int i = 0; i < started; i++)
		kill(processes[i], SIGKILL);
	for (int i = 0; i < started; i++)
		waitpid(processes[i], NULL, 0);
}

static void send_all(int fd, const char *from, int size)
{
	for (int done = 0; done < size;)
		done += must(send(fd, from + done, size - done, MSG_NOSIGNAL), "send");
}

static void receive_all(int fd, char *to, int size)
{
	for (int done = 0; done < size;) {
		long n = must(recv(fd, to + done, size - done, 0), "recv");

		if (n == 0)
			failed("recv: the other end has gone");
		done += n;
	}
}

static void no_delay(int fd)
{
	int on = 1;

	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
}

/* Both ends, connected, before there is a second process. */
static void open_pair(int ends[2], bool udp)
{
	if (udp) {
		ends[0] = bound_socket(SOCK_DGRAM, 0);
		ends[1] = bound_socket(SOCK_DGRAM, 0);
		connect_to(ends[0], bound_address(ends[1]));
		connect_to(ends[1], bound_address(ends[0]));
	} else {
		int listener = listen_on(0);

		ends[0] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
		connect_to(ends[0], bound_address(listener));
		ends[1] = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
		close(listener);
		no_delay(ends[0]);
		no_delay(ends[1]);
	}
}

static void answer(int fd, long round_trips, char *message, int bytes)
{
	for (long i = 0; i < round_trips; i++) {
		receive_all(fd, message, bytes);
		send_all(fd, message, bytes);
	}
}

static void ask(int fd, long round_trips, char *message, int bytes)
{
	for (long i = 0; i < round_trips; i++) {
		send_all(fd, message, bytes);
		receive_all(fd, message, bytes);
	}
}

void ping_pong(long round_trips, int bytes, bool udp)
{
	char *message = calloc(1, bytes);
	pid_t child;
	int ends[2];

	if (!message)
		failed("out of memory");
	open_pair(ends, udp);
	child = fork_child();
	close(ends[child ? 1 : 0]);
	if (!child) {
		answer(ends[1], round_trips, message, bytes);
		_exit(0);
	}
	ask(ends[0], round_trips, message, bytes);
	waitpid(child, NULL, 0);
}
