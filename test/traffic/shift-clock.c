// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: moves the wall clock that a process sees by the seconds in SHIFT_CLOCK_FILE (a 64-bit
 * number that another process may change at any time). CLOCK_MONOTONIC stays, as when a clock is set.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int clock_gettime_fn(clockid_t clock, struct timespec *now);

static const volatile int64_t *shift;
static clock_gettime_fn *next;

__attribute__((constructor)) static void open_shift(void)
{
	const char *path = getenv("SHIFT_CLOCK_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		_exit(1);
	close(fd);
	shift = page;
	next = (clock_gettime_fn *)dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int error = next ? next(clock, now) : -1;

	if (!error && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *shift;
	return error;
}

int gettimeofday(struct timeval *now, void *zone)
{
	struct timespec time;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &time))
		return -1;
	*now = (struct timeval){.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *to)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now))
		return -1;
	if (to)
		*to = now.tv_sec;
	return now.tv_sec;
}
