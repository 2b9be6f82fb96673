// SPDX-License-Identifier: GPL-2.0-or-later
/* What there is of BPF in the kernel: the ids of programs, links and maps, and how full a hash table is. */
#include "traffic.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEY_MAX 256

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static int list_ids(int command)
{
	union bpf_attr attr = {0};

	while (!bpf(command, &attr)) {
		printf("%u\n", attr.next_id);
		attr.start_id = attr.next_id;
	}
	if (errno == ENOENT)
		return 0;
	perror("traffic: ids");
	return 1;
}

/* Entries of a table that nobody changes meanwhile. */
static unsigned int count_entries(int fd)
{
	char keys[2][KEY_MAX];
	union bpf_attr attr = {.map_fd = fd, .next_key = (uintptr_t)keys[0]};
	unsigned int count = 0;

	while (!bpf(BPF_MAP_GET_NEXT_KEY, &attr)) {
		attr.key = (uintptr_t)keys[count % 2];
		attr.next_key = (uintptr_t)keys[++count % 2];
	}
	return count;
}

/* NAME ENTRIES of each of these maps that is a hash table. */
static int list_entries(int count, char **ids)
{
	for (int i = 0; i < count; i++) {
		union bpf_attr attr = {.map_id = strtoul(ids[i], NULL, 10)};
		struct bpf_map_info info = {0};
		int fd = bpf(BPF_MAP_GET_FD_BY_ID, &attr);

		attr = (union bpf_attr){.info = {.bpf_fd = fd, .info_len = sizeof(info), .info = (uintptr_t)&info}};
		if (fd < 0 || bpf(BPF_OBJ_GET_INFO_BY_FD, &attr)) {
			perror("traffic: map");
			return 1;
		}
		if ((info.type == BPF_MAP_TYPE_HASH || info.type == BPF_MAP_TYPE_LRU_HASH) && info.key_size <= KEY_MAX)
			printf("%s %u\n", info.name, count_entries(fd));
		close(fd);
	}
	return 0;
}

int inspect_bpf(int argc, char **argv)
{
	if (!strcmp(argv[0], "bpf-programs"))
		return list_ids(BPF_PROG_GET_NEXT_ID);
	if (!strcmp(argv[0], "bpf-links"))
		return list_ids(BPF_LINK_GET_NEXT_ID);
	if (!strcmp(argv[0], "bpf-maps"))
		return list_ids(BPF_MAP_GET_NEXT_ID);
	if (!strcmp(argv[0], "bpf-map-entries"))
		return list_entries(argc - 1, argv + 1);
	return 64;
}
