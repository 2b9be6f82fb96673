/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring buffer of a lens. It carries what must not be merged; what finds no room is the lens's to count, and to
 * deliver later if it can.
 */
#ifndef TCPTOP_RING_H
#define TCPTOP_RING_H

#include "kernel.h"

/* Fill level above which only what is urgent may enter. Set by the loader before the programs are loaded. */
const volatile __u64 ring_event_limit = 3ull << 20;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

static __always_inline void count(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

/* Whether an event may enter; what is urgent may use the last quarter. */
static __always_inline bool has_event_room(bool urgent)
{
	return urgent || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) < ring_event_limit;
}

/* User space pulls on a timer, so nobody is woken. */
static __always_inline void submit_event(void *event)
{
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/*
 * What was written before is visible to whoever sees what is written afterwards. x86 keeps the order of stores; on
 * arm64 bpf_ringbuf_discard() does, by an xchg() (bpf_ringbuf_commit(), kernel/bpf/ringbuf.c). Atomic operations that
 * are barriers came with 5.12.
 */
static __always_inline void write_barrier(void)
{
#ifdef __TARGET_ARCH_arm64
	void *nothing = bpf_ringbuf_reserve(&events, sizeof(__u64), 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_NO_WAKEUP);
#endif
	barrier();
}

#endif
