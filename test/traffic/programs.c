// SPDX-License-Identifier: GPL-2.0-or-later
/* BPF programs and maps that scenarios put in the way of their traffic. */
#include "traffic.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	/* Before 5.11 programs and maps count as locked memory. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

int load_program(int type, int attach_type, const struct bpf_insn *code, int len)
{
	union bpf_attr attr = {
	    .prog_type = type,
	    .insns = (uintptr_t)code,
	    .insn_cnt = len,
	    .license = (uintptr_t) "GPL",
	    .expected_attach_type = attach_type,
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		skipped("a BPF program of type %d: %s", type, strerror(errno));
	return fd;
}

void attach_program(int target, int program, int attach_type, int flags)
{
	union bpf_attr attr = {
	    .target_fd = target, .attach_bpf_fd = program, .attach_type = attach_type, .attach_flags = flags};

	must(bpf(BPF_PROG_ATTACH, &attr), "BPF_PROG_ATTACH");
}

void detach_program(int target, int program, int attach_type)
{
	union bpf_attr attr = {.target_fd = target, .attach_bpf_fd = program, .attach_type = attach_type};

	must(bpf(BPF_PROG_DETACH, &attr), "BPF_PROG_DETACH");
}

int socket_map(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 4, .max_entries = 2};
	int fd = bpf(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		skipped("a map of sockets: %s", strerror(errno));
	return fd;
}

void put_socket(int map, uint32_t key, int fd)
{
	uint32_t value = fd;
	union bpf_attr attr = {.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&value};

	must(bpf(BPF_MAP_UPDATE_ELEM, &attr), "BPF_MAP_UPDATE_ELEM");
}
