// SPDX-License-Identifier: GPL-2.0-or-later
/* For LD_PRELOAD: before the programs of a BPF object run, its ring buffer gets one record of eight bytes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INSN(opcode, dst, src, offset, value)                                                                          \
	{                                                                                                              \
		.code = (opcode), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value)                  \
	}

typedef int load_fn(struct bpf_object *object);

static _Noreturn void fail(const char *what)
{
	perror(what);
	_exit(1);
}

/* bpf_ringbuf_output(ring, &eight_bytes, 8, 0) in a program for packets, run once on an empty one. */
static void write_record(int ring)
{
	struct bpf_insn program[] = {
	    INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, -1),
	    INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, ring),
	    INSN(0, 0, 0, 0, 0),
	    INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
	    INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -8),
	    INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 8),
	    INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 0),
	    INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output),
	    INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
	    INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	char packet[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet), .repeat = 1);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "odd_record", "GPL", program,
			       sizeof(program) / sizeof(*program), NULL);

	if (fd < 0)
		fail("odd-record: load");
	if (bpf_prog_test_run_opts(fd, &run))
		fail("odd-record: run");
	close(fd);
}

int bpf_object__load(struct bpf_object *object)
{
	load_fn *next = (load_fn *)dlsym(RTLD_NEXT, "bpf_object__load");
	int error = next(object);

	if (error == 0)
		write_record(bpf_object__find_map_fd_by_name(object, "events"));
	return error;
}
