// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: makes a process see a kernel without BPF (DENY_BPF=all), without the ring buffer map
 * (DENY_BPF=ringbuf), or one that refuses it (DENY_BPF=refused). libbpf reaches the kernel through syscall(3), which
 * this replaces.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

typedef long syscall_fn(long number, ...);

static int denied(long command, const union bpf_attr *attr)
{
	const char *what = getenv("DENY_BPF");

	if (!what)
		return 0;
	if (!strcmp(what, "all"))
		return ENOSYS;
	if (!strcmp(what, "refused"))
		return EPERM;
	if (!strcmp(what, "ringbuf") && command == BPF_MAP_CREATE && attr->map_type == BPF_MAP_TYPE_RINGBUF)
		return EINVAL;
	return 0;
}

long syscall(long number, ...)
{
	long a[6];
	va_list list;
	static syscall_fn *next;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == __NR_bpf) {
		int error = denied(a[0], (const union bpf_attr *)a[1]);

		if (error) {
			errno = error;
			return -1;
		}
	}
	if (!next)
		next = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
