// SPDX-License-Identifier: GPL-2.0-or-later
/* How fast programs are: one connection with as much as it can take, and connections opened at known times. */
#include "bench_tool.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"

#define BULK_BYTES (128 * 1024)

static char *make_buffer(int size)
{
	char *buffer = calloc(1, size);

	if (!buffer)
		failed("out of memory");
	return buffer;
}

static _Noreturn void swallow(int fd)
{
	char *buffer = make_buffer(BULK_BYTES);

	for (;;)
		must(recv(fd, buffer, BULK_BYTES, 0), "recv");
}

static _Noreturn void echo(int fd, int bytes)
{
	char *buffer = make_buffer(bytes);

	for (;;) {
		receive_all(fd, buffer, bytes);
		send_all(fd, buffer, bytes);
	}
}

/* Both ends have a processor to themselves; the other end lives until this one is done. */
static int open_pinned(int bytes, pid_t *child)
{
	int ends[2];

	open_pair(ends, false);
	*child = fork_child();
	pin(*child ? 0 : 1);
	close(ends[*child ? 1 : 0]);
	if (*child)
		return ends[0];
	if (bytes)
		echo(ends[1], bytes);
	swallow(ends[1]);
}

static double processor_seconds(int whose)
{
	struct rusage used;

	must(getrusage(whose, &used), "getrusage");
	return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Ends the other end, whose processor time counts too. */
static void report(const char *what, uint64_t amount, uint64_t start_ns, pid_t child)
{
	double seconds = (double)(now_ns() - start_ns) / NS_PER_S;

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("{\"%s\":%ju,\"seconds\":%.6f,\"processor_seconds\":%.6f}\n", what, (uintmax_t)amount, seconds,
	       processor_seconds(RUSAGE_SELF) + processor_seconds(RUSAGE_CHILDREN));
}

void bulk(int ms)
{
	pid_t child;
	int fd = open_pinned(0, &child);
	char *buffer = make_buffer(BULK_BYTES);
	uint64_t start_ns = now_ns(), end_ns = start_ns + (uint64_t)ms * 1000000, bytes = 0;

	while (now_ns() < end_ns) {
		send_all(fd, buffer, BULK_BYTES);
		bytes += BULK_BYTES;
	}
	report("bytes", bytes, start_ns, child);
}

void round_trips(int ms, int bytes)
{
	pid_t child;
	int fd = open_pinned(bytes, &child);
	char *buffer = make_buffer(bytes);
	uint64_t start_ns = now_ns(), end_ns = start_ns + (uint64_t)ms * 1000000, done = 0;

	for (; now_ns() < end_ns; done++) {
		send_all(fd, buffer, bytes);
		receive_all(fd, buffer, bytes);
	}
	report("round_trips", done, start_ns, child);
}

/* Two addresses that nothing else uses: the lines of these connections are easy to find. */
#define PROBE_ADDRESS 0x00c8c8 /* 127.0.200.201 */

void probe(int count, int gap_ms)
{
	int listener = listen_on(PROBE_ADDRESS);
	struct sockaddr_in to = bound_address(listener);

	printf("%u\n", ntohs(to.sin_port));
	fflush(stdout);
	srand(1);
	for (int i = 0; i < count; i++) {
		struct sockaddr_in from = loopback(PROBE_ADDRESS);
		uint64_t opened_ns;
		int ends[2];

		if (stdin_closed(gap_ms / 2 + rand() % gap_ms))
			return;
		ends[0] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
		must(bind(ends[0], (struct sockaddr *)&from, sizeof(from)), "bind");
		opened_ns = now_ns();
		connect_to(ends[0], to);
		ends[1] = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
		send_all(ends[0], "", 1);
		receive_all(ends[1], (char[1]){0}, 1);
		printf("%u %ju\n", ntohs(bound_address(ends[0]).sin_port), (uintmax_t)opened_ns);
		fflush(stdout);
		close(ends[0]);
		close(ends[1]);
	}
}
