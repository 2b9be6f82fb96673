// SPDX-License-Identifier: GPL-2.0-or-later
/* Load: many connections with little traffic, and one connection with as many calls as it can. */
#include "bench_tool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"

#define TICKS_PER_SECOND 100
#define MESSAGE_BYTES	 100

/* Two processes and one address hold this many: ephemeral ports and descriptors suffice for more. */
#define CONNECTIONS_PER_PAIR 8000
#define SPARE_DESCRIPTORS    64
#define MAX_PAIRS	     64

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
