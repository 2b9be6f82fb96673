// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP connections that end and begin without pause, or datagrams, while a task is held up wherever it is. */
#include "traffic.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAIRS = 2, MESSAGE = 100, HOLD_UP_EVERY_NS = 100000, CLOCK_READS = 4000 };

/* Reads the clock some thousand times, which takes some 100 us. */
static int loitering_program(void)
{
	static const struct bpf_insn code[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_6, .imm = 0},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns},
	    {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_6, .imm = 1},
	    {.code = BPF_JMP | BPF_JLT | BPF_K, .dst_reg = BPF_REG_6, .imm = CLOCK_READS, .off = -3},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT},
	};

	return load_program(BPF_PROG_TYPE_PERF_EVENT, 0, code, sizeof(code) / sizeof(code[0]));
}

/* Interrupts the task all the time that it runs, in the kernel as well. */
static void hold_up(pid_t task)
{
	struct perf_event_attr attr = {
	    .type = PERF_TYPE_SOFTWARE,
	    .size = sizeof(attr),
	    .config = PERF_COUNT_SW_TASK_CLOCK,
	    .sample_period = HOLD_UP_EVERY_NS,
	};
	int event = syscall(__NR_perf_event_open, &attr, task, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (event < 0)
		skipped("perf_event_open: %s", strerror(errno));
	must(ioctl(event, PERF_EVENT_IOC_SET_BPF, loitering_program()), "PERF_EVENT_IOC_SET_BPF");
}

static void pass(int from, int to)
{
	char message[MESSAGE] = {0};

	must(send(from, message, sizeof(message), 0), "send");
	must(recv(to, message, sizeof(message), MSG_WAITALL), "recv");
}

/* Ends with a reset, which leaves no port in use. */
static void end_pair(const int pair[2])
{
	const struct linger none = {.l_onoff = 1};

	must(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &none, sizeof(none)), "SO_LINGER");
	close(pair[0]);
	close(pair[1]);
}

/* The oldest of some connections ends, another begins; each passes a message each way. */
static void connect_without_pause(void *context)
{
	union address any = loopback(AF_INET, 0);
	int listener = listener_at(&any);
	union address to = local_address(listener);
	int pairs[PAIRS][2];

	(void)context;
	for (long i = 0;; i++) {
		int *pair = pairs[i % PAIRS];

		if (i >= PAIRS)
			end_pair(pair);
		pair[0] = connected_socket(SOCK_STREAM, &to);
		pair[1] = must(accept(listener, NULL, NULL), "accept");
		pass(pair[0], pair[1]);
		pass(pair[1], pair[0]);
	}
}

static void send_without_pause(void *context)
{
	union address any = loopback(AF_INET, 0);
	int receiver = bound_socket(SOCK_DGRAM, &any);
	union address to = local_address(receiver);
	int sender = connected_socket(SOCK_DGRAM, &to);

	(void)context;
	for (;;)
		pass(sender, receiver);
}

/* task=: who is held up. Until a line comes on stdin. */
static void run_restless(void (*run)(void *))
{
	enter_new_netns();
	spawn("tt-restless", run, NULL);
	hold_up(option("task", 0));
	wait_for_go();
}

static void tcp_restless(void)
{
	run_restless(connect_without_pause);
}

static void udp_restless(void)
{
	run_restless(send_without_pause);
}

const struct scenario restless_scenarios[] = {
    {"tcp-restless", tcp_restless},
    {"udp-restless", udp_restless},
    {0},
};
