// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The benchmark's tool:
 *
 *   empty HOOK...               attaches an empty program to each hook named ("tp_btf/sock_send_length";
 *                               a kind alone means all hooks of that kind), has the kernel meter
 *                               all programs, prints "ready", and holds until stdin closes
 *   programs                    prints each loaded BPF program as a line of JSON
 *   flows ROWS SECONDS [idle]   holds ROWS/2 loopback TCP connections (each end is a row), prints
 *                               "ready"; unless idle, sends 100 bytes each way on each connection
 *                               each second, spread evenly; ends after SECONDS or when stdin closes
 *   pingpong COUNT BYTES [udp]  COUNT requests and answers of BYTES between two processes
 *   churn PER_SECOND SECONDS [udp]  prints "ready"; opens so many connections a second, each with 100
 *                               bytes there and back; at the end prints how many it were as JSON
 *   bulk MS, roundtrips MS BYTES  for so long, on one connection between two processors; prints
 *                               what was achieved as JSON
 *   probe COUNT GAP_MS          prints the port it listens on; opens COUNT connections some GAP_MS apart,
 *                               prints the port and the time (CLOCK_MONOTONIC, ns) of each
 *
 * Every mode ends by itself at the latest after LIFETIME seconds.
 */
#include "bench_tool.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIFETIME 600

#define EXIT_USAGE 64

void failed(const char *format, ...)
{
	va_list list;

	fputs("bench_tool: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	_exit(1);
}

long must(long value, const char *what)
{
	if (value < 0)
		failed("%s: %s", what, strerror(errno));
	return value;
}

void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

bool stdin_closed(int ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char ignored[64];

	while (poll(&in, 1, ms) > 0) {
		if (read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
			return true;
	}
	return false;
}

static _Noreturn void usage(void)
{
	fputs("usage: bench_tool empty HOOK... | programs | flows ROWS SECONDS [idle] | pingpong COUNT BYTES [udp]\n"
	      "       | churn PER_SECOND SECONDS [udp] | bulk MS | roundtrips MS BYTES | probe COUNT GAP_MS\n",
	      stderr);
	exit(EXIT_USAGE);
}

static long number(const char *text, long max)
{
	char *rest;
	long value = strtol(text, &rest, 10);

	if (*rest || rest == text || value < 1 || value > max)
		usage();
	return value;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	const char *last = argc > 4 ? argv[4] : "";

	alarm(LIFETIME);
	if (!strcmp(mode, "empty"))
		hold_empty_programs(argv + 2, argc - 2);
	else if (!strcmp(mode, "programs"))
		list_programs();
	else if (!strcmp(mode, "flows") && argc >= 4)
		hold_flows(number(argv[2], 1000000), number(argv[3], LIFETIME), !strcmp(last, "idle"));
	else if (!strcmp(mode, "pingpong") && argc >= 4)
		ping_pong(number(argv[2], 100000000), number(argv[3], 65000), !strcmp(last, "udp"));
	else if (!strcmp(mode, "churn") && argc >= 4)
		churn(number(argv[2], 1000000), number(argv[3], LIFETIME), !strcmp(last, "udp"));
	else if (!strcmp(mode, "bulk") && argc == 3)
		bulk(number(argv[2], LIFETIME * 1000));
	else if (!strcmp(mode, "roundtrips") && argc == 4)
		round_trips(number(argv[2], LIFETIME * 1000), number(argv[3], 65000));
	else if (!strcmp(mode, "probe") && argc == 4)
		probe(number(argv[2], 100000), number(argv[3], 10000));
	else
		usage();
	return 0;
}
