// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's side of the benchmark: empty programs, and what the kernel has metered of all programs. */
#include "bench_tool.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOOK_LEN 96

/* A folder of the root of cgroup v2, or -1. */
static int open_cgroup2(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;
	int fd = -1;

	if (!mounts)
		return -1;
	while (fd < 0 && (mount = getmntent(mounts))) {
		if (!strcmp(mount->mnt_type, "cgroup2"))
			fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	endmntent(mounts);
	return fd;
}

/* "fentry" takes in "fentry/tcp_sendmsg". */
static bool is_wanted(const char *section, char *const hooks[], int count)
{
	for (int i = 0; i < count; i++) {
		size_t len = strlen(hooks[i]);

		if (!strncmp(section, hooks[i], len) && (section[len] == '\0' || section[len] == '/'))
			return true;
	}
	return false;
}

static const char *section_of(const struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);

	return section + (*section == '?');
}

static struct bpf_object *open_empty_programs(void)
{
	struct bpf_object *object = bpf_object__open(EMPTY_OBJECT);

	if (!object)
		failed("%s: %s", EMPTY_OBJECT, strerror(errno));
	return object;
}

/* An object for one program, since an object is loaded whole or not at all. It stays attached until exit. */
static void try_to_attach(const char *name, int cgroup)
{
	struct bpf_object *object = open_empty_programs();
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	struct bpf_link *link = NULL;

	bpf_program__set_autoload(program, true);
	if (!bpf_object__load(object)) {
		if (bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SKB)
			link = bpf_program__attach_cgroup(program, cgroup);
		else
			link = bpf_program__attach(program);
	}
	if (link)
		return;
	fprintf(stderr, "bench_tool: no empty program on %s: %s\n", section_of(program), strerror(errno));
	bpf_object__close(object);
}

void hold_empty_programs(char *const hooks[], int count)
{
	struct bpf_object *all = open_empty_programs();
	int cgroup = open_cgroup2();
	struct bpf_program *program;

	libbpf_set_print(NULL);
	bpf_object__for_each_program (program, all) {
		if (is_wanted(section_of(program), hooks, count))
			try_to_attach(bpf_program__name(program), cgroup);
	}
	bpf_object__close(all);

	/* As kernel.bpf_stats_enabled, for as long as the descriptor is open: nothing is left switched on. */
	must(bpf_enable_stats(BPF_STATS_RUN_TIME), "BPF_ENABLE_STATS");
	say_ready();
	stdin_closed(-1);
}

static const char *tracing_kind(enum bpf_attach_type type)
{
	switch (type) {
	case BPF_TRACE_RAW_TP:
		return "tp_btf";
	case BPF_TRACE_FENTRY:
		return "fentry";
	case BPF_TRACE_FEXIT:
		return "fexit";
	case BPF_TRACE_ITER:
		return "iter";
	default:
		return "tracing";
	}
}

/* Kernels before 5.13 do not say which function or tracepoint: the kind must do. */
static void tracing_hook(char *hook, const struct bpf_link_info *link, const struct btf *kernel)
{
	static const char typedef_prefix[] = "btf_trace_";
	const struct btf_type *type = btf__type_by_id(kernel, link->tracing.target_btf_id);
	const char *target = type ? btf__name_by_offset(kernel, type->name_off) : "";

	if (!strncmp(target, typedef_prefix, strlen(typedef_prefix)))
		target += strlen(typedef_prefix);
	snprintf(hook, HOOK_LEN, "%s%s%s", tracing_kind(link->tracing.attach_type), *target ? "/" : "", target);
}

/* The hook in the way of a section's name, as far as the link tells; also tp_btf may be a raw tracepoint's link. */
static void link_hook(char *hook, __u32 link_id, const struct btf *kernel, enum bpf_prog_type type, __u32 *program_id)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);
	char name[HOOK_LEN];
	int fd = bpf_link_get_fd_by_id(link_id);

	*program_id = 0;
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size)) {
		*program_id = info.prog_id;
		if (info.type == BPF_LINK_TYPE_TRACING) {
			tracing_hook(hook, &info, kernel);
		} else if (info.type == BPF_LINK_TYPE_ITER) {
			snprintf(hook, HOOK_LEN, "iter");
		} else if (info.type == BPF_LINK_TYPE_CGROUP) {
			snprintf(hook, HOOK_LEN, "cgroup_skb/%s",
				 info.cgroup.attach_type == BPF_CGROUP_INET_EGRESS ? "egress" : "ingress");
		} else if (info.type == BPF_LINK_TYPE_RAW_TRACEPOINT) {
			memset(&info, 0, sizeof(info));
			info.raw_tracepoint.tp_name = (__u64)(unsigned long)name;
			info.raw_tracepoint.tp_name_len = sizeof(name);
			if (!bpf_obj_get_info_by_fd(fd, &info, &size))
				snprintf(hook, HOOK_LEN, "%s/%.80s",
					 type == BPF_PROG_TYPE_TRACING ? "tp_btf" : "raw_tp", name);
		} else {
			*program_id = 0;
		}
	}
	close(fd);
}

/* Kprobes attached by way of perf have no link that says so on older kernels. */
static void type_hook(char *hook, enum bpf_prog_type type)
{
	snprintf(hook, HOOK_LEN, type == BPF_PROG_TYPE_KPROBE ? "kprobe" : "");
}

static void find_hook(char *hook, const struct bpf_prog_info *program, const struct btf *kernel)
{
	__u32 program_id;

	type_hook(hook, program->type);
	for (__u32 id = 0; !bpf_link_get_next_id(id, &id);) {
		char found[HOOK_LEN] = "";

		link_hook(found, id, kernel, program->type, &program_id);
		if (program_id == program->id) {
			strcpy(hook, found);
			return;
		}
	}
}

void list_programs(void)
{
	struct btf *kernel = btf__load_vmlinux_btf();

	if (!kernel)
		failed("the kernel's BTF: %s", strerror(errno));
	for (__u32 id = 0; !bpf_prog_get_next_id(id, &id);) {
		struct bpf_prog_info info = {0};
		__u32 size = sizeof(info);
		char hook[HOOK_LEN];
		int fd = bpf_prog_get_fd_by_id(id);

		/* Gone since. */
		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size)) {
			find_hook(hook, &info, kernel);
			printf("{\"id\":%u,\"name\":\"%.16s\",\"hook\":\"%s\",\"type\":%u,\"run_cnt\":%llu,"
			       "\"run_time_ns\":%llu}\n",
			       info.id, info.name, hook, info.type, info.run_cnt, info.run_time_ns);
		}
		close(fd);
	}
	btf__free(kernel);
}
