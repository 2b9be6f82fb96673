/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modes of the benchmark's tool; what each prints and takes is said in main.c. */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <stdbool.h>

/* Prints "bench_tool: ..." to stderr and ends this process. */
_Noreturn void failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns `value`, or ends this process if it is negative, with `what` and errno. */
long must(long value, const char *what);

/* Tells the reader of stdout that everything is in place. */
void say_ready(void);

/* Waits until stdin is closed, `ms` milliseconds at most (-1: without end). Whether it is closed. */
bool stdin_closed(int ms);

/* kernel.c */
void hold_empty_programs(char *const hooks[], int count);
void list_programs(void);

/* load.c */
void hold_flows(int rows, int seconds, bool idle);
void ping_pong(long round_trips, int bytes, bool udp);

/* churn.c: says ready, then {"connections":N,"seconds":S} at its end, or when stdin is closed. */
void churn(int per_second, int seconds, bool udp);

/*
 * rates.c: {"bytes":N,"seconds":S,"processor_seconds":P}, and the same with "round_trips". The two ends have
 * processors of their own; P is the time of both.
 */
void bulk(int ms);
void round_trips(int ms, int bytes);
/* The port it listens on, then for each connection its port and the time it was opened (CLOCK_MONOTONIC, ns). */
void probe(int count, int gap_ms);

#endif
