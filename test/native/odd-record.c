// SPDX-License-Identifier: GPL-2.0-or-later
/* For LD_PRELOAD: the ring buffer delivers one record of eight bytes before all others. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct ring_buffer *new_fn(int map, ring_buffer_sample_fn take, void *context,
				   const struct ring_buffer_opts *options);
typedef int consume_fn(struct ring_buffer *ring);

static ring_buffer_sample_fn take_record;
static void *take_context;

static void *next_of(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	if (!next)
		abort();
	return next;
}

struct ring_buffer *ring_buffer__new(int map, ring_buffer_sample_fn take, void *context,
				     const struct ring_buffer_opts *options)
{
	take_record = take;
	take_context = context;
	return ((new_fn *)next_of("ring_buffer__new"))(map, take, context, options);
}

int ring_buffer__consume(struct ring_buffer *ring)
{
	uint64_t odd = ~0ull;
	ring_buffer_sample_fn take = take_record;
	int stopped = 0;

	take_record = NULL;
	if (take)
		stopped = take(take_context, &odd, sizeof(odd));
	return stopped ? stopped : ((consume_fn *)next_of("ring_buffer__consume"))(ring);
}
